"""`.pt` and `.pth` files: the archives that PyTorch writes since 1.6, and the files that it wrote before.

An archive holds the pickled description of its tensors, `data.pkl`, and each storage as a file of raw numbers,
`data/KEY`. A TorchScript program is an archive like this; its code is not read. Before, a file was a magic
number, a version, the machine's sizes, the description and the storages' keys, each pickled, and then each storage as
its length and its numbers.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rnnviz.core.errors import InputError, damaged
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.bounded_read import ZipMembers, read_at, reading
from rnnviz.io.model_formats.model_file import ModelFile
from rnnviz.io.model_formats.rnn_entry import Tensor, TensorFile, stored_dtype, widened
from rnnviz.io.model_formats.safe_pickle import (
    ITEM_BYTES,
    KIND,
    Contents,
    PickledStorage,
    StorageView,
    Unpickler,
    contents,
)
from rnnviz.io.model_formats.shards import shard_or_whole

_CONFIG = "data/weights/model_weights_config.json"
_BEFORE = "serialized_exported_program.json"
_LARGEST = 64 << 20
_STRIDED = 7
# The numbers of the types in torch/_export/serde/schema.py.
_DTYPES = dict(
    enumerate(
        (
            *("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"),
            *("complex32", "complex64", "complex128", "bool", "bfloat16"),
        ),
        1,
    )
)
_DTYPES |= {28: "uint16", 29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz"}
_DTYPES[34] = "uint32"
_RNN = re.compile(r"torch\.ops\.aten\.(?:quantized_)?rnn_(relu|tanh)[._].*")


def is_exported(path: Path) -> bool:
    """Whether a zip archive is a program of `torch.export`; raises an InputError if it is damaged."""
    members = ZipMembers(path, KIND).sizes
    return any(name.endswith((_CONFIG, _BEFORE)) for name in members) or any(
        "/aotinductor/" in name for name in members
    )


class ExportedProgram:
    """The weights of an exported program, and the activations that its operators name."""

    def __init__(self, path: Path) -> None:
        self._members = ZipMembers(path, KIND)
        configs = [name for name in self._members.sizes if name.endswith(_CONFIG)]
        if len(configs) != 1:
            raise InputError(
                f"{path} is an exported program without its weights by name: save the state_dict of the module, "
                "with torch.save(model.state_dict(), ...)."
            )
        self._folder = configs[0].removesuffix("model_weights_config.json")
        self.contents = Contents({}, {}, {})
        try:
            for name, weight in self._json(configs[0])["config"].items():
                self._add(name, weight)
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            raise damaged(path, KIND, f"{configs[0]} does not describe weights ({error})") from error
        self.contents.texts.update(self._activations(configs[0].removesuffix(_CONFIG)))

    def read(self, storage: PickledStorage) -> bytearray:
        """The bytes of a weight."""
        return self._members.read(self._folder + storage.key, storage.size)

    def _json(self, name: str) -> Any:
        return json.loads(self._members.read_up_to(name, _LARGEST))

    def _add(self, name: str, weight: Mapping[str, Any]) -> None:
        meta, key = weight["tensor_meta"], weight["path_name"]
        shape, strides = _integers(meta["sizes"]), _integers(meta["strides"])
        dtype = _DTYPES.get(meta["dtype"], f"the type {meta['dtype']}")
        self.contents.tensors[name] = Tensor(shape, dtype)
        if weight["use_pickle"] or meta["layout"] != _STRIDED or dtype not in ITEM_BYTES:
            why = f"it is stored as {dtype} in a special form: save the state_dict of the module"
            self.contents.tensors[name] = Tensor(shape, dtype, unreadable=why if dtype in ITEM_BYTES else "")
            return
        size = self._members.sizes[self._folder + key]
        (offset,) = _integers([meta["storage_offset"]])
        view = StorageView(
            PickledStorage(key, dtype, size // ITEM_BYTES[dtype], ITEM_BYTES[dtype]), offset, shape, strides, dtype
        )
        if len(shape) != len(strides) or view.storage.size != size or view.stop > view.storage.length:
            raise ValueError(f"{name} reaches beyond {key}")
        self.contents.views[name] = view

    def _activations(self, folder: str) -> Iterator[tuple[str, str]]:
        """The activation of each RNN, under the name of an attribute of its module."""
        name = f"{folder}models/model.json"
        if not 0 < self._members.sizes.get(name, 0) <= _LARGEST:
            return
        try:
            module = self._json(name)["graph_module"]
            names = {}
            for spec in module["signature"]["input_specs"]:
                parameter = spec.get("parameter") or spec.get("buffer") or {}
                names[parameter.get("arg", {}).get("name")] = next(
                    (text for key, text in parameter.items() if key.endswith("_name")), ""
                )
            for node in module["graph"]["nodes"]:
                if match := _RNN.fullmatch(node["target"]):
                    for weight in _named(node["inputs"], names):
                        prefix, separator, _ = weight.rpartition("weight_ih")
                        if separator:
                            yield f"{prefix}nonlinearity", match[1]
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError):
            # The weights are known without it, and the user is asked for the activation.
            return


def _named(inputs: Any, names: Mapping[Any, str]) -> Iterator[str]:
    """The weights among the inputs of an operator."""
    for each in inputs:
        argument = each["arg"]
        for tensor in [argument.get("as_tensor"), *(argument.get("as_tensors") or ())]:
            if tensor and names.get(tensor.get("name")):
                yield names[tensor["name"]]


def _integers(sizes: Any) -> tuple[int, ...]:
    found = tuple(size["as_int"] for size in sizes)
    if not all(type(size) is int and 0 <= size < 2**63 for size in found):
        raise ValueError("a size is not a whole number")
    return found


_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_LARGEST_DESCRIPTION = 64 << 20


def open_model(path: Path) -> ModelFile:
    return shard_or_whole(path, open_tensors)


def open_tensors(path: Path) -> TensorFile:
    with reading(path), path.open("rb") as file:
        head = file.read(4)
    if head != b"PK\x03\x04":
        return state_dict(_Legacy(path))
    return state_dict(ExportedProgram(path) if is_exported(path) else _Archive(path))


class _Storages(Protocol):
    """The kinds of files: the tensors they describe, and the bytes of their storages."""

    contents: Contents

    def read(self, storage: PickledStorage) -> bytearray:
        """The bytes of a storage, all of them."""
        ...


def state_dict(storages: _Storages) -> TensorFile:
    """The tensors of a state_dict by name, and the texts among the attributes of a program's modules."""
    # One storage may hold all weights of a layer, as those that were on a GPU do.
    last = lru_cache(maxsize=1)(storages.read)

    def read(name: str) -> FloatArray:
        view = storages.contents.views[name]
        stored = stored_dtype(view.dtype)
        flat = np.frombuffer(last(view.storage), stored, view.stop - view.offset, view.offset * stored.itemsize)
        strides = tuple(stride * flat.itemsize for stride in view.strides)
        return widened(np.lib.stride_tricks.as_strided(flat, view.shape, strides, writeable=False), view.dtype)

    return TensorFile(storages.contents.tensors, read, storages.contents.texts)


class _Archive:
    """A zip archive; its checksums are compared with its content."""

    def __init__(self, path: Path) -> None:
        self._members = members = ZipMembers(path, KIND)
        described = [name for name in members.sizes if name == "data.pkl" or name.endswith("/data.pkl")]
        # Files of the user's beside a program are deeper.
        top = min((name.count("/") for name in described), default=0)
        described = [name for name in described if name.count("/") == top]
        if len(described) != 1:
            raise damaged(path, KIND, "it has no data.pkl" if not described else "it has several data.pkl")
        self._folder = described[0].removesuffix("data.pkl")
        order = self._folder + "byteorder"
        if order in members.sizes and members.read_up_to(order, 16).strip() != b"little":
            raise _big_endian(path)
        description = members.read_up_to(described[0], _LARGEST_DESCRIPTION)
        self.contents = contents(Unpickler(path, io.BytesIO(description)).value(), path)
        if self._folder + "constants.pkl" in members.sizes and not self.contents.tensors:
            raise InputError(
                f"{path} is a frozen TorchScript program, whose weights have no names: "
                "save the state_dict of the module before torch.jit.freeze."
            )

    def read(self, storage: PickledStorage) -> bytearray:
        return self._members.read(f"{self._folder}data/{storage.key}", storage.size)


class _Legacy:
    """A file from before PyTorch 1.6."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if Unpickler(path, file).value() != _MAGIC:
                raise damaged(path, KIND, "it does not begin with PyTorch's magic number")
            version = Unpickler(path, file).value()
            if version != _VERSION:
                raise damaged(path, KIND, f"its version is {version} and not {_VERSION}")
            machine = Unpickler(path, file).value()
            if not isinstance(machine, dict) or machine.get("little_endian") is not True:
                raise _big_endian(path)
            description = Unpickler(path, file)
            self.contents = contents(description.value(), path)
            keys = Unpickler(path, file).value()
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                raise damaged(path, KIND, "it has no list of storages")
            self._offsets = self._places(description.storages, keys, file.tell(), size)

    def _places(self, storages: dict[str, PickledStorage], keys: list[str], begin: int, size: int) -> dict[str, int]:
        """Where each storage's numbers begin; all lie within the file and agree with its description."""
        places: dict[str, int] = {}
        with self._path.open("rb") as file:
            for key in keys:
                file.seek(begin)
                length = int.from_bytes(file.read(8), "little")
                if key not in storages or key in places:
                    raise damaged(self._path, KIND, f"the storage {key} is not described, or is there twice")
                if length != storages[key].length:
                    raise damaged(
                        self._path, KIND, f"the storage {key} has {length} numbers in place of {storages[key].length}"
                    )
                places[key] = begin + 8
                begin += 8 + storages[key].size
        if begin != size or len(places) != len(storages):
            raise damaged(self._path, KIND, "its storages do not end where it ends")
        return places

    def read(self, storage: PickledStorage) -> bytearray:
        return read_at(self._path, self._offsets[storage.key], storage.size, KIND, f"the storage {storage.key}")


def _big_endian(path: Path) -> InputError:
    return InputError(f"{path} was written on a big-endian machine: it must be little-endian, save it again on one.")

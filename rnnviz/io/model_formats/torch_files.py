"""Files of PyTorch's users: `.safetensors`, `.pt` and `.pth`, `.pt2`, and the indexes of models in several files.

`.pt` and `.pth` are archives since PyTorch 1.6: the pickled description of the tensors, `data.pkl`, and each storage as
a file of raw numbers, `data/KEY`; so is a TorchScript program, whose code is not read. Before, a file was a magic
number, a version, the machine's sizes, the description and the storages' keys, each pickled, and then each storage as
its length and its numbers. In a `.pt2` file, which `torch.export.save` writes,
`data/weights/model_weights_config.json` describes each weight, whose numbers are a member of that folder.
"""

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from rnnviz.core.bounded_read import ZipMembers, read_at, reading
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError, damaged
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.model_formats import SAFETENSORS, SHARDS
from rnnviz.core.parameters import Parameters, pytorch_name
from rnnviz.io.model_formats.formats import format_of
from rnnviz.io.model_formats.model_file import ModelFile, Tensor, TensorFile, stored_dtype, widened
from rnnviz.io.model_formats.named_arrays import named_arrays, read_tensor
from rnnviz.io.model_formats.safe_pickle import ITEM_BYTES, KIND, Contents, PickledStorage, StorageView, Unpickler

_SAFETENSORS_TYPES = {
    **{f"{kind}{bits}": f"{name}{bits}" for kind, name in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F4": "float4_e2m1fn_x2",
}
_MOST_INDEXES = 50
_SHARD = re.compile(r".*?(?P<number>\d{4,6})-of-(?P<count>\d{4,6})\.\w+")
_CONFIG = "data/weights/model_weights_config.json"
_BEFORE = "serialized_exported_program.json"
_LARGEST = 64 << 20
_STRIDED = 7
# The numbers of the types in torch/_export/serde/schema.py.
_DTYPES = {
    **dict(enumerate(("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"), 1)),
    **dict(enumerate(("complex32", "complex64", "complex128", "bool", "bfloat16"), 9)),
    **dict(enumerate(("uint16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"), 28)),
    34: "uint32",
}
_RNN = re.compile(r"torch\.ops\.aten\.(?:quantized_)?rnn_(relu|tanh)[._].*")
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001


def open_model(path: Path) -> ModelFile:
    """The model that a file is, or, of a shard, the model of all shards by the index next to it."""
    match = _SHARD.fullmatch(path.name)
    if match is None or int(match["count"]) < 2:
        return named_arrays(path, open_tensors(path))
    index = _index_of(path)
    if index is not None:
        return named_arrays(path, _all_shards(index))
    why = (
        f"the file is shard {int(match['number'])} of {int(match['count'])}, and other weights of this network may be "
        "in another one: the index of the shards, a file .index.json, must be next to it"
    )
    return named_arrays(path, _file(path), why)


def open_tensors(path: Path) -> TensorFile:
    return _all_shards(path) if format_of(path) is SHARDS else _file(path)


def _file(path: Path) -> TensorFile:
    """A file that is not an index, which could name itself."""
    if format_of(path) is SAFETENSORS:
        return _safetensors(path)
    with reading(path), path.open("rb") as file:
        head = file.read(4)
    if head != b"PK\x03\x04":
        return _legacy(path)
    members = ZipMembers(path, KIND)
    exported = any(name.endswith((_CONFIG, _BEFORE)) or "/aotinductor/" in name for name in members.sizes)
    return _exported(members) if exported else _archive(members)


def _safetensors(path: Path) -> TensorFile:
    from safetensors import SafetensorError, safe_open

    with reading(path, ".safetensors", (SafetensorError,)):
        with safe_open(path, framework="numpy") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
            tensors = {
                name: Tensor(tuple(part.get_shape()), _SAFETENSORS_TYPES.get(part.get_dtype(), part.get_dtype()))
                for name, part in parts.items()
            }
        # The library has checked the offsets of the numbers but does not report them.
        with path.open("rb") as opened:
            begin = 8 + int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(begin - 8))

    def read(name: str) -> FloatArray:
        return read_tensor(path, ".safetensors", name, tensors[name], begin + header[name]["data_offsets"][0])

    return TensorFile(tensors, read)


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays as `nn.RNN`, `nn.LSTM` and `nn.GRU` load them."""
    write_tensors(path, {pytorch_name(name): array for name, array in parameters.items()})


def write_tensors(path: Path, arrays: Mapping[str, FloatArray], metadata: Mapping[str, str] = {}) -> None:
    """Write arrays by name, and texts by name as the file's metadata."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        # What reads a file for PyTorch looks for this word.
        save_file(dict(arrays), path, metadata={"format": "pt", **metadata})
    except SafetensorError as error:
        raise InputError(f"{path} cannot be written: {' '.join(str(error).split()).rstrip('.')}.") from error


CHARACTERS = "characters"
"""The name of a character model's characters in the metadata of its file."""


def read_characters(path: Path) -> str:
    """The characters of a character model, in the order of its input features."""
    from safetensors import SafetensorError, safe_open

    with reading(path, ".safetensors", (SafetensorError,)), safe_open(path, framework="numpy") as file:
        characters: str = (file.metadata() or {}).get(CHARACTERS, "")
    if not characters:
        raise InputError(f'{path} names no characters: its metadata must have "{CHARACTERS}", all in one text.')
    if len(set(characters)) < len(characters):
        raise InputError(f'{path} names a character twice: "{CHARACTERS}" in its metadata must have each once.')
    return characters


def _all_shards(index: Path) -> TensorFile:
    places = _weight_map(index)
    there = [place for place in dict.fromkeys(places.values()) if (index.parent / place).is_file()]
    files = {place: _file(index.parent / place) for place in there}
    tensors: dict[str, Tensor] = {}
    for name, place in places.items():
        why = f"it is in {place}, which the index names, and which does not hold it or is missing next to it"
        held = files[place].tensors if place in files else {}
        tensors[name] = held.get(name) or Tensor((), "float32", unreadable=why)
    return TensorFile(tensors, lambda name: files[places[name]].read(name))


def files_beside(path: Path) -> list[str]:
    """The names of the files that are read with an index, or with a shard that has one; empty for other files."""
    index = path if path.name.endswith(".json") else _index_of(path)
    if index is None:
        return []
    names = dict.fromkeys([index.name, *_weight_map(index).values()])
    return [name for name in names if name != path.name and (path.parent / name).is_file()]


def _index_of(path: Path) -> Path | None:
    indexes = sorted(path.parent.glob("*.index*.json")) if _SHARD.fullmatch(path.name) else []
    for index in indexes[:_MOST_INDEXES]:
        with suppress(InputError):  # one of another model may be damaged
            if path.name in _weight_map(index).values():
                return index
    return None


def _weight_map(path: Path) -> Mapping[str, str]:
    """The file of each weight, by its name; all are in the folder of the index."""
    with reading(path, "index of shards", (ValueError, RecursionError)):
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        index = json.loads(path.read_bytes())
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise InputError(f"{path} is not a shard index: it must have a weight_map from the name of a weight to a file.")
    for place in dict.fromkeys(places.values()):
        parts = PurePosixPath(place.replace("\\", "/"))
        if not place or parts.is_absolute() or ".." in parts.parts or ":" in place or "\0" in place:
            raise InputError(f"{path} names {place}, which is outside of its folder: all shards must be in it.")
    return places


def _exported(members: ZipMembers) -> TensorFile:
    path = members.path
    configs = [name for name in members.sizes if name.endswith(_CONFIG)]
    if len(configs) != 1:
        raise InputError(f"{path} is an exported program without named weights: save the module's state_dict.")
    folder = configs[0].removesuffix("model_weights_config.json")
    found = Contents({}, {}, {})
    try:
        for name, weight in json.loads(members.read_up_to(configs[0], _LARGEST))["config"].items():
            found.tensors[name], view = _weight(name, weight, members.sizes, folder)
            if view is not None:
                found.views[name] = view
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise damaged(path, KIND, f"{configs[0]} does not describe weights ({error})") from error
    found.texts.update(_activations(members, configs[0].removesuffix(_CONFIG)))
    return _state_dict(found, lambda storage: members.read(folder + storage.key, storage.size))


def _weight(
    name: str, weight: Mapping[str, Any], sizes: Mapping[str, int], folder: str
) -> tuple[Tensor, StorageView | None]:
    meta, key = weight["tensor_meta"], weight["path_name"]
    shape, strides = _integers(meta["sizes"]), _integers(meta["strides"])
    dtype = _DTYPES.get(meta["dtype"], f"the type {meta['dtype']}")
    if weight["use_pickle"] or meta["layout"] != _STRIDED or dtype not in ITEM_BYTES:
        why = f"it is stored as {dtype} in a special form: save the state_dict of the module"
        return Tensor(shape, dtype, unreadable=why if dtype in ITEM_BYTES else ""), None
    size, item_bytes = sizes[folder + key], ITEM_BYTES[dtype]
    (offset,) = _integers([meta["storage_offset"]])
    storage = PickledStorage(key, dtype, size // item_bytes, item_bytes)
    view = StorageView(storage, offset, shape, strides, dtype)
    if len(shape) != len(strides) or storage.size != size or view.stop > storage.length:
        raise ValueError(f"{name} reaches beyond {key}")
    return view.tensor, view


def _activations(members: ZipMembers, folder: str) -> Iterator[tuple[str, str]]:
    """The activation of each RNN, under the name of an attribute of its module."""
    name = f"{folder}models/model.json"
    if not 0 < members.sizes.get(name, 0) <= _LARGEST:
        return
    try:
        module = json.loads(members.read_up_to(name, _LARGEST))["graph_module"]
        names = {}
        for spec in module["signature"]["input_specs"]:
            parameter = spec.get("parameter") or spec.get("buffer") or {}
            full = (text for key, text in parameter.items() if key.endswith("_name"))
            names[parameter.get("arg", {}).get("name")] = next(full, "")
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


def _state_dict(found: Contents, storage: Callable[[PickledStorage], bytearray]) -> TensorFile:
    """The tensors and texts of a state_dict, by what gives all bytes of a storage."""
    # One storage may hold all weights of a layer, as those that were on a GPU do.
    last = lru_cache(maxsize=1)(storage)

    def read(name: str) -> FloatArray:
        view = found.views[name]
        stored = stored_dtype(view.dtype)
        flat = np.frombuffer(last(view.storage), stored, view.stop - view.offset, view.offset * stored.itemsize)
        strides = tuple(stride * flat.itemsize for stride in view.strides)
        return widened(np.lib.stride_tricks.as_strided(flat, view.shape, strides, writeable=False), view.dtype)

    return TensorFile(found.tensors, read, found.texts)


def _archive(members: ZipMembers) -> TensorFile:
    """A zip archive; its checksums are compared with its content."""
    path = members.path
    described = [name for name in members.sizes if name == "data.pkl" or name.endswith("/data.pkl")]
    # Files of the user's next to a program are deeper.
    top = min((name.count("/") for name in described), default=0)
    described = [name for name in described if name.count("/") == top]
    if len(described) != 1:
        raise damaged(path, KIND, "it has no data.pkl" if not described else "it has several data.pkl")
    folder = described[0].removesuffix("data.pkl")
    order = folder + "byteorder"
    if order in members.sizes and members.read_up_to(order, 16).strip() != b"little":
        raise _big_endian(path)
    description = members.read_up_to(described[0], _LARGEST)
    found = Unpickler(path, io.BytesIO(description)).contents()
    if folder + "constants.pkl" in members.sizes and not found.tensors:
        raise InputError(f"{path} is a frozen TorchScript program without named weights: save the module's state_dict.")
    return _state_dict(found, lambda storage: members.read(f"{folder}data/{storage.key}", storage.size))


def _legacy(path: Path) -> TensorFile:
    """A file from before PyTorch 1.6."""
    with reading(path, KIND, (ValueError,)), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        if Unpickler(path, file).value() != _MAGIC or Unpickler(path, file).value() != _VERSION:
            raise ValueError(f"it does not begin with PyTorch's magic number and the version {_VERSION}")
        machine = Unpickler(path, file).value()
        if not isinstance(machine, dict) or machine.get("little_endian") is not True:
            raise _big_endian(path)
        description = Unpickler(path, file)
        found = description.contents()
        keys = Unpickler(path, file).value()
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise ValueError("it has no list of storages")
        places = _places(file, description.storages, keys, size)
    return _state_dict(
        found, lambda storage: read_at(path, places[storage.key], storage.size, KIND, f"the storage {storage.key}")
    )


def _places(file: BinaryIO, storages: Mapping[str, PickledStorage], keys: list[str], size: int) -> dict[str, int]:
    """Where each storage's numbers begin; all lie within the file and agree with its description."""
    places: dict[str, int] = {}
    begin = file.tell()
    for key in keys:
        file.seek(begin)
        length = int.from_bytes(file.read(8), "little")
        if key not in storages or key in places:
            raise ValueError(f"the storage {key} is not described, or is there twice")
        if length != storages[key].length:
            raise ValueError(f"the storage {key} has {length} numbers in place of {storages[key].length}")
        places[key] = begin + 8
        begin += 8 + storages[key].size
    if begin != size or len(places) != len(storages):
        raise ValueError("its storages do not end where it ends")
    return places


def _big_endian(path: Path) -> InputError:
    return InputError(f"{path} was written on a big-endian machine: it must be little-endian, save it again on one.")

"""`.pt2` files, which `torch.export.save` writes: the weights of a program by name, and nothing of its code.

`data/weights/model_weights_config.json` describes each weight, whose numbers are a member of that folder.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rnnviz.core.errors import InputError, damaged
from rnnviz.io.model_formats.safe_pickle import ITEM_BYTES, KIND, Contents, PickledStorage, StorageView
from rnnviz.io.model_formats.tensors import Tensor
from rnnviz.io.model_formats.zip_members import ZipMembers

_CONFIG = "data/weights/model_weights_config.json"
_BEFORE = "serialized_exported_program.json"
_LARGEST = 64 << 20
_STRIDED = 7
# The numbers of the types in torch/_export/serde/schema.py.
_DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    34: "uint32",
}
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

"""`.safetensors` files: their header is checked by the library that defines them."""

import json
from pathlib import Path

import numpy as np

from rnnviz.files.models.entry import ModelFile
from rnnviz.files.models.named_arrays import NamedArrays
from rnnviz.files.models.tensors import Tensor, damaged
from rnnviz.files.models.weights import widened
from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError

_DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U64": "uint64",
    "U32": "uint32",
    "U16": "uint16",
    "U8": "uint8",
    "BOOL": "bool",
}


def open_model(path: Path) -> ModelFile:
    """Open a `.safetensors` file; raises an InputError if it is damaged."""
    return NamedArrays(SafeTensors(path))


class SafeTensors:
    """The arrays of a `.safetensors` file by name."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        self._path = path
        try:
            with safe_open(path, framework="numpy") as file:
                parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
                self.tensors = {
                    name: Tensor(tuple(part.get_shape()), _DTYPES.get(part.get_dtype(), part.get_dtype()))
                    for name, part in parts.items()
                }
        except SafetensorError as error:
            raise damaged(path, ".safetensors", str(error)) from error
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        from safetensors import SafetensorError, safe_open

        tensor = self.tensors[name]
        try:
            if tensor.dtype == "bfloat16":
                return widened(self._bits(name), "bfloat16").reshape(tensor.shape)
            with safe_open(self._path, framework="numpy") as file:
                return widened(file.get_tensor(name), tensor.dtype)
        except SafetensorError as error:
            raise damaged(self._path, ".safetensors", str(error)) from error
        except OSError as error:
            raise InputError(f"{self._path} cannot be read: {error.strerror or error}.") from error

    def _bits(self, name: str) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint16]]":
        """The numbers as they stand in the file: the library reads only what numpy has a type for."""
        with self._path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            begin, end = json.loads(file.read(length))[name]["data_offsets"]
        return np.fromfile(self._path, "<u2", (end - begin) // 2, offset=8 + length + begin)

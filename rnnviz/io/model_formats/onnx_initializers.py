"""The initializers of an ONNX graph as named arrays."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import TensorProto

from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.layered_file import UnreadableError
from rnnviz.io.model_formats.onnx_tensors import FLOATS, StoredTensor, stored_tensor, type_name
from rnnviz.io.model_formats.tensors import Tensor


class Initializers:
    """Those of the main graph, in the model or in its folder; unreadable ones raise an error on access."""

    def __init__(self, path: Path, initializers: Iterable[TensorProto]) -> None:
        self._path = path
        self._stored: dict[str, StoredTensor] = {}
        self._problems: dict[str, str] = {}
        self.tensors: dict[str, Tensor] = {}
        for tensor in initializers:
            dtype = FLOATS.get(tensor.data_type) or type_name(tensor.data_type)
            self.tensors[tensor.name] = Tensor(tuple(tensor.dims), dtype)
            try:
                self._stored[tensor.name] = stored_tensor(tensor, path)
            except UnreadableError as error:
                self._problems[tensor.name] = str(error)
            except OSError as error:
                self._problems[tensor.name] = error.strerror or str(error)

    def read(self, name: str) -> FloatArray:
        """The numbers of one initializer; as `tensors.TensorFile` says, and an InputError if they are elsewhere."""
        try:
            if name in self._problems:
                raise UnreadableError(self._problems[name])
            numbers = self._stored[name].read()
        except UnreadableError as error:
            raise InputError(f"{self._path}: {name} cannot be read: {error}.") from error
        except OSError as error:
            raise InputError(f"{self._path}: {name} cannot be read: {error.strerror or error}.") from error
        return numbers.astype(np.float64 if numbers.dtype == np.float64 else np.float32)

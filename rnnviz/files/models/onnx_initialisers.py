"""The initialisers of an ONNX graph as named arrays."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import TensorProto

from rnnviz.files.models.onnx_tensors import FLOATS, StoredTensor, stored_tensor, type_name
from rnnviz.files.models.stored_layers import UnreadableError
from rnnviz.files.models.tensors import Tensor
from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError


class Initialisers:
    """Those of the main graph, in the model or within its folder; what cannot be read is told where it is asked for."""

    def __init__(self, path: Path, initialisers: Iterable[TensorProto]) -> None:
        self._path = path
        self._stored: dict[str, StoredTensor] = {}
        self._problems: dict[str, str] = {}
        self.tensors: dict[str, Tensor] = {}
        for tensor in initialisers:
            dtype = FLOATS.get(tensor.data_type) or type_name(tensor.data_type)
            self.tensors[tensor.name] = Tensor(tuple(tensor.dims), dtype)
            try:
                self._stored[tensor.name] = stored_tensor(tensor, path)
            except UnreadableError as error:
                self._problems[tensor.name] = str(error)
            except OSError as error:
                self._problems[tensor.name] = error.strerror or str(error)

    def read(self, name: str) -> FloatArray:
        """The numbers of one initialiser; as `tensors.TensorFile` says, and an InputError if they are elsewhere."""
        try:
            if name in self._problems:
                raise UnreadableError(self._problems[name])
            numbers = self._stored[name].read()
        except UnreadableError as error:
            raise InputError(f"{self._path}: {name} cannot be read: {error}.") from error
        except OSError as error:
            raise InputError(f"{self._path}: {name} cannot be read: {error.strerror or error}.") from error
        return numbers.astype(np.float64 if numbers.dtype == np.float64 else np.float32)

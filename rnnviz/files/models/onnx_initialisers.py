"""The initialisers of an ONNX graph as named arrays."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from onnx import TensorProto

from rnnviz.files.models.onnx_tensors import StoredTensor, stored_tensor
from rnnviz.files.models.stored_layers import UnreadableError
from rnnviz.files.models.tensors import Tensor, damaged
from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError


class Initialisers:
    """Those of the main graph whose numbers are in the model's folder; those of other types are passed over."""

    def __init__(self, path: Path, initialisers: Iterable[TensorProto]) -> None:
        self._path = path
        self._stored: dict[str, StoredTensor] = {}
        for tensor in initialisers:
            try:
                self._stored[tensor.name] = stored_tensor(tensor, path)
            except (UnreadableError, OSError):
                continue
        self.tensors = {name: Tensor(stored.shape, stored.dtype.name) for name, stored in self._stored.items()}

    def read(self, name: str) -> FloatArray:
        """The numbers of one initialiser; as `tensors.TensorFile` says."""
        try:
            numbers = self._stored[name].read()
        except UnreadableError as error:
            raise damaged(self._path, "ONNX", str(error)) from error
        except OSError as error:
            raise InputError(f"{self._path}: {name} cannot be read: {error.strerror or error}.") from error
        return numbers.astype(np.float64 if numbers.dtype == np.float64 else np.float32)

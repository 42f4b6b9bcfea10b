"""The arrays of a Keras file by their paths in it."""

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.keras_archive import KerasFile
from rnnviz.io.model_formats.keras_h5 import read_array, read_tree
from rnnviz.io.model_formats.tensors import Tensor


class KerasArrays:
    """Every array that can be read, such as `layers/embedding/vars/0`."""

    def __init__(self, file: KerasFile) -> None:
        self._file = file
        with file.weights() as (weights, size):
            arrays = read_tree(weights, size).arrays
        self._arrays = {name: array for name, array in arrays.items() if not array.problem}
        self.tensors = {name: Tensor(array.shape, array.dtype) for name, array in self._arrays.items()}

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        with self._file.weights() as (weights, _size):
            return read_array(weights, self._arrays[name])

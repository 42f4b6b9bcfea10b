"""`.npz` files and folders of `.npy` files; nothing is unpickled, and no number is read before it is asked for."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError, check_regular, printable
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.npz import DAMAGE, NpyHeader, NpzFile, read_npy_header
from rnnviz.core.parameters import Parameters
from rnnviz.io.bounded_read import read_pieces, reading
from rnnviz.io.model_formats.model_file import ModelFile
from rnnviz.io.model_formats.named_arrays import named_arrays
from rnnviz.io.model_formats.rnn_entry import Tensor, TensorFile, widened

_ARCHIVED = "parameters."
"""The prefix of weights in the archive of a run."""
_PICKLED = "it is stored as pickled Python objects, which are never unpickled: save it as an array of numbers"


def open_model(path: Path) -> ModelFile:
    file = open_tensors(path)
    model = named_arrays(path, file)
    pickled = [name for name, tensor in file.tensors.items() if tensor.unreadable]
    if pickled and not model.entries:
        raise InputError(
            f"{path} holds pickled Python objects ({printable(pickled[0])}), which are never unpickled: "
            "save arrays by name, with np.savez(path, **arrays)."
        )
    return model


def open_tensors(path: Path) -> TensorFile:
    """The arrays of an archive or a folder by name, without texts and records; pickled ones cannot be read."""
    files = _Folder(path) if path.is_dir() else NpzFile(path)
    stored = {
        name.removeprefix(_ARCHIVED): name for name, header in files.headers.items() if header.dtype.kind in "biufcO"
    }
    headers = {name: files.headers[archived] for name, archived in stored.items()}
    tensors = {
        name: Tensor(header.shape, header.dtype.name, unreadable=_PICKLED if header.dtype.hasobject else "")
        for name, header in headers.items()
    }
    return TensorFile(tensors, lambda name: widened(files.read(stored[name]), headers[name].dtype.name))


class _Folder:
    """As `NpzFile`, of a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.headers: dict[str, NpyHeader] = {}
        with reading(path, "numpy", DAMAGE):
            for file in sorted(path.glob("*.npy")):
                check_regular(file)
                with file.open("rb") as opened:
                    self.headers[file.stem] = read_npy_header(opened, file.stat().st_size)

    def read(self, name: str) -> FloatArray:
        header = self.headers[name]
        with reading(self._path, "numpy", DAMAGE), (self._path / f"{name}.npy").open("rb") as file:
            file.read(header.begin)
            content = read_pieces(file, header.size - header.begin)
            if len(content) != header.size - header.begin or file.read(1):
                raise ValueError(f"{name} is longer or shorter than it says")
            array = np.frombuffer(content, header.dtype)
            return array.reshape(header.shape, order="F" if header.fortran else "C")


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays as `numpy.load` reads them; raises an OSError if the disk is full."""
    # Not numpy.savez, which leaves its archive open where the disk is full.
    with ZipFile(path, "w") as archive:
        for name, array in parameters.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)  # type: ignore[no-untyped-call]

"""The formats of model files, told apart by what a file begins with, and by its ending where that does not tell."""

import os
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rnnviz.files.models.entry import ModelFile
from rnnviz.files.models.tensors import TensorFile
from rnnviz.model.errors import InputError

_HEAD_BYTES = 64
_ZIP = b"PK\x03\x04"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NDARRAY_LIST = (0x112).to_bytes(8, "little")
_LEGACY_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


@dataclass(frozen=True)
class Format:
    """One format: its name, the endings that its files usually have, and where its reader is.

    The module `reader` is imported when a file needs it. It has `open_model(path: Path) -> ModelFile`, and
    `open_tensors(path: Path) -> TensorFile` for all arrays, those of no recurrent layer too.
    """

    name: str
    endings: tuple[str, ...]
    reader: str

    def open(self, path: Path) -> ModelFile:
        """Open a file of this format; raises an InputError if it is damaged."""
        reader: Callable[[Path], ModelFile] = self._module().open_model
        return reader(path)

    def open_tensors(self, path: Path) -> TensorFile:
        """Open a file of this format for its arrays; raises an InputError if it is damaged."""
        reader: Callable[[Path], TensorFile] = self._module().open_tensors
        return reader(path)

    def _module(self) -> ModuleType:
        return import_module(f"rnnviz.files.models.{self.reader}")


MXNET = Format("MXNet parameters", (".params",), "mxnet_params")
SAFETENSORS = Format("safetensors", (".safetensors",), "safetensors")
TORCH = Format("PyTorch", (".pt", ".pth", ".bin", ".ckpt"), "torch_files")
ONNX = Format("ONNX", (".onnx",), "onnx")
KERAS = Format("Keras", (".keras", ".h5", ".hdf5"), "keras")
NUMPY = Format("numpy", (".npz",), "numpy_files")
FORMATS = (MXNET, SAFETENSORS, TORCH, ONNX, KERAS, NUMPY)

ENDINGS = tuple(ending for known in FORMATS for ending in known.endings)
"""The endings of all formats."""


def open_model(path: Path) -> ModelFile:
    """Open a model file, or a folder of `.npy` files.

    Call it where memory is limited (`limits.limited_memory`) and a crash is survived: in a process of its own.

    Raises
    ------
    InputError
        If the file cannot be read, is of no known format, or is damaged.
    """
    return format_of(path).open(path)


def format_of(path: Path) -> Format:
    """The format of a file or folder.

    Raises
    ------
    InputError
        If it cannot be read, or neither its content nor its ending is known.
    """
    if os.path.isdir(path):
        return NUMPY
    try:
        # A pipe would be waited for, and a device may never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path} is no file: it must be one, or a folder of .npy files.")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not head:
        raise InputError(f"{path} is empty: a model file must hold weights.")
    known = _by_content(path, head) or _by_ending(path)
    if known is None:
        raise InputError(
            f"{path} is no model file that can be read: it must be one of {', '.join(ENDINGS)}, "
            "or a folder of .npy files."
        )
    return known


def _by_content(path: Path, head: bytes) -> Format | None:
    if head.startswith(_NDARRAY_LIST):
        return MXNET
    if head.startswith(_HDF5):
        return KERAS
    if head.startswith(_LEGACY_TORCH):
        return TORCH
    if head.startswith(_ZIP):
        return _by_members(path)
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return SAFETENSORS
    return None


def _by_members(path: Path) -> Format | None:
    """The format of a zip archive, from its directory alone."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return None
    if any(name.endswith(".weights.h5") for name in names):
        return KERAS
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return TORCH
    return NUMPY if any(name.endswith(".npy") for name in names) else None


def _by_ending(path: Path) -> Format | None:
    ending = path.suffix.lower()
    return next((known for known in FORMATS if ending in known.endings), None)

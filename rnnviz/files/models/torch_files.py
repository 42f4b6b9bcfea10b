"""`.pt` and `.pth` files: the archives that PyTorch writes since 1.6, and what it wrote before.

An archive holds the pickled description of its tensors, `data.pkl`, and each storage as a file of raw numbers,
`data/KEY`. Before, a file was a magic number, a version, the machine's sizes, the description and the storages' keys,
each pickled, and then each storage as its length and its numbers.
"""

import io
import zipfile
from pathlib import Path
from typing import Protocol

import numpy as np

from rnnviz.files.models.entry import ModelFile
from rnnviz.files.models.named_arrays import NamedArrays
from rnnviz.files.models.pickled import ITEM_BYTES, KIND, Storage, Unpickler, View, views
from rnnviz.files.models.tensors import TensorFile
from rnnviz.files.models.weights import widened
from rnnviz.files.pieces import read_pieces
from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError, damaged
from rnnviz.model.zip_damage import ZIP_DAMAGE

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_LARGEST_DESCRIPTION = 64 << 20
_DAMAGE = (*ZIP_DAMAGE, KeyError)


def open_model(path: Path) -> ModelFile:
    """Open a `.pt` file; raises an InputError if it is damaged or holds more than tensors."""
    return NamedArrays(open_tensors(path))


def open_tensors(path: Path) -> TensorFile:
    """All tensors of a `.pt` file; raises an InputError if it is damaged or holds more than tensors."""
    try:
        with path.open("rb") as file:
            archive = file.read(4) == b"PK\x03\x04"
        return StateDict(path, _Archive(path) if archive else _Legacy(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


class _Storages(Protocol):
    """The two kinds of files: the tensors they describe, and the bytes of their storages."""

    views: dict[str, View]

    def read(self, storage: Storage) -> bytearray:
        """The bytes of a storage, all of them."""
        ...


class StateDict:
    """The tensors of a state_dict by name."""

    def __init__(self, path: Path, storages: _Storages) -> None:
        self._path, self._storages = path, storages
        self.tensors = {name: view.tensor for name, view in storages.views.items()}
        # One storage may hold all weights of a layer, as those that were on a GPU do.
        self._last: tuple[Storage, bytearray] | None = None

    def read(self, name: str) -> FloatArray:
        """The numbers of one tensor; as `tensors.TensorFile` says."""
        view = self._storages.views[name]
        if self._last is None or self._last[0] != view.storage:
            try:
                self._last = view.storage, self._storages.read(view.storage)
            except OSError as error:
                raise InputError(f"{self._path} cannot be read: {error.strerror or error}.") from error
        dtype = view.storage.dtype
        stored = np.dtype("uint16" if dtype == "bfloat16" else dtype).newbyteorder("<")
        flat = np.frombuffer(self._last[1], stored)[view.offset : view.stop]
        # What is strided over it would else read what stands behind it in memory.
        assert len(flat) == view.stop - view.offset
        strides = tuple(stride * flat.itemsize for stride in view.strides)
        return widened(np.lib.stride_tricks.as_strided(flat, view.shape, strides, writeable=False), dtype)


class _Archive:
    """A zip archive; its checksums are held against what is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                described = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
                if len(described) != 1:
                    raise damaged(path, KIND, "it has no data.pkl" if not described else "it has several data.pkl")
                self._folder = described[0].removesuffix("data.pkl")
                if self._folder + "constants.pkl" in names:
                    raise InputError(
                        f"{path} is a TorchScript program, whose code is never run: save its state_dict alone, "
                        "with torch.save(model.state_dict(), ...)."
                    )
                size = archive.getinfo(described[0]).file_size
                if size > _LARGEST_DESCRIPTION:
                    raise damaged(path, KIND, f"its data.pkl would have {size} bytes")
                order = self._folder + "byteorder"
                if order in names and self._bytes(archive, order, 16).strip() != b"little":
                    raise _big_endian(path)
                description = self._bytes(archive, described[0], size)
        except _DAMAGE as error:
            if isinstance(error, InputError):
                raise
            raise damaged(path, KIND, str(error) or type(error).__name__) from error
        self.views = views(Unpickler(path, io.BytesIO(description)).value(), path)

    def read(self, storage: Storage) -> bytearray:
        size = storage.length * ITEM_BYTES[storage.dtype]
        name = f"{self._folder}data/{storage.key}"
        try:
            with zipfile.ZipFile(self._path) as archive:
                there = archive.getinfo(name).file_size
                if there != size:
                    raise damaged(self._path, KIND, f"{name} has {there} bytes in place of {size}")
                content = self._bytes(archive, name, size)
                # A directory that tells of nothing stored has the checksum of nothing.
                if len(content) != size:
                    raise damaged(self._path, KIND, f"{name} has {len(content)} bytes in place of {size}")
                return content
        except _DAMAGE as error:
            if isinstance(error, InputError):
                raise
            raise damaged(self._path, KIND, str(error) or type(error).__name__) from error

    def _bytes(self, archive: zipfile.ZipFile, name: str, limit: int) -> bytearray:
        with archive.open(name) as file:
            content = read_pieces(file, limit)
            # The checksum is looked at where a file ends.
            if file.read(1):
                raise damaged(self._path, KIND, f"{name} has more than {limit} bytes")
        return content


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
            self.views = views(Unpickler(path, file).value(), path)
            keys = Unpickler(path, file).value()
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                raise damaged(path, KIND, "it has no list of storages")
            self._offsets = self._places(keys, file.tell(), size)

    def _places(self, keys: list[str], begin: int, size: int) -> dict[str, int]:
        """Where each storage's numbers begin; all lie within the file and agree with what it describes."""
        storages = {view.storage.key: view.storage for view in self.views.values()}
        places: dict[str, int] = {}
        with self._path.open("rb") as file:
            for key in keys:
                file.seek(begin)
                length = int.from_bytes(file.read(8), "little")
                if key not in storages or key in places:
                    raise damaged(self._path, KIND, f"the storage {key} belongs to no tensor, or is there twice")
                if length != storages[key].length:
                    raise damaged(
                        self._path, KIND, f"the storage {key} has {length} numbers in place of {storages[key].length}"
                    )
                places[key] = begin + 8
                begin += 8 + length * ITEM_BYTES[storages[key].dtype]
        if begin != size or len(places) != len(storages):
            raise damaged(self._path, KIND, "its storages do not end where it ends")
        return places

    def read(self, storage: Storage) -> bytearray:
        size = storage.length * ITEM_BYTES[storage.dtype]
        with self._path.open("rb") as file:
            file.seek(self._offsets[storage.key])
            content = read_pieces(file, size)
        if len(content) != size:
            raise damaged(self._path, KIND, "it ends too early")
        return content


def _big_endian(path: Path) -> InputError:
    return InputError(f"{path} was written on a big-endian machine: it must be little-endian, save it again on one.")

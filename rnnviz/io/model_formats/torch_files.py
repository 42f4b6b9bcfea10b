"""`.pt` and `.pth` files: the archives that PyTorch writes since 1.6, and the files that it wrote before.

An archive holds the pickled description of its tensors, `data.pkl`, and each storage as a file of raw numbers,
`data/KEY`. A TorchScript program is an archive like this; its code is not read. Before, a file was a magic
number, a version, the machine's sizes, the description and the storages' keys, each pickled, and then each storage as
its length and its numbers.
"""

import io
from pathlib import Path
from typing import Protocol

import numpy as np

from rnnviz.core.errors import InputError, damaged
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.exported_programs import ExportedProgram, is_exported
from rnnviz.io.model_formats.named_arrays import NamedArrays
from rnnviz.io.model_formats.rnn_entry import ModelFile
from rnnviz.io.model_formats.safe_pickle import KIND, Contents, PickledStorage, Unpickler, contents
from rnnviz.io.model_formats.shard_index import shard_or_whole
from rnnviz.io.model_formats.tensors import TensorFile
from rnnviz.io.model_formats.weights import widened
from rnnviz.io.model_formats.zip_members import ZipMembers
from rnnviz.io.readers.chunked_read import read_pieces

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_LARGEST_DESCRIPTION = 64 << 20


def open_model(path: Path) -> ModelFile:
    """Open a `.pt` file; raises an InputError if it is damaged or holds more than tensors."""
    return shard_or_whole(
        path, _opened, lambda file, incomplete: NamedArrays(file, texts=file.texts, incomplete=incomplete)
    )


def open_tensors(path: Path) -> TensorFile:
    """All tensors of a `.pt` file; raises an InputError if it is damaged or holds more than tensors."""
    return _opened(path)


def _opened(path: Path) -> "StateDict":
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if head != b"PK\x03\x04":
        return StateDict(path, _Legacy(path))
    return StateDict(path, ExportedProgram(path) if is_exported(path) else _Archive(path))


class _Storages(Protocol):
    """The kinds of files: the tensors they describe, and the bytes of their storages."""

    contents: Contents

    def read(self, storage: PickledStorage) -> bytearray:
        """The bytes of a storage, all of them."""
        ...


class StateDict:
    """The tensors of a state_dict by name.

    `texts` are those among the attributes of a program's modules, by name.
    """

    def __init__(self, path: Path, storages: _Storages) -> None:
        self._path, self._storages = path, storages
        self.tensors = storages.contents.tensors
        self.texts = storages.contents.texts
        # One storage may hold all weights of a layer, as those that were on a GPU do.
        self._last: tuple[PickledStorage, bytearray] | None = None

    def read(self, name: str) -> FloatArray:
        """The numbers of one tensor; as `tensors.TensorFile` says."""
        view = self._storages.contents.views[name]
        if self._last is None or self._last[0] != view.storage:
            try:
                self._last = view.storage, self._storages.read(view.storage)
            except OSError as error:
                raise InputError(f"{self._path} cannot be read: {error.strerror or error}.") from error
        stored = np.dtype("uint16" if view.dtype == "bfloat16" else view.dtype).newbyteorder("<")
        flat = np.frombuffer(self._last[1], stored, view.stop - view.offset, view.offset * stored.itemsize)
        strides = tuple(stride * flat.itemsize for stride in view.strides)
        return widened(np.lib.stride_tricks.as_strided(flat, view.shape, strides, writeable=False), view.dtype)


class _Archive:
    """A zip archive; its checksums are compared with its content."""

    def __init__(self, path: Path) -> None:
        self._members = members = ZipMembers(path, KIND)
        described = [name for name in members.sizes if name == "data.pkl" or name.endswith("/data.pkl")]
        # Files of the user's beside a program are deeper.
        top = min((name.count("/") for name in described), default=0)
        described = [name for name in described if name.count("/") == top]
        if len(described) != 1:
            raise damaged(path, KIND, "it has no data.pkl" if not described else "it has several data.pkl")
        self._folder = described[0].removesuffix("data.pkl")
        order = self._folder + "byteorder"
        if order in members.sizes and members.read_up_to(order, 16).strip() != b"little":
            raise _big_endian(path)
        description = members.read_up_to(described[0], _LARGEST_DESCRIPTION)
        self.contents = contents(Unpickler(path, io.BytesIO(description)).value(), path)
        if self._folder + "constants.pkl" in members.sizes and not self.contents.tensors:
            raise InputError(
                f"{path} is a frozen TorchScript program, whose weights have no names: "
                "save the state_dict of the module before torch.jit.freeze."
            )

    def read(self, storage: PickledStorage) -> bytearray:
        return self._members.read(f"{self._folder}data/{storage.key}", storage.size)


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
            description = Unpickler(path, file)
            self.contents = contents(description.value(), path)
            keys = Unpickler(path, file).value()
            if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
                raise damaged(path, KIND, "it has no list of storages")
            self._offsets = self._places(description.storages, keys, file.tell(), size)

    def _places(self, storages: dict[str, PickledStorage], keys: list[str], begin: int, size: int) -> dict[str, int]:
        """Where each storage's numbers begin; all lie within the file and agree with its description."""
        places: dict[str, int] = {}
        with self._path.open("rb") as file:
            for key in keys:
                file.seek(begin)
                length = int.from_bytes(file.read(8), "little")
                if key not in storages or key in places:
                    raise damaged(self._path, KIND, f"the storage {key} is not described, or is there twice")
                if length != storages[key].length:
                    raise damaged(
                        self._path, KIND, f"the storage {key} has {length} numbers in place of {storages[key].length}"
                    )
                places[key] = begin + 8
                begin += 8 + storages[key].size
        if begin != size or len(places) != len(storages):
            raise damaged(self._path, KIND, "its storages do not end where it ends")
        return places

    def read(self, storage: PickledStorage) -> bytearray:
        with self._path.open("rb") as file:
            file.seek(self._offsets[storage.key])
            content = read_pieces(file, storage.size)
        if len(content) != storage.size:
            raise damaged(self._path, KIND, "it ends too early")
        return content


def _big_endian(path: Path) -> InputError:
    return InputError(f"{path} was written on a big-endian machine: it must be little-endian, save it again on one.")

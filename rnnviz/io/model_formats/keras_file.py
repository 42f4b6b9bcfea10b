"""Weights and config in a Keras file: an archive, which may be unpacked into a folder, or an HDF5 file alone.

Only data in the file itself is read: no link to another name or file, no dataset whose numbers are elsewhere, no
filter but those that every HDF5 library brings.
"""

import json
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from math import prod
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from rnnviz.core.bounded_read import PIECE_BYTES, ZIP_DAMAGE, limited_time, reading
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.progress import advance, expect
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.model_file import DTYPES, UnreadableError, widened

DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, RecursionError)
"""The exceptions of h5py on corrupt content."""

WEIGHTS, CONFIG = "model.weights.h5", "config.json"
"""The members of a `.keras` archive."""

HEADER_SECONDS = 60.0
"""How long the reading of all but numbers may take; HDF5 1.14 loops for ever over some damaged texts."""

_DEEPEST = 40
_MOST_OBJECTS = 100_000
_LARGEST_TEXT = 64 << 20
_FILTERS = (h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_LZF)
# A chunk is decompressed as a whole; deflate makes at most 1,032 bytes of one.
_LARGEST_CHUNK = 1 << 20
_LARGEST_DEFLATED = 1100
# Weights are compressed to little less than they are; more than this is no file of weights.
_LARGEST_RATIO = 100


@dataclass(frozen=True)
class StoredArray:
    """A dataset by its path. `problem` says why it cannot be read, if so; it ends a sentence."""

    path: str
    shape: tuple[int, ...]
    dtype: str
    problem: str = ""


@dataclass(frozen=True)
class Tree:
    """All datasets of a file by path, and the names that Keras gave to groups."""

    arrays: dict[str, StoredArray]
    names: dict[str, str]


def read_tree(file: h5py.File, size: int) -> Tree:
    """List the content of a file of `size` bytes, no values; UnreadableError for too many groups, or too deep ones."""
    tree = Tree({}, {})
    with limited_time(HEADER_SECONDS):
        for path, member in _members(file):
            if isinstance(member, h5py.Dataset):
                tree.arrays[path] = _stored(path, member, size)
            elif name := text_attribute(member, "name"):
                tree.names[path] = name
    return tree


def read_array(file: h5py.File, array: StoredArray) -> FloatArray:
    """The numbers of an array that has no problem, widened as `widened` does."""
    stored = file[array.path]
    if stored.shape != array.shape:
        raise UnreadableError(f"{array.path} has changed since the file was opened")
    numbers = _numbers(stored)
    if array.dtype == "bfloat16":
        return widened(np.ascontiguousarray(numbers).view("<u2"), "bfloat16")
    return widened(numbers, array.dtype)


def _numbers(stored: h5py.Dataset) -> NDArray[Any]:
    """All of a dataset, some rows at a time."""
    numbers = np.empty(stored.shape, stored.dtype)
    if not numbers.size or not numbers.ndim:
        stored.read_direct(numbers)
        return numbers
    rows = max(1, PIECE_BYTES * len(numbers) // numbers.nbytes)
    # A row of chunks is decompressed as a whole.
    rows += -rows % (stored.chunks or (1,))[0]
    for begin in range(0, len(numbers), rows):
        part = np.s_[begin : begin + rows]
        stored.read_direct(numbers, part, part)
        advance(numbers[part].nbytes)
    return numbers


def text_attribute(group: h5py.Group, name: str) -> str | None:
    """An attribute that is one text, or None."""
    if name not in group.attrs:
        return None
    attribute = group.attrs.get_id(name)
    if attribute.shape != () or attribute.get_storage_size() > _LARGEST_TEXT:
        return None
    text: Any = group.attrs[name]
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    return text if isinstance(text, str) else None


def _members(group: h5py.Group) -> Iterator[tuple[str, h5py.Group | h5py.Dataset]]:
    count, stack = 0, [("", group, 0)]
    while stack:
        path, parent, level = stack.pop()
        for name in parent:
            count += 1
            if count > _MOST_OBJECTS or level > _DEEPEST:
                raise UnreadableError(f"it has more than {_MOST_OBJECTS:,} groups, or some more than {_DEEPEST} deep")
            if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
                continue
            member, place = parent[name], f"{path}/{name}" if path else name
            if isinstance(member, h5py.Group | h5py.Dataset):
                yield place, member
            if isinstance(member, h5py.Group):
                stack.append((place, member, level + 1))


def _stored(path: str, dataset: h5py.Dataset, size: int) -> StoredArray:
    try:
        shape = dataset.shape
        if shape is None:
            return StoredArray(path, (), "nothing", f"{path} is empty")
        dtype = np.dtype(dataset.dtype).newbyteorder("=").name
        if dataset.dtype == np.dtype("V2") and text_attribute(dataset, "dtype") == "bfloat16":
            dtype = "bfloat16"
        return StoredArray(path, tuple(shape), dtype, _problem(path, dataset, dtype, size))
    except DAMAGE:
        # What numpy has no type for, among others.
        return StoredArray(path, (), "unknown", f"{path} has an unsupported type")


def _problem(path: str, dataset: h5py.Dataset, dtype: str, size: int) -> str:
    if dtype == "void16":
        return f"{path} holds bfloat16 without its name, as Keras writes it to .h5: save the model as .keras"
    if dtype not in DTYPES:
        return f"{path} holds {dtype}, which is not read"
    if dataset.is_virtual or dataset.external:
        return f"{path} has its numbers in another file, which is not followed"
    needed, stored = prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
    settings = dataset.id.get_create_plist()
    layout = settings.get_layout()
    if layout == h5py.h5d.CHUNKED:
        filters = [settings.get_filter(k)[0] for k in range(settings.get_nfilters())]
        if any(number not in _FILTERS for number in filters):
            return f"{path} is compressed by a filter that is not read"
        most = _LARGEST_DEFLATED * stored if filters else stored
        chunk = prod(dataset.chunks) * dataset.dtype.itemsize
        if needed > most or stored > size or chunk > max(_LARGEST_CHUNK, 4 * needed):
            return f"{path} of shape {list(dataset.shape)} needs {needed:,} bytes, and the file holds {stored:,}"
        return ""
    place = dataset.id.get_offset() if layout == h5py.h5d.CONTIGUOUS else 0
    if stored != needed or place is None or place + needed > size:
        return f"{path} of shape {list(dataset.shape)} needs {needed:,} bytes, and the file does not hold them"
    return ""


class KerasFile:
    """A `.keras` archive or an `.h5` file, and its config as JSON, which may be next to it, or None."""

    def __init__(self, path: Path) -> None:
        """Read the config, and verify the checksums of an archive."""
        self.path = path
        with self._reading():
            with path.open("rb") as file:
                self._archived = file.read(4) == b"PK\x03\x04"
            config = self._checked_archive() if self._archived else self._config_attribute()
            self.config: Any = None if config is None else json.loads(config)

    @contextmanager
    def weights(self) -> Iterator[tuple[h5py.File, int]]:
        """The open HDF5 file of weights, and its size."""
        with self._reading(), self._bytes() as (source, size), h5py.File(source, "r") as file:
            yield file, size

    def _reading(self) -> AbstractContextManager[None]:
        return reading(self.path, "Keras", (*ZIP_DAMAGE, *DAMAGE))

    def _config_attribute(self) -> str | bytes | None:
        beside = config_beside(self.path)
        if beside is None:
            with self.weights() as (file, _size), limited_time(HEADER_SECONDS):
                return text_attribute(file, "model_config")
        if beside.stat().st_size > _LARGEST_TEXT:
            raise ValueError(f"the {CONFIG} next to it is too large")
        return beside.read_bytes()

    def _checked_archive(self) -> bytes | None:
        with zipfile.ZipFile(self.path) as archive:
            names = archive.namelist()
            if names.count(WEIGHTS) != 1 or names.count(CONFIG) > 1:
                raise ValueError(f"an archive must hold one {WEIGHTS}")
            weights = archive.getinfo(WEIGHTS)
            if weights.file_size > _LARGEST_RATIO * max(weights.compress_size, 1):
                raise ValueError(f"its {WEIGHTS} would have {weights.file_size} bytes")
            expect(weights.file_size)
            read = 0
            with archive.open(weights) as member:
                # To its end, where the checksum is.
                while piece := member.read(PIECE_BYTES):
                    read += len(piece)
                    advance(len(piece))
            config = archive.getinfo(CONFIG).file_size if CONFIG in names else 0
            if read != weights.file_size or config > _LARGEST_TEXT:
                raise ValueError(f"its {WEIGHTS} has not {weights.file_size} bytes, or its {CONFIG} is too large")
            return archive.read(CONFIG) if CONFIG in names else None

    @contextmanager
    def _bytes(self) -> Iterator[tuple[IO[bytes], int]]:
        if not self._archived:
            with self.path.open("rb") as file:
                yield file, self.path.stat().st_size
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(WEIGHTS) as member, TemporaryFile() as whole:
            shutil.copyfileobj(member, whole, PIECE_BYTES)
            yield whole, archive.getinfo(WEIGHTS).file_size


def config_beside(path: Path) -> Path | None:
    config = path.with_name(CONFIG)
    return config if path.name == WEIGHTS and config.is_file() else None

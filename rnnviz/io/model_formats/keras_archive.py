"""Weights and config in a Keras file: an archive, or an HDF5 file alone."""

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import h5py

from rnnviz.core.errors import InputError, damaged
from rnnviz.core.npz import ZIP_DAMAGE
from rnnviz.core.progress import advance, expect
from rnnviz.io.model_formats.keras_h5 import DAMAGE, HEADER_SECONDS, text_attribute
from rnnviz.io.model_formats.keras_members import CONFIG, WEIGHTS, config_beside
from rnnviz.io.model_formats.layered_file import UnreadableError
from rnnviz.io.model_formats.rlimits import limited_time
from rnnviz.io.readers.chunked_read import PIECE_BYTES

_LARGEST_CONFIG = 64 << 20
# Weights are compressed to little less than they are; more than this is no file of weights.
_LARGEST_RATIO = 100
_LOCAL_HEADER = struct.Struct("<26xHH")


class KerasFile:
    """A `.keras` archive, or an `.h5` file; its config, as JSON, is None where there is none.

    The content of an archive may be in a folder, too. The config is then next to the weights.
    """

    def __init__(self, path: Path) -> None:
        """Read the config, and verify the checksums of an archive.

        Raises
        ------
        InputError
            If the file cannot be read, is of neither kind, or is damaged.
        """
        self.path = path
        try:
            with path.open("rb") as file:
                self._archived = file.read(4) == b"PK\x03\x04"
            config = self._checked_archive() if self._archived else self._config_attribute()
            self.config: Any = None if config is None else json.loads(config)
        except InputError:
            raise
        except (*ZIP_DAMAGE, *DAMAGE) as error:
            raise _damaged(path, error) from error

    @contextmanager
    def weights(self) -> Iterator[tuple[h5py.File, int]]:
        """The open HDF5 file of weights, and its size; raises an InputError if the file is damaged."""
        try:
            with self._bytes() as (source, size), h5py.File(source, "r") as file:
                yield file, size
        except (InputError, UnreadableError):
            raise
        except (*ZIP_DAMAGE, *DAMAGE) as error:
            raise _damaged(self.path, error) from error

    def _config_attribute(self) -> str | bytes | None:
        beside = config_beside(self.path)
        if beside is not None:
            if beside.stat().st_size > _LARGEST_CONFIG:
                raise damaged(self.path, "Keras", f"the {CONFIG} beside it is too large")
            return beside.read_bytes()
        with self.weights() as (file, _size), limited_time(HEADER_SECONDS):
            return text_attribute(file, "model_config")

    def _checked_archive(self) -> bytes | None:
        with zipfile.ZipFile(self.path) as archive:
            names = archive.namelist()
            if names.count(WEIGHTS) != 1 or names.count(CONFIG) > 1:
                raise damaged(self.path, "Keras", f"an archive must hold one {WEIGHTS}")
            weights = archive.getinfo(WEIGHTS)
            if weights.file_size > _LARGEST_RATIO * max(weights.compress_size, 1):
                raise damaged(self.path, "Keras", f"its {WEIGHTS} would have {weights.file_size} bytes")
            expect(weights.file_size)
            read = 0
            with archive.open(weights) as member:
                # To its end, where the checksum is.
                while piece := member.read(PIECE_BYTES):
                    read += len(piece)
                    advance(len(piece))
            if read != weights.file_size:
                raise damaged(self.path, "Keras", f"its {WEIGHTS} has {read} bytes instead of {weights.file_size}")
            if CONFIG not in names:
                return None
            if archive.getinfo(CONFIG).file_size > _LARGEST_CONFIG:
                raise damaged(self.path, "Keras", f"its {CONFIG} is too large")
            return archive.read(CONFIG)

    @contextmanager
    def _bytes(self) -> Iterator[tuple[IO[bytes], int]]:
        if not self._archived:
            with self.path.open("rb") as file:
                yield file, self.path.stat().st_size
            return
        with zipfile.ZipFile(self.path) as archive, self.path.open("rb") as file:
            info = archive.getinfo(WEIGHTS)
            if info.compress_type == zipfile.ZIP_STORED:
                file.seek(info.header_offset)
                header = file.read(_LOCAL_HEADER.size)
                start = info.header_offset + len(header) + sum(_LOCAL_HEADER.unpack(header))
                with io.BufferedReader(_Part(file, start, info.file_size)) as part:
                    yield part, info.file_size
                return
            with archive.open(info) as member, TemporaryFile() as whole:
                while piece := member.read(PIECE_BYTES):
                    whole.write(piece)
                yield whole, info.file_size


class _Part(io.RawIOBase):
    """A part of a file as a separate file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._start, self._size, self._place = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"{base + offset} is before the beginning")
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._place)
        data = self._file.read(max(0, min(len(buffer), self._size - self._place)))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


def _damaged(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{path} cannot be read: {error.strerror}.")
    return damaged(path, "Keras", str(error) or type(error).__name__)

"""Reads of untrusted files: limited memory and time; sizes in headers are validated against the file size."""

import codecs
import lzma
import os
import signal
import struct
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from rnnviz.core.errors import InputError, check_regular, damaged
from rnnviz.core.progress import advance
from rnnviz.core.words import unreadable

PIECE_BYTES = 4 << 20

ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""Besides an OSError. A member that is encrypted, or packed in an unknown way, is a RuntimeError."""


@contextmanager
def limited_memory(allowance: int) -> Iterator[None]:
    """Raise a MemoryError if this process asks for `allowance` bytes more than it has; on Linux alone."""
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    held = 0
    with open("/proc/self/status", encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("VmData:"):
                held = int(line.split()[1]) * 1024
    limit = held + allowance
    bounds = [value for value in (soft, hard, limit) if value != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def limited_time(seconds: float) -> Iterator[None]:
    """Let the system end this process if the block takes longer: libraries may loop forever in native code.

    Only on the main thread of systems with a timer.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    before = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, handler)


@contextmanager
def reading(path: object, kind: str = "", damage: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Raise `damage` of a file of a format, an OSError or a lack of memory as an InputError.

    An OSError without the system's reason counts as damage if `damage` contains its class.
    """
    expected: tuple[type[Exception], ...] = (OSError, *damage)
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} needs more memory than is available: it is too large or corrupt.") from error
    except expected as error:
        if isinstance(error, OSError) and (error.strerror or OSError not in damage):
            raise unreadable(path, error) from error
        raise damaged(Path(str(path)), kind, str(error) or type(error).__name__) from error


def read_pieces(file: IO[bytes], size: int) -> bytearray:
    """The next `size` bytes of a file, compared with its size before, or fewer where it ends."""
    content = bytearray(size)
    done = 0
    with memoryview(content) as room:
        while done < size and (piece := file.read(min(PIECE_BYTES, size - done))):
            room[done : done + len(piece)] = piece
            done += len(piece)
            advance(len(piece))
    del content[done:]
    return content


def read_at(path: Path, offset: int, size: int, kind: str, what: str) -> bytearray:
    """The `size` bytes of `what` in a file of the format `kind`; they must lie within the size of the file."""
    with reading(path), path.open("rb") as file:
        file.seek(offset)
        content = read_pieces(file, size)
    if len(content) != size:
        raise damaged(path, kind, f"it ends within {what}")
    return content


class ZipMembers:
    """An archive of the format `kind`; whatever is damaged in it becomes an InputError."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        with self._opened() as archive:
            members = archive.infolist()
            self.sizes = {member.filename: member.file_size for member in members}
            # PyTorch writes 0 for every checksum where torch.serialization.set_crc32_options(False) was called.
            self._without_checksums = not any(member.CRC for member in members)

    def read(self, name: str, size: int) -> bytearray:
        """The bytes of a member, which must have exactly `size`; its checksum is compared."""
        with self._opened() as archive:
            member = archive.getinfo(name)
            if member.file_size != size:
                raise ValueError(f"{name} has {member.file_size} bytes instead of {size}")
            if self._without_checksums:
                # Without the attribute, zipfile compares nothing.
                del member.CRC
            with archive.open(member) as file:
                content = read_pieces(file, size)
                # The checksum is compared where a file ends.
                if file.read(1):
                    raise ValueError(f"{name} has more than {size} bytes")
            # A directory that lists an empty member has the checksum of nothing.
            if len(content) != size:
                raise ValueError(f"{name} has {len(content)} bytes instead of {size}")
            return content

    def read_up_to(self, name: str, most: int) -> bytearray:
        size = self.sizes[name]
        if size > most:
            raise damaged(self.path, self.kind, f"{name} would have {size} bytes")
        return self.read(name, size)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        with reading(self.path, self.kind, (*ZIP_DAMAGE, KeyError)), zipfile.ZipFile(self.path) as archive:
            yield archive


LARGEST_TEXT = 16 << 20
"""Maximum size in bytes of a config, a sweep, labels or a vocabulary."""

_HEAD_BYTES = 64
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def _open_at_once(path: str, flags: int) -> int:
    """Open a file that is not waited for: some regular ones of the system, such as its log, give more without end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_plain_text(path: Path, kind: str = "text") -> str:
    """The text of a file in UTF-8, without a byte order mark; `kind` is the expected content."""
    check_regular(path)
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            content = file.read(LARGEST_TEXT + 1) or b""
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if len(content) > LARGEST_TEXT:
        raise InputError(f"{path} is not a valid {kind} file: it has more than {LARGEST_TEXT:,} bytes.")
    if content.startswith(_UTF_16):
        raise InputError(f"{path} is not a valid {kind} file: it is UTF-16: save it as UTF-8.")
    if b"\0" in content[:_HEAD_BYTES]:
        raise InputError(f"{path} is not a valid {kind} file: it is binary, or UTF-16: save text as UTF-8.")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a valid {kind} file: byte {error.start} is not UTF-8 text.") from error

"""The samples of a `.wav` file.

Python's own `wave` reads neither floats nor, in 3.11, the extensible format, in which programs write 24 bits; and a
file that was cut short it reads as a shorter one. Layout: Multimedia Programming Interface and Data Specifications 1.0
(IBM and Microsoft, 1991), and WAVEFORMATEXTENSIBLE of mmreg.h. All integers are little-endian.
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.bounded_read import read_at, reading

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_FORMAT = struct.Struct("<HHIIHH")
_SUBFORMAT = slice(24, 40)
# The rest of the identifier whose first two bytes are the format.
_GUID_REST = bytes.fromhex("000000001000800000aa00389b71")
_LARGEST_FORMAT = 1 << 10
_ENCODINGS = {(_PCM, bits) for bits in (8, 16, 24, 32)} | {(_FLOAT, bits) for bits in (32, 64)}


@dataclass(frozen=True)
class Sound:
    """`count` samples of each of `channels`, all of which the file holds from byte `begin` on."""

    path: Path
    channels: int
    count: int
    encoding: int
    bits: int
    begin: int

    def read(self) -> FloatArray:
        """(S, C): integers scaled to [-1, 1), so that the most negative one is -1; floats as they are."""
        size = self.count * self.channels * self.bits // 8
        content = read_at(self.path, self.begin, size, ".wav", "its samples")
        return self._numbers(content).reshape(self.count, self.channels)

    def _numbers(self, content: bytes | bytearray) -> FloatArray:
        if self.encoding == _FLOAT:
            return np.frombuffer(content, f"<f{self.bits // 8}")
        if self.bits == 8:
            # The only ones without a sign: silence is 128.
            return (np.frombuffer(content, np.uint8) - 128.0) / 128.0
        if self.bits == 24:
            wide = np.zeros((len(content) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
            return np.asarray(wide.view("<i4")[:, 0] / 2.0**31)
        return np.asarray(np.frombuffer(content, f"<i{self.bits // 8}") / 2.0 ** (self.bits - 1))


def open_wav(path: Path) -> Sound:
    """The sound in a `.wav` file, from its headers alone."""
    check_regular(path)
    with reading(path, ".wav", (ValueError,)), path.open("rb") as file:
        return _Chunks(path, file).sound()


class _Chunks:
    """The parts of a file, each of which begins with four letters and its length."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        self._end = file.seek(0, 2)
        file.seek(0)

    def sound(self) -> Sound:
        head = self._file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise ValueError("it has no RIFF header")
        described: tuple[int, int, int] | None = None
        while len(header := self._file.read(8)) == 8:
            name, size = header[:4], int.from_bytes(header[4:], "little")
            begin = self._file.tell()
            if begin + size > self._end:
                letters, left = ascii(name.decode("latin-1")), self._end - begin
                raise ValueError(f"its {letters} should have {size:,} bytes, and {left:,} are left")
            if name == b"fmt ":
                described = self._described(self._file.read(min(size, _LARGEST_FORMAT)))
            elif name == b"data":
                if described is None:
                    raise ValueError("its samples come before their description")
                return self._with_samples(begin, size, *described)
            # Each begins at an even place.
            self._file.seek(begin + size + size % 2)
        raise ValueError("it has no samples")

    def _described(self, content: bytes) -> tuple[int, int, int]:
        """Channels, encoding and bits of a sample."""
        if len(content) < _FORMAT.size:
            raise ValueError("the description of its samples is too short")
        encoding, channels, _, _, block, bits = _FORMAT.unpack_from(content)
        if encoding == _EXTENSIBLE:
            identifier = content[_SUBFORMAT]
            encoding = int.from_bytes(identifier[:2], "little") if identifier[2:] == _GUID_REST else encoding
        if (encoding, bits) not in _ENCODINGS:
            raise InputError(
                f"{self._path} holds samples of {bits} bits in the encoding {encoding:#06x}: they must be integers "
                f"of 8, 16, 24 or 32 bits, or floats of 32 or 64."
            )
        if channels < 1 or block != channels * bits // 8:
            raise ValueError(f"{channels} channels of {bits} bits do not make {block} bytes")
        return channels, encoding, bits

    def _with_samples(self, begin: int, size: int, channels: int, encoding: int, bits: int) -> Sound:
        count, rest = divmod(size, channels * bits // 8)
        if rest:
            raise ValueError(f"its samples end within one of them, {rest} bytes after the last whole one")
        if not count:
            raise InputError(f"{self._path} contains no samples: a sequence needs at least one.")
        return Sound(self._path, channels, count, encoding, bits, begin)

"""Pictures as PNG and animations as GIF, written in parts, so that memory stays bounded."""

import struct
import zlib
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.frozen import dataclass
from rnnviz.io.outputs import Progress, atomic_write


def write_png(
    strips: Iterable[NDArray[np.uint8]], width: int, height: int, path: Path, progress: Progress = lambda _: None
) -> None:
    """Write a picture of 8 bits per channel (W3C's PNG Specification), in strips (rows, width, 3) from the top."""
    with atomic_write(path) as temporary, temporary.open("wb") as out:
        encode_png(strips, width, height, out, progress)


def encode_png(
    strips: Iterable[NDArray[np.uint8]], width: int, height: int, out: IO[bytes], progress: Progress = lambda _: None
) -> None:
    # Level 6 takes twice as long, for a few per cent of the size.
    deflate = zlib.compressobj(3)
    done = 0
    out.write(b"\x89PNG\r\n\x1a\n")
    # 8 bits of red, green and blue.
    _chunk(out, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    for strip in strips:
        rows = len(strip)
        # Drawn pictures have large areas of one color, which the filters made for photographs make larger.
        lines = np.zeros((rows, 1 + 3 * width), np.uint8)
        lines[:, 1:] = strip.reshape(rows, 3 * width)
        _chunk(out, b"IDAT", deflate.compress(lines.data))
        done += rows
        progress(done / height)
    _chunk(out, b"IDAT", deflate.flush())
    _chunk(out, b"IEND", b"")


def _chunk(out: IO[bytes], kind: bytes, content: bytes) -> None:
    out.write(struct.pack(">I", len(content)) + kind + content)
    out.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))


LANES_IN_WORDS = "Every hidden value as a color: a lane for each layer and direction, and time from left to right."
"""The text alternative of a picture of the lanes."""


@dataclass(frozen=True)
class ReportPicture:
    """A picture as PNG, also for a dark page, `width` pixels wide or as wide as the page, and its texts."""

    caption: str
    description: str
    width: int
    png: bytes
    dark_png: bytes | None = None

    @property
    def source(self) -> str:
        return _data_uri(self.png)

    @property
    def dark_source(self) -> str | None:
        return None if self.dark_png is None else _data_uri(self.dark_png)


def _data_uri(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode('ascii')}"


Frame: TypeAlias = NDArray[np.uint8]
"""Pixels in red, green and blue, of shape (height, width, 3). All frames of an animation have the same shape."""

_COLORS, _EXACT = 255, 192
"""Colors of a GIF besides the transparent one, and how many of them are kept exactly."""
_TRANSPARENT = 255
_CHUNK = 1 << 12
"""Colors whose nearest ones are searched for at once."""


class SharedPalette:
    """Up to 255 colors for all frames of a GIF, so that none flickers: frequent ones exactly, others by median cut."""

    def __init__(self, samples: Iterable[Frame]) -> None:
        from PIL import Image

        counts: dict[int, int] = {}
        for sample in samples:
            for color, count in zip(*np.unique(_packed(sample), return_counts=True), strict=True):
                counts[int(color)] = counts.get(int(color), 0) + int(count)
        frequent = sorted(counts, key=lambda color: (-counts[color], color))
        self.colors = _unpacked(np.array(frequent[:_COLORS], np.int32))
        """Array of shape (n, 3)."""
        if len(frequent) > _COLORS:
            rest = Image.fromarray(_unpacked(np.array(frequent[_EXACT:], np.int32))[None])
            cut = rest.quantize(_COLORS - _EXACT, method=Image.Quantize.MEDIANCUT).getpalette() or []
            others = np.array(cut, np.uint8).reshape(-1, 3)[: _COLORS - _EXACT]
            self.colors = np.concatenate((self.colors[:_EXACT], others))
        self._nearest = np.full(1 << 24, -1, np.int16)

    def indices(self, frame: Frame) -> NDArray[np.uint8]:
        """The nearest color of each pixel: indices of shape (height, width)."""
        packed = _packed(frame)
        found = self._nearest[packed]
        new = np.unique(packed[found < 0])
        for start in range(0, len(new), _CHUNK):
            some = new[start : start + _CHUNK]
            apart = _unpacked(some).astype(np.int32)[:, None] - self.colors.astype(np.int32)
            self._nearest[some] = (apart**2).sum(axis=2).argmin(axis=1)
        return (self._nearest[packed] if len(new) else found).astype(np.uint8)


def write_gif(frames: Iterable[Frame], samples: Sequence[Frame], seconds: float, path: Path) -> None:
    """Write a GIF that repeats, atomically. Each frame has only the rectangle that changes."""
    palette = SharedPalette(samples)
    with atomic_write(path) as temporary, temporary.open("wb") as out:
        height, width, _ = samples[0].shape
        colors = palette.colors.tobytes().ljust(3 * 256, b"\0")
        out.write(struct.pack("<6sHHBBB", b"GIF89a", width, height, 0xF7, 0, 0) + colors)
        out.write(b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0")
        before: NDArray[np.uint8] | None = None
        elapsed = 0
        for number, frame in enumerate(frames, start=1):
            indices = palette.indices(frame)
            end = round(100.0 * seconds * number)
            _write_part(out, indices, before, end - elapsed)
            before, elapsed = indices, end
        out.write(b";")


def _write_part(out: BinaryIO, indices: NDArray[np.uint8], before: NDArray[np.uint8] | None, hundredths: int) -> None:
    """Write the rectangle of a frame that differs from the frame before. Its unchanged pixels are transparent."""
    from PIL import Image
    from PIL.GifImagePlugin import getdata

    top = left = 0
    if before is not None:
        changed = indices != before
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        bottom = right = 0
        if rows.size:
            top, bottom, left, right = (int(edge) for edge in (rows[0], rows[-1], columns[0], columns[-1]))
        part = np.s_[top : bottom + 1, left : right + 1]
        indices = np.where(changed[part], indices[part], np.uint8(_TRANSPARENT))
    image = Image.fromarray(np.ascontiguousarray(indices))
    # Disposal 1 keeps the frame below the next one.
    for block in getdata(image, (left, top), duration=10 * hundredths, disposal=1, transparency=_TRANSPARENT):
        out.write(block)


def _packed(frame: Frame) -> NDArray[np.int32]:
    wide = frame.astype(np.int32)
    packed: NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


def _unpacked(colors: NDArray[np.int32]) -> NDArray[np.uint8]:
    parts: NDArray[np.uint8] = np.stack((colors >> 16, colors >> 8 & 255, colors & 255), axis=-1).astype(np.uint8)
    return parts

"""Pictures: pixels as PNG, written strip by strip, and the pictures of a report.

The writing of strips knows how far it is and can be stopped.
"""

import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from rnnviz.frozen import dataclass
from rnnviz.io.outputs import atomic_write

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB = 2
_LEVEL = 3
"""Of zlib. Level 6 takes twice as long, for a few per cent of the size."""

_UNFILTERED = 0
"""Drawn pictures have large areas of one color, and become larger by any of the filters made for photographs."""


def write_png(
    strips: Iterable[NDArray[np.uint8]],
    width: int,
    height: int,
    path: Path,
    progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Write a picture of 8 bits per channel, given from top to bottom in strips (rows, width, 3).

    `progress` may raise to stop the writing; an existing file is then left as it was. The format is that of W3C's
    "Portable Network Graphics (PNG) Specification".
    """
    with atomic_write(path) as temporary, temporary.open("wb") as out:
        encode_png(strips, width, height, out, progress)


def encode_png(
    strips: Iterable[NDArray[np.uint8]],
    width: int,
    height: int,
    out: IO[bytes],
    progress: Callable[[float], None] = lambda _: None,
) -> None:
    """Write the same into an open file."""
    deflate = zlib.compressobj(_LEVEL)
    done = 0
    out.write(_SIGNATURE)
    _chunk(out, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0))
    for strip in strips:
        rows = len(strip)
        lines = np.full((rows, 1 + 3 * width), _UNFILTERED, np.uint8)
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
    """`png` is a PNG file's bytes, and `dark_png` the same drawn for a dark page, if there is one.

    `caption` is the text below it, and `description` its text alternative. It is shown `width` pixels wide,
    or as wide as the page.
    """

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

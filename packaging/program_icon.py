"""The program's icon as each system wants it, drawn from its one SVG: python packaging/program_icon.py FILE

FILE ends in .ico for Windows and in .icns for macOS. Qt draws it, and needs no screen for that.
"""

import sys
from pathlib import Path
from struct import pack

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRectF, Qt
from PySide6.QtGui import QImage, QImageWriter, QPainter
from PySide6.QtSvg import QSvgRenderer

SVG = Path(__file__).parents[1] / "resources" / "icons" / "rnnviz.svg"

SIZES = (16, 22, 24, 32, 48, 64, 96, 128, 256, 512)
"""Pixels a side that Linux desktops ask for."""

_DOTS_PER_METRE = 3780
"""96 dots an inch, as PNG counts them."""

_ICO_SIZES = (16, 20, 24, 32, 40, 48, 64, 256)

_ICNS_TYPES = {
    b"icp4": 16,
    b"icp5": 32,
    b"icp6": 64,
    b"ic07": 128,
    b"ic08": 256,
    b"ic09": 512,
    b"ic10": 1024,
    b"ic11": 32,
    b"ic12": 64,
    b"ic13": 256,
    b"ic14": 512,
}
"""The kinds of pictures in an .icns file that are PNGs; the last four are those of half the size on a fine screen."""


def png(size: int, svg: Path = SVG) -> bytes:
    """A PNG of `size` pixels a side, on nothing.

    Raises
    ------
    ValueError
        If Qt cannot read the SVG.
    """
    renderer = QSvgRenderer(str(svg))
    if not renderer.isValid():
        raise ValueError(f"{svg} is not an SVG that Qt can draw.")
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    # Else it is that of the screen that Qt happens to know of, and the same icon has other bytes elsewhere.
    image.setDotsPerMeterX(_DOTS_PER_METRE)
    image.setDotsPerMeterY(_DOTS_PER_METRE)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(image)
    buffer.close()
    return bytes(content.data())


def ico() -> bytes:
    """The icon of a Windows program: a directory of PNGs."""
    pictures = {size: png(size) for size in _ICO_SIZES}
    header = pack("<HHH", 0, 1, len(pictures))
    offset = len(header) + 16 * len(pictures)
    entries = b""
    for size, picture in pictures.items():
        # A side of 256 is written as 0: there is one byte for it.
        entries += pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(picture), offset)
        offset += len(picture)
    return header + entries + b"".join(pictures.values())


def icns() -> bytes:
    """The icon of an application of macOS: pieces, each with its kind and length."""
    pieces = b"".join(
        kind + pack(">I", 8 + len(picture)) + picture
        for kind, picture in ((kind, png(size)) for kind, size in _ICNS_TYPES.items())
    )
    return b"icns" + pack(">I", 8 + len(pieces)) + pieces


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_bytes({".ico": ico, ".icns": icns}[target.suffix]())

"""The program's icon in the sizes that desktops ask for, drawn from its one SVG."""

from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRectF, Qt
from PySide6.QtGui import QImage, QImageWriter, QPainter
from PySide6.QtSvg import QSvgRenderer

SVG = Path(__file__).parents[2] / "resources" / "icons" / "rnnviz.svg"
SIZES = (16, 22, 24, 32, 48, 64, 96, 128, 256, 512)


def draw(size: int, svg: Path = SVG) -> bytes:
    """A PNG of `size` pixels a side, on nothing.

    Raises
    ------
    ValueError
        If Qt cannot read the SVG.
    """
    renderer = QSvgRenderer(str(svg))
    if not renderer.isValid():
        raise ValueError(f"{svg} is no SVG that Qt can draw.")
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
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

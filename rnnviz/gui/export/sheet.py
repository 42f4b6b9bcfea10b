"""A sheet of paper: axes, legends and text of a figure, written as PDF, SVG or PNG without a window.

Lengths are tenths of a point. Text has one size, whatever the width of the figure is.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QPointF, QRect, QRectF, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPageSize, QPainter, QPdfWriter, QPen, QPolygonF

from rnnviz.core.errors import InputError
from rnnviz.gui.export.picture import write_picture
from rnnviz.gui.theme.palettes import LIGHT, THEMES, Theme
from rnnviz.io.outputs import atomic_write

POINT = 10.0
"""Length of a point on the sheet."""
PER_INCH = 72 * POINT
_SMALL, _LARGE, WIDE = 7 * POINT, 8 * POINT, 120 / 25.4 * PER_INCH
"""Height of the text, and the width from which on it is the large one."""
LINE = 0.5 * POINT
TICK = 2.5 * POINT
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 2), (1.2, 1.6), (6, 2, 1.2, 2))
_MOST_PIXELS = 1 << 28
_SVG_SIZE = re.compile(r'width="[^"]*" height="[^"]*"')
_SVG_TEXT = re.compile(r"<text(?P<rest>[^>]*)>(?P<text>[^<]*)</text>")

PRINT = replace(LIGHT, window="#ffffff", text="#000000", muted="#333333", border="#808080", grid="#d0d0d0")
"""Black text on white paper."""
PAPERS: dict[str, Theme] = {"print": PRINT, **THEMES}


class Sheet:
    """Draws on a figure of `width` by `height`."""

    def __init__(self, painter: QPainter, theme: Theme, width: float, height: float) -> None:
        self.painter, self.theme, self.width, self.height = painter, theme, width, height
        self.em = text_size(width)
        self.written: dict[str, float] = {}
        """Widths of the texts."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def font(self, *, bold: bool = False) -> QFont:
        return text_font(self.em, bold=bold)

    def text(self, x: float, y: float, text: str, *, at: float = 0.0, bold: bool = False, color: str = "text") -> float:
        """Write a line with its baseline at y, of whose width the share `at` is left of x; returns its width."""
        font = self.font(bold=bold)
        wide = self.written[text] = QFontMetricsF(font).horizontalAdvance(text)
        self.painter.setFont(font)
        self.painter.setPen(self.theme.color(color))
        self.painter.drawText(QPointF(x - at * wide, y), text)
        return wide

    def advance(self, text: str, *, bold: bool = False) -> float:
        """The width of a text."""
        return QFontMetricsF(self.font(bold=bold)).horizontalAdvance(text)

    def upright(self, x: float, y: float, text: str) -> None:
        """Write a line from the bottom to the top, its middle at y and its baseline at x."""
        self.painter.save()
        self.painter.translate(x, y)
        self.painter.rotate(-90)
        self.text(0, 0, text, at=0.5)
        self.painter.restore()

    def line(
        self,
        *points: tuple[float, float],
        color: str | QColor = "muted",
        width: float = LINE,
        dash: Sequence[float] = (),
    ) -> None:
        """Draw a line through points."""
        pen = QPen(self.theme.color(color) if isinstance(color, str) else color, width)
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        if dash:
            pen.setDashPattern(list(dash))
        self.painter.setPen(pen)
        self.painter.setBrush(Qt.BrushStyle.NoBrush)
        self.painter.drawPolyline(QPolygonF([QPointF(*point) for point in points]))

    def curve(self, points: Sequence[tuple[float, float]], place: int) -> None:
        """Draw the curve of a place in the legend, by color and dashes: color alone carries no meaning."""
        color = QColor(self.theme.series[place % len(self.theme.series)])
        self.line(*points, color=color, width=2 * LINE, dash=_DASHES[place % len(_DASHES)])

    def box(self, box: QRectF, fill: QColor | None = None) -> None:
        """Draw a thin frame, or a filled box without one."""
        self.painter.setPen(QPen(self.theme.color("border"), LINE) if fill is None else QPen(Qt.PenStyle.NoPen))
        self.painter.setBrush(Qt.BrushStyle.NoBrush if fill is None else fill)
        self.painter.drawRect(box)


Draw = Callable[[Sheet], None]


def text_size(width: float) -> float:
    """The height of the text of a figure of this width."""
    return _LARGE if width >= WIDE else _SMALL


def text_font(size: float, *, bold: bool = False) -> QFont:
    """The font of the text of a figure."""
    from PySide6.QtWidgets import QApplication

    font = QFont(QApplication.font())
    font.setPixelSize(round(size))
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    font.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return font


def save(path: Path, draw: Draw, theme: Theme, width: float, height: float, resolution: int, title: str) -> None:
    """Write a figure in the format of the path's ending; `resolution` in dots per inch is that of a PNG.

    Raises InputError if the picture is too large, or the file cannot be written.
    """
    if path.suffix.lower() == ".png":
        write_picture(_image(draw, theme, width, height, resolution), path)
        return
    content = (_pdf if path.suffix.lower() == ".pdf" else _svg)(draw, theme, width, height, title)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _paint(painter: QPainter, draw: Draw, theme: Theme, width: float, height: float) -> Sheet:
    painter.fillRect(QRectF(0, 0, width, height), theme.color("base"))
    sheet = Sheet(painter, theme, width, height)
    draw(sheet)
    painter.end()
    return sheet


def _image(draw: Draw, theme: Theme, width: float, height: float, resolution: int) -> QImage:
    scale = resolution / PER_INCH
    across, down = round(width * scale), round(height * scale)
    made = QImage(across, down, QImage.Format.Format_RGB32) if across * down <= _MOST_PIXELS else QImage()
    if made.isNull():
        raise InputError(
            f"The picture is too large (got {across:,} × {down:,} pixels): use a smaller size or --resolution."
        )
    made.setDotsPerMeterX(round(resolution / 0.0254))
    made.setDotsPerMeterY(round(resolution / 0.0254))
    painter = QPainter(made)
    painter.scale(across / width, down / height)
    _paint(painter, draw, theme, width, height)
    return made


def _pdf(draw: Draw, theme: Theme, width: float, height: float, title: str) -> bytes:
    out = _open_buffer()
    writer = QPdfWriter(out)
    writer.setResolution(round(PER_INCH))
    size = QSizeF(width / POINT, height / POINT)
    writer.setPageSize(QPageSize(size, QPageSize.Unit.Point, "", QPageSize.SizeMatchPolicy.ExactMatch))
    writer.setPageMargins(QMarginsF())
    writer.setTitle(title)
    writer.setCreator("rnnviz")
    _paint(QPainter(writer), draw, theme, width, height)
    return bytes(out.data().data())


def _svg(draw: Draw, theme: Theme, width: float, height: float, title: str) -> bytes:
    from PySide6.QtSvg import QSvgGenerator

    out = _open_buffer()
    writer = QSvgGenerator()
    writer.setOutputDevice(out)
    writer.setTitle(title)
    box = QRect(0, 0, round(width), round(height))
    writer.setSize(box.size())
    writer.setViewBox(box)
    widths = _paint(QPainter(writer), draw, theme, width, height).written

    def fitted(found: re.Match[str]) -> str:
        # A program that lacks the font takes another one, whose letters are wider.
        wide = widths.get(unescape(found["text"]))
        length = "" if wide is None else f' textLength="{wide:.1f}" lengthAdjust="spacingAndGlyphs"'
        return f"<text{length}{found['rest']}>{found['text']}</text>"

    across, down = (side / PER_INCH * 25.4 for side in (width, height))
    text = _SVG_TEXT.sub(fitted, bytes(out.data().data()).decode())
    return _SVG_SIZE.sub(f'width="{across:g}mm" height="{down:g}mm"', text, count=1).encode()


def _open_buffer() -> QBuffer:
    made = QBuffer()
    made.open(QIODevice.OpenModeFlag.WriteOnly)
    return made

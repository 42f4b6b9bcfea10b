"""A sheet of paper: lines, boxes and text of a figure, written as PDF, SVG or PNG without a window.

Lengths are tenths of a point. All text has one size, whatever the width of the figure is.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QMessageLogContext, QPointF, QRectF, Qt, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QApplication

from rnnviz.gui.theme.fonts import code_font, use_fonts
from rnnviz.gui.theme.palettes import LIGHT, THEMES, Theme

POINT = 10.0
"""Length of a point on the sheet."""
PER_INCH = 72 * POINT
VECTOR_DPI = 600
"""Resolution of a color map in a vector format."""
EM = 7 * POINT
"""Height of the text."""
LINE = 0.5 * POINT
TICK = 2.5 * POINT
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 2), (1.2, 1.6), (6, 2, 1.2, 2))

PRINT = replace(LIGHT, window="#ffffff", text="#000000", muted="#333333", border="#808080", grid="#d0d0d0")
"""Black text on white paper."""
PAPERS: dict[str, Theme] = {"print": PRINT, **THEMES}


class Sheet:
    """Draws on a figure of `width` by `height`; color maps have `resolution` dots per inch."""

    def __init__(
        self, painter: QPainter, theme: Theme, width: float, height: float, resolution: float = VECTOR_DPI
    ) -> None:
        self.painter, self.theme, self.width, self.height = painter, theme, width, height
        self.resolution = resolution
        self.written: dict[str, float] = {}
        """Widths of the texts."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        at: float = 0.0,
        bold: bool = False,
        code: bool = False,
        color: str | QColor = "text",
    ) -> float:
        """Write a line with its baseline at y, of whose width the share `at` is left of x; returns its width."""
        font = text_font(bold=bold, code=code)
        wide = self.written[text] = QFontMetricsF(font).horizontalAdvance(text)
        self.painter.setFont(font)
        self.painter.setPen(self.theme.color(color) if isinstance(color, str) else color)
        self.painter.drawText(QPointF(x - at * wide, y), text)
        return wide

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

    def frame(self, box: QRectF) -> None:
        """Draw the frame of a value, which is visible on every color."""
        self.painter.setBrush(Qt.BrushStyle.NoBrush)
        for color, width in (("base", 2.2 * POINT), ("text", POINT)):
            pen = QPen(self.theme.color(color), width)
            pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
            self.painter.setPen(pen)
            self.painter.drawRect(box)

    def dots(self, box: QRectF) -> tuple[int, int]:
        """The width and height of a box in pixels of a color map."""
        across, down = (max(1, round(side * self.resolution / PER_INCH)) for side in (box.width(), box.height()))
        return across, down

    def pixels(self, box: QRectF, pixels: NDArray[np.uint32]) -> None:
        """Fill a box with pixels (height, width) as 0xffRRGGBB."""
        pixels = np.ascontiguousarray(pixels)
        height, width = pixels.shape
        self.painter.drawImage(box, QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32))


def text_font(*, bold: bool = False, code: bool = False) -> QFont:
    """The font of the text of a figure, or of its numbers in boxes."""
    font = code_font() if code else QFont(QApplication.font())
    font.setPixelSize(round(EM))
    font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    font.setWeight(QFont.Weight.DemiBold if bold else QFont.Weight.Normal)
    return font


def advance(text: str, *, code: bool = False) -> float:
    """The width of a line of text."""
    return QFontMetricsF(text_font(code=code)).horizontalAdvance(text)


def elided(text: str, width: float) -> str:
    return QFontMetricsF(text_font()).elidedText(text, Qt.TextElideMode.ElideRight, width)


def wrapped_lines(text: str, width: float) -> Iterator[str]:
    """The lines of a text of at most `width`, unless a word is wider."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".lstrip()
        if line and advance(longer) > width:
            yield line
            longer = word
        line = longer
    if line:
        yield line


@contextmanager
def application() -> Iterator[None]:
    """The running application, or a new one without a display while something is drawn."""
    running = QApplication.instance()
    if not isinstance(running, QApplication):
        qInstallMessageHandler(print_message)
        running = QApplication([sys.argv[0] or "rnnviz", "-platform", "offscreen"])
        use_fonts(running)
    yield


def print_message(_kind: QtMsgType, _context: QMessageLogContext, message: str) -> None:
    """Print Qt's messages, except those that the offscreen platform prints for every window."""
    if not message.startswith("This plugin does not support"):
        print(message, file=sys.stderr)

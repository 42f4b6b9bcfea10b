"""Heat map of a sweep: two axes, one quantity, and a verdict mark in each cell."""

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetrics,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QApplication

from rnnviz.core import number_format
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.table import blend
from rnnviz.gui.views.unrolled.colormap import interpolated, on
from rnnviz.series.outlines import LogScale, log_scale
from rnnviz.sweeps.results import COMPUTED_PLACES, NO_ROW, ROW_MARKS, ROW_VERDICTS, WAITING, Cells

STEPS = 256
_PALE = 0.5
"""Share of the warning color just above the limit."""


def colors(theme: Theme, *, limit: bool) -> NDArray[np.uint8]:
    """Color table from smallest to largest value, of shape (256, 3).

    With a limit, colors are pale below it and change hue above, so that the limit is visible as an edge.
    """
    shares, stops = np.linspace(0.0, 1.0, STEPS), theme.sequential
    found = interpolated(stops, shares)
    if limit:
        calm = interpolated(stops[: len(stops) // 2 + 1], shares * 2.0)
        alarm = interpolated((blend(theme, "wrong", _PALE).name(), theme.wrong), shares * 2.0 - 1.0)
        found = np.where((shares > 0.5)[:, None], alarm, calm)
    return np.round(found).astype(np.uint8)


@dataclass(frozen=True)
class ColorRange:
    """The scale from numbers to colors: 0 is the smallest, 1 the largest, and 0.5 the limit if there is one."""

    scale: LogScale
    limit: float | None

    def fractions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The position of each number, logarithmic; zero is at 0, infinity at 1, NaN remains NaN."""
        scale = self.scale
        positions = scale.positions(values)
        if self.limit is None:
            return np.asarray(np.clip((positions - scale.lowest) / (scale.highest - scale.lowest), 0.0, 1.0))
        middle = np.log10(self.limit)
        below, above = max(middle - scale.lowest, 1.0), max(scale.highest - middle, 1.0)
        parts = np.where(positions < middle, (positions - middle) / below, (positions - middle) / above)
        return np.asarray(np.clip(0.5 + 0.5 * parts, 0.0, 1.0))


def color_range(values: NDArray[np.float64], limit: float | None) -> ColorRange:
    """The displayed range, which includes the limit."""
    finite = np.abs(values[~np.isnan(values)])
    return ColorRange(log_scale((finite,), *(() if limit is None else (limit,))), limit)


def pixels(cells: Cells, color_range: ColorRange, theme: Theme) -> NDArray[np.uint8]:
    """Cell colors of shape (D, A, 3). Cells without a value have the background color."""
    table = colors(theme, limit=color_range.limit is not None)
    fractions = color_range.fractions(cells.values)
    # What is at the limit is still right, and has the last of the calm colors.
    places = np.floor(np.nan_to_num(fractions) * (STEPS - 1)).astype(np.intp)
    found: NDArray[np.uint8] = table[places]
    found[np.isnan(fractions)] = _rgb(theme.color("base"))
    computed = np.isin(cells.verdicts, COMPUTED_PLACES)
    found[np.isnan(fractions) & ~computed & (cells.counts > 0)] = _rgb(theme.color("raised"))
    found[np.isinf(cells.values)] = _rgb(theme.color("infinite"))
    found[cells.nan] = _rgb(theme.color("nan"))
    return found


def _rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


_SMALLEST_GAP, _SMALLEST_MARK = 6.0, 13.0
_WAITING = "·"


class CellAnnotations(pg.GraphicsObject):
    """Draws in pixels at any zoom, visible cells only."""

    def __init__(self) -> None:
        super().__init__()
        self._cells: Cells | None = None
        self._ground: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)
        self._theme = LIGHT
        self._short: Callable[[float], str] = number_format.error
        self._chosen: tuple[int, int] | None = None

    def show_cells(self, cells: Cells, ground: NDArray[np.uint8], theme: Theme, short: Callable[[float], str]) -> None:
        """Annotate other cells. `ground` are their colors, of shape (D, A, 3); `short` formats a number."""
        self._cells, self._ground, self._theme, self._short = cells, ground, theme, short
        self.prepareGeometryChange()
        self.update()

    def choose(self, cell: tuple[int, int] | None) -> None:
        self._chosen = cell
        self.update()

    def text(self, down: int, across: int, *, number: bool) -> str:
        """Text of a cell: verdict mark, and number if it fits."""
        assert self._cells is not None
        if self._cells.rows[down, across] == NO_ROW:
            return ""
        verdict = int(self._cells.verdicts[down, across])
        mark = _WAITING if verdict == WAITING else ROW_MARKS[ROW_VERDICTS[verdict]]
        value = float(self._cells.values[down, across])
        bare = not number or (value != value and not self._cells.nan[down, across])
        return mark if bare else f"{mark} {self._short(value)}"

    def boundingRect(self) -> QRectF:
        rows, columns = (0, 0) if self._cells is None else self._cells.shape
        return QRectF(0, 0, columns, rows)

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        if self._cells is None:
            return
        transform, view = painter.transform(), self.viewRect()
        painter.resetTransform()
        rows, columns = self._cells.shape
        top, bottom = max(0, floor(view.top())), min(rows, ceil(view.bottom()))
        left, right = max(0, floor(view.left())), min(columns, ceil(view.right()))
        size = transform.mapRect(QRectF(0, 0, 1, 1)).size()
        painter.setClipRect(transform.mapRect(view))
        metrics = QFontMetricsF(painter.font())
        number = size.width() >= metrics.horizontalAdvance("✘ 1.2e-10") + 6 and size.height() >= metrics.height()
        if min(size.width(), size.height()) >= _SMALLEST_GAP:
            painter.setPen(QPen(self._theme.color("base"), 1.0))
            lines = [((across, top), (across, bottom)) for across in range(left, right + 1)]
            lines += [((left, down), (right, down)) for down in range(top, bottom + 1)]
            for begin, end in lines:
                painter.drawLine(*(transform.map(QPointF(*at)).toPoint() for at in (begin, end)))
        if min(size.width(), size.height()) >= _SMALLEST_MARK:
            for down in range(top, bottom):
                for across in range(left, right):
                    red, green, blue = (int(channel) for channel in self._ground[down, across])
                    painter.setPen(on(0xFF000000 | red << 16 | green << 8 | blue, self._theme))
                    rect = transform.mapRect(QRectF(across, down, 1, 1))
                    painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, self.text(down, across, number=number))
        if self._chosen is not None:
            down, across = self._chosen
            rect = transform.mapRect(QRectF(across, down, 1, 1)).adjusted(1.5, 1.5, -1.5, -1.5)
            for role, width in (("outline_under", 5.0), ("cursor", 2.0)):
                painter.setPen(QPen(self._theme.color(role), width))
                painter.drawRect(rect)


_KEYS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Home: (0, -1_000_000),
    Qt.Key.Key_End: (0, 1_000_000),
}
_GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_FEWEST_IN_SIGHT = 2.0
_LEAST_LABEL, _LONGEST_LABEL, _LABEL_GAP = 48, 130, 8


class Heatmap(pg.PlotWidget):
    """Draws `Cells`. The wheel zooms, dragging pans, a click or an arrow key selects a cell, Enter opens it."""

    chosen = Signal(int, int)
    """The selected cell (down, across)."""
    activated = Signal(int, int)
    """The cell whose run is requested."""
    pointed = Signal(int, int)
    """The cell under the pointer; (-1, -1) without one."""

    def __init__(self) -> None:
        self._across, self._down = _ValueAxis("bottom"), _ValueAxis("left")
        super().__init__(axisItems={"bottom": self._across, "left": self._down})
        self._cells: Cells | None = None
        self._range: ColorRange | None = None
        self._short: Callable[[float], str] = str
        self._theme = LIGHT
        self.chosen_cell: tuple[int, int] | None = None
        """The selected cell (down, across)."""
        self._under: tuple[int, int] | None = None
        item = self.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        self.view_box = item.getViewBox()
        self.view_box.invertY(True)
        self.view_box.disableAutoRange()
        self._image = pg.ImageItem(axisOrder="row-major")
        self.addItem(self._image)
        self.marks = CellAnnotations()
        self.addItem(self.marks, ignoreBounds=True)
        self.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.scene().sigMouseClicked.connect(self._on_click)
        self.apply_theme(LIGHT)

    def show_cells(
        self, cells: Cells, color_range: ColorRange, across: str, down: str, short: Callable[[float], str]
    ) -> None:
        """Show other cells or values, formatted by `short`. `across` and `down` are axis titles."""
        before = None if self._cells is None else self._cells.shape
        self._cells, self._range, self._short = cells, color_range, short
        self._across.show_texts(cells.across.texts)
        self._down.show_texts(("",) if cells.down is None else cells.down.texts)
        self._across.setLabel(across)
        self._down.setLabel(down)
        if self.chosen_cell is not None and not self._inside(*self.chosen_cell):
            self.chosen_cell = None
        self._draw()
        if cells.shape != before:
            self._fit()

    def choose(self, down: int, across: int) -> None:
        if self._inside(down, across) and (down, across) != self.chosen_cell:
            self.chosen_cell = down, across
            self.marks.choose(self.chosen_cell)
            self.chosen.emit(down, across)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setBackground(theme.color("base"))
        for axis in (self._across, self._down):
            axis.setPen(pg.mkPen(theme.color("border")))
            axis.setTextPen(pg.mkPen(theme.color("muted")))
            axis.setTickPen(pg.mkPen(theme.color("border")))
        self._draw()

    def _cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """The cell at a point of the scene, or None."""
        at = self.view_box.mapSceneToView(point)
        down, across = floor(at.y()), floor(at.x())
        inside = self.view_box.sceneBoundingRect().contains(point) and self._inside(down, across)
        return (down, across) if inside else None

    def event(self, event: QEvent) -> bool:
        """Handle the keys that select a cell before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            if plain and (event.key() in _KEYS or event.key() in _GO):
                event.accept()
                return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if self._cells is None or (key not in _KEYS and key not in _GO):
            super().keyPressEvent(event)
        elif key in _GO:
            if self.chosen_cell is not None:
                self.activated.emit(*self.chosen_cell)
        else:
            rows, columns = self._cells.shape
            down, across = self.chosen_cell or (0, 0)
            if self.chosen_cell is not None:
                down = min(max(down + _KEYS[key][0], 0), rows - 1)
                across = min(max(across + _KEYS[key][1], 0), columns - 1)
            self.choose(down, across)
            self._keep_in_sight(down, across)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        under = self._cell_at(self.mapToScene(event.position().toPoint()))
        if under != self._under:
            self._under = under
            self.pointed.emit(*(under or (-1, -1)))
            has_row = under is not None and self._cells is not None and self._cells.rows[under] != NO_ROW
            self.viewport().setCursor(Qt.CursorShape.PointingHandCursor if has_row else Qt.CursorShape.ArrowCursor)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._under = None
        self.pointed.emit(-1, -1)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self.viewport())
            painter.setPen(QPen(self._theme.color("accent"), 2.0))
            painter.drawRect(self.viewport().rect().adjusted(1, 1, -1, -1))
            painter.end()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    def _inside(self, down: int, across: int) -> bool:
        if self._cells is None:
            return False
        rows, columns = self._cells.shape
        return 0 <= down < rows and 0 <= across < columns

    def _draw(self) -> None:
        if self._cells is None or self._range is None:
            return
        rows, columns = self._cells.shape
        image = pixels(self._cells, self._range, self._theme)
        self._image.setImage(image, autoLevels=False, levels=(0, 255))
        self._image.setRect(QRectF(0, 0, columns, rows))
        self.marks.show_cells(self._cells, image, self._theme, self._short)
        self.marks.choose(self.chosen_cell)

    def _fit(self) -> None:
        assert self._cells is not None
        rows, columns = self._cells.shape
        self.view_box.setLimits(xMin=0, xMax=columns, minXRange=min(columns, _FEWEST_IN_SIGHT))
        self.view_box.setLimits(yMin=0, yMax=rows, minYRange=min(rows, _FEWEST_IN_SIGHT))
        self.view_box.setRange(QRectF(0, 0, columns, rows), padding=0)

    def _keep_in_sight(self, down: int, across: int) -> None:
        (left, right), (top, bottom) = self.view_box.viewRange()
        x = min(across - left, 0.0) + max(across + 1 - right, 0.0)
        y = min(down - top, 0.0) + max(down + 1 - bottom, 0.0)
        if x or y:
            self.view_box.translateBy(x=x, y=y)

    def _on_click(self, event: Any) -> None:
        cell = self._cell_at(event.scenePos())
        if event.button() == Qt.MouseButton.LeftButton and cell is not None:
            self.choose(*cell)
            self.activated.emit(*cell)


class _ValueAxis(pg.AxisItem):
    """Centered labels of the values, elided if long; as many as fit."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self._texts: Sequence[str] = ()
        self._room: float = _LONGEST_LABEL
        # The text of another row must not move the whole map.
        self.setStyle(autoReduceTextSpace=False, tickLength=0)

    def show_texts(self, texts: Sequence[str]) -> None:
        if texts != self._texts:
            self._texts = texts
            self.picture = None
            self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        low, high = min(low, high), max(low, high)
        first, last = max(0, floor(low)), min(len(self._texts), ceil(high))
        pixels_each = size / max(high - low, 1e-9)
        room = self._metrics().height() if self.orientation == "left" else _LEAST_LABEL
        widest = max((self._metrics().horizontalAdvance(text) for text in self._texts[first:last]), default=0)
        step = max(1, ceil((min(room, widest) if self.orientation == "bottom" else room) / pixels_each))
        self._room = step * pixels_each - _LABEL_GAP if self.orientation == "bottom" else _LONGEST_LABEL
        places: NDArray[np.float64] = np.arange(first - first % step, last, step) + 0.5
        return [(float(step), [float(place) for place in places if low <= place <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        texts = [self._texts[int(value)] if 0 <= int(value) < len(self._texts) else "" for value in values]
        # Two names may differ at either end.
        middle = Qt.TextElideMode.ElideMiddle
        return [self._metrics().elidedText(text, middle, int(self._room)) for text in texts]

    def _metrics(self) -> QFontMetrics:
        return QFontMetrics(self.style["tickFont"] or QApplication.font())

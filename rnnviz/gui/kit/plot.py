"""Plots: curves over time steps or training steps, with a linear or logarithmic axis and a line at the selection."""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QLineF, QObject, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QAction, QColor, QFocusEvent, QGuiApplication, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.gui.kit.turns import in_turn
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import ResultView, ViewHost, down, is_plain, pages
from rnnviz.gui.views.labels import LegendKey, hint
from rnnviz.gui.views.seams import SeamsInView, paint_seams, seams_in_view
from rnnviz.series.outlines import LogScale, pixel_bands
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.gui.views.unrolled.canvas import LanesCanvas

_DOTS_SHOWN, _SMOOTH_UP_TO, _DASHED_UP_TO = 64, 100, 600
"""Numbers of visible steps up to which solid curves have dots, lines are smooth, and dashes do not merge."""
_FEWEST_IN_SIGHT, _FEWEST_LINES = 3.0, 3
_AXIS_WIDTH, _TOP, _RIGHT = 56, 8, 12
_LABEL_ROOM, _EDGE, _NUMBER = 0.82, 0.3, 0.8
_ABOVE = {"position": 0.98, "anchors": [(1.0, 1.0)] * 2}
_ZOOMS = {Qt.Key.Key_Plus: 1.5, Qt.Key.Key_Equal: 1.5, Qt.Key.Key_Minus: 1.0 / 1.5}
_NARROWEST = 64
"""Pixels of the narrowest plot."""
_SPAN_ALPHA, _LABEL_ALPHA = 0.18, 0.75
_LEAST_MARGIN, _LARGEST_MARGIN = 36, 260
"""Widths of the values' axis in pixels at which time steps of plot and lanes are above each other."""


def cosmetic_pen(color: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen with a width in pixels at any scale of the plot."""
    pen = QPen(color, width, style)
    pen.setCosmetic(True)
    return pen


class _Line(pg.PlotCurveItem):
    """The line of a curve. pyqtgraph would look for the extremes of its numbers four times in each frame."""

    def boundingRect(self) -> QRectF:
        view = self.getViewBox()
        return QRectF() if view is None else QRectF(view.viewRect())

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()


class Curve(pg.PlotDataItem):
    """One line of a plot, of which pyqtgraph draws the part in view with the extremes of each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.curve.setParentItem(None)
        self.curve: pg.PlotCurveItem = _Line()
        self.curve.setParentItem(self)
        self.opts["connect"] = "finite"
        self.values: FloatArray = np.zeros(0)
        """The drawn numbers (K,), of which NaN are gaps."""
        self.look, self.points = cosmetic_pen(QColor("black"), 1.0), False
        """The pen, and whether there are rings and no line."""
        self._visible = -1

    def draw_with(self, pen: QPen, depth: float = 0.0, *, points: bool = False) -> None:
        """Set the pen; curves of greater depth are above. With `points` there are rings and no line."""
        self.setZValue(depth)
        if (pen, points) != (self.look, self.points):
            self.look, self.points, self._visible = pen, points, -1

    def adapt(self, visible: int, ground: QColor) -> bool:
        """Draw as exactly as a number of visible steps allows, rings with the color of the ground in them.

        Dashes of many steps merge, and smooth lines take long. Returns whether this changed anything.
        """
        dashed, smooth, dots = (visible <= most for most in (_DASHED_UP_TO, _SMOOTH_UP_TO, _DOTS_SHOWN))
        level = dashed + smooth + dots
        if level == self._visible:
            return False
        self._visible = level
        color, pen, solid = self.look.color(), self.look, self.look.style() == Qt.PenStyle.SolidLine
        if not dashed and not solid:
            pen = cosmetic_pen(color, 1.0)
        if self.points:
            look = {"pen": None, "symbol": "o", "symbolSize": 7, "symbolPen": cosmetic_pen(color, 2.0)}
        else:
            size = round(pen.widthF()) + 3
            look = {"pen": pen, "symbol": "o" if dots and solid else None, "symbolSize": size, "symbolPen": None}
        # Extremes closer to each other than a line is wide are not seen, and wide lines take long to draw.
        self.opts["autoDownsampleFactor"] = 1.0 / max(pen.widthF(), 1.0)
        self.opts.update(look, antialias=smooth, symbolBrush=ground if self.points else color)
        return True


class Plot(pg.PlotWidget):
    """Curves over steps. The wheel zooms, dragging pans, "+" and "-" zoom at the selection, "0" shows all steps.

    With `navigable=False` all steps are always in view. Without `whole_steps` the horizontal axis has any numbers.
    """

    step_requested = Signal(int)
    """A step was clicked."""
    explanation_requested = Signal(int)
    """A step was double-clicked."""
    part_requested = Signal(float, float)
    """The user has zoomed or panned to another part of the steps."""
    seen_changed = Signal()
    """Other steps are visible, or the plot has another width."""

    def __init__(self, name: str, *, navigable: bool = True, whole_steps: bool = True) -> None:
        self.steps_axis, self.values_axis = (
            StepAxis("bottom") if whole_steps else ValueAxis("bottom"),
            ValueAxis("left"),
        )
        super().__init__(axisItems={"bottom": self.steps_axis, "left": self.values_axis}, enableMenu=False)
        self.theme = LIGHT
        self._navigable = navigable
        self._steps = 0
        self._curves: list[Curve] = []
        self.view_box = self.getPlotItem().getViewBox()
        self.view_box.setMouseEnabled(x=navigable, y=False)
        self.view_box.disableAutoRange()
        self.view_box.sigXRangeChanged.connect(self._on_seen)
        self.view_box.sigResized.connect(self._on_seen)
        self.hideButtons()
        self.setDownsampling(auto=True, mode="peak")
        self.setClipToView(True)
        for axis in (self.steps_axis, self.values_axis):
            axis.enableAutoSIPrefix(False)
            # Ticks of the finest level have no labels, and take most of the time. Numbers must not move the plot.
            axis.setStyle(maxTickLevel=1, tickLength=0, autoReduceTextSpace=False, hideOverlappingLabels=False)
        self._margins: tuple[int, int] | None = None
        self.set_margins(None, None)
        self.cursor_line, self._under = (pg.InfiniteLine(angle=90, movable=False) for _ in range(2))
        self.limit_line = pg.InfiniteLine(angle=0, movable=False, label="", labelOpts=_ABOVE)
        # Below the curves; with one time step this is the only place.
        for line, depth in ((self._under, -2), (self.cursor_line, -1), (self.limit_line, 50)):
            line.setZValue(depth)
            self.addItem(line, ignoreBounds=True)
            line.hide()
        _Grid(self)
        self.seams = _SeamLines(self)
        self.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if navigable else Qt.FocusPolicy.NoFocus)
        self.scene().sigMouseClicked.connect(self._on_click)
        if navigable:
            show_all = QAction("Show all", self)
            show_all.triggered.connect(self._show_all)
            self.view_box.sigRangeChangedManually.connect(self.tell_part)
            self.addAction(show_all)
            self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.apply_theme(LIGHT)

    def offer_copy(self, numbers: Callable[[], str]) -> None:
        """Add a command to the context menu that copies numbers as text."""
        copy = QAction("Copy numbers", self)
        copy.triggered.connect(lambda: QGuiApplication.clipboard().setText(numbers()))
        self.addAction(copy)

    def show_steps(self, steps: int, seams: NDArray[np.int64] | None = None) -> None:
        """Set the number of steps and the seams. The visible part stays unless the number changes."""
        self.seams.show_seams(np.zeros(0, np.int64) if seams is None else seams)
        if steps != self._steps:
            self._steps = steps
            if isinstance(self.steps_axis, StepAxis):
                self.steps_axis.last = steps - 1
            whole = max(steps, 1)
            # The lanes have a column before and one behind the steps.
            self.view_box.setLimits(
                xMin=-1.5, xMax=whole + 0.5, minXRange=min(_FEWEST_IN_SIGHT, whole), maxXRange=whole + 2
            )
            self.fit()

    def set_margins(self, left: int | None, right: int | None) -> None:
        """Set the room left and right of the curves in pixels; None is the usual one."""
        margins = scaled(_AXIS_WIDTH) if left is None else left, _RIGHT if right is None else right
        if margins != self._margins:
            self._margins = margins
            self.values_axis.setWidth(margins[0])
            self.getPlotItem().setContentsMargins(0, _TOP, margins[1], 0)

    def fit(self) -> None:
        self.show_part(-0.5, max(self._steps, 1) - 0.5)

    def show_part(self, first: float, last: float) -> None:
        """Show a part of the steps."""
        self.view_box.setXRange(first, last, padding=0)

    @property
    def seen(self) -> range:
        """The visible steps."""
        first, last = self.view_box.viewRange()[0]
        return range(max(0, ceil(first)), min(self._steps - 1, floor(last)) + 1)

    def show_selection(self, step: int | None) -> None:
        """Mark a step, or none."""
        for line in (self._under, self.cursor_line):
            line.setVisible(step is not None)
            line.setValue(step or 0)

    def show_values(self, low: float, high: float, limit: tuple[float, str] | None = None) -> None:
        """Set the range of a linear axis, and a dashed line at a number with a label."""
        self.values_axis.show_scale(None)
        self._show_range(low, high, limit, None if limit is None else limit[0])

    def show_scale(
        self,
        scale: LogScale,
        limit: tuple[float, str] | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        """Set a logarithmic axis, and a dashed line at a number with a label; `low` and `high` are positions."""
        self.values_axis.show_scale(scale)
        at = None if limit is None else float(scale.positions(np.array([limit[0]]))[0])
        lowest = scale.bottom - (_EDGE if scale.zeros else 0.0) if low is None else low
        highest = scale.infinity + _EDGE if scale.infinite else scale.highest + _EDGE if high is None else high
        self._show_range(lowest, highest, limit, at)

    @property
    def scale(self) -> LogScale | None:
        """The scale of a logarithmic axis; None if it is linear."""
        return self.values_axis.values

    @property
    def limit(self) -> float | None:
        """Position of the dashed line on the vertical axis, or None."""
        return float(self.limit_line.value()) if self.limit_line.isVisible() else None

    def curves(self, count: int) -> list[Curve]:
        """As many curves, of which the first ones are kept."""
        while len(self._curves) > count:
            self.removeItem(self._curves.pop())
        while len(self._curves) < count:
            self._curves.append(Curve())
            self.addItem(self._curves[-1], ignoreBounds=True)
        return list(self._curves)

    @property
    def curves_drawn(self) -> Sequence[Curve]:
        return self._curves

    def draw(self, curve: Curve, values: FloatArray, steps: FloatArray | None = None) -> None:
        """Draw numbers (K,) of all steps, or of these `steps`, on the present axis."""
        found = np.asarray(values, np.float64)
        curve.values = found if self.scale is None else self.scale.positions(found)
        curve.adapt(len(self.seen), self.theme.color("base"))
        steps = np.arange(len(found), dtype=np.float64) if steps is None else steps
        # pyqtgraph leaves out the steps after the last whole pixel, and pixels with a gap: the last number, which may
        # be that before the padding of a sample, is repeated to complete its pixel.
        numbers = np.flatnonzero(~np.isnan(curve.values))
        stop, missing = numbers[-1] + 1 if len(numbers) else 0, len(found) // _NARROWEST
        parts = (part[:stop] for part in (steps, curve.values))
        curve.setData(*(np.concatenate([part, np.repeat(part[-1:], missing)]) for part in parts))

    def restyle(self, curve: Curve) -> None:
        """Draw the values of a curve in another look."""
        if curve.adapt(len(self.seen), self.theme.color("base")):
            curve.updateItems()

    def apply_theme(self, theme: Theme) -> None:
        """Set the colors of axes, background and selection. Owners color their curves."""
        self.theme = theme
        self.setBackground(theme.color("base"))
        for axis in (self.steps_axis, self.values_axis):
            axis.setPen(pg.mkPen(theme.color("border")))
            axis.setTextPen(pg.mkPen(theme.color("muted")))
        self._under.setPen(pg.mkPen(theme.color("outline_under"), width=3.5))
        self.cursor_line.setPen(pg.mkPen(theme.color("cursor"), width=1.5))
        color, ground = theme.color("muted"), theme.color("base")
        ground.setAlphaF(_LABEL_ALPHA)
        self.limit_line.setPen(cosmetic_pen(color, 1.0, Qt.PenStyle.DashLine))
        self.limit_line.label.setColor(color)
        self.limit_line.label.fill = pg.mkBrush(ground)

    def event(self, event: QEvent) -> bool:
        """Take the keys of the plot before the window's shortcuts."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._has_key(event):
            event.accept()
            return True
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._has_key(event):
            # pyqtgraph would take the arrows, which move the selection of the window.
            event.ignore()
        elif event.key() == Qt.Key.Key_0:
            self._show_all()
        else:
            first, last = self.view_box.viewRange()[0]
            at = float(self.cursor_line.value()) if self.cursor_line.isVisible() else first
            middle = at if first <= at <= last else (first + last) / 2.0
            self.view_box.scaleBy(x=1.0 / _ZOOMS[Qt.Key(event.key())], center=QPointF(middle, 0.0))
            self.tell_part()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self.viewport())
            painter.setPen(QPen(self.theme.color("accent"), 2.0))
            painter.drawRect(self.viewport().rect().adjusted(1, 1, -1, -1))
            painter.end()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.viewport().update()

    def step_at(self, point: QPointF) -> int:
        """The step at a point of the scene, or the nearest one."""
        step = round(float(self.view_box.mapSceneToView(point).x()))
        return min(max(step, 0), self._steps - 1)

    def _has_key(self, event: QKeyEvent) -> bool:
        return self._navigable and is_plain(event, (*_ZOOMS, Qt.Key.Key_0))

    def _show_range(self, low: float, high: float, limit: tuple[float, str] | None, at: float | None) -> None:
        """Show a range, with a dashed line and room for its label, which is above it."""
        self.limit_line.setVisible(limit is not None)
        if limit is not None and at is not None:
            self.limit_line.setValue(at)
            self.limit_line.label.setFormat(limit[1])
            high = max(high, low + (at - low) / _LABEL_ROOM)
        if self.view_box.viewRange()[1] != [low, high]:
            # Even the same range would notify every item of the plot.
            self.view_box.setYRange(low, high, padding=0)
        # At once: put off to the next paint, it would ask for another paint after that.
        self.view_box.updateMatrix()

    def _show_all(self) -> None:
        self.fit()
        self.tell_part()

    def tell_part(self) -> None:
        """Report the visible part as the user's choice."""
        self.part_requested.emit(*self.view_box.viewRange()[0])

    def _on_seen(self) -> None:
        for curve in self._curves:
            self.restyle(curve)
        self.seen_changed.emit()

    def _on_click(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not self._steps:
            return
        on_curves = self.view_box.sceneBoundingRect().contains(event.scenePos())
        if event.double() and not on_curves:
            self._show_all()
            return
        (self.explanation_requested if event.double() else self.step_requested).emit(self.step_at(event.scenePos()))


class LaneAxis(QObject):
    """Shows the time steps of the lanes in a plot, at the same places of the screen, and the other way round."""

    def __init__(self, plot: Plot, lanes: "LanesCanvas") -> None:
        super().__init__(plot)
        self._plot, self._lanes = plot, lanes
        self._part: tuple[float, float] | None = None
        """The part that the lanes are to show; None once they do."""
        # The one that the user moves comes first. Of several movements before the next paint, the last one counts.
        lanes.moved.connect(self._follow_soon)
        plot.part_requested.connect(self._lead_soon)
        plot.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Show, QEvent.Type.Resize, QEvent.Type.Move):
            self._follow_soon()
        return False

    def _follow_soon(self) -> None:
        if self._plot.isVisible():
            in_turn(self, self._follow)

    def _lead_soon(self, first: float, last: float) -> None:
        self._part = first, last
        in_turn(self, self._lead)

    def _lead(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            self._lanes.show_part(*part)

    def _follow(self) -> None:
        geometry, plot, lanes = self._lanes.geometry_in_view, self._plot, self._lanes
        if geometry is None or self._part is not None or not plot.isVisible():
            return
        left = lanes.mapToGlobal(lanes.area.topLeft()).x() - plot.mapToGlobal(QPoint()).x()
        right = plot.width() - left - round(geometry.width)
        fits = _LEAST_MARGIN <= left <= _LARGEST_MARGIN and right >= 0
        plot.set_margins(left if fits else None, right if fits else None)
        plot.show_part(geometry.camera.start, geometry.camera.start + geometry.camera.span)


class _Axis(pg.AxisItem):
    """A line with numbers, left of the curves or below them. pyqtgraph would also draw ticks, of no length here."""

    def generateDrawSpecs(self, painter: QPainter) -> Any:
        """The line, no ticks, and the numbers of each level of ticks, until they would be too close to each other."""
        bounds, (low, high), upright = self.mapRectFromParent(self.geometry()), self.range, self.orientation == "left"
        length = bounds.height() if upright else bounds.width()
        if length <= 0.0 or low == high:
            return None
        levels = self._tickLevels or [
            [*zip(values, self.tickStrings(values, self.autoSIPrefixScale * self.scale, spacing), strict=True)]
            for spacing, values in self.tickValues(low, high, length)
        ]
        metrics, within, flags = painter.fontMetrics(), self.boundingRect(), Qt.AlignmentFlag
        found: list[tuple[QRectF, Qt.AlignmentFlag, str]] = []
        taken = widest = 0.0
        for depth, level in enumerate(levels):
            sizes = [(value, text, metrics.size(0, text)) for value, text in level if low <= value <= high]
            taken += sum(_NUMBER * size.height() if upright else size.width() for _, _, size in sizes)
            crowded = (len(found) >= count and taken >= limit * length for count, limit in self.style["textFillLimits"])
            if depth > 0 and any(crowded):
                break
            for value, text, size in sizes:
                share, wide, tall = (value - low) / (high - low), size.width(), _NUMBER * size.height()
                widest = max(widest, wide if upright else tall)
                x, y = bounds.left() + share * length, bounds.bottom() - share * length
                place = QRectF(x - wide / 2.0, bounds.top() + self.style["tickTextOffset"][1], wide, tall)
                if upright:
                    place.moveTo(bounds.right() - self.style["tickTextOffset"][0] - wide, y - tall / 2.0)
                if within & place == place:
                    found.append((place, flags.AlignCenter | Qt.TextFlag.TextDontClip, text))
        self._updateMaxTextSize(widest)
        ends = (bounds.topRight(), bounds.bottomRight()) if upright else (bounds.topLeft(), bounds.topRight())
        aside = QPointF(-1.0, 0.0) if upright else QPointF(0.0, 1.0)
        return (self.pen(), *(end + aside for end in ends)), [], found


class StepAxis(_Axis):
    """Numbers at whole steps only, of steps that exist."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.last: int | None = None

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        spacing: Sequence[tuple[float, float]] = self.tickSpacing(low, high, size)
        whole = sorted({max(1, round(step)) for step, _ in spacing}, reverse=True)
        found: list[tuple[float, list[float]]] = []
        for step, coarser in zip(whole, (0, *whole), strict=False):
            steps = range(ceil(low / step) * step, floor(high) + 1, step)
            found.append((float(step), [float(t) for t in steps if not coarser or t % coarser]))
        return found[: self.style["maxTickLevel"] + 1]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [
            number_format.count(round(value)) if value >= 0 and (self.last is None or value <= self.last) else ""
            for value in values
        ]


class ValueAxis(_Axis):
    """Numbers with true minus signs; of a logarithmic axis at the decades, at zero and at infinity."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.values: LogScale | None = None

    def show_scale(self, scale: LogScale | None) -> None:
        if scale != self.values:
            self.values, self.picture = scale, None
            self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        scale = self.values
        if scale is None:
            found: list[tuple[float, list[float]]] = super().tickValues(low, high, size)
            return found
        room = max(1, int(size // 18) - 2)
        step = -(-(scale.highest - scale.lowest + 1) // room)
        decades = [float(e) for e in range(scale.lowest, scale.highest + 1) if e % step == 0]
        ends = [scale.zero] * scale.zeros + [scale.infinity] * scale.infinite
        return [(float(step), [value for value in (*decades, *ends) if low <= value <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        own = self.values
        texts = super().tickStrings(values, scale, spacing) if own is None else [own.text(value) for value in values]
        return [number_format.true_minus(text) for text in texts]


class Overlay(pg.GraphicsObject):
    """A part of a plot that is painted in pixels, over the whole view."""

    def __init__(self, plot: Plot, depth: float) -> None:
        super().__init__()
        self._plot = plot
        self.setZValue(depth)
        plot.addItem(self, ignoreBounds=True)

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self._plot.view_box.viewRect())


class _Grid(Overlay):
    """A line at each labeled value. The grid of pyqtgraph takes as long to draw as all curves."""

    def __init__(self, plot: Plot) -> None:
        super().__init__(plot, -8)

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        view, axis = self.boundingRect(), self._plot.values_axis
        levels = [values for _, values in axis.tickValues(view.top(), view.bottom(), self._plot.view_box.height())]
        places = levels[0] if len(levels[0]) >= _FEWEST_LINES else [y for values in levels[:2] for y in values]
        painter.setPen(cosmetic_pen(self._plot.theme.color("grid"), 1.0))
        painter.drawLines([QLineF(view.left(), y, view.right(), y) for y in places])


class _SeamLines(Overlay):
    """The seams in view, below the curves."""

    def __init__(self, plot: Plot) -> None:
        super().__init__(plot, -4)
        self._seams = np.zeros(0, np.int64)

    def show_seams(self, seams: NDArray[np.int64]) -> None:
        """Set the time steps at which a new call begins, (K,)."""
        self._seams = seams
        self.setVisible(len(seams) > 0)
        self.viewRangeChanged()

    def in_view(self) -> SeamsInView:
        seen = self._plot.seen
        return seams_in_view(self._seams, seen, self._plot.view_box.width() / max(len(seen), 1))

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        transform = painter.transform()
        painter.resetTransform()
        ground = transform.mapRect(self.boundingRect())
        places = [transform.map(QPointF(t - 0.5, 0.0)).x() for t in self.in_view().drawn.tolist()]
        paint_seams(painter, places, ground.top(), ground.bottom(), self._plot.theme, "muted")


class Spans(Overlay):
    """Shaded spans of steps with a label: those without a finite value, or without any."""

    def __init__(self, plot: Plot, label: str, role: str = "raised") -> None:
        super().__init__(plot, -5)
        self.label, self._role = label, role
        self.runs: NDArray[np.int64] = np.zeros((0, 2), np.int64)

    def show_runs(self, runs: NDArray[np.int64], label: str | None = None) -> None:
        """Set the spans: first and last step of each, (K, 2)."""
        self.runs, self.label = runs, self.label if label is None else label
        self.setVisible(len(runs) > 0)
        self.viewRangeChanged()

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        view, transform, empty = self.boundingRect(), painter.transform(), self._role == "raised"
        painter.resetTransform()
        ground = transform.mapRect(view)
        color, tint = self._plot.theme.color(self._role), self._plot.theme.color(self._role)
        tint.setAlphaF(1.0 if empty else _SPAN_ALPHA)
        for start, stop in pixel_bands(self.runs, view.left(), view.right(), max(1, round(ground.width()))):
            band = QRectF(ground.left() + start, ground.top(), stop - start, ground.height())
            painter.fillRect(band, tint)
            if not empty:
                painter.fillRect(QRectF(band.left(), ground.bottom() - 4, band.width(), 4), color)
            painter.setPen(self._plot.theme.color("muted") if empty else color)
            self._name(painter, band, Qt.AlignmentFlag.AlignVCenter if empty else Qt.AlignmentFlag.AlignTop)

    def _name(self, painter: QPainter, band: QRectF, place: Qt.AlignmentFlag) -> None:
        """Write the label on a span, vertically if it does not fit horizontally."""
        metrics = painter.fontMetrics()
        if band.width() > metrics.horizontalAdvance(self.label) + 4:
            painter.drawText(band, Qt.AlignmentFlag.AlignHCenter | place, self.label)
        elif band.width() > metrics.height():
            painter.save()
            painter.translate(band.center().x(), band.top())
            painter.rotate(90)
            turned = QRectF(2, -band.width() / 2, band.height(), band.width())
            painter.drawText(turned, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.label)
            painter.restore()


class Legend(QHBoxLayout):
    """Keys of a plot's curves, with their values at the selection."""

    clicked = Signal(int)
    """The place of a key that was clicked, if keys are `clickable`."""

    def __init__(self, *, clickable: bool = False) -> None:
        super().__init__()
        self._clickable = clickable
        self.setSpacing(4)
        self.keys: list[LegendKey] = []

    def name(self, names: Sequence[tuple[str, str]]) -> None:
        """Set the names of the curves, and their descriptions."""
        while len(self.keys) > len(names):
            key = self.keys.pop()
            self.removeWidget(key)
            key.hide()
            key.deleteLater()
        while len(self.keys) < len(names):
            key = LegendKey()
            if self._clickable:
                key.clicked.connect(partial(self._on_click, key))
            else:
                key.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self.addWidget(key)
            self.keys.append(key)
        for key, (name, why) in zip(self.keys, names, strict=True):
            key.rename(name, why)

    def color(self, curves: Sequence[Curve], theme: Theme) -> None:
        """Draw the lines or rings of the curves."""
        for key, curve in zip(self.keys, curves, strict=True):
            key.show_line(curve.look, theme, points=curve.points)

    def show_values(self, values: Sequence[str]) -> None:
        for key, value in zip(self.keys, values, strict=False):
            key.show_value(value)

    def _on_click(self, key: LegendKey) -> None:
        self.clicked.emit(self.keys.index(key))


class TimePlotView(ResultView):
    """Curves over the time steps of the lanes, below one row of controls. A click selects a time step."""

    def __init__(self, before: str, legend: Legend) -> None:
        """`before` is the text before the first run."""
        super().__init__()
        self.result: RunResult | None = None
        self.location, self.theme = Location(), LIGHT
        self.legend, self.plot = legend, Plot(self.title)
        self.plot.step_requested.connect(lambda t: self.location_requested.emit(self.location_at(t)))
        self.plot.explanation_requested.connect(lambda t: self.explanation_requested.emit(self.place_at(t)))
        self.plot.offer_copy(self.copy_text)
        self._before = hint(before)
        self.muted, self.themed = (self._before,), (self.plot,)

    def lay_out(self, row: QHBoxLayout, content: QWidget | QLayout, *others: QWidget) -> None:
        """Put the controls over the content; `others` are pages in place of both."""
        self.tool_row = row
        row.setContentsMargins(8, 0, 8, 0)
        shown = down(row, (content, 1), margins=(0, 4, 0, 0), spacing=4)
        self.pages = pages(self, self._before, shown, *others)

    def bind(self, window: ViewHost) -> None:
        LaneAxis(self.plot, window.lanes.canvas)

    def take(self, result: RunResult | None) -> bool:
        """Show the time steps of a result. Returns whether it is another one."""
        known, self.result = result is self.result, result
        self.pages.setCurrentIndex(0 if result is None else 1)
        if result is not None and not known:
            self.location = self.location.within(result.shape)
            self.plot.show_steps(result.shape[2], result.inputs.seams)
        return not known

    def location_at(self, timestep: int) -> Location:
        """The selection at a time step."""
        return self.location.moved(timestep=timestep)

    def place_at(self, timestep: int) -> Location | Place:
        """The number at a time step whose arithmetic is to be shown."""
        return self.location_at(timestep)

    def length(self, result: RunResult) -> int:
        """Number of time steps with numbers: those of the sample."""
        return result.inputs.length(self.location.sample)

    def columns(self, result: RunResult) -> list[tuple[str, Callable[[int], str]]]:
        """The columns of a copy: each a heading, and the text of a time step."""
        raise NotImplementedError

    def copy_text(self) -> str:
        """The numbers of the curves at the visible time steps in full precision."""
        columns = [] if self.result is None else self.columns(self.result)
        if self.result is None or not columns:
            return ""
        steps = [t for t in self.plot.seen if t < self.length(self.result)]
        rows = [["timestep", *(heading for heading, _ in columns)]]
        rows += [[str(t), *(text(t) for _, text in columns)] for t in steps]
        return "".join("\t".join(row) + "\n" for row in rows)

"""Plot over time: curves, integer ticks, the selection as a line, and a logarithmic axis for errors."""

from collections.abc import Callable, Sequence
from math import ceil, floor, isfinite
from typing import Any, Self

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QPaintEngine, QPainter, QPainterPath, QPen, QPixmap, QTransform
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from rnnviz.core import number_format
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.pixels import drop_collinear, pixel_bands
from rnnviz.gui.views.seams import SeamsInView, paint_seams, seams_in_view
from rnnviz.series.outlines import LogScale, Outline

_DOTS_SHOWN = 64
"""Maximum number of visible time steps at which each value has a dot."""
_SMOOTH_UP_TO = 100
"""Maximum number of visible time steps for antialiased lines, which take ten times as long to draw."""
_DASHED_UP_TO = 600
"""Maximum number of visible time steps for dashed lines. With more, dashes merge and drawing is slow."""


class Curve:
    """One line. An outline has at most as many points as there are pixels, so all are drawn."""

    def __init__(self, pen: QPen, depth: float, changed: Callable[[], None]) -> None:
        self._path = QPainterPath()
        self._dots: list[QPointF] = []
        self._changed = changed
        self.outline: Outline | None = None
        """The drawn outline, or None."""
        self.visible = True
        self.draw_with(pen, depth)

    def draw_with(self, pen: QPen, depth: float, dense: QPen | None = None) -> None:
        """Set pen and depth, and another pen for many time steps. Curves of greater depth are above."""
        self.depth, self._pen, self._dense = depth, pen, dense or pen
        self._dot = QPen(pen.color(), 2 * round(pen.widthF()) + 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap)
        self._dot.setCosmetic(True)
        self._changed()

    def show_outline(self, outline: Outline) -> None:
        """Draw another outline. NaN and infinities leave gaps."""
        self.outline = outline
        x, y = outline.points()
        self._dots = _finite_points(x, y) if outline.timesteps <= _DOTS_SHOWN else []
        x, y = drop_collinear(x, y)
        self._path = pg.arrayToQPath(x, np.asarray(y, np.float64), connect="finite")
        self._changed()

    def set_visible(self, visible: bool) -> None:
        self.visible = visible
        self._changed()

    def paint(self, painter: QPainter, view: QRectF) -> None:
        """Draw the line in the plot's coordinates, of which `view` is visible."""
        smooth = view.width() <= _SMOOTH_UP_TO
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, smooth)
        pen = self._pen if view.width() <= _DASHED_UP_TO else self._dense
        if pen.color().alpha() < 255 and painter.paintEngine().type() == QPaintEngine.Type.Raster:
            self._paint_through(painter, pen, view)
        elif smooth or pen.widthF() <= 1.0 or pen.style() != Qt.PenStyle.SolidLine:
            painter.setPen(pen)
            painter.drawPath(self._path)
        else:
            self._paint_wide(painter, pen)
        if self._dots:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(self._dot)
            painter.drawPoints(self._dots)

    def _paint_through(self, painter: QPainter, pen: QPen, view: QRectF) -> None:
        """Draw a line of which the lower ones are seen. A translucent pen would take ten times as long."""
        place = painter.transform().mapRect(view).toAlignedRect()
        density = painter.device().devicePixelRatio()
        layer = QPixmap(place.size() * density)
        layer.setDevicePixelRatio(density)
        layer.fill(Qt.GlobalColor.transparent)
        opaque = QPen(pen)
        opaque.setColor(QColor(pen.color().rgb()))
        drawing = QPainter(layer)
        drawing.setTransform(painter.transform() * QTransform.fromTranslate(-place.x(), -place.y()))
        drawing.setPen(opaque)
        drawing.drawPath(self._path)
        drawing.end()
        there = painter.transform()
        painter.resetTransform()
        painter.setOpacity(pen.color().alphaF())
        painter.drawPixmap(place.topLeft(), layer)
        painter.setOpacity(1.0)
        painter.setTransform(there)

    def _paint_wide(self, painter: QPainter, pen: QPen) -> None:
        """Draw several thin lines instead of a wide one, whose outline would take ten times as long."""
        thin = QPen(pen)
        thin.setWidthF(1.0)
        painter.setPen(thin)
        there = painter.transform()
        width = round(pen.widthF())
        around = [k for k in range(-((width - 1) // 2), width // 2 + 1) if k]
        for right, down in [(0, 0), *((k, 0) for k in around), *((0, k) for k in around)]:
            painter.setTransform(there * QTransform.fromTranslate(right, down))
            painter.drawPath(self._path)
        painter.setTransform(there)


class CurvesItem(pg.GraphicsObject):
    """All curves of a plot as one cached picture, redrawn when a curve or the view range changes.

    The selection line moves over it without a redraw.
    """

    def __init__(self) -> None:
        super().__init__()
        self._curves: list[Curve] = []
        self.setCacheMode(QGraphicsItem.CacheMode.DeviceCoordinateCache)

    def add(self, pen: QPen, depth: float) -> Curve:
        curve = Curve(pen, depth, self.update)
        self._curves.append(curve)
        return curve

    def remove(self, curve: Curve) -> None:
        self._curves.remove(curve)
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self.viewRect())

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()
        self.update()

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None) -> None:
        for curve in sorted(self._curves, key=lambda curve: curve.depth):
            if curve.visible:
                curve.paint(painter, self.viewRect())


def _finite_points(x: NDArray[np.float64], y: FloatArray) -> list[QPointF]:
    return [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True) if np.isfinite(point[1])]


def cosmetic_pen(color: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    """A pen with a width in pixels at any scale of the plot."""
    pen = QPen(color, width, style)
    pen.setCosmetic(True)
    return pen


_FEWEST_PIXELS = 64
"""Assumed width of a plot before its first layout."""


class TimePlot(pg.PlotWidget):
    """Curves over T time steps. The wheel zooms in time, dragging pans, a double click on an axis shows all of it."""

    timestep_requested = Signal(int)
    explanation_requested = Signal(int)
    """The time step whose arithmetic is requested."""
    seen_changed = Signal()
    """The visible time steps or the width in pixels changed, so the curves need new outlines."""

    def __init__(self) -> None:
        self._time_axis = _TimestepAxis("bottom")
        super().__init__(axisItems={"bottom": self._time_axis, "left": _ValueAxis("left")}, enableMenu=False)
        self._timesteps = 0
        self.theme = LIGHT
        item = self.getPlotItem()
        item.hideButtons()
        self.view_box = item.getViewBox()
        self.view_box.setMouseEnabled(x=True, y=False)
        self.view_box.disableAutoRange()
        self.view_box.sigXRangeChanged.connect(self.seen_changed)
        self.view_box.sigResized.connect(self.seen_changed)
        # Longer numbers must not move the plot during playback.
        self.getAxis("left").setStyle(autoReduceTextSpace=False)
        for name in ("left", "bottom"):
            # The axes have no unit for an SI prefix, so numbers are written unscaled.
            self.getAxis(name).enableAutoSIPrefix(False)
            # The ticks of the finest level have no labels, and take most of the time.
            self.getAxis(name).setStyle(maxTickLevel=1)
        self._cursor_under = pg.InfiniteLine(angle=90, movable=False)
        self.cursor_line = pg.InfiniteLine(angle=90, movable=False)
        # Below the curves; with one time step this is the only place.
        for line, depth in ((self._cursor_under, -2), (self.cursor_line, -1)):
            line.setZValue(depth)
            self.addItem(line, ignoreBounds=True)
        self._curves = CurvesItem()
        self.addItem(self._curves, ignoreBounds=True)
        self.seams = SeamLines(self)
        self.scene().sigMouseClicked.connect(self._on_click)
        self.getAxis("bottom").setLabel("time step")
        self.setFrameShape(pg.PlotWidget.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    def show_timesteps(self, timesteps: int, seams: NDArray[np.int64]) -> None:
        """Set T and the seams. The visible part stays unless T changes."""
        self.seams.show_seams(seams)
        if timesteps == self._timesteps:
            return
        self._timesteps = timesteps
        self.view_box.setLimits(
            xMin=-0.5, xMax=max(timesteps, 1) - 0.5, minXRange=min(4.0, max(timesteps, 1)), maxXRange=max(timesteps, 1)
        )
        self.fit()

    def fit(self) -> None:
        self.view_box.setXRange(-0.5, max(self._timesteps, 1) - 0.5, padding=0)

    def show_part_of(self, plot: Self) -> None:
        """Show the visible part of another plot, if that has the same time steps."""
        if plot._timesteps == self._timesteps:
            self.view_box.setXRange(*plot.view_box.viewRange()[0], padding=0)

    def show_selection(self, timestep: int) -> None:
        self._cursor_under.setValue(timestep)
        self.cursor_line.setValue(timestep)

    def hide_selection(self) -> None:
        """Leave out the selection line, as in a picture for a paper."""
        self._cursor_under.hide()
        self.cursor_line.hide()

    def name_values(self, name: str) -> None:
        """Name the vertical axis."""
        axis = self.getAxis("left")
        if axis.labelText != name:
            # A label is laid out and moves the plot even if it stays.
            axis.setLabel(name)

    def show_values(self, low: float, high: float) -> None:
        if self.view_box.viewRange()[1] != [low, high]:
            # Even the same range would notify every item of the plot.
            self.view_box.setYRange(low, high, padding=0)
        # At once: put off to the next paint, it would ask for another paint after that.
        self.view_box.updateMatrix()

    @property
    def timesteps_in_sight(self) -> range:
        left, right = self.view_box.viewRange()[0]
        return range(max(0, ceil(left)), min(self._timesteps - 1, floor(right)) + 1)

    @property
    def pixels(self) -> int:
        """Length of the time axis in pixels."""
        return max(int(self.view_box.width()), _FEWEST_PIXELS)

    def add_curve(self, pen: QPen, depth: float) -> Curve:
        """Add a curve without values. Curves of greater depth are above."""
        return self._curves.add(pen, depth)

    def remove_curve(self, curve: Curve) -> None:
        self._curves.remove(curve)

    def apply_theme(self, theme: Theme) -> None:
        """Set the colors of axes, background and selection. Owners set those of their curves."""
        self.theme = theme
        self.setBackground(theme.color("base"))
        for name in ("left", "bottom"):
            axis = self.getAxis(name)
            axis.setPen(pg.mkPen(theme.color("border")))
            axis.setTextPen(pg.mkPen(theme.color("muted")))
            axis.setTickPen(pg.mkPen(theme.color("border")))
        self._cursor_under.setPen(pg.mkPen(theme.color("outline_under"), width=3))
        self.cursor_line.setPen(pg.mkPen(theme.color("cursor"), width=1, style=Qt.PenStyle.DashLine))

    def _on_click(self, event: Any) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not self._timesteps:
            return
        on_curves = self.view_box.sceneBoundingRect().contains(event.scenePos())
        if event.double() and not on_curves:
            self.fit()
            return
        point = self.view_box.mapSceneToView(event.scenePos())
        timestep = min(max(round(point.x()), 0), self._timesteps - 1)
        (self.explanation_requested if event.double() else self.timestep_requested).emit(timestep)


class _TimestepAxis(pg.AxisItem):
    """Ticks at whole time steps only."""

    def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:
        spacing: Sequence[tuple[float, float]] = super().tickSpacing(low, high, size)
        whole = sorted({max(1.0, float(round(step))) for step, _ in spacing}, reverse=True)
        return [(step, 0.0) for step in whole]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [number_format.count(round(value)) for value in values]


class _ValueAxis(pg.AxisItem):
    """Ticks with true minus signs."""

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [number_format.true_minus(text) for text in super().tickStrings(values, scale, spacing)]


class SeamLines(pg.GraphicsObject):
    """The seams in view, below the curves."""

    def __init__(self, plot: TimePlot) -> None:
        super().__init__()
        self._plot = plot
        self._seams = np.zeros(0, np.int64)
        self.setZValue(-4)
        plot.addItem(self, ignoreBounds=True)

    def show_seams(self, seams: NDArray[np.int64]) -> None:
        """Set the time steps at which a new call begins, (K,)."""
        self._seams = seams
        self.setVisible(len(seams) > 0)
        self.viewRangeChanged()

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self._plot.view_box.viewRect())

    def in_view(self) -> SeamsInView:
        times = self._plot.timesteps_in_sight
        return seams_in_view(self._seams, times, self._plot.pixels / max(len(times), 1))

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        transform = painter.transform()
        painter.resetTransform()
        ground = transform.mapRect(self.boundingRect())
        places = [transform.map(QPointF(t - 0.5, 0.0)).x() for t in self.in_view().drawn.tolist()]
        paint_seams(painter, places, ground.top(), ground.bottom(), self._plot.theme, "muted")


class GapMarks(pg.GraphicsObject):
    """Shaded spans of time steps without a finite value, with a label."""

    def __init__(self, plot: TimePlot, word: str, role: str) -> None:
        super().__init__()
        self._plot = plot
        self._word, self._role = word, role
        self._theme = LIGHT
        self.runs: NDArray[np.int64] = np.zeros((0, 2), np.int64)
        self.setZValue(-5)
        plot.addItem(self, ignoreBounds=True)

    def show_runs(self, runs: NDArray[np.int64]) -> None:
        """Set the spans: first and last time step of each, of shape (K, 2)."""
        self.runs = runs
        self.prepareGeometryChange()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def viewRangeChanged(self) -> None:
        self.prepareGeometryChange()
        self.update()

    def boundingRect(self) -> QRectF:
        return QRectF(self._plot.view_box.viewRect())

    def paint(self, painter: QPainter, *_unused: Any) -> None:
        if not len(self.runs):
            return
        view = self.boundingRect()
        transform = painter.transform()
        painter.resetTransform()
        ground = transform.mapRect(view)
        color = self._theme.color(self._role)
        tint = self._theme.color(self._role)
        tint.setAlphaF(0.18)
        for start, stop in pixel_bands(self.runs, view.left(), view.right(), max(1, round(ground.width()))):
            band = QRectF(ground.left() + start, ground.top(), stop - start, ground.height())
            painter.fillRect(band, tint)
            painter.fillRect(QRectF(band.left(), ground.bottom() - 4, band.width(), 4), color)
            self._name(painter, band, color)

    def _name(self, painter: QPainter, band: QRectF, color: QColor) -> None:
        """Write the label on a span, vertically if it does not fit horizontally."""
        metrics = painter.fontMetrics()
        painter.setPen(color)
        if band.width() > metrics.horizontalAdvance(self._word) + 4:
            painter.drawText(band, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop, self._word)
        elif band.width() > metrics.height():
            painter.save()
            painter.translate(band.center().x(), band.top())
            painter.rotate(90)
            beside = QRectF(2, -band.width() / 2, band.height(), band.width())
            painter.drawText(beside, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self._word)
            painter.restore()


_ABOVE, _BELOW = [(0.0, 1.0)] * 2, [(0.0, 0.0)] * 2
"""Anchors that place the label above or below its line."""


_LABEL_GROUND = 0.75
"""Opacity of the ground of the label."""


class LogAxis(pg.AxisItem):
    """Ticks at the decades, at zero and at infinity."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.scale_of_values = LogScale(-1, 1)

    def show_scale(self, scale: LogScale) -> None:
        self.scale_of_values = scale
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        scale = self.scale_of_values
        room = max(1, int(size // 18) - 2)
        step = -(-(scale.highest - scale.lowest + 1) // room)
        decades = [float(e) for e in range(scale.lowest, scale.highest + 1) if e % step == 0]
        ends = [scale.zero, scale.infinity] if scale.infinite else [scale.zero]
        return [(float(step), [value for value in (*decades, *ends) if low <= value <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [number_format.true_minus(self.scale_of_values.text(value)) for value in values]


class LogTimePlot(TimePlot):
    """Draws positions on a logarithmic axis, with lines at the tolerance and at zero."""

    def __init__(self) -> None:
        super().__init__()
        self._axis = LogAxis("left")
        self.setAxisItems({"left": self._axis})
        self._limit = pg.InfiniteLine(angle=0, movable=False, label="", labelOpts={"position": 0.02, "anchors": _ABOVE})
        self._limit.setZValue(5)
        self.addItem(self._limit, ignoreBounds=True)
        self._floor = pg.InfiniteLine(angle=0, movable=False)
        self._floor.setZValue(-3)
        self.addItem(self._floor, ignoreBounds=True)

    @property
    def scale_of_values(self) -> LogScale:
        return self._axis.scale_of_values

    @property
    def limit(self) -> float | None:
        """Position of the tolerance line on the vertical axis, or None."""
        return float(self._limit.value()) if self._limit.isVisible() else None

    def show_scale(self, scale: LogScale, limit: tuple[float, str] | None, *, below: bool = False) -> None:
        """Set the scale, and position and label of the tolerance line. The label is above it, or `below`."""
        self._axis.show_scale(scale)
        self._floor.setValue(scale.zero)
        self._floor.setVisible(scale.zeros)
        self._limit.setVisible(limit is not None)
        bottom = self._bottom(scale)
        top = self._top(scale)
        if limit is not None:
            at = float(scale.positions(np.array([limit[0]]))[0])
            self._limit.setValue(at)
            self._limit.label.setFormat(limit[1])
            self._limit.label.anchors = _BELOW if below else _ABOVE
            if below:
                bottom = min(bottom, top - (top - at) / 0.82)
            else:
                top = max(top, bottom + (at - bottom) / 0.82)
        self.show_values(bottom, top)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._limit.setPen(cosmetic_pen(theme.color("wrong"), 1.0, Qt.PenStyle.DashLine))
        self._limit.label.setColor(theme.color("wrong"))
        # Curves may pass behind it; they shine through.
        ground = theme.color("base")
        ground.setAlphaF(_LABEL_GROUND)
        self._limit.label.fill = QBrush(ground)
        self._floor.setPen(cosmetic_pen(theme.color("grid"), 1.0))

    def _bottom(self, scale: LogScale) -> float:
        """The lowest position on the axis."""
        return scale.bottom - 0.3

    def _top(self, scale: LogScale) -> float:
        """The highest position on the axis, if the label of the tolerance line needs no more room."""
        return (scale.infinity if scale.infinite else float(scale.highest)) + 0.3


class LinearOrLogPlot(LogTimePlot):
    """A logarithmic plot whose axis can be linear, and whose dashed line is a reference, not a limit."""

    def __init__(self, *, logarithmic: bool) -> None:
        super().__init__()
        self.logarithmic = True
        self._ends: object = None
        """The shown range and dashed line: even the same ones would be laid out again."""
        self._highest = 1.0
        self._floor.hide()
        self._linear = _ValueAxis("left")
        self._linear.enableAutoSIPrefix(False)
        self._linear.setStyle(maxTickLevel=1, autoReduceTextSpace=False)
        self.set_logarithmic(logarithmic)

    def set_logarithmic(self, logarithmic: bool) -> None:
        """Choose the axis. The values must be shown again."""
        if logarithmic != self.logarithmic:
            self.logarithmic, self._ends = logarithmic, None
            self.setAxisItems({"left": self._axis if logarithmic else self._linear})
            self.apply_theme(self.theme)

    def show_log(self, scale: LogScale, highest: float, limit: tuple[float, str] | None) -> None:
        """Set the scale up to the highest position of a curve, and position and label of the dashed line."""
        highest = ceil(10.0 * highest) / 10.0 if isfinite(highest) else float(scale.highest)
        if (scale, highest, limit) != self._ends:
            self._ends, self._highest = (scale, highest, limit), highest
            self.show_scale(scale, limit)

    def show_linear(self, low: float, high: float, limit: tuple[float, str] | None) -> None:
        """Show a linear range, with position and label of the dashed line."""
        if (low, high, limit) == self._ends:
            return
        self._ends = low, high, limit
        self._limit.setVisible(limit is not None)
        if limit is not None:
            self._limit.setValue(limit[0])
            self._limit.label.setFormat(limit[1])
            # The label is above its line.
            high = max(high, low + (limit[0] - low) / 0.82)
        self.show_values(low, high)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._limit.setPen(cosmetic_pen(theme.color("muted"), 1.0, Qt.PenStyle.DashLine))
        self._limit.label.setColor(theme.color("muted"))

    def _bottom(self, scale: LogScale) -> float:
        # Without a place for zero.
        return scale.lowest - 0.1

    def _top(self, scale: LogScale) -> float:
        return super()._top(scale) if scale.infinite else self._highest + 0.1

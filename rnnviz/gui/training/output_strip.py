"""Target and prediction of a checkpoint over the lanes, on their time axis, because the output is computed last."""

from collections.abc import Callable
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy

from rnnviz.core import number_format
from rnnviz.core.config import ParameterSource
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.fonts import code_font
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.base import ResultView, ViewHost
from rnnviz.gui.views.unrolled.canvas import LanesCanvas
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.training.checkpoints import TestPrediction
from rnnviz.verify.result import RunResult

_HEAD, _CURVES, _ROW, _EDGE = 20, 150, 22, 12
"""Heights of the legend, of the curves and of a row of symbols, and the free space above and below the curves."""
_LABEL_GAP = 26
_OVER = 0.1
"""Share of a unit that the curves may exceed the ends of their axis, where they have free space."""
_SMOOTH_UP_TO = 100
"""Visible time steps up to which curves are wide and smooth."""
_DOTS_FROM, _SYMBOLS_FROM = 8.0, 9.0
"""Widths of a time step from which on predictions have dots, and symbols are written."""
_TARGET, _PREDICTION = 1, 0
"""Places of the colors of the lines in the theme's series."""
_RIGHT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft


class OutputStrip(ResultView):
    """Curves of numbers, or two rows of symbols of classes. Hidden unless the lanes show a checkpoint."""

    title = "output"
    help_page = "training"
    follows_hidden = True

    def __init__(self, prediction_of: Callable[[ParameterSource], TestPrediction | None]) -> None:
        """`prediction_of` knows the predictions of checkpoints by their parameters."""
        super().__init__()
        self._prediction_of = prediction_of
        self._canvas: LanesCanvas | None = None
        self.prediction: TestPrediction | None = None
        self._symbols = "", ""
        """Targets and predictions of the selected sample, if they are classes."""
        self._location, self._theme = Location(), LIGHT
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("target and prediction")
        self.hide()

    def bind(self, window: ViewHost) -> None:
        """Take a place over the lanes, below their head, and follow their time axis."""
        self._canvas = window.lanes.canvas
        window.lanes.layout().insertWidget(1, self)
        window.lanes.canvas.moved.connect(self.update)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        found = None if result is None else self._prediction_of(result.config.parameters)
        self.prediction = None if found is None or found.one_answer else found
        self._read_symbols()
        self.updateGeometry()
        self.setVisible(self.prediction is not None)
        self.update()

    def show_location(self, location: Location) -> None:
        other, self._location = location.sample != self._location.sample, location
        if other:
            self._read_symbols()
        self.setAccessibleDescription(self.sentence)
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        classes = self.prediction is not None and self.prediction.classes
        return QSize(200, scaled(_HEAD + (2 * _ROW + 4 if classes else _CURVES)))

    minimumSizeHint = sizeHint

    @property
    def sample(self) -> int:
        """The selected sample, as far as it is predicted."""
        return 0 if self.prediction is None else min(self._location.sample, self.prediction.target.shape[1] - 1)

    @property
    def sentence(self) -> str:
        """Target and prediction at the selected time step."""
        found, t = self.prediction, self._location.timestep
        if found is None or t >= len(found.target):
            return ""
        if not found.counted[t, self.sample]:
            return f"t = {t}: no target"
        if found.classes:
            target, predicted = (line[t] for line in self._symbols)
            return f"t = {t}: target {target}, prediction {predicted}{'' if target == predicted else ', which differs'}"
        target, predicted = found.target[t, self.sample], found.predicted[t, self.sample]
        numbers = (number_format.true_minus(f"{value:.3f}") for value in (target, predicted, abs(predicted - target)))
        return "t = {}: target {}, prediction {}, off by {}".format(t, *numbers)

    def _read_symbols(self) -> None:
        found = self.prediction
        self._symbols = found.symbols(self.sample) if found is not None and found.classes else ("", "")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        lanes, found = self._lanes(), self.prediction
        if lanes is not None and found is not None:
            geometry, left = lanes
            t = min(max(round(geometry.time_at(event.position().x() - left)), 0), len(found.target) - 1)
            self.location_requested.emit(self._location.moved(timestep=t))

    def _lanes(self) -> tuple[Geometry, float] | None:
        """The geometry of the lanes, and where they begin in this widget."""
        canvas = self._canvas
        if canvas is None or canvas.geometry_in_view is None:
            return None
        return canvas.geometry_in_view, float(self.mapFromGlobal(canvas.mapToGlobal(canvas.area.topLeft())).x())

    def paintEvent(self, event: QPaintEvent) -> None:
        lanes, found = self._lanes(), self.prediction
        if lanes is None or found is None:
            return
        geometry, left = lanes
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        head = scaled(_HEAD)
        body = QRectF(left, head, geometry.width, self.height() - head)
        self._paint_head(painter, QRectF(left, 0, geometry.width, head), classes=found.classes)
        if found.classes:
            self._paint_symbols(painter, geometry, body, found)
        else:
            self._paint_curves(painter, geometry, body, found)
        t = self._location.timestep
        if t in geometry.timesteps_in_view():
            x = left + geometry.x_of(t)
            painter.setPen(QPen(self._theme.color("cursor"), 1.5))
            if not found.classes:
                painter.drawLine(QPointF(x, body.top()), QPointF(x, body.bottom()))
        painter.end()

    def _paint_head(self, painter: QPainter, row: QRectF, *, classes: bool) -> None:
        """The legend of the curves, and the numbers at the selection."""
        theme, metrics, x = self._theme, self.fontMetrics(), row.left()
        for name, series in () if classes else (("target", _TARGET), ("prediction", _PREDICTION)):
            middle = row.center().y()
            painter.setPen(QPen(QColor(theme.series[series]), 2.0))
            painter.drawLine(QPointF(x, middle), QPointF(x + 22, middle))
            if series == _PREDICTION:
                self._dot(painter, QPointF(x + 11, middle))
            painter.setPen(theme.color("text"))
            painter.drawText(row.adjusted(x + 28 - row.left(), 0, 0, 0), _LEFT, name)
            x += 42 + metrics.horizontalAdvance(name)
        painter.setPen(theme.color("text"))
        if x + metrics.horizontalAdvance(self.sentence) < row.right():
            painter.drawText(row, _RIGHT, self.sentence)

    def _paint_curves(self, painter: QPainter, geometry: Geometry, body: QRectF, found: TestPrediction) -> None:
        theme, times = self._theme, geometry.timesteps_in_view()
        target, predicted = (values[:, self.sample] for values in (found.target, found.predicted))
        finite = np.concatenate([target, predicted[np.isfinite(predicted)]])
        reach = max(float(np.abs(finite).max(initial=0.0)), 1e-6)
        unit = 10.0 ** np.floor(np.log10(reach))
        end = unit * ceil(reach / unit - _OVER)
        lowest = 0.0 if finite.min() >= 0 else -end
        room = body.adjusted(0, scaled(_EDGE), 0, -scaled(_EDGE))

        def y_of(values: FloatArray) -> FloatArray:
            heights: FloatArray = room.bottom() - (values - lowest) / (end - lowest) * room.height()
            return heights

        self._paint_label(painter, body, "output", "next value")
        painter.setFont(code_font())
        for value in (end, 0.0, *((lowest,) if lowest else ())):
            y = float(y_of(np.array(value)))
            painter.setPen(theme.color("grid"))
            painter.drawLine(QPointF(body.left(), y), QPointF(body.right(), y))
            painter.setPen(theme.color("muted"))
            text = number_format.true_minus(f"{value:g}")
            painter.drawText(QRectF(0, y - 8, body.left() - 6, 16), _RIGHT, text)
        painter.setFont(self.font())
        painter.setClipRect(body)
        smooth = len(times) <= _SMOOTH_UP_TO
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, smooth)
        for values, series, width in ((target, _TARGET, 2.5), (predicted, _PREDICTION, 2.0)):
            # Wide smooth lines of many steps take a hundred times as long.
            painter.setPen(QPen(QColor(theme.series[series]), width if smooth else 1.0))
            at, drawn = _thinned(values, times, max(int(body.width()), 1))
            xs = body.left() + geometry.x_of(0.0) + at * geometry.pitch
            points = list(map(QPointF, xs.tolist(), y_of(drawn).tolist()))
            painter.drawPolyline(QPolygonF(points))
            if series == _PREDICTION and geometry.pitch >= _DOTS_FROM:
                for point in points:
                    self._dot(painter, point)

    def _paint_symbols(self, painter: QPainter, geometry: Geometry, body: QRectF, found: TestPrediction) -> None:
        """A row for the target and one for the prediction, with a frame or a bar where they differ."""
        theme, row, times = self._theme, scaled(_ROW), geometry.timesteps_in_view()
        counted, written = found.counted[:, self.sample], geometry.pitch >= _SYMBOLS_FROM
        wrong = counted & (found.target[:, self.sample] != found.predicted[:, self.sample])
        for place, name in enumerate(("target", "prediction")):
            top = body.top() + place * row
            painter.setPen(theme.color("muted"))
            painter.drawText(QRectF(0, top, body.left() - 6, row), _RIGHT, name)
            painter.setFont(code_font())
            for t in times if written else ():
                x, width = geometry.column(t)
                box = QRectF(body.left() + x, top + 1, width, row - 2)
                framed = place == 1 and bool(wrong[t])
                if framed:
                    painter.fillRect(box, theme.color("wrong_surface"))
                painter.setPen(theme.color("wrong" if framed else "text"))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, self._symbols[place][t])
                if framed:
                    painter.drawRect(box)
            painter.setFont(self.font())
        if not written:
            at = np.flatnonzero(wrong[times.start : times.stop]) + times.start
            for x in np.unique(np.floor(geometry.x_of(0.0) + at * geometry.pitch)).tolist():
                bar = QRectF(body.left() + x, body.top() + row + 1, max(geometry.pitch, 1.0), row - 2)
                painter.fillRect(bar, theme.color("wrong"))

    def _paint_label(self, painter: QPainter, body: QRectF, name: str, below: str) -> None:
        bold, middle = QFont(self.font()), body.center().y()
        bold.setWeight(QFont.Weight.DemiBold)
        painter.setFont(bold)
        painter.setPen(self._theme.color("text"))
        right = body.left() - _LABEL_GAP
        painter.drawText(QRectF(0, middle - 18, right, 18), _RIGHT, name)
        painter.setFont(self.font())
        painter.setPen(self._theme.color("muted"))
        painter.drawText(QRectF(0, middle, right, 18), _RIGHT, below)

    def _dot(self, painter: QPainter, at: QPointF) -> None:
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.series[_PREDICTION]))
        painter.drawEllipse(at, 2.5, 2.5)
        painter.restore()


def _thinned(values: FloatArray, times: range, pixels: int) -> tuple[NDArray[np.int64], FloatArray]:
    """The time steps to draw and their values: all of them, or the extremes of as many as share a pixel."""
    first, stop = max(times.start - 1, 0), min(times.stop + 1, len(values))
    at = np.arange(first, stop)
    each = -(-len(at) // pixels)
    if each > 2:
        starts = np.arange(0, len(at), each)
        part = values[first:stop]
        low, high = np.minimum.reduceat(part, starts), np.maximum.reduceat(part, starts)
        return np.repeat(at[starts], 2), np.stack([low, high], axis=1).ravel()
    return at, values[at]

"""Bars of a gradient: contributions by path, or by time step for a parameter's gradient."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import QToolTip

from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.explain.lines import Breakdown, Floats, Line
from rnnviz.explain.value_sources import in_words
from rnnviz.frozen import dataclass
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.arithmetic.side_plot import SidePlot, short_number
from rnnviz.gui.views.base import claims, is_plain

_LEAST_BAR = 1.0
_UNDER_TEXT = 0.4
_KEYS = (
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
    Qt.Key.Key_Return,
    Qt.Key.Key_Enter,
)


@dataclass(frozen=True, eq=False)
class GradientBars:
    """The parts (E, K) of a gradient for each engine, with names and sources; of a parameter its time steps."""

    values: Floats
    names: tuple[str, ...]
    sources: tuple[Place | None, ...]
    over_time: bool = False


def gradient_bars(each: Sequence[Breakdown], lines: Sequence[Line]) -> GradientBars:
    """The bars of one line of some engines."""
    parts = lines[0].parts
    if each[0].contributions is not None:
        values = np.array([breakdown.contributions for breakdown in each])
        width, times = len(parts[0].factors) // values.shape[1], range(values.shape[1])
        return GradientBars(
            values, tuple(f"t={t}" for t in times), tuple(parts[0].source(t * width) for t in times), True
        )
    totals = np.array([[part.total for part in line.parts] for line in lines])
    sources = tuple(part.source(0) if len(part) == 1 else None for part in parts)
    return GradientBars(totals, tuple(part.text for part in parts), sources)


class GradientBarPlot(SidePlot):
    """Draws `GradientBars` of the first engine, and of the second if it differs. A click follows a bar's source.

    Arrow keys select a bar, Enter follows it. Time steps that share a pixel column have one bar, the largest of them.
    """

    followed = Signal(object)
    """The `Place` of a bar's source."""

    def __init__(self) -> None:
        super().__init__()
        self.bars: GradientBars | None = None
        self._engines: tuple[str, ...] = ()
        self._drawn: Floats = np.zeros((0, 0))
        self._places: tuple[int, ...] = ()
        self.current: int | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def show_bars(self, bars: GradientBars, engines: Sequence[str]) -> None:
        self.bars, self._engines, self.current = bars, tuple(engines), None
        self._group()
        self._name()
        self.update()

    def words(self, place: int) -> str:
        """A bar as text, with the numbers of every engine."""
        bars = self.bars
        assert bars is not None
        each = zip(self._engines, bars.values[:, place], strict=True)
        lines = [bars.names[place], *(f"{engine}: {number_format.full(float(value))}" for engine, value in each)]
        source = bars.sources[place]
        return "\n".join(lines if source is None else [*lines, f"Click to go to {in_words(source)}."])

    def follow(self, place: int) -> None:
        source = None if self.bars is None else self.bars.sources[place]
        if source is not None:
            self.followed.emit(source)

    def bar_at(self, point: QPointF) -> int | None:
        """Index of the bar at a point: across for time steps, down for parts."""
        if self.bars is None or not self._places:
            return None
        ground = self._ground
        if self.bars.over_time:
            at = (point.x() - ground.left()) / max(ground.width(), 1.0)
        else:
            at = (point.y() - ground.top()) / max(ground.height(), 1.0)
        return self._places[int(at * len(self._places))] if 0.0 <= at < 1.0 else None

    def _group(self) -> None:
        """Choose the bars that are drawn: of time steps in one pixel column the largest."""
        if self.bars is None:
            return
        count, room = len(self.bars.names), max(int(self._ground.width()), 1)
        if not self.bars.over_time or count <= room:
            self._places = tuple(range(count))
        else:
            edges = np.linspace(0, count, room + 1).astype(int)
            size = np.nan_to_num(np.abs(self.bars.values).max(axis=0), nan=np.inf)
            self._places = tuple(int(low + size[low:high].argmax()) for low, high in pairwise(edges))
        self._drawn = self.bars.values[:, list(self._places)]

    def _name(self) -> None:
        bars = self.bars
        if bars is None:
            return
        kind = "Contribution of each time step" if bars.over_time else "Parts of the gradient"
        text = kind if self.current is None else f"{kind}: {self.words(self.current)}"
        self.setAccessibleName(text)
        self.setAccessibleDescription("Arrow keys select a bar, Enter goes to its source.")

    # Qt

    def resizeEvent(self, event: QEvent) -> None:
        self._group()

    def event(self, event: QEvent) -> bool:
        """Handle the keys before the window's shortcuts, and show tooltips."""
        if claims(event, _KEYS):
            return True
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            place = self.bar_at(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), "" if place is None else wrapped(self.words(place)), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if not is_plain(event, _KEYS) or self.bars is None or not self._places:
            super().keyPressEvent(event)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if self.current is not None:
                self.follow(self.current)
        else:
            at = -1 if self.current is None else self._places.index(self.current)
            last = len(self._places) - 1
            moves = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: last}
            by = -1 if key in (Qt.Key.Key_Left, Qt.Key.Key_Up) else 1
            self.current = self._places[min(max(moves.get(key, at + by), 0), last)]
            self._name()
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self.bar_at(event.position())
        link = place is not None and self.bars is not None and self.bars.sources[place] is not None
        self.setCursor(Qt.CursorShape.PointingHandCursor if link else Qt.CursorShape.ArrowCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self.bar_at(event.position())
        if event.button() != Qt.MouseButton.LeftButton or place is None:
            event.ignore()
            return
        self.current = place
        self._name()
        self.update()
        self.follow(place)

    def _paint(self, painter: QPainter) -> None:
        if self.bars is not None and self._places:
            painter.setPen(self._theme.color("text"))
            title = "by time step" if self.bars.over_time else "by part"
            top = QRectF(0.0, 0.0, self.width(), self.fontMetrics().height())
            painter.drawText(top, Qt.AlignmentFlag.AlignHCenter, title)
            self._paint_bars(painter, self.bars)

    def _paint_bars(self, painter: QPainter, bars: GradientBars) -> None:
        finite = self._drawn[np.isfinite(self._drawn)]
        low, high = min(float(finite.min(initial=0.0)), 0.0), max(float(finite.max(initial=0.0)), 0.0)
        span = high - low or 1.0
        ground, theme = self._ground, self._theme
        falls, grows = QColor(theme.diverging[1]), QColor(theme.diverging[-2])
        if not bars.over_time:
            # Names are written over them.
            falls.setAlphaF(_UNDER_TEXT)
            grows.setAlphaF(_UNDER_TEXT)
        each = 2 if len(self._drawn) > 1 and not np.allclose(self._drawn[0], self._drawn[1], rtol=1e-3) else 1
        painter.setPen(theme.color("border"))
        painter.drawLine(self._line(ground, -low / span))
        length = ground.width() if bars.over_time else ground.height()
        step = length / len(self._places)
        gap = 1.0 if step > 4.0 else 0.0
        for k, place in enumerate(self._places):
            for engine in range(each):
                value = float(self._drawn[engine, k])
                if not np.isfinite(value):
                    continue
                start, stop = sorted((-low / span, (value - low) / span))
                first = k * step + engine * (step - gap) / each
                bar = self._bar(ground, first, max((step - gap) / each, 0.5), start, stop)
                color = grows if value >= 0.0 else falls
                painter.fillRect(bar, color)
                if engine:
                    # The candidate's mark: color alone must not distinguish the engines.
                    painter.fillRect(bar, QBrush(theme.color("base"), Qt.BrushStyle.BDiagPattern))
            if place == self.current:
                painter.setPen(QPen(theme.color("accent"), 1.5))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(self._bar(ground, k * step, max(step, 2.0), 0.0, 1.0))
        self._paint_texts(painter, bars, ground, step, low, high)

    def _line(self, ground: QRectF, at: float) -> QLineF:
        """The line of 0."""
        assert self.bars is not None
        if self.bars.over_time:
            y = ground.bottom() - at * ground.height()
            return QLineF(ground.left(), y, ground.right(), y)
        x = ground.left() + at * ground.width()
        return QLineF(x, ground.top(), x, ground.bottom())

    def _bar(self, ground: QRectF, first: float, wide: float, start: float, stop: float) -> QRectF:
        """A bar from one value to another; both are fractions of the range."""
        assert self.bars is not None
        long = max(stop - start, 0.0)
        if self.bars.over_time:
            height = max(long * ground.height(), _LEAST_BAR)
            return QRectF(ground.left() + first, ground.bottom() - start * ground.height() - height, wide, height)
        width = max(long * ground.width(), _LEAST_BAR)
        return QRectF(ground.left() + start * ground.width(), ground.top() + first, width, wide)

    def _paint_texts(
        self, painter: QPainter, bars: GradientBars, ground: QRectF, step: float, low: float, high: float
    ) -> None:
        """Write the names of parts over their bars, or the first and last time step, and the range."""
        line = self.fontMetrics().height()
        below = QRectF(ground.left(), ground.bottom() + 3.0, ground.width(), line)
        painter.setPen(self._theme.color("muted"))
        left, right = (bars.names[0], bars.names[-1]) if bars.over_time else (short_number(low), short_number(high))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, left)
        if len(bars.names) > 1:
            painter.drawText(below, Qt.AlignmentFlag.AlignRight, right)
        if not bars.over_time and step >= line:
            painter.setPen(self._theme.color("text"))
            for k, place in enumerate(self._places):
                text = self.fontMetrics().elidedText(
                    bars.names[place], Qt.TextElideMode.ElideRight, int(ground.width())
                )
                at = QRectF(ground.left() + 2.0, ground.top() + k * step, ground.width(), step)
                painter.drawText(at, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)

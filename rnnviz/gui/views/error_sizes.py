"""Chart of the sizes of differences: bars with logarithmic heights that lead to their first value."""

from math import ceil, log10

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QBrush, QHelpEvent, QKeyEvent, QPainter
from PySide6.QtWidgets import QToolTip

from rnnviz.core import number_format
from rnnviz.core.words import capital
from rnnviz.gui.kit.plot import Overlay, Plot, cosmetic_pen
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import is_plain
from rnnviz.series.histogram_bars import Bars, HistogramBar
from rnnviz.series.outlines import LogScale

_KEYS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Home: -1_000, Qt.Key.Key_End: 1_000}
_GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
_FLOOR, _GAP, _APART = -0.35, 0.08, 8
_TINT = 0.16


class ErrorSizes(Plot):
    """Draws `Bars`. Arrow keys choose a bar; Enter or a click leads to its first value."""

    chosen = Signal()
    activated = Signal(object)
    """The `Location` of a bar's first value."""

    def __init__(self) -> None:
        self.bars: Bars | None = None
        self.chosen_bar: HistogramBar | None = None
        self._limit = pg.InfiniteLine(angle=90, movable=False, label="tolerance", labelOpts={"position": 0.92})
        super().__init__("Differences by size; arrow keys choose a bar, Enter selects its first value", navigable=False)
        self._item = pg.BarGraphItem(x=[], height=[], width=1.0)
        self.addItem(self._item, ignoreBounds=True)
        self.addItem(self._limit, ignoreBounds=True)
        self._counts = _Counts(self)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.seen_changed.connect(self._label)

    def show_bars(self, bars: Bars | None, name: str) -> None:
        """Show other bars, and the name of their axis."""
        self.bars, self.chosen_bar = bars, None
        if bars is None:
            return
        highest = max(ceil(log10(max(bars.highest, 1))), 1)
        self.show_scale(LogScale(0, highest, zeros=False), low=_FLOOR, high=highest + 0.35)
        self.steps_axis.setLabel(name)
        self.show_part(-0.3, bars.width + 0.3)
        self._limit.setVisible(bars.limit is not None)
        self._limit.setValue(0.0 if bars.limit is None else bars.limit - _GAP / 2.0)
        self._draw()
        self._label()

    def choose(self, bar: HistogramBar) -> None:
        if bar is not self.chosen_bar:
            self.chosen_bar = bar
            self._counts.update()
            self.chosen.emit()

    def copy_text(self) -> str:
        """A row for each bar."""
        rows = [("above", "up to", "values", "first at")]
        for bar in () if self.bars is None else self.bars.bars:
            first = "" if bar.first is None else str(bar.first)
            rows.append((number_format.full(bar.low), number_format.full(bar.high), str(bar.count), first))
        return "".join("\t".join(row) + "\n" for row in rows)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._limit.setPen(cosmetic_pen(theme.color("wrong"), 1.0, Qt.PenStyle.DashLine))
        self._limit.label.setColor(theme.color("wrong"))
        if self.bars is not None:
            self._draw()

    def bar_at(self, point: QPointF) -> HistogramBar | None:
        """The bar whose column contains a point of the scene."""
        x = self.view_box.mapSceneToView(point).x()
        bars = () if self.bars is None else self.bars.bars
        return next((bar for bar in bars if bar.x <= x < bar.x + 1.0), None)

    def rect_of(self, bar: HistogramBar) -> QRectF:
        """The rectangle of a bar in the scene; its height is 0 if it is empty."""
        top = log10(bar.count) if bar.count else _FLOOR
        area = QRectF(QPointF(bar.x, top), QPointF(bar.x + 1.0 - _GAP, _FLOOR))
        return QRectF(self.view_box.mapViewToScene(area).boundingRect())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if not self._has_key(event) or self.bars is None:
            event.ignore()
        elif key in _GO:
            self._go()
        else:
            bars = self.bars.bars
            before = bars.index(self.chosen_bar) if self.chosen_bar else -1 if _KEYS[key] > 0 else len(bars)
            self.choose(bars[min(max(before + _KEYS[key], 0), len(bars) - 1)])

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            bar = self.bar_at(self.mapToScene(event.pos()))
            QToolTip.showText(event.globalPos(), "" if bar is None else bar_tooltip(bar), self)
            return True
        return bool(super().viewportEvent(event))

    def _has_key(self, event: QKeyEvent) -> bool:
        return is_plain(event, (*_KEYS, *_GO))

    def _on_click(self, event: QEvent) -> None:
        bar = self.bar_at(event.scenePos())  # type: ignore[attr-defined]
        if bar is not None:
            self.choose(bar)
            self._go()

    def _go(self) -> None:
        if self.chosen_bar is not None and self.chosen_bar.first is not None:
            self.activated.emit(self.chosen_bar.first)

    def _draw(self) -> None:
        assert self.bars is not None
        filled = [bar for bar in self.bars.bars if bar.count]
        plain, outside = QBrush(self.theme.color("accent")), QBrush(self.theme.color("wrong"))
        # Color alone must not distinguish them.
        outside.setStyle(Qt.BrushStyle.BDiagPattern)
        self._item.setOpts(
            x0=[bar.x for bar in filled],
            y0=_FLOOR,
            width=1.0 - _GAP,
            height=[log10(bar.count) - _FLOOR for bar in filled],
            brushes=[outside if bar.outside else plain for bar in filled],
            pens=[cosmetic_pen(self.theme.color("wrong" if bar.outside else "accent"), 1.0) for bar in filled],
        )

    def _label(self) -> None:
        """Label the ticks that do not overlap, and always zero and infinity."""
        if self.bars is None:
            return
        metrics, unit = self.fontMetrics(), self.view_box.width() / (self.bars.width + 0.6)
        taken: list[tuple[float, float]] = []
        labels = []
        for x, text in self.bars.ticks:
            half = metrics.horizontalAdvance(text) / 2.0 + _APART / 2.0
            start, end = x * unit - half, x * unit + half
            if all(end <= left or start >= right for left, right in taken):
                taken.append((start, end))
                labels.append((x - _GAP / 2.0, number_format.true_minus(text)))
        self.steps_axis.setTicks([labels])


class _Counts(Overlay):
    """The counts above the bars that are wide enough, and the column of the chosen bar."""

    def __init__(self, chart: ErrorSizes) -> None:
        super().__init__(chart, 5)
        self._chart = chart

    def paint(self, painter: QPainter, *_unused: object) -> None:
        chart, theme, metrics = self._chart, self._chart.theme, painter.fontMetrics()
        transform = painter.transform()
        painter.resetTransform()
        ground = transform.mapRect(self.boundingRect())
        for bar in () if chart.bars is None else chart.bars.bars:
            top = log10(bar.count) if bar.count else _FLOOR
            rect = transform.mapRect(QRectF(QPointF(bar.x, top), QPointF(bar.x + 1.0 - _GAP, _FLOOR)))
            count, chosen = number_format.count(bar.count), bar is chart.chosen_bar
            if chosen:
                tint = theme.color("wrong" if bar.outside else "accent")
                tint.setAlphaF(_TINT)
                painter.fillRect(QRectF(rect.left() - 1, ground.top(), rect.width() + 2, ground.height()), tint)
            width = metrics.horizontalAdvance(count)
            if bar.count and (chosen or width + 2 <= rect.width()):
                left = min(max(rect.center().x() - width / 2.0, ground.left()), ground.right() - width)
                place = QRectF(left - 2, rect.top() - metrics.height(), width + 4, metrics.height())
                if chosen:
                    painter.fillRect(place, theme.color("base"))
                painter.setPen(theme.color("text"))
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, count)


def bar_tooltip(bar: HistogramBar) -> str:
    values = "1 value" if bar.count == 1 else f"{number_format.count(bar.count)} values"
    return f"{capital(bar.words)}: {values}"

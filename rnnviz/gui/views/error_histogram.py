"""Histogram of the differences: a chart with logarithmic heights, whose bars lead to their first value."""

from collections.abc import Callable
from math import ceil, log10

from PySide6.QtCore import QEvent, QLineF, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QBrush, QColor, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from rnnviz.core import number_format
from rnnviz.core.words import capital
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ArrayCombo, ResultView, across, choice, claims, down, pages
from rnnviz.gui.views.histogram_bars import Bars, HistogramBar, error_ratio_bars, ulp_bars
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.verify.compare import Comparison, LaneComparison
from rnnviz.verify.result import RunResult

_PAD = 6
_LEAST = 0.06
"""Minimum height of a nonempty bar as a share of the plot area."""
_KEYS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Home: -1_000, Qt.Key.Key_End: 1_000}
_GO = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class BarChart(QWidget):
    """Draws `Bars`. `chosen` reports another selected bar, `activated` a request for its location."""

    chosen = Signal(int)
    activated = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._bars: Bars | None = None
        self.name = ""
        self._theme = LIGHT
        self.chosen_place: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_bars(self, bars: Bars | None, name: str) -> None:
        """Show other bars, and the name of their axis."""
        self._bars, self.name, self.chosen_place = bars, name, None
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def choose(self, place: int) -> None:
        if self._bars is not None and place != self.chosen_place:
            self.chosen_place = place
            self.chosen.emit(place)
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(400, 160)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 60)

    def bar_rect(self, place: int) -> QRectF:
        """Rectangle of a bar, with height 0 if it is empty."""
        assert self._bars is not None
        ground, bar = self._plot_area, self._bars.bars[place]
        height = ground.height() * self._part(bar.count)
        return QRectF(self._x(bar.x), ground.bottom() - height, self._unit - self._gap, height)

    def event(self, event: QEvent) -> bool:
        """Handle the keys that select a bar before the window's shortcuts."""
        return (self._bars is not None and claims(event, (*_KEYS, *_GO))) or super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if self._bars is None or (key not in _KEYS and key not in _GO):
            super().keyPressEvent(event)
        elif key in _GO:
            if self.chosen_place is not None:
                self.activated.emit(self.chosen_place)
        else:
            last = len(self._bars.bars) - 1
            start = self.chosen_place if self.chosen_place is not None else -1 if _KEYS[key] > 0 else last + 1
            self.choose(min(max(start + _KEYS[key], 0), last))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self._place_at(event.position())
        bar = None if place is None or self._bars is None else self._bars.bars[place]
        self.setToolTip(wrapped("" if bar is None else bar_tooltip(bar)))
        self.setCursor(Qt.CursorShape.PointingHandCursor if bar and bar.count else Qt.CursorShape.ArrowCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._place_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and place is not None:
            self.choose(place)
            self.activated.emit(place)

    def _place_at(self, point: QPointF) -> int | None:
        """Index of the bar whose column contains a point."""
        if self._bars is None:
            return None
        at = (point.x() - self._plot_area.left()) / self._unit
        return next((place for place, bar in enumerate(self._bars.bars) if bar.x <= at < bar.x + 1.0), None)

    @property
    def _plot_area(self) -> QRectF:
        """Plot area: labels are left of it and below, counts above the highest bar."""
        line = self.fontMetrics().height()
        widest = number_format.count(10**self._decades) if self._bars is not None else "0"
        left = self.fontMetrics().horizontalAdvance(widest) + 2 * _PAD
        return QRectF(left, line + _PAD, self.width() - left - _PAD, self.height() - 3 * line - 2 * _PAD)

    @property
    def _decades(self) -> int:
        return 0 if self._bars is None else ceil(log10(max(self._bars.highest, 1)))

    @property
    def _unit(self) -> float:
        return self._plot_area.width() / self._bars.width if self._bars is not None else 1.0

    @property
    def _gap(self) -> float:
        return 2.0 if self._unit > 12 else 1.0 if self._unit > 4 else 0.0

    def _x(self, x: float) -> float:
        return self._plot_area.left() + x * self._unit

    def _part(self, count: int) -> float:
        if not count or self._bars is None:
            return 0.0
        highest = log10(max(self._bars.highest, 2))
        return _LEAST + (1.0 - _LEAST) * log10(count) / highest

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
        painter.fillRect(self.rect(), self._theme.color("base"))
        if self._bars is not None:
            self._paint_grid(painter)
            self._paint_limit(painter)
            for place in range(len(self._bars.bars)):
                self._paint_bar(painter, place)
            self._paint_ticks(painter)
        if self.hasFocus():
            painter.setPen(QPen(self._theme.color("accent"), 2.0))
            painter.drawRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0))
        painter.end()

    def _paint_grid(self, painter: QPainter) -> None:
        """Draw a line at each power of ten in the range of the counts."""
        ground, line = self._plot_area, self.fontMetrics().height()
        below = ground.bottom() + line
        for decade in range(self._decades + 1):
            part = self._part(10**decade)
            y = ground.bottom() - part * ground.height()
            if part > 1.0 or y > below - line:
                continue
            painter.setPen(self._theme.color("grid"))
            painter.drawLine(QLineF(ground.left(), y, ground.right(), y))
            painter.setPen(self._theme.color("muted"))
            text = QRectF(0, y - line / 2, ground.left() - _PAD, line)
            painter.drawText(
                text, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, number_format.count(10**decade)
            )
            below = y
        painter.setPen(self._theme.color("border"))
        painter.drawLine(QLineF(ground.left(), ground.bottom(), ground.right(), ground.bottom()))

    def _paint_limit(self, painter: QPainter) -> None:
        assert self._bars is not None
        if self._bars.limit is None:
            return
        ground, x = self._plot_area, self._x(self._bars.limit) - self._gap / 2
        painter.setPen(QPen(self._theme.color("wrong"), 1.0, Qt.PenStyle.DashLine))
        painter.drawLine(QLineF(x, 2.0, x, ground.bottom()))
        metrics = self.fontMetrics()
        wide = metrics.horizontalAdvance("tolerance") + 2 * _PAD
        # The label is on the side of the values outside the limit, if there is room.
        left = x + _PAD if x + wide < self.width() else x - wide + _PAD
        painter.drawText(QRectF(left, 0, wide, metrics.height()), Qt.AlignmentFlag.AlignLeft, "tolerance")

    def _paint_bar(self, painter: QPainter, place: int) -> None:
        assert self._bars is not None
        bar, rect = self._bars.bars[place], self.bar_rect(place)
        color = self._theme.color("wrong" if bar.outside else "accent")
        if place == self.chosen_place:
            column = QRectF(rect.left() - 1, 0, rect.width() + 2, self._plot_area.bottom())
            tint = QColor(color)
            tint.setAlphaF(0.16)
            painter.fillRect(column, tint)
        if bar.count:
            painter.fillRect(rect, color)
            if bar.outside:
                # Color alone must not distinguish them.
                painter.fillRect(rect, QBrush(self._theme.color("outline_under"), Qt.BrushStyle.BDiagPattern))
                painter.setPen(color)
                painter.drawRect(rect.adjusted(0.5, 0.5, -0.5, -0.5))
        count = number_format.count(bar.count)
        fits = self.fontMetrics().horizontalAdvance(count) + 2 <= self._unit
        if bar.count and (fits or place == self.chosen_place):
            self._paint_count(painter, rect, count, bold=place == self.chosen_place)

    def _paint_count(self, painter: QPainter, rect: QRectF, count: str, *, bold: bool) -> None:
        plain, metrics = painter.font(), self.fontMetrics()
        wide = metrics.horizontalAdvance(count) + 2 * _PAD
        left = min(max(rect.center().x() - wide / 2, 0.0), self.width() - wide)
        text = QRectF(left, rect.top() - metrics.height(), wide, metrics.height())
        if bold:
            painter.fillRect(text, self._theme.color("base"))
            strong = QFont(plain)
            strong.setBold(True)
            painter.setFont(strong)
        painter.setPen(self._theme.color("text"))
        painter.drawText(text, Qt.AlignmentFlag.AlignCenter, count)
        painter.setFont(plain)

    def _paint_ticks(self, painter: QPainter) -> None:
        """Write the labels that do not overlap; those of zero and infinity always."""
        assert self._bars is not None
        metrics, ground = self.fontMetrics(), self._plot_area
        below = QRectF(ground.left(), self.height() - metrics.height(), ground.width(), metrics.height())
        painter.setPen(self._theme.color("muted"))
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self.name)
        taken: list[tuple[float, float]] = []
        for x, label in self._bars.ticks:
            text = number_format.true_minus(label)
            wide = metrics.horizontalAdvance(text)
            at = self._x(x) - self._gap / 2
            left = min(max(at - wide / 2, 0.0), self.width() - wide)
            if any(left < end + _PAD and left + wide > start - _PAD for start, end in taken):
                continue
            taken.append((left, left + wide))
            painter.setPen(self._theme.color("border"))
            painter.drawLine(QLineF(at, ground.bottom(), at, ground.bottom() + 3))
            painter.setPen(self._theme.color("muted"))
            painter.drawText(
                QRectF(left, ground.bottom() + 3, wide + 2, metrics.height()), Qt.AlignmentFlag.AlignLeft, text
            )


def bar_tooltip(bar: HistogramBar) -> str:
    values = "1 value" if bar.count == 1 else f"{number_format.count(bar.count)} values"
    return f"{capital(bar.words)}: {values}"


@dataclass(frozen=True)
class _Quantity:
    """A measure of the difference between two values."""

    name: str
    title: str
    why: str
    bars: Callable[[LaneComparison], Bars]


_QUANTITIES = (
    _Quantity(
        "error_ratio",
        "error ratio",
        "|Difference| ÷ tolerance of each value. Above 1, the value is a mismatch.",
        error_ratio_bars,
    ),
    _Quantity(
        "ulp",
        "ulp",
        "Number of floats between the two values. Near 0 it is large even for small differences.",
        ulp_bars,
    ),
)


class ErrorHistogram(ResultView):
    """One bar for each power of two, from zero to the largest error. A bar leads to its first value."""

    title, group = "Error histogram", "Over time"
    help_page = "window#plots"

    def __init__(self) -> None:
        super().__init__()
        self._comparison: Comparison | None = None
        """That of h."""
        self._bars: Bars | None = None
        empty = hint("A run (F5) shows the distribution of the differences.")
        self.description = ElidedLabel(bold=True)
        self._choice = choice("Quantity", ((quantity.title, quantity.name, quantity.why) for quantity in _QUANTITIES))
        self._choice.currentIndexChanged.connect(self._count)
        self.chart = BarChart()
        self.chart.setAccessibleName("Histogram of differences; arrow keys choose a bar, Enter selects its first value")
        self.chart.chosen.connect(self._tell)
        self.chart.activated.connect(self._go)
        self.array: ArrayCombo = ArrayCombo()
        self.array.currentIndexChanged.connect(self._count)
        bar = across((self.description, 1), self.array, self._choice, margins=(4, 0, 4, 0))
        self._pages = pages(self, empty, down(bar, (self.chart, 1), margins=(4, 4, 4, 0), spacing=4))
        self.muted = (empty,)
        self.themed = (self.chart,)

    @property
    def bars(self) -> tuple[HistogramBar, ...]:
        return () if self._bars is None else self._bars.bars

    def choose(self, quantity: str) -> None:
        self._choice.setCurrentIndex(self._choice.findData(quantity))

    def copy_text(self) -> str:
        rows = [("above", "up to", "values", "first at")]
        rows += [
            (
                number_format.full(bar.low),
                number_format.full(bar.high),
                str(bar.count),
                "" if bar.first is None else str(bar.first),
            )
            for bar in self.bars
        ]
        return "".join("\t".join(row) + "\n" for row in rows) if self.bars else ""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._comparison = None if result is None or candidate is None else result.comparison(candidate)
        self._pages.setCurrentIndex(0 if self._comparison is None else 1)
        self.array.offer(self._comparison)
        self._count()

    def _count(self) -> None:
        quantity = _QUANTITIES[self._choice.currentIndex()]
        self._choice.setToolTip(wrapped(quantity.why))
        comparison = self.array.of(self._comparison)
        self._bars = None if comparison is None else quantity.bars(comparison)
        self.chart.show_bars(self._bars, quantity.title)
        self._tell()

    def _tell(self) -> None:
        """Describe the selected bar, or else count the equal values and the mismatches."""
        bars, comparison, place = self._bars, self.array.of(self._comparison), self.chart.chosen_place
        if bars is None or comparison is None:
            return
        if place is None:
            equal = f"{_share(bars.bars[0].count, bars.total)} of {number_format.count(bars.total)} values are equal"
            outside = (
                f"{number_format.count(comparison.mismatched) if comparison.mismatched else 'none'} outside "
                "the tolerance"
            )
            self.description.setText(f"{equal}, {outside}")
        else:
            bar = bars.bars[place]
            first = "" if bar.first is None else f" ({_share(bar.count, bars.total)}), first at {bar.first}"
            self.description.setText(f"{bar_tooltip(bar)}{first}")
        self.chart.setAccessibleDescription(self.description.text())

    def _go(self, place: int) -> None:
        first = self.bars[place].first
        if first is not None:
            self.location_requested.emit(first)


def _share(count: int, total: int) -> str:
    """Share of the values in percent: "0%", "0.02%", "37%"."""
    percent = 100.0 * count / total
    return f"{percent:.0f}%" if count in (0, total) or 1.0 <= percent < 99.5 else f"{number_format.error(percent)}%"

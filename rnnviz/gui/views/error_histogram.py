"""Histogram of the differences of all values."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.trace_index import Location
from rnnviz.core.words import wrapped
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.bar_chart import BarChart, bar_tooltip
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.elided_label import ElidedLabel
from rnnviz.quantities.plot_series import Bars, HistogramBar, error_ratio_bars, ulp_bars
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult


@dataclass(frozen=True)
class _Quantity:
    """A measure of the difference between two values."""

    name: str
    title: str
    why: str
    bars: Callable[[Comparison], Bars]


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

    title = "Error histogram"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._comparison: Comparison | None = None
        self._bars: Bars | None = None
        self._empty = QLabel("A run (F5) shows the distribution of the differences.")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._description = ElidedLabel(bold=True)
        self._choice = QComboBox()
        self._choice.setAccessibleName("Quantity")
        for quantity in _QUANTITIES:
            self._choice.addItem(quantity.title, quantity.name)
            self._choice.setItemData(self._choice.count() - 1, quantity.why, Qt.ItemDataRole.ToolTipRole)
        self._choice.currentIndexChanged.connect(self._count)
        self.chart = BarChart()
        self.chart.setAccessibleName("Histogram of differences; arrow keys choose a bar, Enter selects its first value")
        self.chart.chosen.connect(self._tell)
        self.chart.activated.connect(self._go)
        bar = QHBoxLayout()
        bar.setContentsMargins(6, 0, 4, 0)
        bar.addWidget(self._description, 1)
        bar.addWidget(self._choice)
        full = QWidget()
        layout = QVBoxLayout(full)
        layout.setContentsMargins(4, 4, 4, 2)
        layout.setSpacing(2)
        layout.addLayout(bar)
        layout.addWidget(self.chart, 1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(full)

    @property
    def description(self) -> str:
        """Description of the selected bar, or of all bars."""
        return self._description.text()

    @property
    def bars(self) -> tuple[HistogramBar, ...]:
        """The bars of the histogram, or None."""
        return () if self._bars is None else self._bars.bars

    def choose(self, quantity: str) -> None:
        """Select the quantity: `error_ratio` or `ulp`."""
        self._choice.setCurrentIndex(self._choice.findData(quantity))

    def copy_text(self) -> str:
        """One row for each bar."""
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
        self._count()

    def show_location(self, location: Location) -> None:
        """The histogram does not depend on the selection."""

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        self._empty.setPalette(palette)
        self.chart.apply_theme(theme)

    def _count(self) -> None:
        quantity = _QUANTITIES[self._choice.currentIndex()]
        self._choice.setToolTip(wrapped(quantity.why))
        self._bars = None if self._comparison is None else quantity.bars(self._comparison)
        self.chart.show_bars(self._bars)
        self._tell()

    def _tell(self) -> None:
        """Describe the selected bar, or else count the equal values and the mismatches."""
        bars, comparison, place = self._bars, self._comparison, self.chart.chosen_place
        if bars is None or comparison is None:
            return
        if place is None:
            equal = f"{_share(bars.bars[0].count, bars.total)} of {number_format.count(bars.total)} values are equal"
            outside = (
                f"{number_format.count(comparison.mismatched) if comparison.mismatched else 'none'} outside "
                "the tolerance"
            )
            self._description.setText(f"{equal}, {outside}; click a bar to go to its first value")
        else:
            bar = bars.bars[place]
            first = "" if bar.first is None else f" ({_share(bar.count, bars.total)}), first at {bar.first}"
            self._description.setText(f"{bar_tooltip(bar)}{first}")
        self.chart.setAccessibleDescription(self._description.text())

    def _go(self, place: int) -> None:
        first = self.bars[place].first
        if first is not None:
            self.location_requested.emit(first)


def _share(count: int, total: int) -> str:
    """Share of the values in percent: "0%", "0.02%", "37%"."""
    percent = 100.0 * count / total
    return f"{percent:.0f}%" if count in (0, total) or 1.0 <= percent < 99.5 else f"{number_format.error(percent)}%"

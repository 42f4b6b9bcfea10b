"""Errors over time, on a logarithmic axis with a position for zero, and how many values have errors of each size."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QSizePolicy

from rnnviz.core import number_format
from rnnviz.core.masks import DIFFERENCE, Mask, masks_any
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.core.words import capital
from rnnviz.gui.kit.plot import Legend, TimePlotView, cosmetic_pen
from rnnviz.gui.theme.palettes import Theme, blend
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ArrayCombo, across, choice, pages
from rnnviz.gui.views.error_sizes import ErrorSizes, bar_tooltip
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.gui.views.seams import at_seam
from rnnviz.series.errors import QUANTITIES, ErrorQuantity, ErrorSeries, Named, error_series
from rnnviz.series.histogram_bars import Bars, error_ratio_bars, ulp_bars
from rnnviz.series.outlines import log_scale
from rnnviz.verify.compare import Comparison, LaneComparison
from rnnviz.verify.result import RunResult

_COMPANIONS = ((1, Qt.PenStyle.DashLine), (2, Qt.PenStyle.DotLine))
"""Index of the color in the theme's series, and line style, of each additional curve."""
_MOST_LANES = 16
"""Maximum number of other lanes drawn separately. More lanes are drawn as one curve, their maximum."""
_SIZES = {
    "sizes": ("error ratios by size", "|Difference| ÷ tolerance of each value. Above 1, the value is a mismatch."),
    "ulp": (
        "ulp by size",
        "Number of floats between the two values. Near 0 it is large even for small differences.",
    ),
}
"""Title and description of the distributions."""
_CHOICES = (
    *((each.title, each.name, each.why) for each in QUANTITIES),
    *((title, name, why) for name, (title, why) in _SIZES.items()),
)


class ErrorPlot(TimePlotView):
    """The selected lane is emphasized, other lanes are thin. A line marks the tolerance.

    If steps were audited, the error of single steps is drawn next to the accumulated error. In place of curves there
    can be a bar for each power of two, which leads to its first value.
    """

    title, label, group = "Error over time", "Error", "Over time"
    help_page = "window#plots"

    def __init__(self) -> None:
        super().__init__("A run (F5) shows the difference between the engines at each time step.", Legend())
        self._of_hidden: Comparison | None = None
        self._comparison: LaneComparison | None = None
        """That of the selected array."""
        self._series: ErrorSeries | None = None
        self._lane: tuple[int, int] | None = None
        self._asked = False

        self.heading, self.selection_label = ElidedLabel(bold=True), ElidedLabel()
        self.selection_label.setAlignment(Qt.AlignmentFlag.AlignRight)
        # A layout gives an ignored width no room, even if it is fixed.
        self.selection_label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._choice = choice("Error quantity", _CHOICES)
        self._choice.insertSeparator(len(QUANTITIES))
        self._choice.currentIndexChanged.connect(self._measure)
        self.array: ArrayCombo = ArrayCombo()
        self.array.currentIndexChanged.connect(self._measure)
        self.sizes = ErrorSizes()
        self.sizes.chosen.connect(self._describe_sizes)
        self.sizes.activated.connect(self.location_requested)
        unaudited, asked = hint("The step audit did not run."), hint("The question asks for the differences.")
        self._stack = pages(None, self.plot, unaudited, self.sizes)
        shown = self.legend, self.selection_label, self.array, self._choice
        self.lay_out(across((self.heading, 1), *shown, spacing=12), self._stack, asked)
        self.muted = *self.muted, unaudited, asked, self.selection_label
        self.themed = self.plot, self.sizes
        self.show_result(None, None)

    @property
    def bars(self) -> Bars | None:
        """The shown distribution, or None."""
        return self.sizes.bars

    @property
    def drawn(self) -> dict[str, NDArray[np.float64]]:
        """Drawn positions of the selected lane, by the name of the curve."""
        names = [named.name for named in self._named]
        return {name: curve.values for name, curve in zip(names, self.plot.curves_drawn, strict=False)}

    @property
    def quantity(self) -> str:
        """The quantity: `error_ratio`, `error`, `mismatched` or `audit`; `sizes` or `ulp` for a distribution."""
        return str(self._choice.currentData())

    @property
    def _quantity(self) -> ErrorQuantity | None:
        return next((each for each in QUANTITIES if each.name == self.quantity), None)

    @property
    def _named(self) -> list[Named]:
        """The curves of the selected lane."""
        return [] if self._series is None else [self._series.main, *self._series.companions]

    def choose(self, quantity: str) -> None:
        self._choice.setCurrentIndex(self._choice.findData(quantity))

    def copy_text(self) -> str:
        """Every quantity of the selected lane, or the shown distribution."""
        if self._comparison is None or self._asked:
            return ""
        return super().copy_text() if self.bars is None else self.sizes.copy_text()

    def columns(self, result: RunResult) -> list[tuple[str, Callable[[int], str]]]:
        assert self._comparison is not None, "otherwise nothing is copied"
        lane, found = (self.location.layer, self.location.direction), list[tuple[str, Callable[[int], str]]]()
        for quantity in QUANTITIES:
            series = error_series(result, self._comparison, quantity)
            for named in () if series is None else (series.main, *series.companions):
                alone = series is not None and not series.companions
                heading = quantity.title if alone else f"{quantity.title}: {named.name}"
                found.append((heading, partial(_full, quantity, named.values[lane])))
        return found

    def length(self, result: RunResult) -> int:
        # Behind the longest sample there is only padding.
        return max(result.inputs.lengths, default=result.shape[2])

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._of_hidden = None if result is None or candidate is None else result.comparison(candidate)
        self.array.offer(self._of_hidden)
        self.take(result)
        self._choose_page()
        self._measure()

    def show_masked(self, masked: Sequence[Mask]) -> None:
        self._asked = masks_any(masked, DIFFERENCE)
        self._choose_page()

    def _choose_page(self) -> None:
        self.pages.setCurrentIndex(0 if self._of_hidden is None else 2 if self._asked else 1)

    def show_location(self, location: Location) -> None:
        self.location = location
        if (location.layer, location.direction) != self._lane:
            self._draw()
        self._describe()

    def apply_theme(self, theme: Theme) -> None:
        self.theme = theme
        super().apply_theme(theme)
        self._draw()

    def location_at(self, timestep: int) -> Location:
        """The selection at a time step, in the longest sample if it is padding in the selected one."""
        where, lengths = self.location, () if self.result is None else self.result.inputs.lengths
        if lengths and timestep >= lengths[where.sample]:
            where = where.moved(sample=lengths.index(max(lengths)))
        return where.moved(timestep=timestep)

    def _measure(self) -> None:
        """Compute the numbers of every lane, or their distribution. The axis is the same for all lanes."""
        result, quantity = self.result, self._quantity
        self._choice.setToolTip(wrapped(self._choice.currentData(Qt.ItemDataRole.ToolTipRole)))
        comparison = self._comparison = self.array.of(self._of_hidden)
        self._series, bars = None, None
        if comparison is not None and result is not None and quantity is not None:
            self._series = error_series(result, comparison, quantity)
        elif comparison is not None and quantity is None:
            bars = error_ratio_bars(comparison) if self.quantity == "sizes" else ulp_bars(comparison)
        self.sizes.show_bars(bars, self._choice.currentText())
        self._stack.setCurrentIndex(2 if quantity is None else 0 if self._series is not None else 1)
        if self._series is not None:
            also = () if self._series.limit is None else (self._series.limit[0],)
            self.plot.show_scale(log_scale(self._series.lanes, *also), self._series.limit)
        self._draw()
        self._make_room()
        self._describe()

    def _make_room(self) -> None:
        """Reserve the width of the longest texts, so that nothing moves with the selection."""
        result, named = self.result, self._series is not None and bool(self._series.companions)
        self.selection_label.setVisible(self._series is not None)
        if result is None or self._series is None:
            self.heading.setMinimumWidth(0)
            return
        layers, directions, timesteps, *_ = result.shape
        lane = lane_text(result.inputs.network, Location(layers - 1, directions - 1)).capitalize()
        self.heading.setMinimumWidth(self.heading.fontMetrics().horizontalAdvance(f"{lane} ") if named else 0)
        longest = f"t = {timesteps - 1:,}" if named else f"t = {timesteps - 1:,}: -0.0e-000"
        self.selection_label.setFixedWidth(self.selection_label.fontMetrics().horizontalAdvance(longest) + 4)

    def _draw(self) -> None:
        """Draw the selected lane, its additional curves, and thin ones of the other lanes."""
        series, here, named = self._series, (self.location.layer, self.location.direction), self._named
        if series is None:
            self.plot.curves(0)
            self.legend.name([])
            self._lane = None
            return
        self._lane, main, pens = here, series.main.values, _pens(self.theme)
        others = [main[lane] for lane in np.ndindex(main.shape[:2]) if lane != here]
        if len(others) > _MOST_LANES:
            others = [np.fmax.reduce(others)]
        # Opaque: what shines through takes ten times as long to draw.
        thin = cosmetic_pen(blend(self.theme, "muted", 0.5), 1.0)
        drawn = [(each.values[here], pen, 10.0 - i) for i, (each, pen) in enumerate(zip(named, pens, strict=False))]
        drawn += [(values, thin, 1.0) for values in others]
        for curve, (values, pen, depth) in zip(self.plot.curves(len(drawn)), drawn, strict=True):
            curve.draw_with(pen, depth)
            self.plot.draw(curve, values)
        keys = [(each.name, f"The selected lane: {self._choice.toolTip()}") for each in named]
        keys = keys if series.companions else []
        if others:
            text = "other lanes" if len(others) <= _MOST_LANES else "maximum of other lanes"
            keys.append((text, "Thin curves."))
        self.legend.name(keys)
        own = len(named) if series.companions else 0
        curves = self.plot.curves_drawn
        self.legend.color([*curves[:own], *curves[len(named) : len(named) + 1]], self.theme)

    def _describe(self) -> None:
        series, result, where, quantity = self._series, self.result, self.location, self._quantity
        if result is None:
            return
        self.plot.show_selection(where.timestep)
        if series is None or quantity is None:
            if self.bars is not None:
                self._describe_sizes()
            return
        lane, several = lane_text(result.inputs.network, where).capitalize(), bool(series.companions)
        # Next to a legend there is room for the lane's name alone.
        self.heading.setText(lane if several else f"{lane}, over all samples and units")
        shown = [quantity.short(float(each.values[where.index[:3]])) for each in self._named]
        if several:
            self.legend.show_values(shown)
        # The legend shows the values if there is one.
        self.selection_label.setText(f"t = {where.timestep:,}" if several else f"t = {where.timestep:,}: {shown[0]}")
        described = ", ".join(f"{each.name} {value}" for each, value in zip(self._named, shown, strict=True))
        self.plot.setAccessibleDescription(
            f"{self.heading.text()}, {quantity.title} at t = {where.timestep:,}"
            f"{at_seam(result.inputs.seams, where.timestep)}: {described}"
        )

    def _describe_sizes(self) -> None:
        """Describe the selected bar, or else count the equal values and the mismatches."""
        bars, comparison, bar = self.bars, self._comparison, self.sizes.chosen_bar
        if bars is None or comparison is None:
            return
        if bar is None:
            equal = f"{_share(bars.bars[0].count, bars.total)} of {number_format.count(bars.total)} values are equal"
            outside = number_format.count(comparison.mismatched) if comparison.mismatched else "none"
            text = f"{equal}, {outside} outside the tolerance"
        else:
            first = "" if bar.first is None else f" ({_share(bar.count, bars.total)}), first at {bar.first}"
            text = f"{bar_tooltip(bar)}{first}"
        self.heading.setText(capital(text))
        self.sizes.setAccessibleDescription(self.heading.text())


def _full(quantity: ErrorQuantity, values: NDArray[np.float64], timestep: int) -> str:
    return quantity.full(values[timestep])


def _pens(theme: Theme) -> list[QPen]:
    """Pens of the selected lane and of its additional curves."""
    companions = [cosmetic_pen(QColor(theme.series[color]), 1.5, style) for color, style in _COMPANIONS]
    return [cosmetic_pen(theme.color("accent"), 2.0), *companions]


def _share(count: int, total: int) -> str:
    """Share of the values in percent: "0%", "0.02%", "37%"."""
    percent = 100.0 * count / total
    return f"{percent:.0f}%" if count in (0, total) or 1.0 <= percent < 99.5 else f"{number_format.error(percent)}%"

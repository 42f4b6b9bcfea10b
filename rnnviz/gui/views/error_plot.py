"""Plot of errors over time, on a logarithmic axis with a position for zero."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy

from rnnviz.core.trace_index import Location, lane_text
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import ArrayCombo, ResultView, across, choice, down, pages
from rnnviz.gui.views.labels import ElidedLabel, LegendKey, hint
from rnnviz.gui.views.seams import at_seam
from rnnviz.gui.views.table import blend
from rnnviz.gui.views.time_plot import Curve, LogTimePlot, TimePlot, cosmetic_pen
from rnnviz.series.errors import QUANTITIES, ErrorQuantity, ErrorSeries, error_series
from rnnviz.series.outlines import LogScale, Outline, largest_of, log_scale, outline_of
from rnnviz.verify.compare import Comparison, LaneComparison
from rnnviz.verify.result import RunResult

_COMPANIONS = ((1, Qt.PenStyle.DashLine), (2, Qt.PenStyle.DotLine))
"""Index of the color in the theme's series, and line style, of each additional curve."""


class LaneCurves:
    """Curves of a plot: the selected lane, its additional curves, and the other lanes."""

    def __init__(self, plot: TimePlot) -> None:
        self._plot = plot
        self._theme = LIGHT
        self._curves: list[Curve] = []
        self.selected: Outline | None = None
        """The drawn outline of the selected lane, or None."""
        self.beside: tuple[Outline, ...] = ()
        self.others: tuple[Outline, ...] = ()

    def draw(self, selected: Outline, beside: Sequence[Outline], others: Sequence[Outline]) -> None:
        """Draw other outlines. NaN leaves gaps."""
        self.selected, self.beside, self.others = selected, tuple(beside), tuple(others)
        drawn = [(outline, self.thin, 1.0, self.thin) for outline in others]
        for place, outline in enumerate(beside):
            pen = self.companion(place)
            drawn.append((outline, pen, 8.0 - place, cosmetic_pen(pen.color(), 1.0)))
        drawn.append((selected, self.wide, 10.0, self.wide))
        while len(self._curves) > len(drawn):
            self._plot.remove_curve(self._curves.pop())
        while len(self._curves) < len(drawn):
            self._curves.append(self._plot.add_curve(self.thin, depth=1.0))
        for curve, (outline, pen, depth, dense) in zip(self._curves, drawn, strict=True):
            curve.draw_with(pen, depth, dense)
            curve.show_outline(outline)

    def clear(self) -> None:
        self.selected, self.beside, self.others = None, (), ()
        while self._curves:
            self._plot.remove_curve(self._curves.pop())

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.selected is not None:
            self.draw(self.selected, self.beside, self.others)

    @property
    def thin(self) -> QPen:
        # Opaque, for what shines through takes ten times as long to draw.
        return cosmetic_pen(blend(self._theme, "muted", 0.5), 1.0)

    @property
    def wide(self) -> QPen:
        return cosmetic_pen(self._theme.color("accent"), 2.0)

    def companion(self, place: int) -> QPen:
        color, style = _COMPANIONS[place]
        return cosmetic_pen(QColor(self._theme.series[color]), 1.5, style)


_MOST_LANES = 16
"""Maximum number of other lanes drawn separately. More lanes are drawn as one curve, their maximum."""


class ErrorPlot(ResultView):
    """The selected lane is emphasized, other lanes are thin. A line marks the tolerance.

    If steps were audited, the error of single steps is drawn next to the accumulated error.
    """

    title, label, group = "Error over time", "Error", "Over time"
    help_page = "window#plots"
    figure_width = 600

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._of_hidden: Comparison | None = None
        self._comparison: LaneComparison | None = None
        """That of the selected array."""
        self._series: ErrorSeries | None = None
        self._location = Location()
        self._theme = LIGHT
        self._lane: tuple[int, int] | None = None

        self._heading = ElidedLabel(bold=True)
        self.selection_label = ElidedLabel()
        self.selection_label.setAlignment(Qt.AlignmentFlag.AlignRight)
        # A layout gives an ignored width no room, even if it is fixed.
        self.selection_label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._others = QLabel()
        self._keys: list[LegendKey] = []
        self._legend = QHBoxLayout()
        self._legend.setSpacing(4)
        self._choice = choice("Error quantity", ((each.title, each.name, each.why) for each in QUANTITIES))
        self._choice.currentIndexChanged.connect(self._measure)
        self.array: ArrayCombo = ArrayCombo()
        self.array.currentIndexChanged.connect(self._on_array)
        self.plot = LogTimePlot()
        self.plot.setAccessibleName(self.title)
        self.plot.timestep_requested.connect(self._on_timestep)
        self.plot.explanation_requested.connect(self._on_explanation)
        self.plot.seen_changed.connect(self._draw)
        self.curves = LaneCurves(self.plot)
        empty = hint("A run (F5) shows the difference between the engines at each time step.")
        unaudited = hint("The step audit did not run.")
        shown = self._others, self._legend, self.selection_label, self.array, self._choice
        top = across((self._heading, 1), *shown, margins=(4, 0, 4, 0), spacing=12)
        self._stack = pages(None, self.plot, unaudited)
        self._pages = pages(self, empty, down(top, (self._stack, 1), margins=(4, 4, 4, 0), spacing=4))
        self.muted = empty, unaudited, self._others, self.selection_label
        self.themed = self.plot, self.curves
        self.plot.apply_theme(LIGHT)
        self.show_result(None, None)

    @property
    def quantity(self) -> str:
        """The quantity: `error_ratio`, `error`, `mismatched` or `audit`."""
        return self._quantity.name

    @property
    def _quantity(self) -> ErrorQuantity:
        return QUANTITIES[self._choice.currentIndex()]

    @property
    def scale(self) -> LogScale:
        return self.plot.scale_of_values

    @property
    def limit(self) -> float | None:
        """Position of the tolerance on the vertical axis, or None."""
        return self.plot.limit

    @property
    def beside(self) -> dict[str, NDArray[np.float64]]:
        """Highest drawn positions of the additional curves of the selected lane, by name."""
        if self._series is None:
            return {}
        pairs = zip(self._series.companions, self.curves.beside, strict=True)
        return {companion.name: np.asarray(outline.high) for companion, outline in pairs}

    @property
    def keys(self) -> tuple[LegendKey, ...]:
        """The legend; empty for a single kind of curve."""
        return tuple(self._keys)

    def choose(self, quantity: str) -> None:
        self._choice.setCurrentIndex(self._choice.findData(quantity))

    def copy_text(self) -> str:
        """Every quantity of the selected lane at the visible time steps."""
        if self._comparison is None or self._result is None:
            return ""
        seen = self.plot.timesteps_in_sight
        # Behind the longest sample there is only padding.
        seen = range(seen.start, max(seen.start, min(seen.stop, max(self._result.inputs.lengths, default=seen.stop))))
        lane = self._location.layer, self._location.direction, slice(seen.start, seen.stop)
        headings, columns = ["timestep"], [[str(t) for t in seen]]
        for quantity in QUANTITIES:
            series = error_series(self._result, self._comparison, quantity)
            for named in () if series is None else (series.main, *series.companions):
                alone = series is not None and not series.companions
                headings.append(quantity.title if alone else f"{quantity.title}: {named.name}")
                columns.append([quantity.full(value) for value in named.values[lane]])
        return "".join("\t".join(row) + "\n" for row in (headings, *zip(*columns, strict=True)))

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._result = result
        self._of_hidden = None if result is None or candidate is None else result.comparison(candidate)
        self._comparison = self.array.offer(self._of_hidden)
        self._pages.setCurrentIndex(0 if self._comparison is None else 1)
        if result is not None:
            self._location = self._location.within(result.shape)
            self.plot.show_timesteps(result.shape[2], result.inputs.seams)
        self._measure()

    def _on_array(self) -> None:
        self._comparison = self.array.of(self._of_hidden)
        self._measure()

    def show_location(self, location: Location) -> None:
        self._location = location
        if (location.layer, location.direction) != self._lane:
            self._draw()
        self._tell()

    def show_part_of(self, view: Self) -> None:
        self.plot.show_part_of(view.plot)

    def hide_selection(self) -> None:
        self.plot.hide_selection()
        self.selection_label.setText("")
        for key in self._keys:
            key.show_value("")

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        super().apply_theme(theme)
        for key, pen in zip(self._keys, self._pens, strict=True):
            key.show_line(pen, theme)

    def _measure(self) -> None:
        """Compute the positions of every lane on the axis, which is the same for all lanes."""
        comparison, result, quantity = self._comparison, self._result, self._quantity
        self._choice.setToolTip(wrapped(quantity.why))
        series = None if comparison is None or result is None else error_series(result, comparison, quantity)
        self._series = series
        self.plot.name_values(quantity.title)
        self._stack.setCurrentIndex(0 if series is not None else 1)
        if series is not None:
            also = () if series.limit is None else (series.limit[0],)
            self.plot.show_scale(log_scale(series.lanes, *also), series.limit)
        self._name_curves()
        self._make_room()
        self._draw()
        self._tell()

    def _name_curves(self) -> None:
        """Create a legend if there is more than one kind of curve."""
        series = self._series
        names = [] if series is None or not series.companions else [series.main, *series.companions]
        while len(self._keys) > len(names):
            key = self._keys.pop()
            self._legend.removeWidget(key)
            key.deleteLater()
        while len(self._keys) < len(names):
            key = LegendKey("", "")
            key.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._legend.addWidget(key)
            self._keys.append(key)
        for key, named, pen in zip(self._keys, names, self._pens, strict=True):
            key.rename(named.name, f"The selected lane: {self._quantity.why}")
            key.show_line(pen, self._theme)

    def _make_room(self) -> None:
        """Reserve the width of the longest texts, so that nothing moves with the selection."""
        result, series = self._result, self._series
        self.selection_label.setVisible(series is not None)
        self._others.setVisible(False)
        if result is None or series is None:
            return
        layers, directions, timesteps, *_ = result.shape
        last = Location(layers - 1, directions - 1)
        lane = lane_text(result.inputs.network, last).capitalize()
        self._heading.setMinimumWidth(self._heading.fontMetrics().horizontalAdvance(f"{lane} ") if self._keys else 0)
        longest = f"t = {timesteps - 1}" if self._keys else f"t = {timesteps - 1}: -0.0e-000"
        self.selection_label.setFixedWidth(self.selection_label.fontMetrics().horizontalAdvance(longest) + 4)

    def _draw(self) -> None:
        """Draw the visible time steps at the resolution of the screen, with the selected lane emphasized."""
        series, scale = self._series, self.scale
        if series is None:
            self.curves.clear()
            self._lane = None
            return
        here = self._lane = self._location.layer, self._location.direction
        seen, pixels = self.plot.timesteps_in_sight, self.plot.pixels

        def outline(values: NDArray[np.float64]) -> Outline:
            found = outline_of(values, seen, pixels)
            return replace(found, low=scale.positions(found.low), high=scale.positions(found.high))

        lanes = np.ndindex(series.main.values.shape[:2])
        others = [outline(series.main.values[lane]) for lane in lanes if lane != here]
        if len(others) > _MOST_LANES:
            others = [largest_of(others)]
            self._others.setText("thin: maximum of other lanes")
        else:
            self._others.setText("thin: other lanes")
        self._others.setVisible(bool(others) and len(self._keys) < 3)
        beside = [outline(companion.values[here]) for companion in series.companions]
        self.curves.draw(outline(series.main.values[here]), beside, others)

    @property
    def _pens(self) -> list[QPen]:
        """Pens of the legend: the selected lane, then its additional curves."""
        curves, beside = self.curves, range(len(self._keys) - 1)
        return [curves.wide, *(curves.companion(place) for place in beside)] if self._keys else []

    def _tell(self) -> None:
        series, result, where = self._series, self._result, self._location
        if result is None:
            return
        self.plot.show_selection(where.timestep)
        lane = lane_text(result.inputs.network, where)
        # Next to a legend there is room for the lane's name alone.
        self._heading.setText(lane.capitalize() if self._keys else f"{lane.capitalize()}, over all samples and units")
        if series is None:
            return
        shown = [
            self._quantity.short(float(named.values[where.index[:3]])) for named in (series.main, *series.companions)
        ]
        for key, value in zip(self._keys, shown, strict=False):
            key.show_value(value)
        # The legend shows the values if there is one.
        self.selection_label.setText(f"t = {where.timestep}" if self._keys else f"t = {where.timestep}: {shown[0]}")
        names = (named.name for named in (series.main, *series.companions))
        described = ", ".join(f"{name} {value}" for name, value in zip(names, shown, strict=True))
        self.plot.setAccessibleDescription(
            f"{self._heading.text()}, {self._choice.currentText()} at t = {where.timestep}"
            f"{at_seam(result.inputs.seams, where.timestep)}: {described}"
        )

    def _on_explanation(self, timestep: int) -> None:
        self.explanation_requested.emit(self._location_at(timestep))

    def _on_timestep(self, timestep: int) -> None:
        self.location_requested.emit(self._location_at(timestep))

    def _location_at(self, timestep: int) -> Location:
        """The selection at a time step, in the longest sample if it is padding in the selected one."""
        where, lengths = self._location, () if self._result is None else self._result.inputs.lengths
        if lengths and timestep >= lengths[where.sample]:
            where = where.moved(sample=lengths.index(max(lengths)))
        return where.moved(timestep=timestep)

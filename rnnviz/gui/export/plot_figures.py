"""Curves and histograms of a run as figures, and the axes that all figures have."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from math import ceil, floor
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.sequence import visible
from rnnviz.core.trace_index import Location
from rnnviz.core.words import capital, join_words, plural
from rnnviz.dependence.gradient_flow import gradient_flow, norm_of
from rnnviz.gui.export.sheet import EM, LINE, PER_INCH, TICK, Sheet, advance, elided
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.unrolled.colormap import rounded_up
from rnnviz.io.export.paper import PaperFigure
from rnnviz.reading.quantities import heading_of, is_gradient
from rnnviz.series.errors import QUANTITIES, error_series
from rnnviz.series.histogram_bars import error_ratio_bars
from rnnviz.series.outlines import finite_range, log_scale, outline_of
from rnnviz.verify.result import RunResult

_MOST_LINES = 8
LEGEND_ROW = 1.5 * EM
"""Height of a row of a legend."""
_KEY_LINE, _KEY_GAP = 2.4 * EM, 1.4 * EM
"""Length of the line of a curve in the legend, and the gap between two keys."""


class LegendKey(NamedTuple):
    """An entry of a legend, drawn from a left end and a baseline."""

    width: float
    draw: Callable[[Sheet, float, float], None]


def legend_rows(keys: Iterable[LegendKey], room: float) -> list[list[tuple[float, LegendKey]]]:
    """Keys with the distance of each from the left, in as many rows as they need."""
    rows: list[list[tuple[float, LegendKey]]] = []
    x = room
    for key in keys:
        if not rows or x + key.width > room:
            rows.append([])
            x = 0.0
        rows[-1].append((x, key))
        x += key.width + _KEY_GAP
    return rows


def draw_legend(sheet: Sheet, rows: Iterable[Iterable[tuple[float, LegendKey]]], left: float, y: float) -> None:
    """Draw the rows of a legend, the first with its baseline at y."""
    for row in rows:
        for x, key in row:
            key.draw(sheet, left + x, y)
        y += LEGEND_ROW


class Content:
    """The part of a figure between its title and its caption."""

    def heights(self, width: float) -> tuple[float, float]:
        """The smallest and the natural height."""
        raise NotImplementedError

    def draw(self, sheet: Sheet, top: float) -> None:
        """Draw from `top` to the bottom of the sheet."""
        raise NotImplementedError

    def caption(self) -> str:
        """Sentences that explain the figure without the window."""
        raise NotImplementedError


def draw_time_axis(sheet: Sheet, left: float, right: float, y: float, times: range, names: Sequence[str] = ()) -> None:
    """Draw ticks, numbers, the names of time steps where they are single characters, and the label."""
    pitch = (right - left) / len(times)

    def x(timestep: int) -> float:
        return left + (timestep - times.start + 0.5) * pitch

    def shown(room: float) -> range:
        step = round(rounded_up(max(1.0, room / pitch)))
        return range(ceil(times.start / step) * step, times.stop, step)

    sheet.line((left, y), (right, y))
    label, base = "time step", y + TICK + EM
    if _are_characters(names):
        steps = shown(EM)
        for timestep in steps:
            sheet.line((x(timestep), y), (x(timestep), y + TICK))
            # Padding has no names.
            name = names[timestep] if timestep < len(names) else ""
            sheet.text(x(timestep), base, visible(name), at=0.5, code=True)
        base += 1.25 * EM
        label += f", with every {_ordinal(steps.step)} character" if steps.step > 1 else ", with its character"
    for timestep in shown(1.7 * advance(f"{times.stop - 1:,}")):
        sheet.line((x(timestep), y), (x(timestep), y + TICK))
        text = f"{timestep:,}"
        half = advance(text) / 2.0
        sheet.text(min(max(x(timestep), half), sheet.width - half), base, text, at=0.5)
    sheet.text((left + right) / 2.0, base + 1.3 * EM, label, at=0.5)


def axis_height(names: Sequence[str] = ()) -> float:
    return TICK + (2.6 + (1.25 if _are_characters(names) else 0.0)) * EM


def _are_characters(names: Sequence[str]) -> bool:
    return bool(names) and max(map(len, names)) == 1


def _ordinal(number: int) -> str:
    return f"{number}{'nd' if number == 2 else 'th'}"


def quantity_title(result: RunResult, quantity: str) -> str:
    """The name of a quantity of the lanes or of a curve, as an axis has it."""
    kind = result.config.network.kind
    if quantity in ("value", "h"):
        return "hidden state h"
    if is_gradient(quantity):
        return f"gradient of {quantity.removeprefix('grad.')}"
    if quantity.startswith("pre_"):
        return f"pre-activation of {quantity.removeprefix('pre_')}"
    symbol, title = (*heading_of(quantity, kind), "")[:2]
    if quantity in ("change", "norm"):
        return "change of h from the previous step" if quantity == "change" else "norm of h"
    return f"{title} {symbol}"


def network_words(result: RunResult) -> str:
    """The network of a caption: "an LSTM, 2 layers of 6 units,"."""
    network = result.config.network
    article = "an" if network.kind.title[:1] in "AELMRS" and network.kind.title[:2].isupper() else "a"
    both = ", in both directions" if network.bidirectional else ""
    layers, units = plural(network.num_layers, "layer"), plural(network.output_size, "unit")
    return f"{article} {network.kind.title}, {layers} of {units}{both},"


def engine_of(result: RunResult, figure: PaperFigure) -> str:
    """The named engine, else the reference."""
    engine = figure.engine or result.reference.engine
    figure.chosen("engine", tuple(result.traces), engine)
    return engine


def candidate_of(result: RunResult, figure: PaperFigure) -> str:
    """The named engine if it is a candidate, else the candidate with the worst verdict."""
    engine = engine_of(result, figure)
    return engine if engine != result.reference.engine else result.by_importance[0].candidate


Values: TypeAlias = NDArray[np.float64]
Limit: TypeAlias = tuple[float, str] | None
"""A number at which a line is drawn, and its label."""


class Plot(Content):
    """Curves over the shown time steps with a vertical axis, and a legend above."""

    def __init__(
        self, result: RunResult, figure: PaperFigure, label: str, heading: str = "", names: Sequence[str] = ()
    ) -> None:
        """`label` is that of the vertical axis, `heading` applies to all curves, `names` are those of time steps."""
        self.result, self.figure, self.label, self.heading, self.names = result, figure, label, heading, names
        self.times = figure.times or range(result.shape[2])
        self.words = f" ({heading}) of {network_words(result)} over {plural(len(self.times), 'time step')}."
        """The caption after the label."""
        self.curves: Sequence[tuple[str, Values]] = ()
        """The names in the legend, of which a single curve may have none, and the positions on the axis."""
        self.ticks: list[tuple[float, str]] = []
        self.range = 0.0, 1.0
        self.limit: Limit = None

    def show_linear(self, curves: Sequence[tuple[str, Values]]) -> None:
        self.curves, self.range = curves, finite_range([values for _, values in curves])
        self.ticks = _linear_ticks(*self.range)

    def show_logarithmic(self, curves: Sequence[tuple[str, Values]], limit: Limit = None) -> None:
        scale = log_scale((values for _, values in curves), *(() if limit is None else (limit[0],)))
        zeros = any((values == 0.0).any() for _, values in curves)
        self.curves = [(name, scale.positions(np.asarray(values, np.float64))) for name, values in curves]
        infinite = any(np.isposinf(values).any() for _, values in curves)
        self.range = scale.zero if zeros else scale.lowest, scale.infinity if infinite else float(scale.highest)
        step = max(1, ceil((self.range[1] - self.range[0]) / 6.0))
        places = [scale.zero] * zeros + [float(k) for k in range(scale.lowest, scale.highest + 1, step)]
        places += [scale.infinity] * infinite
        self.ticks = [(place, scale.text(place)) for place in places]
        if limit is not None:
            # Its line is not drawn on the time axis.
            self.limit = float(np.log10(limit[0])), limit[1]
            self.range = min(self.range[0], self.limit[0] - 0.3), max(self.range[1], self.limit[0] + 0.7)

    def caption(self) -> str:
        return f"{capital(self.label)}{self.words}"

    def heights(self, width: float) -> tuple[float, float]:
        rest = self._top(width) + axis_height(self.names) + 0.4 * EM
        return rest + 5 * EM, rest + 0.42 * width

    def _top(self, width: float) -> float:
        """The height of heading and legend."""
        return (bool(self.heading) + len(self._keys(width))) * LEGEND_ROW + 0.4 * EM

    def _keys(self, width: float) -> list[list[tuple[float, LegendKey]]]:
        """The rows of the legend."""
        named = self.figure.legend and any(name for name, _ in self.curves)
        keys = (self._key(place, name) for place, (name, _) in enumerate(self.curves if named else ()))
        return legend_rows(keys, width - self._left())

    def _key(self, place: int, name: str) -> LegendKey:
        gap = 0.4 * EM

        def draw(sheet: Sheet, x: float, y: float) -> None:
            sheet.curve([(x, y - 0.3 * EM), (x + _KEY_LINE, y - 0.3 * EM)], place)
            sheet.text(x + _KEY_LINE + gap, y, name)

        return LegendKey(_KEY_LINE + gap + advance(name), draw)

    def _left(self) -> float:
        return max((advance(text) for _, text in self.ticks), default=0.0) + 2.0 * EM

    def draw(self, sheet: Sheet, top: float) -> None:
        left, right = self._left(), sheet.width - 0.6 * EM
        y = top + EM
        if self.heading:
            sheet.text(left, y, self.heading, bold=True)
            y += LEGEND_ROW
        draw_legend(sheet, self._keys(sheet.width), left, y)
        top += self._top(sheet.width)
        bottom = sheet.height - axis_height(self.names) - 0.4 * EM
        low, high = self.range

        def at(value: float) -> float:
            return bottom - (value - low) / (high - low) * (bottom - top)

        last = float("inf")
        for value, text in self.ticks:
            if not low <= value <= high:
                continue
            sheet.line((left, at(value)), (right, at(value)), color="grid")
            if last - at(value) >= 1.2 * EM:
                sheet.text(left - 0.4 * EM, at(value) + 0.35 * EM, text, at=1.0)
                last = at(value)
        sheet.upright(EM, (top + bottom) / 2.0, elided(self.label, bottom - top))
        if self.limit is not None and low <= self.limit[0] <= high:
            edge = at(self.limit[0])
            sheet.line((left, edge), (right, edge), color="wrong", width=1.5 * LINE, dash=(4, 3))
            sheet.text(right, edge - 0.3 * EM, self.limit[1], at=1.0, color="wrong")
        self._draw_marks(sheet, left, right, at)
        self._draw_axis(sheet, left, right, bottom)

    def _draw_axis(self, sheet: Sheet, left: float, right: float, y: float) -> None:
        draw_time_axis(sheet, left, right, y, self.times, self.names)

    def _draw_marks(self, sheet: Sheet, left: float, right: float, y: Callable[[float], float]) -> None:
        pitch = (right - left) / len(self.times)
        pixels = round((right - left) / PER_INCH * 300)
        for place, (_, curve) in reversed(list(enumerate(self.curves))):
            steps, values = outline_of(curve, range(len(curve)), pixels).points()
            edges = np.flatnonzero(np.diff(np.isfinite(values), prepend=False, append=False))
            for first, stop in zip(edges[::2], edges[1::2], strict=True):
                part = zip(steps[first:stop], values[first:stop], strict=True)
                points = [(left + (step + 0.5) * pitch, y(float(value))) for step, value in part]
                if len(points) == 1:
                    points = [(points[0][0] + by, points[0][1]) for by in (-TICK / 2, TICK / 2)]
                sheet.curve(points, place)


def _linear_ticks(low: float, high: float) -> list[tuple[float, str]]:
    step = rounded_up((high - low) / 5.0)
    digits = max(0, -floor(np.log10(step)))
    inside = range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
    wide = 1e-4 <= step <= 1e5
    return [
        (k * step, number_format.true_minus(f"{k * step:,.{digits}f}" if wide else f"{k * step:.3g}")) for k in inside
    ]


def _lanes(result: RunResult, values: Values, times: range) -> list[tuple[str, Values]]:
    """The curves of lanes (L, D, T) at the shown time steps; of very many lanes, the largest value of them."""
    shown, network = values[..., times.start : times.stop], result.config.network
    lanes = list(np.ndindex(values.shape[:2]))
    if len(lanes) > _MOST_LINES:
        return [("largest of all lanes", np.fmax.reduce(shown.reshape(-1, shown.shape[-1])))]
    places = (Location(*lane, reverse=network.reverse) for lane in lanes)
    return [(_place_title(result, at), shown[at.layer, at.direction]) for at in places]


def units(result: RunResult, figure: PaperFigure, _theme: Theme) -> Plot:
    """A unit over time, by every engine."""
    where, name = figure.where or Location(), figure.quantity or "h"
    held = {trace.engine: set(trace) - trace.missing for trace in result.traces.values()}
    own = [trace for trace in result.traces.values() if name in held[trace.engine]]
    known = sorted({n for t in result.traces.values() for n in held[t.engine] if t[n].shape[:-1] == result.shape[:-1]})
    figure.chosen("quantity", tuple(known), name)
    where = replace(where, unit=min(where.unit, own[0][name].shape[-1] - 1))
    heading, names = _place_title(result, where, unit=True), result.inputs.names.of_sample(where.sample).timesteps
    plot = Plot(result, figure, quantity_title(result, name), heading, names)
    length, curves = result.inputs.length(where.sample), []
    for trace in own:
        values = np.full(result.shape[2], np.nan)
        values[:length] = trace[name][where.layer, where.direction, :length, where.sample, where.unit]
        curves.append((display_name(trace.engine), values[plot.times.start : plot.times.stop]))
    plot.show_linear(curves)
    plot.words = f"{plot.words.removesuffix('.')}, by {join_words([name for name, _ in curves], 'and')}."
    return plot


def errors(result: RunResult, figure: PaperFigure, _theme: Theme) -> Plot:
    """The error of each lane over time."""
    names = [quantity.name for quantity in QUANTITIES]
    name = figure.quantity or "error_ratio"
    figure.chosen("quantity", tuple(names), name)
    quantity = QUANTITIES[names.index(name)]
    candidate = candidate_of(result, figure)
    series = error_series(result, result.comparison(candidate), quantity)
    if series is None:
        raise InputError("The run has no step audit: choose another quantity, or run it with the audit.")
    plot = Plot(result, figure, quantity.title, _pair(result, candidate))
    lanes = _lanes(result, series.main.values, plot.times)
    plot.show_logarithmic(lanes if len(lanes) > 1 else [("", lanes[0][1])], series.limit)
    return plot


def gradients(result: RunResult, figure: PaperFigure, _theme: Theme) -> Plot:
    """The norm of the gradient of a state over time, by lane."""
    flow = gradient_flow(result, figure.engine)
    if flow is None:
        raise InputError("The run has no gradients of the hidden states: set backward.enabled = true.")
    symbol = (figure.quantity or "h").removeprefix("grad.")
    figure.chosen("quantity", tuple(flow.norms), symbol)
    norms = flow.norms[symbol]
    values = norm_of(norms) if figure.where is None else norms[..., figure.where.sample]
    heading = "with the norm at the first and the last time step" if figure.legend else ""
    plot = Plot(result, figure, f"norm of the gradient of {symbol}", heading)
    lanes = _lanes(result, values, plot.times)
    plot.show_logarithmic([(f"{name}: {_ends(norms)}", norms) for name, norms in lanes])
    steps = plural(len(plot.times), "time step")
    plot.words = f" in each lane of {network_words(result)} over {steps}. The legend has its first and last value."
    return plot


def _pair(result: RunResult, candidate: str) -> str:
    return f"{display_name(candidate)} and {display_name(result.reference.engine)}"


def _ends(values: Values) -> str:
    """The first and the last number."""
    known = values[np.isfinite(values)]
    return f"{number_format.error(known[0])} … {number_format.error(known[-1])}" if len(known) else "no value"


def _place_title(result: RunResult, where: Location, *, unit: bool = False) -> str:
    network = result.config.network
    both = network.bidirectional or network.reverse
    words = [f"unit {where.unit}"] if unit else []
    words += [f"layer {where.layer}"]
    words += ["backward" if where.backward else "forward"] if both else []
    words += [f"sample {where.sample}"] if unit and result.inputs.batch_size > 1 else []
    return ", ".join(words)


class Histogram(Plot):
    """How many values have which error ratio."""

    def __init__(self, result: RunResult, figure: PaperFigure, _theme: Theme) -> None:
        candidate = candidate_of(result, figure)
        super().__init__(result, figure, "values", _pair(result, candidate))
        self.bars = error_ratio_bars(result.comparison(candidate))
        counts = np.array([bar.count for bar in self.bars.bars], np.float64)
        self.show_logarithmic([("", counts[counts > 0])])
        self.curves = ()
        self.range = self.range[0] - 0.3, self.range[1]

    def caption(self) -> str:
        return f"Number of values by error ratio, difference ÷ tolerance ({self.heading}); 1 is the limit."

    def _x(self, left: float, right: float) -> Callable[[float], float]:
        return lambda place: left + place / self.bars.width * (right - left)

    def _draw_marks(self, sheet: Sheet, left: float, right: float, y: Callable[[float], float]) -> None:
        x, theme, floor_ = self._x(left, right), sheet.theme, y(self.range[0])
        for bar in self.bars.bars:
            if bar.count:
                top = y(float(np.log10(bar.count)))
                wide = 0.84 * (x(1.0) - x(0.0))
                color = theme.color("wrong" if bar.outside else "accent")
                sheet.box(QRectF(x(bar.x + 0.08), top, wide, floor_ - top), color)
        if self.bars.limit is not None:
            at, top = x(self.bars.limit), y(self.range[1])
            sheet.line((at, top), (at, floor_), color="text", width=1.5 * LINE, dash=(4, 3))
            sheet.text(at + 0.3 * EM, top + 0.9 * EM, "tolerance")

    def _draw_axis(self, sheet: Sheet, left: float, right: float, y: float) -> None:
        x = self._x(left, right)
        sheet.line((left, y), (right, y))
        taken = -float("inf")
        for place, text in sorted(self.bars.ticks):
            half = advance(text) / 2.0
            sheet.line((x(place), y), (x(place), y + TICK))
            if x(place) - half >= taken:
                sheet.text(min(x(place), sheet.width - half), y + TICK + EM, text, at=0.5)
                taken = x(place) + half + 0.6 * EM
        sheet.text((left + right) / 2.0, y + TICK + 2.3 * EM, "error ratio: difference / tolerance", at=0.5)

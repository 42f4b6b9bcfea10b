"""Figures for papers: lanes, curves and histograms of a run, with axes and legends and without words of the window."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QFontMetricsF, QImage

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.sequence import visible
from rnnviz.core.trace_index import Lane, Location, lanes_of
from rnnviz.core.words import plural
from rnnviz.dependence.gradient_flow import gradient_flow, norm_of
from rnnviz.frozen import dataclass
from rnnviz.gui.export.offscreen_render import application
from rnnviz.gui.export.sheet import LINE, PAPERS, PER_INCH, POINT, TICK, WIDE, Sheet, save, text_font, text_size
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.histogram_bars import error_ratio_bars
from rnnviz.gui.views.unrolled.colormap import (
    MISSING,
    NAN,
    PADDING,
    SPECIAL_WORDS,
    STEPS,
    ColorScale,
    color_table,
    hatch,
    rounded_up,
)
from rnnviz.gui.views.unrolled.render_state import LaneCaches, render_state_of
from rnnviz.io.export.paper import MM, VIEWS, PaperFigure
from rnnviz.reading.level_of_detail import Bins
from rnnviz.reading.quantities import color_names, gradients_of, heading_of, is_gradient, quantity_for
from rnnviz.series.errors import QUANTITIES, error_series
from rnnviz.series.outlines import finite_range, log_scale, outline_of
from rnnviz.verify.result import RunResult

_IMAGE_DPI = 600
"""Resolution of a color map in a vector format."""
_LEGEND_BAR = 34 * POINT
_BAR_HEIGHT = 0.75
_ENDS = 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8
"""Factors of the ends of a color scale."""
_MOST_LINES = 8


def write_figure(result: RunResult, path: Path, figure: PaperFigure) -> None:
    """Write a figure as PDF, SVG or PNG, by the ending of the path. No display is needed.

    Raises InputError if the run lacks what the figure shows, the size is too small, or the file cannot be written.
    """
    if figure.where is not None and figure.where.within(result.shape) != figure.where:
        raise InputError(
            f"The figure shows {figure.where}, but the shape (L, D, T, N, H) of the run is {result.shape}."
        )
    running = application()
    theme, em = PAPERS[figure.theme], text_size(figure.width)
    content = _CONTENTS[figure.view](result, figure, theme)
    above = 1.6 * em if figure.title else 0.0
    least, natural = (above + height for height in content.heights(figure.width, em))
    height = natural if figure.height is None else figure.height
    if height < least:
        raise figure.refused("height", f"at least {ceil(least / MM)}mm for this figure", f"{height / MM:.0f}mm")

    def draw(sheet: Sheet) -> None:
        if figure.title:
            sheet.text(sheet.width / 2.0, sheet.em, figure.title, at=0.5, bold=True)
        content.draw(sheet, above)

    save(path, draw, theme, figure.width, height, figure.resolution, figure.title or figure.view)
    del running


class _Content:
    """The part of a figure below its title."""

    def heights(self, width: float, em: float) -> tuple[float, float]:
        """The smallest and the natural height."""
        raise NotImplementedError

    def draw(self, sheet: Sheet, top: float) -> None:
        """Draw from `top` to the bottom of the sheet."""
        raise NotImplementedError


def _time_axis(sheet: Sheet, left: float, right: float, y: float, timesteps: int, names: Sequence[str] = ()) -> None:
    """Draw ticks, numbers, the names of time steps where they are single characters, and the label."""
    em, pitch = sheet.em, (right - left) / timesteps

    def x(timestep: int) -> float:
        return left + (timestep + 0.5) * pitch

    sheet.line((left, y), (right, y))
    widest = sheet.advance(f"{timesteps - 1:,}")
    step = round(rounded_up(max(1.0, 1.7 * widest / pitch)))
    label, base = "time step", y + TICK + em
    if names and max(map(len, names)) == 1:
        every = round(rounded_up(max(1.0, em / pitch)))
        for timestep in range(0, len(names), every):
            sheet.line((x(timestep), y), (x(timestep), y + TICK))
            sheet.text(x(timestep), base, visible(names[timestep]), at=0.5)
        base += 1.25 * em
        label += f", with every {_ordinal(every)} character" if every > 1 else ", with its character"
    for timestep in range(0, timesteps, step):
        sheet.line((x(timestep), y), (x(timestep), y + TICK))
        text = f"{timestep:,}"
        half = sheet.advance(text) / 2.0
        sheet.text(min(max(x(timestep), half), sheet.width - half), base, text, at=0.5)
    sheet.text((left + right) / 2.0, base + 1.3 * em, label, at=0.5)


def _axis_height(em: float, names: Sequence[str] = ()) -> float:
    return TICK + (2.6 + (1.25 if names and max(map(len, names)) == 1 else 0.0)) * em


def _ordinal(number: int) -> str:
    return f"{number}{'nd' if number == 2 else 'th'}"


# --- lanes


class _Lanes(_Content):
    """Every lane of one sample as a heat map, the first layer at the bottom, and the scale of the colors."""

    def __init__(self, result: RunResult, figure: PaperFigure, theme: Theme) -> None:
        self.quantity = _lane_quantity(result, figure)
        self.engine, candidate = _engine(result, figure), _candidate(result, figure)
        where, reach = figure.where or Location(), None
        if self.quantity == "value" and result.extents[self.engine] > 0.0:
            # The lanes of the window always reach from -1 to 1, for runs to be compared by eye.
            reach = rounded_up(result.extents[self.engine], _ENDS)
        self.state = render_state_of(
            *(result, self.engine, None, candidate, where.sample, self.quantity, theme, LaneCaches(result, 0)),
            reach=None if reach is None else (-reach, reach),
        )
        self.result, self.theme = result, theme
        network = result.config.network
        lanes = lanes_of(network)
        compared = self.quantity in ("difference", "error_ratio")
        self.lanes = [lane for lane in lanes if lane.layer is not None or not compared]
        self.names = result.inputs.names.of_sample(where.sample).timesteps
        self.dpi = figure.resolution if figure.resolution > _IMAGE_DPI else _IMAGE_DPI
        self.seen: set[int] = set()

    def heights(self, width: float, em: float) -> tuple[float, float]:
        hidden, width = sum(lane.layer is not None for lane in self.lanes), min(width, WIDE)
        least, natural = 1.5 * em, min(0.3 * width, max(0.9 * width / hidden, 3.5 * em))
        if self.state.rows(self.lanes[0]) == 1:
            natural = least
        rest = len(self.lanes) * 1.85 * em + self._below(em)
        return rest + self._maps(least, em), rest + self._maps(natural, em)

    def _maps(self, hidden: float, em: float) -> float:
        return sum(self._map_height(lane, hidden, em) for lane in self.lanes)

    def _map_height(self, lane: Lane, hidden: float, em: float) -> float:
        if lane.layer is not None:
            return hidden
        share = self.state.rows(lane) / max(self.state.rows(self.lanes[0]), 1)
        return min(hidden, max(1.5 * em, share * hidden))

    def _below(self, em: float) -> float:
        rows = len(self._scales()) + (1 if self._special() else 0)
        return _axis_height(em, self.names) + rows * 1.6 * em + 0.6 * em

    def _scales(self) -> list[tuple[str, ColorScale]]:
        scales = [(self._quantity_title(), self.state.paint.hidden.scale)]
        if self.lanes[-1].layer is None:
            of = "gradient of the input x" if self.state.input_gradient is not None else "input x"
            scales.append((of, self.state.paint.input.scale))
        return scales

    def _quantity_title(self) -> str:
        result, quantity = self.result, self.state.quantity
        if quantity == "difference":
            candidate, reference = self.state.subtraction()
            return f"difference {candidate} {reference}"
        if quantity == "error_ratio":
            return "error ratio (1 is the limit)"
        title = _title_of(result, quantity)
        several = any(c.mismatched for c in result.comparisons) or len(result.traces) < 2
        return f"{title} of {display_name(self.state.engine)}" if several else title

    def _special(self) -> list[int]:
        """The special colors that the figure may show: padding, values that are missing or not finite."""
        length, timesteps = self.state.length, self.result.shape[2]
        found = [PADDING] if length < timesteps else []
        if any(len(self.state.left.colors.recorded(lane)) < timesteps for lane in self.lanes if lane.layer is not None):
            found.append(MISSING)
        if not all(np.isfinite(self.result.extents[name]) for name in self.result.extents) or self._nonfinite():
            found.append(NAN)
        return found

    def _nonfinite(self) -> bool:
        compared = self.result.comparisons
        return any(c.nonfinite_reference or c.nonfinite_candidate for c in compared)

    def draw(self, sheet: Sheet, top: float) -> None:
        em = sheet.em
        units = max(self.state.rows(lane) for lane in self.lanes)
        left = (1.3 * em if units > 1 else 0.0) + sheet.advance(f"{units - 1:,}") + 0.5 * em
        right = sheet.width - 0.3 * em
        free = sheet.height - top - len(self.lanes) * 1.85 * em - self._below(em)
        hidden = self._fitted(free, em)
        for lane in self.lanes:
            sheet.text(left, top + em, self._lane_title(lane), bold=True)
            top += 1.4 * em
            box = QRectF(left, top, right - left, self._map_height(lane, hidden, em))
            self._draw_map(sheet, lane, box)
            top = box.bottom() + 0.45 * em
        _time_axis(sheet, left, right, top, self.result.shape[2], self.names)
        top += _axis_height(em, self.names) + 1.7 * em
        x, last = left, top
        for title, scale in self._scales():
            if x > left and x + self._scale_width(sheet, title, scale) > right:
                x, last = left, last + 1.6 * em
            x = self._draw_scale(sheet, x, right, last, title, scale) + 2.0 * em
        top = last + 1.6 * em
        if self._special():
            self._draw_special(sheet, left, top)

    def _fitted(self, free: float, em: float) -> float:
        """The height of a hidden lane with which all maps fill the free height."""
        low, high = 0.0, free
        for _ in range(40):
            middle = (low + high) / 2.0
            low, high = (middle, high) if self._maps(middle, em) <= free else (low, middle)
        return low

    def _lane_title(self, lane: Lane) -> str:
        if lane.layer is None:
            return f"input, {plural(self.state.rows(lane), 'feature')}"
        network = self.result.config.network
        both = network.bidirectional or network.reverse
        way = f", {'backward' if lane.backward else 'forward'}" if both else ""
        rows = self.state.rows(lane)
        return f"layer {lane.layer}{way}" + (f", {plural(rows, 'unit')}" if self.state.per_unit else "")

    def _draw_map(self, sheet: Sheet, lane: Lane, box: QRectF) -> None:
        image = self._image(lane, box)
        sheet.painter.drawImage(box, image)
        sheet.box(box)
        rows, em = self.state.rows(lane), sheet.em
        if rows < 2:
            return
        cell = box.height() / rows
        x = box.left() - 0.3 * em
        first, last = box.top() + cell / 2.0, box.bottom() - cell / 2.0
        if box.height() >= 1.9 * em:
            sheet.text(x, max(first, box.top() + 0.35 * em) + 0.35 * em, "0", at=1.0)
            sheet.text(x, min(last, box.bottom() - 0.35 * em) + 0.35 * em, f"{rows - 1:,}", at=1.0)
        word = "unit" if lane.layer is not None else "feature"
        if box.height() > sheet.advance(word):
            sheet.upright(em, box.center().y(), word)

    def _image(self, lane: Lane, box: QRectF) -> QImage:
        reader, paint = self.state.left.colors, self.state.paint
        colors = paint.input if lane.layer is None else paint.hidden
        timesteps, rows, length = self.result.shape[2], self.state.rows(lane), self.state.length
        across, down = (max(1, round(side * self.dpi / PER_INCH)) for side in (box.width(), box.height()))
        starts = np.arange(across) * timesteps // across
        read = Bins(starts[starts < length], length)
        tile = reader.read(lane, read, Bins(np.arange(down) * rows // down, rows))
        indices = np.full((down, across), PADDING, np.uint8)
        indices[:, : tile.values.shape[1]] = colors.scale.indices(tile.values)
        recorded = reader.recorded(lane)
        missing = (starts < recorded.start) | (starts >= recorded.stop)
        indices[:, missing & (starts < length)] = MISSING
        pixels = color_table(self.theme, colors.scale)[indices]
        hatch(pixels, indices, 0, 0, self.theme, max(1, self.dpi // 150))
        return _picture(pixels)

    def _draw_scale(self, sheet: Sheet, left: float, right: float, y: float, title: str, scale: ColorScale) -> float:
        em, low, high = sheet.em, _end(scale.low), _end(scale.high)
        ends = sheet.advance(low) + sheet.advance(high) + 0.8 * em
        bar = min(_LEGEND_BAR, (right - left) / 3.0)
        room = right - left - ends - bar - em
        text = _elided(sheet, title, room)
        x = left + sheet.text(left, y, text) + em
        x += sheet.text(x, y, low) + 0.4 * em
        box = QRectF(x, y - _BAR_HEIGHT * em, bar, _BAR_HEIGHT * em)
        sheet.painter.drawImage(box, _picture(color_table(self.theme, scale)[None, :STEPS].copy()))
        sheet.box(box)
        if scale.error_ratio:
            limit = box.left() + scale.share(1.0) * bar
            sheet.line((limit, box.top() - 0.15 * em), (limit, box.bottom() + 0.15 * em), color="text", width=2 * LINE)
        return box.right() + 0.4 * em + sheet.text(box.right() + 0.4 * em, y, high)

    def _scale_width(self, sheet: Sheet, title: str, scale: ColorScale) -> float:
        words = (title, _end(scale.low), _end(scale.high))
        return sum(map(sheet.advance, words)) + _LEGEND_BAR + 1.8 * sheet.em

    def _draw_special(self, sheet: Sheet, x: float, y: float) -> None:
        em = sheet.em
        for index in self._special():
            box = QRectF(x, y - _BAR_HEIGHT * em, 1.6 * em, _BAR_HEIGHT * em)
            across, down = (round(side * self.dpi / PER_INCH) for side in (box.width(), box.height()))
            indices = np.full((down, across), index, np.uint8)
            pixels = color_table(self.theme, self.state.paint.hidden.scale)[indices]
            hatch(pixels, indices, 0, 0, self.theme, max(1, self.dpi // 150))
            sheet.painter.drawImage(box, _picture(pixels))
            sheet.box(box)
            x = box.right() + 0.4 * em
            x += sheet.text(x, y, SPECIAL_WORDS[index]) + 1.2 * em


def _picture(pixels: NDArray[np.uint32]) -> QImage:
    """An image that owns its pixels (height, width)."""
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape
    return QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGB32).copy()


def _end(value: float) -> str:
    return number_format.true_minus(number_format.error(value)) if value else "0"


def _elided(sheet: Sheet, text: str, width: float) -> str:
    from PySide6.QtCore import Qt

    return QFontMetricsF(sheet.font()).elidedText(text, Qt.TextElideMode.ElideRight, width)


def _title_of(result: RunResult, quantity: str) -> str:
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


def _lane_quantity(result: RunResult, figure: PaperFigure) -> str:
    """The quantity of a figure; the lanes call h "value"."""
    name = figure.quantity or "h"
    kind, wanted = result.config.network.kind, "value" if name == "h" else name
    gradients = gradients_of(result.traces.values(), kind)
    if quantity_for(wanted, kind, compared=True, gradients=gradients) == wanted:
        return wanted
    custom = kind if result.config.network.custom else None
    known = [n for n in color_names(custom) if quantity_for(n, kind, compared=True, gradients=gradients) == n]
    figure.chosen("quantity", ("h", *known[1:]), name)
    return wanted


def _candidate(result: RunResult, figure: PaperFigure) -> str:
    """The named engine if it is a candidate, else the candidate with the worst verdict."""
    engine = _engine(result, figure)
    return engine if engine != result.reference.engine else result.by_importance[0].candidate


def _engine(result: RunResult, figure: PaperFigure) -> str:
    """The named engine, else the reference."""
    engine = figure.engine or result.reference.engine
    figure.chosen("engine", tuple(result.traces), engine)
    return engine


# --- curves


@dataclass(frozen=True, eq=False)
class _Curve:
    """A line over time: its name in the legend, "" without one, and its positions (T,) on the vertical axis."""

    name: str
    values: NDArray[np.float64]


class _Plot(_Content):
    """Curves or bars with a vertical axis, and a legend above."""

    label = ""
    below = "time step"

    def __init__(self) -> None:
        self.curves: list[_Curve] = []
        self.ticks: list[tuple[float, str]] = []
        self.range = 0.0, 1.0
        self.limit: tuple[float, str] | None = None
        self.timesteps = 1
        self.names: Sequence[str] = ()
        self.heading = ""

    def heights(self, width: float, em: float) -> tuple[float, float]:
        rest = self._legend_rows(width, em) * 1.5 * em + _axis_height(em, self.names) + 0.8 * em
        return rest + 5 * em, rest + 0.42 * width

    def _legend_rows(self, width: float, em: float) -> int:
        metrics = QFontMetricsF(text_font(em))
        rows, x = (1 if self.heading else 0), width
        for curve in self.curves if self.curves and self.curves[0].name else ():
            wide = metrics.horizontalAdvance(curve.name) + 4.2 * em
            if x + wide > width - self._left(em):
                rows, x = rows + 1, 0.0
            x += wide
        return rows

    def _left(self, em: float) -> float:
        metrics = QFontMetricsF(text_font(em))
        return max((metrics.horizontalAdvance(text) for _, text in self.ticks), default=0.0) + 2.0 * em

    def draw(self, sheet: Sheet, top: float) -> None:
        em = sheet.em
        left, right = self._left(em), sheet.width - 0.6 * em
        if self.heading:
            sheet.text(left, top + em, self.heading, bold=True)
            top += 1.5 * em
        top = self._draw_legend(sheet, left, top) + 0.4 * em
        bottom = sheet.height - _axis_height(em, self.names) - 0.4 * em
        low, high = self.range

        def y(value: float) -> float:
            return bottom - (value - low) / (high - low) * (bottom - top)

        spacing, last = 1.2 * em, float("inf")
        for value, text in self.ticks:
            if not low <= value <= high:
                continue
            sheet.line((left, y(value)), (right, y(value)), color="grid")
            if last - y(value) >= spacing:
                sheet.text(left - 0.4 * em, y(value) + 0.35 * em, text, at=1.0)
                last = y(value)
        sheet.upright(em, (top + bottom) / 2.0, _elided(sheet, self.label, bottom - top))
        if self.limit is not None and low <= self.limit[0] <= high:
            at = y(self.limit[0])
            sheet.line((left, at), (right, at), color="wrong", width=1.5 * LINE, dash=(4, 3))
            sheet.text(right, at - 0.3 * em, self.limit[1], at=1.0, color="wrong")
        self._draw_marks(sheet, left, right, y)
        self._draw_axis(sheet, left, right, bottom)

    def _draw_axis(self, sheet: Sheet, left: float, right: float, y: float) -> None:
        _time_axis(sheet, left, right, y, self.timesteps, self.names)

    def _draw_legend(self, sheet: Sheet, left: float, top: float) -> float:
        em, x, row = sheet.em, sheet.width, 0
        for place, curve in enumerate(self.curves if self.curves and self.curves[0].name else ()):
            wide = sheet.advance(curve.name) + 4.2 * em
            if x + wide > sheet.width:
                x, row = left, row + 1
            y = top + (1.5 * row - 0.5) * em
            sheet.curve([(x, y - 0.3 * em), (x + 2.4 * em, y - 0.3 * em)], place)
            sheet.text(x + 2.8 * em, y, curve.name)
            x += wide
        return top + 1.5 * row * em

    def _draw_marks(self, sheet: Sheet, left: float, right: float, y: Callable[[float], float]) -> None:
        pitch = (right - left) / self.timesteps
        pixels = round((right - left) / PER_INCH * 300)
        for place, curve in reversed(list(enumerate(self.curves))):
            outline = outline_of(curve.values, range(self.timesteps), pixels)
            times, values = outline.points()
            for part in _finite_parts(values):
                points = [(left + (times[k] + 0.5) * pitch, y(float(values[k]))) for k in part]
                if len(points) == 1:
                    points = [(points[0][0] - TICK / 2, points[0][1]), (points[0][0] + TICK / 2, points[0][1])]
                sheet.curve(points, place)


def _finite_parts(values: NDArray[np.floating[Any]]) -> Iterator[range]:
    """The runs of finite values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.isfinite(values), [False]]).astype(np.int8)))
    yield from (range(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True))


def _linear_ticks(low: float, high: float) -> list[tuple[float, str]]:
    step = rounded_up((high - low) / 5.0)
    digits = max(0, -floor(np.log10(step)))
    inside = range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)
    wide = 1e-4 <= step <= 1e5
    return [
        (k * step, number_format.true_minus(f"{k * step:,.{digits}f}" if wide else f"{k * step:.3g}")) for k in inside
    ]


class _Units(_Plot):
    """A unit over time, by every engine."""

    def __init__(self, result: RunResult, figure: PaperFigure, _theme: Theme) -> None:
        super().__init__()
        where, name = figure.where or Location(), figure.quantity or "h"
        held = {trace.engine: set(trace) - trace.missing for trace in result.traces.values()}
        own = [trace for trace in result.traces.values() if name in held[trace.engine]]
        known = sorted(
            {n for t in result.traces.values() for n in held[t.engine] if t[n].shape[:-1] == result.shape[:-1]}
        )
        figure.chosen("quantity", tuple(known), name)
        where = replace(where, unit=min(where.unit, own[0][name].shape[-1] - 1))
        length, self.timesteps = result.inputs.length(where.sample), result.shape[2]
        for trace in own:
            values = np.full(self.timesteps, np.nan)
            values[:length] = trace[name][where.layer, where.direction, :length, where.sample, where.unit]
            self.curves.append(_Curve(display_name(trace.engine), values))
        self.range = finite_range([curve.values for curve in self.curves])
        self.ticks = _linear_ticks(*self.range)
        self.label = _title_of(result, name)
        self.heading = _place_title(result, where, unit=True)
        self.names = result.inputs.names.of_sample(where.sample).timesteps


class _LogPlot(_Plot):
    def scale(self, curves: Sequence[tuple[str, NDArray[np.float64]]], limit: tuple[float, str] | None) -> None:
        """Put curves on a logarithmic axis."""
        scale = log_scale((values for _, values in curves), *(() if limit is None else (limit[0],)))
        zeros = any((values == 0.0).any() for _, values in curves)
        self.curves = [_Curve(name, scale.positions(np.asarray(values, np.float64))) for name, values in curves]
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


class _Error(_LogPlot):
    """The error of each lane over time."""

    def __init__(self, result: RunResult, figure: PaperFigure, _theme: Theme) -> None:
        super().__init__()
        names = [quantity.name for quantity in QUANTITIES]
        name = figure.quantity or "error_ratio"
        figure.chosen("quantity", tuple(names), name)
        quantity = QUANTITIES[names.index(name)]
        candidate = _candidate(result, figure)
        series = error_series(result, result.comparison(candidate), quantity)
        if series is None:
            raise InputError("The run has no step audit: choose another quantity, or run it with the audit.")
        self.timesteps = result.shape[2]
        self.scale(_lanes_of(result, series.main.values), series.limit)
        reference = display_name(result.reference.engine)
        self.label = quantity.title
        self.heading = f"{display_name(candidate)} and {reference}"


class _GradientFlow(_LogPlot):
    """The norm of the gradient of a state over time, by lane."""

    def __init__(self, result: RunResult, figure: PaperFigure, _theme: Theme) -> None:
        super().__init__()
        flow = gradient_flow(result, figure.engine)
        if flow is None:
            raise InputError("The run has no gradients of the hidden states: set backward.enabled = true.")
        symbol = (figure.quantity or "h").removeprefix("grad.")
        figure.chosen("quantity", tuple(flow.norms), symbol)
        self.timesteps = result.shape[2]
        norms = flow.norms[symbol]
        values = norm_of(norms) if figure.where is None else norms[..., figure.where.sample]
        self.scale(_lanes_of(result, values), None)
        self.label = f"norm of the gradient of {symbol}"


def _lanes_of(result: RunResult, values: NDArray[np.float64]) -> list[tuple[str, NDArray[np.float64]]]:
    """The curves (T,) of lanes (L, D, T); of very many lanes, the largest value of them."""
    lanes = list(np.ndindex(values.shape[:2]))
    if len(lanes) > _MOST_LINES:
        return [("largest of all lanes", np.fmax.reduce(values.reshape(-1, values.shape[-1])))]
    reverse = result.config.network.reverse
    if len(lanes) == 1:
        return [("", values[0, 0])]
    return [(_place_title(result, Location(*lane, reverse=reverse)), values[lane]) for lane in lanes]


def _place_title(result: RunResult, where: Location, *, unit: bool = False) -> str:
    network = result.config.network
    both = network.bidirectional or network.reverse
    words = [f"unit {where.unit}"] if unit else []
    words += [f"layer {where.layer}"]
    words += ["backward" if where.backward else "forward"] if both else []
    words += [f"sample {where.sample}"] if unit and result.inputs.batch_size > 1 else []
    return ", ".join(words)


class _Histogram(_LogPlot):
    """How many values have which error ratio."""

    def __init__(self, result: RunResult, figure: PaperFigure, _theme: Theme) -> None:
        super().__init__()
        candidate = _candidate(result, figure)
        self.bars = error_ratio_bars(result.comparison(candidate))
        counts = np.array([bar.count for bar in self.bars.bars], np.float64)
        self.scale([("", counts[counts > 0])], None)
        self.curves = []
        low, high = self.range
        self.range = low - 0.3, high
        self.label = "values"
        self.heading = f"{display_name(candidate)} and {display_name(result.reference.engine)}"

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
            sheet.text(at + 0.3 * sheet.em, top + 0.9 * sheet.em, "tolerance")

    def _draw_axis(self, sheet: Sheet, left: float, right: float, y: float) -> None:
        em, x = sheet.em, self._x(left, right)
        sheet.line((left, y), (right, y))
        taken = -float("inf")
        for place, text in sorted(self.bars.ticks):
            half = sheet.advance(text) / 2.0
            sheet.line((x(place), y), (x(place), y + TICK))
            if x(place) - half >= taken:
                sheet.text(min(x(place), sheet.width - half), y + TICK + em, text, at=0.5)
                taken = x(place) + half + 0.6 * em
        sheet.text((left + right) / 2.0, y + TICK + 2.3 * em, "error ratio: difference / tolerance", at=0.5)


_CONTENTS: dict[str, Callable[[RunResult, PaperFigure, Theme], _Content]] = dict(
    zip(VIEWS, (_Lanes, _Units, _Error, _Histogram, _GradientFlow), strict=True)
)

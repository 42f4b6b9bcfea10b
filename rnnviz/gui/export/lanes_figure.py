"""The lanes of a run as a figure: heat maps, or numbers in boxes, with a scale of each color."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import Mask
from rnnviz.core.trace_index import Lane, Location, lanes_of
from rnnviz.core.words import capital, plural
from rnnviz.dependence.influence import Influence
from rnnviz.gui.app_state import Limit
from rnnviz.gui.export.plot_figures import (
    LEGEND_ROW,
    Content,
    LegendKey,
    axis_height,
    candidate_of,
    draw_legend,
    draw_time_axis,
    engine_of,
    legend_rows,
    network_words,
    quantity_title,
)
from rnnviz.gui.export.sheet import EM, LINE, POINT, Sheet, advance, elided
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.unrolled.color_range import reach_of
from rnnviz.gui.views.unrolled.colormap import (
    ABOVE,
    BELOW,
    MISSING,
    NAN,
    NEGATIVE,
    PADDING,
    POSITIVE,
    SPECIAL_WORDS,
    STEPS,
    ColorScale,
    IndexArray,
    color_table,
    hatch,
    on,
)
from rnnviz.gui.views.unrolled.lane_text import MASK, number_text
from rnnviz.gui.views.unrolled.render_state import LaneCaches, Look, Reach, RenderState, render_state_of
from rnnviz.io.export.paper import PaperFigure
from rnnviz.reading.level_of_detail import Bins
from rnnviz.reading.quantities import color_names, gradients_of, quantity_for
from rnnviz.reading.units import ORDERS
from rnnviz.verify.result import RunResult

_BAR, _BAR_HEIGHT = 36 * POINT, 0.75 * EM
_TITLE, _BELOW = 1.4 * EM, 0.45 * EM
"""Height of the title of a lane, and of the gap below it."""
_STRIP, _STRIP_GAP = 6 * POINT, 3 * POINT
"""Height of the influence below a lane, and of the gap above it."""
_LEAST_ROW, _ROW_WITH_NUMBERS = 1.2 * EM, 1.7 * EM
_FREE = 3 * POINT
"""Room at each side of a number in a box."""
_COLUMNS = 500
"""Pixels across in which special colors are looked for: each has the extreme of its time steps."""
_LETTERS = 6
"""Characters of the widest number in a box: −0.254."""


class LanesFigure(Content):
    """Every lane of one sample, the first layer at the bottom, with the scales of the colors."""

    def __init__(
        self,
        result: RunResult,
        figure: PaperFigure,
        theme: Theme,
        shown: RenderState | None = None,
        influence: Influence | None = None,
        masks: Sequence[Mask] = (),
    ) -> None:
        """`shown` are the lanes as the window has them; without them, `masks` are the numbers that are not shown."""
        if shown is None:
            shown = replace(state_of(result, figure, theme), look=Look(masks=tuple(masks)))
        # A figure has a row for each feature.
        self.shown = replace(shown, hot=None)
        self.result, self.theme, self.figure = result, theme, figure
        self.influence = influence
        self.times = figure.times or range(result.shape[2])
        sequence = result.inputs.sequence[: result.inputs.length(self.shown.sample), self.shown.sample]
        self._names = result.inputs.names.of_sample(self.shown.sample).timesteps
        # The axis names a feature that is 1 while the others are 0.
        one_hot = bool(self._names) and bool(((sequence == 0.0) | (sequence == 1.0)).all())
        without_input = one_hot or self.shown.quantity in ("difference", "error_ratio")
        self.lanes = [lane for lane in lanes_of(result.config.network) if lane.layer is not None or not without_input]
        self.boxes: dict[Lane, QRectF] = {}
        """The places of the lanes, once they are drawn."""

    def caption(self) -> str:
        shown, found = self.shown, self.influence
        text = f"{capital(self._quantity_title())} of {network_words(self.result)}"
        text += f" over {plural(len(self.times), 'time step')}."
        if found is not None:
            at = f"layer {found.where.layer}, unit {found.where.unit} at t = {found.where.timestep}"
            text += f" Purple: influence of each time step on {at} (frame)."
        if shown.orders is not None:
            text += f" Units are sorted by {ORDERS[shown.orders.key.name][0]}."
        return text

    # Sizes

    def heights(self, width: float) -> tuple[float, float]:
        rows = [self.shown.rows(lane) for lane in self.lanes if lane.layer is not None]
        least, natural = 1.5 * EM, min(0.3 * width, max(0.9 * width / len(rows), 3.5 * EM))
        if rows[0] == 1:
            natural = least
        elif self._has_numbers(width):
            natural = rows[0] * _ROW_WITH_NUMBERS
        rest = len(self.lanes) * (_TITLE + _BELOW) + self._strips() + self._below(width)
        return rest + self._maps(least), rest + self._maps(natural)

    def _has_numbers(self, width: float) -> bool:
        """Whether there is room for numbers in boxes at the natural height."""
        high = sum(self.shown.rows(lane) for lane in self.lanes if lane.layer is not None) * _ROW_WITH_NUMBERS
        return self._room(width - self._left() - 0.3 * EM) > 0 and high < 1.2 * width

    def _maps(self, hidden: float) -> float:
        return sum(self._map_height(lane, hidden) for lane in self.lanes)

    def _map_height(self, lane: Lane, hidden: float) -> float:
        if lane.layer is not None:
            return hidden
        share = self.shown.rows(lane) / max(self.shown.rows(self.lanes[0]), 1)
        return min(hidden, max(1.5 * EM, share * hidden))

    def _strips(self) -> float:
        return sum(_STRIP + _STRIP_GAP for lane in self.lanes if self._influenced(lane))

    def _below(self, width: float) -> float:
        rows = len(self._legend(width))
        return axis_height(self._names) + rows * LEGEND_ROW + (0.6 * EM if rows else 0.0)

    def _left(self) -> float:
        """The width of the labels at the left of the maps."""
        units = max(self.shown.rows(lane) for lane in self.lanes)
        return (1.3 * EM if units > 1 else 0.0) + advance(f"{units - 1:,}") + 0.5 * EM

    def _room(self, width: float) -> int:
        """The characters of a number in a box, 0 where there is no room for two digits."""
        room = int((width / len(self.times) - 2 * _FREE) / advance("0", code=True))
        return min(room, _LETTERS) if room >= 4 else 0

    # Drawing

    def draw(self, sheet: Sheet, top: float) -> None:
        left, right = self._left(), sheet.width - 0.3 * EM
        free = sheet.height - top - len(self.lanes) * (_TITLE + _BELOW) - self._strips() - self._below(sheet.width)
        hidden = self._fitted(free)
        for lane in self.lanes:
            sheet.text(left, top + EM, self._lane_title(lane), bold=True)
            top += _TITLE
            box = self.boxes[lane] = QRectF(left, top, right - left, self._map_height(lane, hidden))
            self._draw_map(sheet, lane, box)
            top = box.bottom()
            if self._influenced(lane):
                top += _STRIP_GAP
                self._draw_influence(sheet, lane, QRectF(left, top, box.width(), _STRIP))
                top += _STRIP
            top += _BELOW
        draw_time_axis(sheet, left, right, top, self.times, self._names)
        draw_legend(sheet, self._legend(sheet.width), left, top + axis_height(self._names) + 1.7 * EM)

    def place_of(self, lane: Lane, times: range, units: range) -> QRectF | None:
        """The place of some cells of a lane that is drawn, None outside the shown time steps."""
        box, first, stop = self.boxes.get(lane), max(times.start, self.times.start), min(times.stop, self.times.stop)
        if box is None or first >= stop:
            return None
        rows = self.shown.rows(lane)
        places = [self._row(lane, unit) for unit in units[:rows]]
        wide, high = box.width() / len(self.times), box.height() / rows
        top = box.top() + min(places) * high
        return QRectF(box.left() + (first - self.times.start) * wide, top, (stop - first) * wide, len(places) * high)

    def _row(self, lane: Lane, unit: int) -> int:
        orders = self.shown.orders
        order = None if orders is None or lane.layer is None else orders.of(lane.layer, lane.direction)
        return unit if order is None else int(order.rows[unit])

    def _fitted(self, free: float) -> float:
        """The height of a hidden lane with which all maps fill the free height."""
        low, high = 0.0, free
        for _ in range(40):
            middle = (low + high) / 2.0
            low, high = (middle, high) if self._maps(middle) <= free else (low, middle)
        return low

    def _lane_title(self, lane: Lane) -> str:
        if lane.layer is None:
            return f"input, {plural(self.shown.rows(lane), 'feature')}"
        network = self.result.config.network
        both = network.bidirectional or network.reverse
        way = f", {'backward' if lane.backward else 'forward'}" if both else ""
        rows = self.shown.rows(lane)
        return f"layer {lane.layer}{way}" + (f", {plural(rows, 'unit')}" if self.shown.per_unit else "")

    def _draw_map(self, sheet: Sheet, lane: Lane, box: QRectF) -> None:
        rows = self.shown.rows(lane)
        room = self._room(box.width()) if box.height() / rows >= _LEAST_ROW else 0
        if room:
            self._draw_numbers(sheet, lane, box, room)
        else:
            self._draw_pixels(sheet, box, self._read(lane, *sheet.dots(box))[1], lane)
            sheet.box(box)
        self._draw_rows(sheet, lane, box, rows)

    def _draw_rows(self, sheet: Sheet, lane: Lane, box: QRectF, rows: int) -> None:
        """Number the rows at the left of a lane."""
        if rows < 2:
            return
        cell, x = box.height() / rows, box.left() - 0.3 * EM
        first, last = box.top() + cell / 2.0, box.bottom() - cell / 2.0
        if box.height() >= 1.9 * EM:
            sheet.text(x, max(first, box.top() + 0.35 * EM) + 0.35 * EM, "0", at=1.0)
            sheet.text(x, min(last, box.bottom() - 0.35 * EM) + 0.35 * EM, f"{rows - 1:,}", at=1.0)
        word = "unit" if lane.layer is not None else "feature"
        if box.height() > advance(word):
            sheet.upright(EM, box.center().y(), word)

    def _draw_numbers(self, sheet: Sheet, lane: Lane, box: QRectF, room: int) -> None:
        """Draw each value as a box with its number, all in the same form."""
        rows, gap = self.shown.rows(lane), 0.5 * POINT
        values, indices, asked = self._read(lane, len(self.times), rows)
        largest = float(np.abs(values).max(where=np.isfinite(values), initial=0.0))
        table = color_table(self.theme, self._scale(lane))
        wide, high = box.width() / len(self.times), box.height() / rows
        for row, column in np.ndindex(values.shape):
            cell = QRectF(box.left() + column * wide, box.top() + row * high, wide, high)
            cell.adjust(gap, gap, -gap, -gap)
            index = int(indices[row, column])
            if index >= STEPS + 2:
                self._draw_pixels(sheet, cell, np.full(sheet.dots(cell)[::-1], index, np.uint8), lane)
            else:
                sheet.box(cell, QColor.fromRgb(int(table[index])))
            text = MASK if asked[row, column] else ""
            if index not in (MISSING, PADDING):
                text = number_text(float(values[row, column]), room, largest)
            ink = on(int(table[index]), self.theme)
            sheet.text(cell.center().x(), cell.center().y() + 0.35 * EM, text, at=0.5, code=True, color=ink)

    def _draw_influence(self, sheet: Sheet, lane: Lane, box: QRectF) -> None:
        """Draw how strongly each time step of a lane influences the selected value, as far as it reaches."""
        found, wide = self.influence, box.width() / len(self.times)
        assert found is not None
        reach = self._influenced(lane)
        first, stop = max(reach.start, self.times.start), min(reach.stop, self.times.stop)
        if first >= stop:
            return
        strip = QRectF(box.left() + (first - self.times.start) * wide, box.top(), (stop - first) * wide, box.height())
        norms = found.inputs if lane.layer is None else found.hidden[lane.layer, lane.direction]
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.clip(1.0 + np.log10(norms[first:stop] / found.largest) / found.decades, 0.0, 1.0)
        sheet.pixels(strip, self._purple(np.nan_to_num(shares, nan=1.0))[None])
        sheet.box(strip)
        if lane != found.where.lane:
            return
        value = self.place_of(lane, range(found.where.timestep, found.where.timestep + 1), _one(found.where.unit))
        if value is not None:
            least = 4 * POINT
            value.adjust(*(side / 2.0 for side in _wider(value, least)))
            x = value.center().x()
            sheet.line((x, value.bottom()), (x, box.top()), color="text", width=LINE, dash=(3, 3))
            sheet.frame(value)

    def _influenced(self, lane: Lane) -> range:
        """The time steps of a lane that can influence the selected value."""
        found = self.influence
        if found is None:
            return range(0)
        norms = found.inputs if lane.layer is None else found.hidden[lane.layer, lane.direction]
        reached = np.flatnonzero(norms)
        if not len(reached):
            return range(0)
        if lane.layer is not None and lane.backward:
            return range(int(reached[0]), self.shown.length)
        return range(int(reached[-1]) + 1)

    def _purple(self, shares: NDArray[np.float64]) -> NDArray[np.uint32]:
        ends = [QColor(color) for color in (self.theme.base, self.theme.series[4])]
        low, high = np.array([[end.red(), end.green(), end.blue()] for end in ends])
        rgb = np.round(low + shares[:, None] * (high - low)).astype(np.uint32)
        return np.asarray(0xFF000000 | rgb[:, 0] << 16 | rgb[:, 1] << 8 | rgb[:, 2], np.uint32)

    # Values

    def _scale(self, lane: Lane) -> ColorScale:
        paint = self.shown.paint
        return (paint.input if lane.layer is None else paint.hidden).scale

    def _read(self, lane: Lane, across: int, down: int) -> tuple[NDArray[np.float64], IndexArray, NDArray[np.bool_]]:
        """Extreme values, color indices and masks (down, across) of a lane at a resolution."""
        shown, rows = self.shown, self.shown.rows(lane)
        starts = self.times.start + np.arange(across) * len(self.times) // across
        units = np.arange(down) * rows // down
        values = np.full((down, across), np.nan)
        indices = np.full((down, across), PADDING, np.uint8)
        for side, part in shown.parts(lane, range(self.times.start, min(self.times.stop, shown.length))):
            columns = (starts >= part.start) & (starts < part.stop)
            if not columns.any():
                continue
            read = side.colors.read(lane, Bins(starts[columns], part.stop), Bins(units, rows))
            values[:, columns] = read.values
            indices[:, columns] = self._scale(lane).indices(read.values)
            recorded = side.colors.recorded(lane)
            indices[:, columns & ((starts < recorded.start) | (starts >= recorded.stop))] = MISSING
        asked = self._asked(lane)[self._units_of(lane, units)][:, starts - self.times.start]
        indices[asked] = MISSING
        return values, indices, asked

    def _asked(self, lane: Lane) -> NDArray[np.bool_]:
        """(units, time steps): the values that an open question asks for."""
        rows = self.shown.rows(lane)
        masked = self.shown.masked(lane, self.times, range(rows))
        return np.zeros((rows, len(self.times)), np.bool_) if masked is None else masked.T

    def _units_of(self, lane: Lane, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """The unit in each row."""
        orders = self.shown.orders
        order = None if orders is None or lane.layer is None else orders.of(lane.layer, lane.direction)
        return rows if order is None else np.asarray(order.units)[rows]

    def _draw_pixels(self, sheet: Sheet, box: QRectF, indices: IndexArray, lane: Lane) -> None:
        pixels = color_table(self.theme, self._scale(lane))[indices]
        hatch(pixels, indices, 0, 0, self.theme, max(1, round(sheet.resolution / 150)))
        sheet.pixels(box, pixels)

    # Legend

    def _legend(self, width: float) -> list[list[tuple[float, LegendKey]]]:
        """The rows of the legend: the scales of the colors, and special colors that may be in the figure."""
        if not self.figure.legend:
            return []
        shown, room = self.shown, width - self._left()
        scales = [(self._quantity_title(), shown.paint.hidden.scale)]
        if self.lanes[-1].layer is None:
            of = "gradient of the input x" if shown.input_gradient is not None else "input x"
            scales.append((of, shown.paint.input.scale))
        keys = []
        for title, scale in scales:
            mark = scale.share(1.0) if scale.error_ratio else None
            colors = color_table(self.theme, scale)[:STEPS]
            keys.append(_scale_key(title, _end(scale.low), colors, _end(scale.high), room, mark))
        if (found := self.influence) is not None:
            low, colors = found.largest * 10.0**-found.decades, self._purple(np.linspace(0.0, 1.0, STEPS))
            keys.append(_scale_key("influence on □", _end(low), colors, _end(found.largest), room))
        # A number says itself that it is beyond the scale.
        left_out = ABOVE if self._has_numbers(width) else None
        keys += [self._special_key(index, text) for index, text in self._special.items() if index != left_out]
        return legend_rows(keys, room)

    def _special_key(self, index: int, meaning: str) -> LegendKey:
        wide, gap = 1.6 * EM, 0.4 * EM

        def draw(sheet: Sheet, x: float, y: float) -> None:
            box = QRectF(x, y - _BAR_HEIGHT, wide, _BAR_HEIGHT)
            self._draw_pixels(sheet, box, np.full(sheet.dots(box)[::-1], index, np.uint8), self.lanes[0])
            sheet.box(box)
            sheet.text(x + wide + gap, y, meaning)

        return LegendKey(wide + gap + advance(meaning), draw)

    def _quantity_title(self) -> str:
        result, shown = self.result, self.shown
        if shown.quantity == "difference":
            candidate, reference = shown.subtraction()
            return f"difference {candidate} {reference}"
        if shown.quantity == "error_ratio":
            return "error ratio (1 is the limit)"
        if shown.contributions is not None:
            return f"contributions to {shown.quantity}"
        title = quantity_title(result, shown.quantity)
        if shown.right is not None:
            return f"{title} of {display_name(shown.engine)}, then {display_name(shown.right.engine)}"
        several = any(c.mismatched for c in result.comparisons) or len(result.traces) < 2
        return f"{title} of {display_name(shown.engine)}" if several else title

    @cached_property
    def _special(self) -> dict[int, str]:
        """The special colors in the figure, and what each says."""
        found: set[int] = set()
        asked = False
        for lane in self.lanes:
            _, indices, asked_for = self._read(lane, min(len(self.times), _COLUMNS), self.shown.rows(lane))
            asked = asked or bool(asked_for.any())
            found.update(np.unique(indices[~asked_for]).tolist())
        words = {index: SPECIAL_WORDS[index] for index in (PADDING, NAN, POSITIVE, NEGATIVE) if index in found}
        missing = [SPECIAL_WORDS[MISSING]] * (MISSING in found) + ["asked"] * asked
        words |= {MISSING: " or ".join(missing)} if missing else {}
        return words | ({ABOVE: "beyond the scale"} if found & {ABOVE, BELOW} else {})


def _scale_key(
    title: str, low: str, colors: NDArray[np.uint32], high: str, room: float, mark: float | None = None
) -> LegendKey:
    """A scale of colors between the texts of its ends; `mark` is the share of it at which there is a line."""
    title_gap, gap = EM, 0.4 * EM
    rest = title_gap + advance(low) + _BAR + 2.0 * gap + advance(high)
    title = elided(title, room - rest)

    def draw(sheet: Sheet, x: float, y: float) -> None:
        x += sheet.text(x, y, title) + title_gap
        x += sheet.text(x, y, low) + gap
        box = QRectF(x, y - _BAR_HEIGHT, _BAR, _BAR_HEIGHT)
        sheet.pixels(box, colors[None])
        sheet.box(box)
        if mark is not None:
            at = box.left() + mark * _BAR
            sheet.line((at, box.top() - 0.15 * EM), (at, box.bottom() + 0.15 * EM), color="text", width=2 * LINE)
        sheet.text(box.right() + gap, y, high)

    return LegendKey(advance(title) + rest, draw)


def state_of(result: RunResult, figure: PaperFigure, theme: Theme) -> RenderState:
    """The lanes that the options of a figure describe."""
    quantity = _quantity(result, figure)
    engine, candidate = engine_of(result, figure), candidate_of(result, figure)
    where, caches = figure.where or Location(), LaneCaches(result, 0)

    def state(reach: Reach) -> RenderState:
        return render_state_of(result, engine, None, candidate, where.sample, quantity, theme, caches, reach=reach)

    shown = state(None)
    return state(reach_of(shown, None, Limit(), where.lane))


def _quantity(result: RunResult, figure: PaperFigure) -> str:
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


def _end(value: float) -> str:
    return number_format.true_minus(number_format.error(value)) if value else "0"


def _one(index: int) -> range:
    return range(index, index + 1)


def _wider(box: QRectF, least: float) -> tuple[float, float, float, float]:
    """Changes of the edges of a box, twice, up to a least size."""
    across, down = max(0.0, least - box.width()), max(0.0, least - box.height())
    return -across, -down, across, down

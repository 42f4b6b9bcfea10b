"""Texts of the lanes: numbers of visible cells, tooltips, and tables for the clipboard."""

from math import floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import OF_INPUT
from rnnviz.core.masks import masks_any
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.number_format import true_minus
from rnnviz.core.sequence import IN_FULL, UNNAMED, feature_in_words, feature_title, timestep_in_words, visible
from rnnviz.core.trace_index import ARROWS, DIRECTIONS, Lane
from rnnviz.core.words import plural
from rnnviz.explain.value_sources import notation
from rnnviz.frozen import dataclass
from rnnviz.gui.views.seams import at_seam
from rnnviz.gui.views.unrolled.colormap import ABOVE, MISSING, PADDING, STEPS, IndexArray
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry, LaneRect
from rnnviz.gui.views.unrolled.render_state import EngineSide, RenderState, is_padding
from rnnviz.reading.level_of_detail import every_cell
from rnnviz.verify.compare import ArrayComparison
from rnnviz.verify.metrics import BoolArray, abs_error, error_ratio
from rnnviz.verify.result import RunResult

MASK = "?"
_NONE_SHOWN = "\N{ALMOST EQUAL TO}0"
"""Text of a number other than 0 where there is no room for any of its digits."""
_SMALL = 0.005
"""Numbers of a lane that reaches less far have an exponent."""
_SPELLED = {"infinity": "inf", "-infinity": "-inf"}


@dataclass(frozen=True)
class LaneLabel:
    """Texts at the left of a lane. `agrees` is None for the input and for lanes without comparison."""

    title: str
    detail: str
    verdict: str
    agrees: bool | None

    def __str__(self) -> str:
        return ": ".join(filter(None, (" ".join(filter(None, (self.title, self.detail))), self.verdict)))


def label_of(shown: RenderState, lane: Lane) -> LaneLabel:
    """The texts of a lane. Mismatches are counted over all samples."""
    if lane.layer is None:
        size = plural(shown.left.colors.shape(lane)[1], "feature")
        mismatched = shown.mismatched(lane)
        verdict = "" if mismatched is None else _agreement(mismatched)
        # "grad.input" says it alone.
        title = shown.input_name if shown.input_gradient is not None else f"input {shown.input_name}"
        return LaneLabel(title, size, verdict, None if mismatched is None else not mismatched)
    title, way = f"layer {lane.layer}", f"{DIRECTIONS[lane.backward]} {ARROWS[lane.backward]}"
    mismatched = shown.mismatched(lane)
    if mismatched is None or shown.verdict_masked:
        return LaneLabel(title, way, "", None)
    steps = shown.compared(lane)
    if not steps:
        return LaneLabel(title, way, "not recorded", None)
    framed = shown.framed(lane)
    whole = framed is not None and bool(framed[steps.start : min(steps.stop, shown.length)].all())
    at = "" if len(steps) == shown.result.shape[2] else f" at t = {steps.start}"
    return LaneLabel(title, way, _agreement(mismatched, at, whole=whole), not mismatched)


def _agreement(mismatched: int, at: str = "", *, whole: bool = False) -> str:
    if not mismatched:
        return f"✓ agrees{at}"
    return f"× {'all' if whole else number_format.count(mismatched)} differ{at}"


def number_text(value: float, room: int, largest: float) -> str:
    """A number in at most `room` characters, of a lane whose numbers reach as far as `largest` or little farther.

    With six characters it has three digits, then no zero before the point, then two digits.
    """
    if value == 0.0:
        return "0"
    if not isfinite(value):
        text = number_format.short(value)
        return true_minus(_SPELLED.get(text, text))
    if largest < _SMALL:
        candidates = [_exponent(f"{value:.{digits}e}") for digits in (2, 1, 0)]
    else:
        # Before the point: of the largest number, or of one beyond it.
        digits = max(floor(log10(max(largest * (1.0 - 1e-9), abs(value)))) + 1, _LEAST_DIGITS)
        usual = min(max(3 - digits, 0), room - 2)
        candidates = [f"{value:z.{places}f}" for places in range(usual, -1, -1)]
        if not any(digit in "123456789" for digit in candidates[0]):
            candidates = []
        if room < usual + 3:
            candidates = [text.replace("0.", ".", 1) if abs(value) < 1.0 else text for text in candidates]
        if room > _LEAST_ROOM:
            candidates.append(_exponent(f"{value:.0e}"))
    return true_minus(next((text for text in candidates if len(text) <= room), _NONE_SHOWN))


_LEAST_ROOM, _LEAST_DIGITS = 4, -1


def _exponent(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


@dataclass(frozen=True, eq=False)
class Block:
    """Visible cells of one lane: `values`, color `indices`, `marks` and `masked`, each of shape (rows, time steps).

    `units` are those in the `rows`. Missing values of recorded outputs have no text. Numbers reach as far as `largest`.
    """

    lane_rect: LaneRect
    timesteps: tuple[int, ...]
    rows: range
    units: tuple[int, ...]
    values: FloatArray
    indices: IndexArray
    marks: BoolArray
    masked: BoolArray
    largest: float
    names: tuple[str, ...] | None = None
    """The text of each time step, of an input with one row."""

    @property
    def special(self) -> set[int]:
        """Indices of the colors of special values; a number beyond the scale speaks for itself."""
        return set(np.unique(self.indices[self.indices > ABOVE]).tolist())

    def texts(self, room: int) -> list[list[str]]:
        """Text of each cell in at most `room` characters."""
        if self.names is not None:
            return [[MASK if asked else name for name, asked in zip(self.names, self.masked[0], strict=True)]]

        def text(value: float, index: int, masked: bool) -> str:
            if index in (MISSING, PADDING):
                return ""
            return MASK if masked else number_text(value, room, self.largest)

        cells = zip(self.values.tolist(), self.indices.tolist(), self.masked.tolist(), strict=True)
        return [[text(*cell) for cell in zip(*row, strict=True)] for row in cells]


def block_in_view(shown: RenderState, geometry: Geometry, lane_rect: LaneRect) -> Block:
    """Read the visible cells of a lane, including its initial state."""
    if lane_rect.lane.layer is None and shown.hot is not None:
        return _hot_block(shown, geometry, lane_rect, shown.hot)
    lane, steps, rows = lane_rect.lane, geometry.timesteps_in_view(), geometry.rows_in_view(lane_rect)
    units = tuple(geometry.picture.unit_at(lane, row) for row in rows)
    scale, timesteps = shown.paint.of(lane).scale, tuple(steps)
    parts = [_read(side, lane, part, rows) for side, part in shown.parts(lane, steps)]
    none = np.zeros((len(rows), 0), np.bool_)
    values: FloatArray = np.concatenate([none.astype(np.float32), *(part[0] for part in parts)], axis=1)
    marks, missing = (np.concatenate([none, *(part[kind] for part in parts)], axis=1) for kind in (1, 2))
    indices = scale.indices(values)
    indices[missing] = MISSING
    indices[:, np.array(steps, np.int64) >= shown.length] = PADDING
    everything = geometry.stack.lane_rect(lane).rows
    asked = shown.masked(lane, steps, range(everything if shown.per_unit else shown.result.shape[4]))
    masked = np.zeros(values.shape, np.bool_) if asked is None else asked[:, list(units)].T
    initial = geometry.initial_timestep(lane)
    if initial is not None:
        state = shown.initial(lane)
        assert state is not None, "there is a column for it"
        column = state[list(units), None]
        # In place of a column of padding, or next to the others.
        place = timesteps.index(initial) if initial in timesteps else len(timesteps) if initial >= 0 else 0
        rest = place + 1 if initial in timesteps else place
        hidden = np.array([[shown.is_masked(CellGeometry(lane, initial, unit))] for unit in units])
        values, indices, marks, masked = (
            np.concatenate([whole[:, :place], new, whole[:, rest:]], axis=1)
            for whole, new in (
                (values, column),
                (indices, scale.indices(column)),
                (marks, np.zeros(column.shape, np.bool_)),
                (masked, hidden),
            )
        )
        timesteps = (*timesteps[:place], initial, *timesteps[rest:])
    # Error ratios differ by powers of ten.
    largest = 1.0 if scale.error_ratio else max(scale.high, -scale.low)
    return Block(lane_rect, timesteps, rows, units, values, indices, marks, masked, largest)


def _hot_block(shown: RenderState, geometry: Geometry, lane_rect: LaneRect, hot: NDArray[np.int64]) -> Block:
    """The features that are 1 at the visible time steps, by name or by index."""
    steps = geometry.timesteps_in_view()
    steps = range(steps.start, min(steps.stop, shown.length))
    features, names = hot[steps.start : steps.stop], shown.result.inputs.names
    shape = 1, len(steps)
    asked = shown.masked(lane_rect.lane, steps, range(shown.left.colors.shape(lane_rect.lane)[1]))
    masked = np.zeros(shape, np.bool_) if asked is None else asked.any(axis=1)[np.newaxis]
    texts = tuple(visible(feature_title(names, feature)) for feature in features.tolist())
    indices, none = np.full(shape, STEPS // 2, np.uint8), np.zeros(shape, np.bool_)
    values = features[np.newaxis].astype(np.float64)
    return Block(lane_rect, tuple(steps), range(1), (0,), values, indices, none, masked, 1.0, texts)


def _read(side: EngineSide, lane: Lane, steps: range, rows: range) -> tuple[FloatArray, BoolArray, BoolArray]:
    """Values, marks, and which values are missing, each of shape (rows, time steps)."""
    patch = side.colors.read(lane, every_cell(steps.start, steps.stop), every_cell(rows.start, rows.stop))
    recorded, none = side.colors.recorded(lane), np.zeros(patch.values.shape, np.bool_)
    outside = np.array([timestep not in recorded for timestep in steps])
    return patch.values, none if patch.marks is None else patch.marks, none | outside


def describe(shown: RenderState, cell: CellGeometry, *, boxes: bool = True) -> str:
    """Lane, time step, unit, every engine's value in full precision, and each candidate's error; several lines.

    Next to `boxes`, a backward lane has a column of its initial state behind the end of the sample.
    """
    lane, t, unit = cell
    if lane.layer is None and shown.hot is not None:
        unit = int(shown.hot[min(max(t, 0), shown.length - 1)])
    result = shown.result
    timesteps = shown.length
    if shown.is_masked(cell) and not is_padding(shown, cell, boxes=boxes):
        return f"{_table_title(shown, lane)}, t = {t}, unit {unit}: {MASK}"
    names = result.inputs.names.of_sample(shown.sample)
    if timesteps < result.shape[2] and is_padding(shown, cell, boxes=boxes):
        t = min(t, result.shape[2] - 1)
        return f"padding at t = {t}: sample {shown.sample} has {plural(timesteps, 'time step')}"
    if lane.layer is None and shown.contributions is not None:
        return ""
    if lane.layer is None:
        t = min(max(t, 0), timesteps - 1)
        time, feature = _time_in_words(shown, t), feature_in_words(names, unit, IN_FULL)
        place = f"input, {time}, sample {shown.sample}, {feature}"
        if shown.input_gradient is not None:
            engines = _gradients_of_engines(result, OF_INPUT, (t, shown.sample, unit))
            return "\n".join((place, f"{OF_INPUT}, the gradient of the input", *engines))
        return f"{place}\n{shown.input_name} = {number_format.full(result.inputs.sequence[t, shown.sample, unit])}"
    where = f"layer {lane.layer}, {DIRECTIONS[lane.backward]}"
    computed = 0 <= t < timesteps
    if not computed and (t < 0) != lane.backward:
        state = shown.initial(lane)
        if state is None:
            return ""
        of_unit = f", unit {unit}" if shown.per_unit else ""
        value = f"{shown.initial_name} = {number_format.full(state[unit])}"
        return f"{where}, initial state, sample {shown.sample}{of_unit}\n{value}"
    t = min(max(t, 0), timesteps - 1)
    where = f"{where}, {_time_in_words(shown, t)}, sample {shown.sample}"
    row = shown.picture().row_of(lane, unit)
    lines = [f"{where}, unit {unit}" if shown.per_unit else where]
    if shown.gate is not None or shown.quantity == "difference":
        patch = shown.left.colors.read(lane, every_cell(t, t + 1), every_cell(row, row + 1))
        # In full, as the values below are: the picture has no room for it.
        number = number_format.full(float(patch.values[0, 0]))
    if shown.contributions is not None:
        if lane != shown.contributions.lane:
            return ""
        # Not of the selected sample, but of all.
        place = ", ".join((f"layer {lane.layer}", DIRECTIONS[lane.backward], _time_in_words(shown, t), f"unit {unit}"))
        name = notation(shown.contributions.number_of(unit).gradient)
        samples = plural(shown.contributions.samples, "sample")
        return f"{place}\ncontribution to {name}, summed over {samples}\n{display_name(shown.engine)} {number}"
    if shown.gate is not None and not shown.gradient:
        lines.append(
            f"{shown.quantity} = {number}: {shown.gate.title}, "
            f"{'recomputed from h' if shown.recomputed else 'from the values'} of {display_name(shown.engine)}"
        )
        if not shown.gate.per_unit:
            return "\n".join(lines)
    if shown.quantity == "difference":
        lines.append(f"{' '.join(shown.subtraction())} = {number}")
    index, array = (lane.layer, lane.direction, t, shown.sample, unit), shown.array
    if shown.gradient:
        lines.append(f"{array}, the {shown.gate.title if shown.gate else ''}")
        return "\n".join((*lines, *_gradients_of_engines(result, array, index)))
    if masks_any(shown.look.masks, "h"):
        return "\n".join(lines)
    reference, held = result.reference.hidden, result.reference.holds(*index[:3])
    for engine, trace in result.traces.items():
        recorded = trace.holds(*index[:3])
        comparison = result.comparison(engine) if recorded and held and engine != result.reference.engine else None
        own = trace.hidden if recorded else None
        lines.append(_of_engine(engine, own, "recorded", index, reference, comparison))
    return "\n".join(lines)


def _gradients_of_engines(result: RunResult, array: str, index: tuple[int, ...]) -> list[str]:
    """A line of each engine with an entry of a gradient, and that of a candidate with its error."""
    reference, lines = result.reference.get(array), []
    for engine, trace in result.traces.items():
        comparison = None if engine == result.reference.engine else result.comparison(engine).get(array)
        lines.append(_of_engine(engine, trace.get(array), "given", index, reference, comparison))
    return lines


def _of_engine(
    engine: str,
    own: FloatArray | None,
    lacking: str,
    index: tuple[int, ...],
    reference: FloatArray | None,
    comparison: ArrayComparison | None,
) -> str:
    """An engine's value, with its error where it is compared."""
    if own is None:
        return f"{display_name(engine)} not {lacking}"
    line = f"{display_name(engine)} {number_format.full(own[index])}"
    if comparison is None or reference is None:
        return line
    r, c = reference[index].reshape(1), own[index].reshape(1)
    error, share = abs_error(r, c)[0], error_ratio(r, c, comparison.rtol, comparison.atol)[0]
    return f"{line}   difference {number_format.error(error)}, error ratio {number_format.error(share)}"


def _time_in_words(shown: RenderState, timestep: int) -> str:
    """The time step with its name in full, and whether a new call begins."""
    inputs = shown.result.inputs
    names = inputs.names.of_sample(shown.sample)
    return f"{timestep_in_words(names, timestep, IN_FULL)}{at_seam(inputs.seams, timestep)}"


def table_in_view(shown: RenderState, geometry: Geometry) -> str:
    """Lanes with visible numbers as a tab-separated table in full precision; empty without any."""
    lines = []
    for lane_rect in geometry.lane_rects_in_view():
        if not geometry.room(lane_rect) or not shown.left.colors.recorded(lane_rect.lane):
            continue
        block = block_in_view(shown, geometry, lane_rect)
        steps = [_column(shown, lane_rect.lane, t) for t in block.timesteps]
        title = _table_title(shown, lane_rect.lane)
        if shown.quantity == "difference":
            title = f"{title}: {' '.join(shown.subtraction())}"
        elif shown.quantity == "error_ratio":
            title = f"{title}: error ratio of {shown.subtraction()[0]}"
        elif shown.gate is not None and lane_rect.lane.layer is not None:
            title = f"{title}: {shown.quantity}, {shown.gate.title}{', recomputed' if shown.recomputed else ''}"
        lines.append("\t".join([title, *steps]))
        names = shown.result.inputs.names if lane_rect.lane.layer is None else UNNAMED
        lines += [
            "\t".join(
                [
                    feature_title(names, unit),
                    *(
                        "" if index == PADDING else MASK if masked else number_format.full(value)
                        for value, index, masked in zip(row, indices, asked, strict=True)
                    ),
                ]
            )
            for unit, row, indices, asked in zip(block.units, block.values, block.indices, block.masked, strict=True)
        ]
    return "\n".join(lines)


def _table_title(shown: RenderState, lane: Lane) -> str:
    if lane.layer is None:
        return "input"
    return f"layer {lane.layer} {ARROWS[lane.backward]} {DIRECTIONS[lane.backward]}"


def _column(shown: RenderState, lane: Lane, timestep: int) -> str:
    if not 0 <= timestep < shown.result.shape[2] or (timestep == shown.length and lane.backward):
        return shown.initial_name
    both = shown.right is not None and lane.layer is not None
    name = visible(shown.result.inputs.names.of_sample(shown.sample).timestep(timestep))
    words = [
        f"t={timestep}",
        *([f"'{name}'"] if name else []),
        *([display_name(shown.engine_at(timestep))] if both else []),
    ]
    return " ".join(words)

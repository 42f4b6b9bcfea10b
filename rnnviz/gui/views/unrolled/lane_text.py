"""Texts of the lanes: numbers of visible cells, tooltips, and tables for the clipboard."""

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import OF_INPUT
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.sequence import IN_FULL, UNNAMED, feature_in_words, feature_title, timestep_in_words, visible
from rnnviz.core.trace_index import ARROWS, DIRECTIONS, Lane
from rnnviz.core.words import plural
from rnnviz.explain.value_sources import notation
from rnnviz.frozen import dataclass
from rnnviz.gui.views.seams import at_seam
from rnnviz.gui.views.unrolled.colormap import MISSING, PADDING, STEPS, IndexArray
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry, LaneRect
from rnnviz.gui.views.unrolled.render_state import EngineSide, RenderState, is_padding
from rnnviz.reading.level_of_detail import BoolArray, every_cell
from rnnviz.verify.compare import ArrayComparison
from rnnviz.verify.metrics import abs_error, error_ratio
from rnnviz.verify.result import RunResult

INPUT_TITLE = "input"
_SHORTER = {"infinity": "inf", "-infinity": "-inf"}


@dataclass(frozen=True)
class LaneHeader:
    """Content of a lane's header. `agrees` is None for the input and for lanes without comparison."""

    lane: Lane
    title: str
    verdict: str
    agrees: bool | None

    def __str__(self) -> str:
        return f"{self.title}: {self.verdict}" if self.verdict else self.title


def header_of(shown: RenderState, lane: Lane) -> LaneHeader:
    """Content of a lane's header. Mismatches are counted over all samples."""
    title = (
        INPUT_TITLE if lane.layer is None else f"layer {lane.layer} {ARROWS[lane.backward]} {DIRECTIONS[lane.backward]}"
    )
    mismatched = shown.mismatched(lane)
    if mismatched is None:
        return LaneHeader(lane, title, "", None)
    if lane.layer is None:
        return LaneHeader(lane, title, _agreement(mismatched, ""), not mismatched)
    both = shown.compared(lane)
    if not both:
        return LaneHeader(lane, title, "not recorded", None)
    at = "" if len(both) == shown.result.shape[2] else f" at t = {both.start}"
    return LaneHeader(lane, title, _agreement(mismatched, at), not mismatched)


def _agreement(mismatched: int, at: str) -> str:
    return f"{number_format.count(mismatched)} differ{at}" if mismatched else f"agrees{at}"


@dataclass(frozen=True, eq=False)
class Block:
    """Visible cells of one lane: `values`, color `indices` and `marks`, each of shape (rows, time steps).

    `units` are those in the `rows`. Missing values of recorded outputs have no text. With `two_digits` the texts of
    numbers have two digits, else three decimals.
    """

    lane_rect: LaneRect
    timesteps: tuple[int, ...]
    rows: range
    units: tuple[int, ...]
    values: FloatArray
    indices: IndexArray
    marks: BoolArray
    two_digits: bool

    @property
    def special(self) -> set[int]:
        """Indices of the special colors."""
        return set(np.unique(self.indices[self.indices >= STEPS]).tolist())

    def texts(self, digits: int) -> list[list[str]]:
        """Text of each cell, as far as it fits: three decimals, or two digits of a difference or a gradient."""
        return [
            [
                ""
                if index in (MISSING, PADDING)
                else number_format.true_minus(fitting(value, digits, two_digits=self.two_digits))
                for value, index in zip(row, indices, strict=True)
            ]
            for row, indices in zip(self.values, self.indices, strict=True)
        ]


def fitting(value: float, digits: int, *, two_digits: bool = False) -> str:
    """Short form of a number with fewer digits if it does not fit: with three decimals, or `two_digits`."""
    text = number_format.error(value) if two_digits else number_format.short(value)
    if len(text) > digits:
        text = _SHORTER.get(text, text)
    if len(text) > digits:
        mantissa, _, exponent = f"{float(value):.0e}".partition("e")
        text = f"{mantissa}e{int(exponent):+d}"
    return text


def initial_timestep(shown: RenderState, geometry: Geometry, lane_rect: LaneRect) -> int | None:
    """Column of a lane's initial state, or None if it is not visible.

    It is -1, or in a backward lane the length of the sample, which is a column of padding if that is not T.
    """
    if not geometry.boxes or lane_rect.lane.layer is None or not shown.initial_name:
        return None
    timestep = shown.length if lane_rect.lane.backward else -1
    x, width = geometry.column(timestep)
    return timestep if x + width > 0.0 and x < geometry.width else None


def block_in_view(shown: RenderState, geometry: Geometry, lane_rect: LaneRect) -> Block:
    """Read the visible cells of a lane, including its initial state."""
    steps, rows = geometry.timesteps_in_view(), geometry.rows_in_view(lane_rect)
    scale = shown.paint.of(lane_rect.lane).scale
    if len(steps):
        parts = [_read(side, lane_rect.lane, part, rows) for side, part in shown.parts(lane_rect.lane, steps)]
        values, colored, marks = (np.concatenate(kind, axis=1) for kind in zip(*parts, strict=True))
        indices = scale.indices(colored)
        indices[:, _unrecorded(shown, lane_rect.lane, steps)] = MISSING
        indices[:, np.array(steps) >= shown.length] = PADDING
    else:
        values = np.zeros((len(rows), 0))
        indices, marks = np.zeros(values.shape, np.uint8), np.zeros(values.shape, np.bool_)
    timesteps = tuple(steps)
    units = tuple(geometry.picture.unit_at(lane_rect.lane, row) for row in rows)
    initial = initial_timestep(shown, geometry, lane_rect)
    if initial is not None:
        state = shown.initial(lane_rect.lane)
        assert state is not None, "there is a column for it"
        column = state[list(units), None]
        # The initial state is given to both engines: they do not differ in it.
        if shown.compares(lane_rect.lane):
            column = np.zeros(column.shape)
        colored = np.zeros(column.shape) if shown.quantity == "error_ratio" else column
        # In place of a column of padding, or next to the others.
        place = timesteps.index(initial) if initial in timesteps else len(timesteps) if initial >= 0 else 0
        rest = place + 1 if initial in timesteps else place
        values, indices, marks = (
            np.concatenate([whole[:, :place], new, whole[:, rest:]], axis=1)
            for whole, new in (
                (values, column),
                (indices, scale.indices(colored)),
                (marks, np.zeros(column.shape, np.bool_)),
            )
        )
        timesteps = (*timesteps[:place], initial, *timesteps[rest:])
    return Block(lane_rect, timesteps, rows, units, values, indices, marks, shown.two_digits(lane_rect.lane))


def _unrecorded(shown: RenderState, lane: Lane, steps: range) -> list[bool]:
    """Mask of missing values, of shape (time steps,)."""
    parts = [(side.colors.recorded(lane), part) for side, part in shown.parts(lane, steps)]
    return [timestep not in recorded for recorded, part in parts for timestep in part]


def _read(side: EngineSide, lane: Lane, steps: range, rows: range) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Values, color indices and marks, each of shape (rows, time steps)."""
    pixels = every_cell(steps.start, steps.stop), every_cell(rows.start, rows.stop)
    patch = side.values.read(lane, *pixels)
    colored = patch.values if side.colors is side.values else side.colors.read(lane, *pixels).values
    return patch.values, colored, np.zeros(patch.values.shape, np.bool_) if patch.marks is None else patch.marks


def describe(shown: RenderState, cell: CellGeometry, *, boxes: bool = True) -> str:
    """Lane, time step, unit, every engine's value in full precision, and each candidate's error; several lines.

    Next to `boxes`, a backward lane has a column of its initial state behind the end of the sample.
    """
    lane, t, unit = cell
    result = shown.result
    timesteps = shown.length
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
        patch = shown.left.values.read(lane, every_cell(t, t + 1), every_cell(row, row + 1))
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
        if not geometry.font_pixels(lane_rect) or not shown.left.colors.recorded(lane_rect.lane):
            continue
        block = block_in_view(shown, geometry, lane_rect)
        steps = [_column(shown, lane_rect.lane, t) for t in block.timesteps]
        title = header_of(shown, lane_rect.lane).title
        if shown.differs(lane_rect.lane):
            title = f"{title}: {' '.join(shown.subtraction())}"
        elif shown.compares(lane_rect.lane):
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
                        "" if index == PADDING else number_format.full(value)
                        for value, index in zip(row, indices, strict=True)
                    ),
                ]
            )
            for unit, row, indices in zip(block.units, block.values, block.indices, strict=True)
        ]
    return "\n".join(lines)


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

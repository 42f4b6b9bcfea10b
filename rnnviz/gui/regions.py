"""The steps of a network: the vectors of each engine, their layout in `out` and `state`, and the order of computation.

Values that a step reads, computes and passes on are regions, which every view highlights in the same way.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.config import Network
from rnnviz.core.gradients import gradient
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, INPUT, Lane, Location, carried_to, read_after, state_row
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import abs_error, error_ratio_of, tolerance, ulp_distance
from rnnviz.verify.result import RunResult

VectorKind: TypeAlias = Literal["hidden", "cell", "gradient", "input", "h0", "c0"]
_ARRAYS: dict[VectorKind, str] = {"hidden": "h", "cell": "c", "gradient": gradient("h")}


@dataclass(frozen=True, eq=False)
class Difference:
    """A candidate's vector compared with the reference's: arrays of shape (n,).

    `signed` is candidate - reference in float64; it is NaN where only one of the two is, and 0 where both are.
    """

    signed: NDArray[np.float64]
    ulp: NDArray[np.uint64]
    error_ratio: NDArray[np.float64]
    mismatched: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Vector:
    """`columns` are (label, values of shape (n,)): engines, the reference first, or the one source that all share.

    `difference` is None where there is nothing to compare.
    """

    columns: tuple[tuple[str, FloatArray], ...]
    difference: Difference | None = None

    def __len__(self) -> int:
        return len(self.columns[0][1]) if self.columns else 0


def difference(reference: FloatArray, candidate: FloatArray, rtol: float, atol: float) -> Difference:
    error, limit = abs_error(reference, candidate), tolerance(reference, rtol, atol)
    signed = np.where(candidate < reference, -error, error)
    signed[np.isnan(reference) != np.isnan(candidate)] = np.nan
    return Difference(
        signed, ulp_distance(reference, candidate), error_ratio_of(error, limit), np.asarray(~(error <= limit))
    )


def kinds_at(result: RunResult, where: Location) -> tuple[VectorKind, ...]:
    """Which vectors there are at a place; the initial state only where the step reads it."""
    lstm = result.inputs.network.kind.has_cell_state
    traces = result.traces.values()
    kinds: list[VectorKind] = [kind for kind, name in _ARRAYS.items() if any(name in trace for trace in traces)]
    kinds.append("input")
    if read_after(result.inputs.network, where, result.inputs.length(where.sample)) is None:
        kinds += ["h0", "c0"] if lstm else ["h0"]
    return tuple(kinds)


def vector_at(result: RunResult, candidate: str | None, where: Location, kind: VectorKind) -> Vector:
    """The vector of that kind at a place: (H,) values, or for the input (I,) or (D·H,).

    Engines that do not know the cell states have no column of them, and recordings none for missing values. Above the
    first layer the input is the hidden state of the engine's layer below at the same time step.
    """
    if kind == "h0" or kind == "c0":
        array = result.inputs.initial_state[kind[0]]
        return Vector((("every engine", array[state_row(result.inputs.network, where), where.sample]),))
    if kind == "input" and where.layer == 0:
        return Vector((("every engine", result.inputs.sequence[where.timestep, where.sample]),))
    first = result.reference.engine, *([] if candidate is None else [candidate])
    columns = tuple(
        (engine, values)
        for engine in dict.fromkeys((*first, *result.traces))
        if (values := _values(result[engine], where, kind)) is not None
    )
    by_engine = dict(columns)
    reference = result.reference.engine
    if candidate is None or candidate not in by_engine or reference not in by_engine:
        return Vector(columns)
    comparison = result.comparison(candidate)
    compared = comparison.get(_ARRAYS.get(kind, ""), comparison)
    return Vector(columns, difference(by_engine[reference], by_engine[candidate], compared.rtol, compared.atol))


def _values(trace: Trace, where: Location, kind: VectorKind) -> FloatArray | None:
    if kind == "input":
        directions = trace.shape[1]
        if not all(trace.holds(where.layer - 1, direction, where.timestep) for direction in range(directions)):
            return None
        below: FloatArray = trace.hidden[where.layer - 1, :, where.timestep, where.sample]
        return below.reshape(-1)
    if kind == "hidden" and not trace.holds(*where.index[:3]):
        return None
    array = trace.get(_ARRAYS[kind])
    return None if array is None else np.asarray(array[where.index[:-1]])


def lane_label(network: Network, where: Location) -> str:
    """A lane in little room: "layer 1 ←"."""
    return f"layer {lane_number(network, where)}"


def lane_number(network: Network, where: Location) -> str:
    """A lane under a heading that says layer: "1 ←"."""
    several = network.bidirectional or network.reverse
    return f"{where.layer} {ARROWS[network.backward(where.direction)]}" if several else f"{where.layer}"


Part: TypeAlias = Literal["same", "read", "gates", "computed", "carried", "next"]
"""Reason of a highlight: the region is under the pointer, or a step reads, computes or passes on its values, computes
its gates, or reads it next."""


@dataclass(frozen=True)
class Region:
    """Some units of a lane over some time steps, as ranges without steps.

    The initial state is before the lane's first step: at -1, or backward at the length of the sample. `array` is "h",
    which the lanes show by their values, or "c", the cell state of an LSTM.
    """

    lane: Lane
    times: range
    units: range
    part: Part = "same"
    array: Literal["h", "c"] = "h"


def vector_region(network: Network, where: Location, part: Part = "same", array: Literal["h", "c"] = "h") -> Region:
    return Region(
        Lane(where.layer, where.direction),
        range(where.timestep, where.timestep + 1),
        range(network.hidden_size if array == "c" else network.output_size),
        part,
        array,
    )


def input_regions(network: Network, where: Location, part: Part = "same") -> tuple[Region, ...]:
    """The layer input of a step: x, or the hidden states of the layer below at its time step."""
    if where.layer == 0:
        return (Region(INPUT, range(where.timestep, where.timestep + 1), range(network.input_size), part),)
    below = [where.moved(layer=where.layer - 1, direction=direction) for direction in range(network.directions)]
    return tuple(vector_region(network, place, part) for place in below)


def previous_regions(network: Network, where: Location, length: int, part: Part = "same") -> tuple[Region, ...]:
    """The state that a step reads, h and for an LSTM c: that of the step before, or the initial one.

    `length` is that of the sample.
    """
    before = read_after(network, where, length)
    if before is None:
        before = length if network.backward(where.direction) else -1
    return state_regions(network, where.moved(timestep=before), part)


def state_regions(network: Network, where: Location, part: Part = "same") -> tuple[Region, ...]:
    """The state that a step leaves: h, and for an LSTM c."""
    arrays: tuple[Literal["h", "c"], ...] = ("h", "c") if network.kind.has_cell_state else ("h",)
    return tuple(vector_region(network, where, part, array) for array in arrays)


def highlighted_rows(
    lit: Sequence[Region], network: Network, length: int, where: Location, kind: VectorKind
) -> list[range]:
    """Which components of a vector at a place are highlighted, of the vectors that `vector_at` gives."""
    at, lanes = where.timestep, {Lane(where.layer, where.direction): 0}
    array = "c" if kind in ("cell", "c0") else "h"
    if kind == "input":
        size = network.output_size
        below = {Lane(where.layer - 1, direction): direction * size for direction in range(network.directions)}
        lanes = {INPUT: 0} if where.layer == 0 else below
    if kind in ("h0", "c0"):
        at = length if network.backward(where.direction) else -1
    return [
        range(region.units.start + lanes[region.lane], region.units.stop + lanes[region.lane])
        for region in lit
        if region.lane in lanes and region.array == array and at in region.times
    ]


def is_highlighted(lit: Sequence[Region], where: Location, array: str = "h") -> bool:
    lane = Lane(where.layer, where.direction)
    return any(
        region.lane == lane and region.array == array and where.timestep in region.times and len(region.units) > 0
        for region in lit
    )


Order: TypeAlias = Literal["lane", "layers"]
"""One lane alone, or all of them: layer by layer from the bottom, in each forward before backward."""

Stage: TypeAlias = Literal["input", "recurrent", "gates", "state", "output"]
STAGES: tuple[Stage, ...] = get_args(Stage)
STAGE_NAMES: dict[Stage, str] = {
    "input": "input part",
    "recurrent": "recurrent part",
    "gates": "gates",
    "state": "state",
    "output": "output",
}


@dataclass(frozen=True)
class Traversal:
    """The steps of a network in the order in which they are computed, from 0 on; backward lanes begin at T-1.

    With `gradients` they are those of the backward pass, in the opposite order: from the top layer's last step on.
    """

    network: Network
    timesteps: int
    order: Order
    gradients: bool = False

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of a step in their order."""
        return STAGES[::-1] if self.gradients else STAGES

    def count(self) -> int:
        return self.timesteps * (1 if self.order == "lane" else self.network.num_layers * self.network.directions)

    def index_of(self, where: Location) -> int:
        step = self.timesteps - 1 - where.timestep if self.network.backward(where.direction) else where.timestep
        if self.order == "layers":
            step += state_row(self.network, where) * self.timesteps
        return self._turned(step)

    def at(self, index: int, here: Location) -> Location:
        """The place of a step, the nearest one beyond the ends; `here` gives the sample, the unit and the one lane."""
        lane, step = divmod(self._turned(min(max(index, 0), self.count() - 1)), self.timesteps)
        if self.order == "lane":
            layer, direction = here.layer, here.direction
        else:
            layer, direction = divmod(lane, self.network.directions)
        timestep = self.timesteps - 1 - step if self.network.backward(direction) else step
        return here.moved(layer=layer, direction=direction, timestep=timestep)

    def _turned(self, index: int) -> int:
        return self.count() - 1 - index if self.gradients else index


def stage_regions(
    network: Network, where: Location, length: int, stage: Stage, *, gradients: bool = False
) -> tuple[Region, ...]:
    """Highlighted regions of a stage of a step: values read, gates or state computed, or values passed on.

    `length` is that of the sample. With `gradients` they are those of the backward pass.
    """
    if gradients:
        return _gradient_regions(network, where, length, stage)
    if stage == "output":
        after = carried_to(network, where, length)
        left = state_regions(network, where, "carried")
        return left if after is None else (*left, vector_region(network, where.moved(timestep=after), "next"))
    read, previous = input_regions(network, where, "read"), previous_regions(network, where, length, "read")
    if stage == "input":
        return read
    if stage == "state":
        return (*read, *previous, *state_regions(network, where, "computed"))
    # Only the state reads c.
    read = (*read, previous[0])
    return read if stage == "recurrent" else (*read, vector_region(network, where, "gates"))


def _gradient_regions(network: Network, where: Location, length: int, stage: Stage) -> tuple[Region, ...]:
    if stage == "gates":
        return (vector_region(network, where, "gates"),)
    if stage == "input":
        return (*state_regions(network, where, "carried"), *input_regions(network, where, "next"))
    if stage == "recurrent":
        return (*state_regions(network, where, "carried"), *previous_regions(network, where, length, "next"))
    after, above = carried_to(network, where, length), where.layer + 1
    places = [] if after is None else [where.moved(timestep=after)]
    if above < network.num_layers:
        places += [where.moved(layer=above, direction=direction) for direction in range(network.directions)]
    read = tuple(vector_region(network, place, "read") for place in places)
    # Without a step that reads the state, its gradient is that of the loss.
    read = read or (vector_region(network, where, "read"),)
    return read if stage == "output" else (*read, *state_regions(network, where, "computed"))


def _gradient_text(network: Network, where: Location, length: int, stage: Stage) -> str:
    lane, t, states = lane_label(network, where), where.timestep, network.kind.state_symbols
    if stage == "output":
        after, top = carried_to(network, where, length), where.layer == network.num_layers - 1
        later = "the gradient of the final state" if after is None else f"the gradients of t = {after}"
        above = f"the loss gradient of out[t={t}]" if top else f"the gradients of layer {where.layer + 1}"
        return f"reads {later} and {above} for {lane}"
    if stage == "state":
        return f"computes {join_words([f'grad.{s}[t={t}]' for s in (*states[1:], states[0])], 'and')} of {lane}"
    if stage == "gates":
        gates = [f"grad.{gate.symbol}" for gate in network.kind.gates if gate.symbol not in states]
        named = join_words(gates, "and") if gates else "the gradient of the pre-activation"
        return f"computes {named} of {lane}"
    if stage == "recurrent":
        before = read_after(network, where, length)
        previous = [f"{symbol}0" if before is None else f"{symbol}[t={before}]" for symbol in states]
        return f"passes gradients of {lane} on to {join_words(previous, 'and')}"
    return f"passes gradients of {lane} on to {_read_below(network, where)} and to the parameters"


def stage_text(network: Network, where: Location, length: int, stage: Stage, *, gradients: bool = False) -> str:
    """Description of the stage, with indices in time: "reads h[t=2] for the recurrent part of layer 0 →".

    `length` is that of the sample. With `gradients` the stage is one of the backward pass.
    """
    if gradients:
        return _gradient_text(network, where, length, stage)
    lane, t = lane_label(network, where), where.timestep
    states = network.kind.state_symbols
    before = read_after(network, where, length)
    previous = [f"{symbol}0" if before is None else f"{symbol}[t={before}]" for symbol in states]
    if stage == "input":
        return f"reads {_read_below(network, where)} for the input part of {lane}"
    if stage == "recurrent":
        return f"reads {previous[0]} for the recurrent part of {lane}"
    symbols = [gate.symbol for gate in network.kind.gates]
    alone = symbols in ([], ["h"])
    if stage == "gates":
        named = "pre-activation u + v" if alone else f"gate{'s' * (len(symbols) > 1)} {' '.join(symbols)}"
        return f"computes the {named} of {lane}"
    if stage == "state":
        left = join_words([f"{symbol}[t={t}]" for symbol in (*states[1:], states[0])], "and")
        equation = f": {equations_of_all_units(network.kind)[0]}" if symbols == ["h"] else ""
        reads = f"reads {join_words(previous[1:], 'and')}, and " if states[1:] else ""
        return f"{reads}computes {left} of {lane}{equation}"
    after = carried_to(network, where, length)
    names, verb = join_words([f"{symbol}[t={t}]" for symbol in states], "and"), "are" if len(states) > 1 else "is"
    if after is not None:
        return f"{names} of {lane} {verb} passed on to t = {after}"
    row = state_row(network, where)
    state = join_words([f"state[{place}][{row}]" for place in range(len(states))], "and")
    return f"{names} of {lane} {verb} returned as {state}"


def _read_below(network: Network, where: Location) -> str:
    t = where.timestep
    if where.layer == 0:
        return f"x[t={t}]"
    below = " and ".join(lane_number(network, Location(where.layer - 1, d)) for d in range(network.directions))
    return f"h[t={t}] of layer {below}"

"""Consistency checks: out, state and the hidden states of one engine must be equal where they overlap. Its states
besides h must follow from its hidden states, or equal another engine's."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.engine_spec import display_name
from rnnviz.core.head import HEAD
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import padding_mask, time_blocks
from rnnviz.frozen import dataclass
from rnnviz.steps.states import CellStates
from rnnviz.verify.metrics import abs_error, blocks, tolerance
from rnnviz.verify.verdict import CheckOutcome

FULL = 5_000_000
"""How many values are audited, and cell states checked, without sampling."""

_BLOCK_VALUES = 1 << 18


@dataclass(frozen=True)
class Check:
    """One statement about one engine's numbers, whether it holds, and by how much. `accumulates` says that its two
    arrays were computed separately, so that rounding accumulates between them. `known_issue` names the bug of a library
    that makes the check fail: the verdict does not depend on it. `of_gradients` says that it compares gradients, and so
    belongs to the verdict on the backward pass. `fix` says what to change in an engine that fails it, or is ""."""

    name: str
    engine: str
    holds: bool
    detail: str
    accumulates: bool = False
    known_issue: str = ""
    of_gradients: bool = False
    fix: str = ""

    @property
    def fails(self) -> bool:
        """Whether the check says that the engine is wrong."""
        return not self.holds and not self.known_issue

    @property
    def explanation(self) -> str:
        """The detail and, if the check fails by a known bug of a library, that bug."""
        return self.detail if self.holds or not self.known_issue else f"{self.detail}: {self.known_issue}"

    @property
    def outcome(self) -> CheckOutcome:
        if self.holds:
            return CheckOutcome.PASSED
        return CheckOutcome.FAILED if self.fails else CheckOutcome.KNOWN_ISSUE


PADDING_CHECK = "values in padding are 0"

_FIX_PADDING = "Set the values in padding to 0."
_FIX_OUTPUT = "Return the hidden states of the top layer as out, with the forward direction first."
_FIX_STATE = "Return the last computed hidden state of each lane as its final state."


def padding_check(trace: Trace) -> Check:
    """Check that the arrays over time are 0 in padding, in those that the engine returned."""
    size = others = 0
    for name in trace.with_padding():
        if name in trace.missing:
            continue
        array = trace[name]
        lanes = array.reshape(-1, *array.shape[-3:])
        length = max(1, _BLOCK_VALUES // lanes[0, 0].size)
        for times in time_blocks(range(min(trace.places.lengths), lanes.shape[1]), length, backward=False):
            padding = padding_mask(trace.places.lengths, times)
            size += int(padding.sum()) * len(lanes) * array.shape[-1]
            others += sum(int(np.count_nonzero(lane[times][padding])) for lane in lanes)
    detail = f"{others:,} of {size:,} values in padding are not 0" if others else f"all {size:,} values are 0"
    return Check(PADDING_CHECK, trace.engine, not others, detail, fix=_FIX_PADDING)


def equality(
    name: str, engine: str, left: FloatArray, right: FloatArray, rtol: float, atol: float, **more: Any
) -> Check:
    """Check that two arrays are equal within the tolerance; `more` are fields of the check."""
    worst, outside = 0.0, 0
    for a, b in zip(blocks(left), blocks(right), strict=True):
        if np.array_equal(a, b):
            continue
        error = abs_error(b, a)
        worst = max(worst, float(error.max()))
        outside += int((~(error <= tolerance(b, rtol, atol))).sum())
    if worst == 0.0:
        detail = f"all {left.size:,} values are equal"
    elif outside == 0:
        detail = f"all {left.size:,} values agree, the largest difference is {worst:.2g}"
    else:
        detail = f"{outside:,} of {left.size:,} values differ, by up to {worst:.2g}"
    return Check(name, engine, outside == 0, detail, **more)


def consistency_checks(trace: Trace, rtol: float, atol: float) -> list[Check]:
    """Consistency checks of the `out` and `state` of one engine; arrays that it did not return are not checked."""
    layers, directions, _, _, size = trace.shape
    top, state = trace.hidden[-1], trace.state_h.reshape(layers, directions, *trace.state_h.shape[1:])
    out_forward, out_backward = trace.output[..., :size], trace.output[..., size:]
    recorded = {"h", "out", "state.h"} - trace.missing
    checks: list[Check] = []

    def check(name: str, left: FloatArray, right: FloatArray, fix: str = _FIX_STATE) -> None:
        checks.append(equality(name, trace.engine, left, right, rtol, atol, fix=fix))

    if recorded >= {"out", "state.h"}:
        if trace.places.reverse:
            check("the backward final state is the output at t = 0", state[-1, 0], out_forward[0])
        else:
            last = "each sample's last time step" if trace.places.lengths else "t = T-1"
            final = out_forward[trace.places.last_steps(0)]
            check(f"the forward final state is the output at {last}", state[-1, 0], final)
        if directions == 2:
            check("the backward final state is the output at t = 0", state[-1, 1], out_backward[0])
    if recorded >= {"h", "out"}:
        if directions == 2:
            check("out[..., :H] is the top layer's forward hidden states", out_forward, top[0], _FIX_OUTPUT)
            check("out[..., H:] is the top layer's backward hidden states", out_backward, top[1], _FIX_OUTPUT)
        else:
            check("out is the top layer's hidden states", out_forward, top[0], _FIX_OUTPUT)
    if recorded >= {"h", "state.h"}:
        for layer, d in np.ndindex(layers, directions):
            word = ("forward ", "backward ")[d] if directions == 2 else ""
            name = f"state[{layer * directions + d}] is layer {layer}'s last computed {word}hidden state"
            check(name, state[layer, d], trace.hidden[layer, d, *trace.places.last_steps(d)])
    return checks


CELL_FOLLOWS, STATE_FOLLOWS = "cell follows from the hidden states", "state[1] follows from the hidden states"


def cell_checks(inputs: Inputs, trace: Trace) -> list[Check]:
    """Compare `cell` and `state_c`, where the trace has them, with the hidden states of the same trace. Who computes h
    has it from c, so that a wrong c is met in h. A recording may hold any c besides any h. Of more than `FULL` cell
    states, only each lane's last ones are compared; the check says how many."""
    network, timesteps = inputs.network, inputs.timesteps
    # States besides h and c are followed with c, by the audit alone.
    if trace.partial or not network.kind.has_cell_state or network.kind.further_states:
        return []
    followed, checks = CellStates(inputs, trace.with_arrays({"c": None})), CellChecks(trace)
    columns = np.arange(inputs.batch_size), np.arange(network.hidden_size)
    length = max(1, _BLOCK_VALUES // (inputs.batch_size * network.hidden_size))
    for layer, direction in np.ndindex(trace.shape[:2]):
        lane, lasts = (layer, direction), inputs.places.last_steps(direction)[0]
        whole = trace.cell is not None and trace.cell.size <= FULL
        times = range(timesteps) if whole else range(min(lasts), max(lasts) + 1)
        for block in time_blocks(times, length, backward=network.backward(direction)):
            c = followed.after(layer, direction, block, slice(0, inputs.batch_size), slice(0, network.hidden_size))
            checks.add(lane, block, columns, None if trace.cell is None else trace.cell[lane][block], c)
    return checks.found


def head_check(inputs: Inputs, trace: Trace, rtol: float, atol: float) -> list[Check]:
    """Compare the recorded result of the dense layer with the one that follows from the recorded output."""
    if inputs.head is None or HEAD not in trace or HEAD in trace.missing or {"h", "out"} <= trace.missing:
        return []
    expected = inputs.head.of(trace.output, inputs.lengths)
    return [equality("head follows from the output", trace.engine, trace[HEAD], expected, rtol, atol)]


class CellChecks:
    """The checks of a trace's cell states, and of its final ones."""

    def __init__(self, trace: Trace) -> None:
        self._trace, self._cells, self._finals = trace, CellStateTally(), CellStateTally()

    def add(
        self,
        lane: tuple[int, int],
        times: slice,
        columns: tuple[NDArray[np.intp], NDArray[np.intp]],
        cells: FloatArray | None,
        expected: BoundedArray,
    ) -> None:
        """Count the trace's cell states (B, S, U) of some steps, samples and units, if it has any, and final ones."""
        (samples, units), trace, places = columns, self._trace, self._trace.places
        if cells is not None:
            computed = ~padding_mask(places.lengths, times)[:, samples] if places.lengths else slice(None)
            self._cells.add(cells[computed], expected[computed], trace.stored_as)
        lasts = places.last_steps(lane[1])[0][samples]
        here = np.flatnonzero((times.start <= lasts) & (lasts < times.stop))
        if trace.state_c is not None and len(here):
            finals = trace.state_c[lane[0] * trace.shape[1] + lane[1]][np.ix_(samples[here], units)]
            self._finals.add(finals, expected[lasts[here] - times.start, here], trace.stored_as)

    @property
    def found(self) -> list[Check]:
        trace = self._trace
        given = (CELL_FOLLOWS, self._cells, trace.cell), (STATE_FOLLOWS, self._finals, trace.state_c)
        return [
            tally.check(name, trace.engine, trace.computed_count(array))
            for name, tally, array in given
            if array is not None and tally.looked
        ]


def state_equality(reference: Trace, candidate: Trace, rtol: float, atol: float) -> list[Check]:
    """Compare the final states of a recording without hidden states with the other trace's. Its h are compared as
    hidden states, unless each sample has its own last time step."""
    partial = candidate if candidate.partial else reference
    other = reference if partial is candidate else candidate
    names = ("state.h", "state.c") if partial.places.lengths else ("state.c",)
    checks = []
    for name in names:
        if partial.partial and name in reference and name in candidate and name not in partial.missing | other.missing:
            said = f"state[{'hc'.index(name[-1])}] is that of {display_name(other.engine)}"
            own = partial.engine, candidate[name], reference[name]
            checks.append(equality(said, *own, rtol, atol, accumulates=True))
    return checks


class CellStateTally:
    """Counts an engine's cell states that are outside the rounding bound of those that its hidden states give."""

    def __init__(self) -> None:
        self.looked = self._outside = 0
        self._worst = 0.0

    def add(self, recorded: FloatArray, expected: BoundedArray, stored_as: str) -> None:
        """Count some cell states, of any shape; `stored_as` is the type to which they were rounded."""
        self.looked += recorded.size
        error = abs_error(recorded, expected.value)
        bound = expected.bound + storage_bound(recorded, stored_as)
        # An infinite bound says that nothing is known.
        wrong = (error > 0.0) & ~(error <= ALLOWED * bound) & np.isfinite(expected.bound)
        self._outside += int(wrong.sum())
        self._worst = max(self._worst, float(error.max(where=wrong, initial=0.0)))

    def check(self, name: str, engine: str, size: int) -> Check:
        """The check of the counted ones among `size` cell states."""
        of = f"{self.looked:,} values" if self.looked == size else f"{self.looked:,} checked values (of {size:,})"
        if self._outside:
            detail = f"{self._outside:,} of {of} differ by more than rounding, by up to {self._worst:.2g}"
            return Check(name, engine, False, detail)
        return Check(name, engine, True, f"all {of} agree, to rounding")

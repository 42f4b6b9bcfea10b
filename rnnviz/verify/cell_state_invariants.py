"""Whether an LSTM's recorded cell states belong to its recorded hidden states.

Who computes h has it from c, so that a wrong c is met in h. A recording may hold any c beside any h. The one that the
hidden states give is followed in float64 with a bound on its rounding, as in the step audit.
"""

from collections.abc import Iterator

import numpy as np

from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.engine_spec import display_name
from rnnviz.core.indexing import last_timestep, time_blocks
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.verify.audit_sampling import FULL
from rnnviz.verify.cell_states import CellStates
from rnnviz.verify.invariants import Check, equality

CELL_FOLLOWS, STATE_FOLLOWS = "cell follows from the hidden states", "state[1] follows from the hidden states"
"""The names of the checks."""

_BLOCK_VALUES = 1 << 18


def cell_checks(inputs: Inputs, trace: Trace) -> list[Check]:
    """Compare `cell` and `state_c`, where the trace has them, with the hidden states of the same trace.

    Of more than `FULL` cell states, only each lane's last ones are compared; the check says how many.
    """
    checks: list[Check] = []
    if trace.partial:
        return checks
    followed = CellStates(inputs, trace.with_arrays({"c": None})) if inputs.network.kind.has_cell_state else None
    if followed is not None and trace.cell is not None:
        pairs = _of_cell(inputs, trace.cell, followed, whole=trace.cell.size <= FULL)
        checks.append(_check(CELL_FOLLOWS, trace, pairs, trace.cell.size))
    if followed is not None and trace.state_c is not None:
        pairs = _of_state(inputs, trace.state_c, followed)
        checks.append(_check(STATE_FOLLOWS, trace, pairs, trace.state_c.size))
    return checks


def cell_equality(reference: Trace, candidate: Trace, rtol: float, atol: float) -> list[Check]:
    """Compare the final cell states of a recording without hidden states with the other trace's."""
    partial = candidate if candidate.partial else reference
    if not partial.partial or reference.state_c is None or candidate.state_c is None:
        return []
    other = reference if partial is candidate else candidate
    name = f"state[1] is that of {display_name(other.engine)}"
    return [
        equality(name, partial.engine, candidate.state_c, reference.state_c, rtol, atol, accumulates=True),
    ]


def _of_cell(
    inputs: Inputs, cell: FloatArray, followed: CellStates, *, whole: bool
) -> Iterator[tuple[FloatArray, BoundedArray]]:
    for layer, direction in np.ndindex(cell.shape[:2]):
        for times in _blocks(inputs, direction) if whole else [_last(inputs, direction)]:
            yield cell[layer, direction, times], _after(inputs, followed, layer, direction, times)


def _of_state(inputs: Inputs, state: FloatArray, followed: CellStates) -> Iterator[tuple[FloatArray, BoundedArray]]:
    for row in range(len(state)):
        layer, direction = divmod(row, inputs.network.directions)
        yield state[row : row + 1], _after(inputs, followed, layer, direction, _last(inputs, direction))


def _after(inputs: Inputs, followed: CellStates, layer: int, direction: int, times: slice) -> BoundedArray:
    """(B, N, H): c of every sample and unit after some time steps."""
    return followed.after(layer, direction, times, slice(0, inputs.batch_size), slice(0, inputs.network.hidden_size))


def _last(inputs: Inputs, direction: int) -> slice:
    """The time step that a lane computes last."""
    last = last_timestep(inputs.network.backward(direction), inputs.timesteps)
    return slice(last, last + 1)


def _blocks(inputs: Inputs, direction: int) -> Iterator[slice]:
    """All time steps of a lane in the order of computation."""
    length = max(1, _BLOCK_VALUES // (inputs.batch_size * inputs.network.hidden_size))
    return time_blocks(range(inputs.timesteps), length, backward=inputs.network.backward(direction))


def _check(name: str, trace: Trace, pairs: Iterator[tuple[FloatArray, BoundedArray]], size: int) -> Check:
    tally = CellStateTally()
    for recorded, expected in pairs:
        tally.add(recorded, expected, trace.stored_as)
    return tally.check(name, trace.engine, size)


class CellStateTally:
    """Counts an engine's cell states that are outside the rounding bound of those that its hidden states give."""

    def __init__(self) -> None:
        self.looked = self._outside = 0
        self._worst = 0.0

    def add(self, recorded: FloatArray, expected: BoundedArray, stored_as: str) -> None:
        """Count some cell states, of any shape; `stored_as` is the type to which they were rounded."""
        self.looked += recorded.size
        c = recorded.astype(np.float64)
        with np.errstate(invalid="ignore"):
            error = np.abs(c - expected.value)
            allowed = ALLOWED * expected.bound
            if stored_as:
                allowed += ALLOWED * storage_bound(c, stored_as)
            if np.all(error <= allowed):
                return
        same = (c == expected.value) | (np.isnan(c) & np.isnan(expected.value))
        # An infinite bound says that nothing is known.
        wrong = ~(same | (error <= allowed)) & np.isfinite(expected.bound)
        self._outside += int(wrong.sum())
        self._worst = max(self._worst, float(error.max(where=wrong, initial=0.0)))

    def check(self, name: str, engine: str, size: int) -> Check:
        """The check of the counted ones among `size` cell states."""
        of = f"{self.looked:,} values" if self.looked == size else f"{self.looked:,} checked values (of {size:,})"
        if self._outside:
            detail = f"{self._outside:,} of {of} differ by more than rounding, by up to {self._worst:.2g}"
            return Check(name, engine, False, detail)
        return Check(name, engine, True, f"all {of} agree, to rounding")

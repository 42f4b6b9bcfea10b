"""Checks of the states besides h: that they follow from the hidden states, or are those of another engine."""

import numpy as np

from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray, storage_bound
from rnnviz.core.engine_spec import display_name
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import padding_mask, time_blocks
from rnnviz.steps.states import CellStates
from rnnviz.verify.audit_sampling import FULL
from rnnviz.verify.consistency_checks import Check, equality

_BLOCK_VALUES = 1 << 18

CELL_FOLLOWS, STATE_FOLLOWS = "cell follows from the hidden states", "state[1] follows from the hidden states"
"""The names of the checks."""


def cell_checks(inputs: Inputs, trace: Trace) -> list[Check]:
    """Compare `cell` and `state_c`, where the trace has them, with the hidden states of the same trace.

    Who computes h has it from c, so that a wrong c is met in h. A recording may hold any c besides any h.
    Of more than `FULL` cell states, only each lane's last ones are compared; the check says how many.
    """
    network, timesteps = inputs.network, inputs.timesteps
    if trace.partial or not network.kind.has_cell_state:
        return []
    followed = CellStates(inputs, trace.with_arrays({"c": None}))
    cells, finals = CellStateTally(), CellStateTally()
    length = max(1, _BLOCK_VALUES // (inputs.batch_size * network.hidden_size))
    for layer, direction in np.ndindex(trace.shape[:2]):
        backward = network.backward(direction)
        lasts = inputs.places.last_steps(direction)[0]
        whole = trace.cell is not None and trace.cell.size <= FULL
        times = range(timesteps) if whole else range(min(lasts), max(lasts) + 1)
        for block in time_blocks(times, length, backward=backward):
            c = followed.after(layer, direction, block, slice(0, inputs.batch_size), slice(0, network.hidden_size))
            if trace.cell is not None:
                computed = ~padding_mask(trace.places.lengths, block) if trace.places.lengths else slice(None)
                cells.add(trace.cell[layer, direction, block][computed], c[computed], trace.stored_as)
            here = np.flatnonzero((block.start <= lasts) & (lasts < block.stop))
            if trace.state_c is not None and len(here):
                final = trace.state_c[layer * network.directions + direction]
                finals.add(final[here], c[np.array(lasts)[here] - block.start, here], trace.stored_as)
    given = (CELL_FOLLOWS, cells, trace.cell), (STATE_FOLLOWS, finals, trace.state_c)
    return [
        tally.check(name, trace.engine, trace.computed_count(array))
        for name, tally, array in given
        if array is not None
    ]


def state_equality(reference: Trace, candidate: Trace, rtol: float, atol: float) -> list[Check]:
    """Compare the final states of a recording without hidden states with the other trace's.

    The final hidden states are compared as hidden states, unless each sample has its own last time step.
    """
    partial = candidate if candidate.partial else reference
    other = reference if partial is candidate else candidate
    names = ("state.h", "state.c") if partial.places.lengths else ("state.c",)
    return [
        equality(
            f"state[{'hc'.index(name[-1])}] is that of {display_name(other.engine)}",
            partial.engine,
            candidate[name],
            reference[name],
            rtol,
            atol,
            accumulates=True,
        )
        for name in names
        if partial.partial and name in reference and name in candidate and name not in partial.missing | other.missing
    ]


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

"""One hidden value explained for every engine of a run, side by side."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location
from rnnviz.explain.digit_format import format_distinct
from rnnviz.explain.divergence import Divergence, divergence_sentence, first_parting
from rnnviz.explain.step_breakdown import StepBreakdown, StoredValue, explain
from rnnviz.verify.cell_states import CellStates
from rnnviz.verify.result import RunResult
from rnnviz.verify.step_inputs import followed


@dataclass(frozen=True, eq=False)
class Explanation:
    """The arithmetic of one value by engine, the reference first, and where each candidate diverges from it.

    `unread` has the value of each recording that lacks the step's inputs, by engine; None if it lacks the value, too.
    """

    where: Location
    arithmetics: Mapping[str, StepBreakdown]
    partings: Mapping[str, Divergence | None]
    unread: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def reference(self) -> StepBreakdown:
        """The arithmetic of the reference."""
        return next(iter(self.arithmetics.values()))

    @property
    def sentences(self) -> tuple[str, ...]:
        """Which engines' steps differ from the arithmetic, and where each candidate diverges from the reference."""
        wrong = [
            _wrong(name, own)
            for name, arithmetic in self.arithmetics.items()
            if name not in self.unread
            for own in arithmetic.outcomes
            if not own.right
        ]
        split_at = [
            divergence_sentence(self.reference, self.arithmetics[name], parting)
            for name, parting in self.partings.items()
        ]
        return *wrong, *split_at, *(_unread(name, stored) for name, stored in self.unread.items())


def cell_states_of(result: RunResult) -> dict[str, CellStates]:
    """The caches of cell states for `explain_value`, by engine; empty but for an LSTM."""
    if not result.config.network.kind.has_cell_state:
        return {}
    return {name: CellStates(result.inputs, trace) for name, trace in result.traces.items()}


def explain_value(
    result: RunResult,
    where: Location,
    cells: Mapping[str, CellStates] | None = None,
    candidates: Collection[str] | None = None,
) -> Explanation:
    """Explain the value at `where`, which must lie in the run; `cells` as `cell_states_of` makes them.

    `candidates` are those to compare with the reference, by default all. A recording that lacks the step's inputs has
    no arithmetic, unless there is no other engine.
    """
    known = {} if cells is None else cells
    traces = {
        name: trace
        for name, trace in result.traces.items()
        if candidates is None or name in candidates or trace is result.reference
    }
    unread = {
        name: float(trace.hidden[where.index]) if trace.holds(*where.index[:3]) else None
        for name, trace in traces.items()
        if where.timestep not in followed(result.inputs, trace, where.layer, where.direction)
    }
    read = {name: trace for name, trace in traces.items() if name not in unread}
    arithmetics = {
        name: explain(result.inputs, trace, where, known.get(name)) for name, trace in (read or traces).items()
    }
    reference = arithmetics.get(result.reference.engine)
    partings = {
        c.candidate: first_parting(reference, arithmetics[c.candidate], c.rtol, c.atol)
        for c in result.comparisons
        if reference is not None and c.candidate in arithmetics and c.candidate not in unread
    }
    return Explanation(where, arithmetics, partings, unread)


_WRONG = (
    "{engine} is wrong here: it returned {symbol} = {stored}; "
    "the equations give {computed} for {engine}'s own previous state and input."
)
_NO_VALUE = "{engine} does not hold this value: it was not recorded."
_NO_INPUTS = "{engine} has h = {value} here; the inputs of its step were not recorded."


def _unread(engine: str, stored: float | None) -> str:
    name = display_name(engine)
    if stored is None:
        return _NO_VALUE.format(engine=name)
    return _NO_INPUTS.format(engine=name, value=number_format.full(stored))


def _wrong(engine: str, own: StoredValue) -> str:
    stored, computed = format_distinct(own.stored, own.computed)
    return _WRONG.format(engine=display_name(engine), symbol=own.symbol, stored=stored, computed=computed)

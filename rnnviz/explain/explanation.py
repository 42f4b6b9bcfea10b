"""One hidden value explained for every engine of a run, side by side."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from rnnviz.core import number_format
from rnnviz.core.display_names import display_name
from rnnviz.core.trace_index import Location
from rnnviz.explain.digit_format import format_distinct
from rnnviz.explain.divergence import Divergence, divergence_sentence, first_parting
from rnnviz.explain.step_breakdown import StepBreakdown, explain
from rnnviz.verify.cell_states import CellStates
from rnnviz.verify.result import RunResult
from rnnviz.verify.step_inputs import followed


@dataclass(frozen=True, eq=False)
class Explanation:
    """The arithmetic of one value by engine, the reference first, and where each candidate parts from the reference.

    `unread` are the recordings that lack what the step reads, by engine: what each has as the value, None if it lacks
    that, too.
    """

    where: Location
    arithmetics: Mapping[str, StepBreakdown]
    partings: Mapping[str, Divergence | None]
    unread: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def reference(self) -> StepBreakdown:
        """The arithmetic of the engine that the others are held against."""
        return next(iter(self.arithmetics.values()))

    @property
    def sentences(self) -> tuple[str, ...]:
        """Which engines' steps are not what the arithmetic gives, and where each candidate parts from the reference."""
        wrong = [
            _wrong(arithmetic)
            for name, arithmetic in self.arithmetics.items()
            if name not in self.unread and not arithmetic.right
        ]
        split_at = [
            divergence_sentence(self.reference, self.arithmetics[name], parting)
            for name, parting in self.partings.items()
        ]
        return *wrong, *split_at, *(_unread(name, stored) for name, stored in self.unread.items())


def cell_states_of(result: RunResult) -> dict[str, CellStates]:
    """What `explain_value` keeps from one value to the next, by engine: nothing but for an LSTM."""
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

    `candidates` are those that are held against the reference: all of them unless it is given. A recording that lacks
    what the step reads has no arithmetic, unless there is no other engine.
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


def _unread(engine: str, stored: float | None) -> str:
    name = display_name(engine)
    if stored is None:
        return f"{name} does not hold this value: it was not recorded."
    return f"{name} has h = {number_format.full(stored)} here; what its step reads was not recorded."


def _wrong(arithmetic: StepBreakdown) -> str:
    name = display_name(arithmetic.engine)
    stored, value = format_distinct(arithmetic.stored, arithmetic.h)
    return (
        f"{name} is wrong here: it stored h = {stored}, but with the parameters of the network "
        f"its own previous state and input give {value}."
    )

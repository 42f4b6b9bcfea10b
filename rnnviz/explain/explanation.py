"""One hidden value explained for every engine of a run, and the first line where two engines diverge."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from math import isnan
from typing import Literal, TypeAlias, get_args

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace_index import Location
from rnnviz.core.words import plural
from rnnviz.explain.equations import format_distinct, format_short
from rnnviz.explain.likely_cause import StepWithBugs, step_with_bugs
from rnnviz.explain.step_breakdown import StepBreakdown, StoredValue, explain
from rnnviz.explain.value_sources import in_words, input_source
from rnnviz.explain.worked_step import Floats, Kind
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import followed
from rnnviz.steps.states import CellStates
from rnnviz.text.verdict_text import likely_cause
from rnnviz.verify.metrics import mismatching
from rnnviz.verify.result import RunResult

Step: TypeAlias = Literal["input", "sum", "gate", "previous", "c", "h", "stored_line", "stored_c", "stored"]

_SYMBOLS: dict[Step, str] = {"stored_c": "c", "stored": "h"}


@dataclass(frozen=True)
class Divergence:
    """A line in which two engines differ by more than the tolerance, or by more than rounding explains.

    `step` is the kind of line: "input" of a term (`kind` and `index` say which; every gate reads it), the "sum" or the
    value of a "gate", the "previous" state, "c", "h", or the engine's own line ("stored_line", which
    `gate` names), c ("stored_c") or h ("stored").
    `name` is the line's name, such as "h[t=0, u=3] of layer 0, forward" or "i". `rtol` and `atol` are the tolerance.
    """

    step: Step
    name: str
    reference: float
    candidate: float
    gate: str | None = None
    kind: Kind | None = None
    index: int | None = None
    rtol: float = field(default=0.0, compare=False, repr=False)
    atol: float = field(default=0.0, compare=False, repr=False)

    @property
    def differs(self) -> bool:
        """Whether the two numbers are not the same; NaN is the same as NaN."""
        pair = self.reference, self.candidate
        return pair[0] != pair[1] and not all(isnan(value) for value in pair)

    @property
    def state(self) -> str:
        """The symbol of the "previous" state."""
        return self.name.removesuffix("[t-1]")

    def reaches(self, line: str, arithmetic: StepBreakdown) -> bool:
        """Whether the line that gives `line` is where the engines diverge, or a later one; an input is in every gate.

        Raises a ValueError if the arithmetic has no such line.
        """
        lines = arithmetic.lines
        at = lines.index(line)
        match self.step:
            case "stored" | "stored_c" | "stored_line":
                return False
            case "input":
                return True
            case "previous":
                node = arithmetic.graph.values[line]
                return arithmetic.graph.depends(node, lambda read: (read.op, read.name) == ("state", self.state))
        return at >= lines.index(self.gate or self.step)


def first_parting(reference: StepBreakdown, candidate: StepBreakdown, rtol: float, atol: float) -> Divergence | None:
    """The first line that differs, or None if all agree.

    The order: x, then h[t-1], term by term; each gate's pre-activation and value; c[t-1]; c; h; the stored c and h.
    """
    found = _first(reference, candidate, rtol, atol)
    return None if found is None else replace(found, rtol=rtol, atol=atol)


def _first(reference: StepBreakdown, candidate: StepBreakdown, rtol: float, atol: float) -> Divergence | None:
    vectors: tuple[tuple[Kind, Floats, Floats], ...] = (
        ("i2h", reference.x, candidate.x),
        ("h2h", reference.h_previous, candidate.h_previous),
    )
    for kind, ours, theirs in vectors:
        differs = np.flatnonzero(mismatching(ours, theirs, rtol, atol))
        if differs.size:
            index = int(differs[0])
            name = in_words(input_source(reference, kind, index))
            return Divergence("input", name, float(ours[index]), float(theirs[index]), kind=kind, index=index)
    lines = list(_lines(reference, candidate))
    r, c = np.array([line.reference for line in lines]), np.array([line.candidate for line in lines])
    differs = np.flatnonzero(mismatching(r, c, rtol, atol))
    if differs.size:
        return lines[int(differs[0])]
    # An engine can be wrong within the tolerance.
    wrong = {own.symbol for each in (reference, candidate) for own in each.outcomes if not own.right}
    stored = _stored(reference, candidate)
    return next((own for own in stored if (own.gate or _SYMBOLS[own.step]) in wrong and own.differs), None)


def _lines(ours: StepBreakdown, theirs: StepBreakdown) -> Iterator[Divergence]:
    for mine, other in zip(ours.gates, theirs.gates, strict=True):
        yield Divergence("sum", f"the pre-activation of {mine.symbol}", mine.pre.sum, other.pre.sum, gate=mine.symbol)
        yield Divergence("gate", mine.symbol, mine.value, other.value, gate=mine.symbol)
    if ours.previous.c is not None and theirs.previous.c is not None:
        yield Divergence("previous", "c[t-1]", ours.previous.c, theirs.previous.c)
    for symbol in ours.previous.further:
        node = ours.graph.values[symbol]
        before = ours.previous.further[symbol], theirs.previous.further[symbol]
        yield Divergence("previous", f"{symbol}[t-1]", *before)
        yield Divergence("gate", symbol, ours.number(node), theirs.number(node), symbol)
    if ours.c is not None and theirs.c is not None:
        yield Divergence("c", "c", ours.c, theirs.c)
    if ours.h is not None and theirs.h is not None:
        yield Divergence("h", "h", ours.h, theirs.h)
    yield from _stored(ours, theirs)


def _stored(ours: StepBreakdown, theirs: StepBreakdown) -> Iterator[Divergence]:
    """The engines' own lines, c and h. An engine that does not give one has the one of its arithmetic."""
    own = [{value.symbol: value.stored for value in arithmetic.returned} for arithmetic in (ours, theirs)]
    for symbol in (name for name in ours.lines if any(name in lines for lines in own)):
        node = ours.graph.values[symbol]
        first, second = own[0].get(symbol, ours.number(node)), own[1].get(symbol, theirs.number(node))
        yield Divergence("stored_line", f"the returned {symbol}", first, second, gate=symbol)
    if (ours.stored_c is not None or theirs.stored_c is not None) and ours.c is not None and theirs.c is not None:
        first = ours.c if ours.stored_c is None else ours.stored_c
        second = theirs.c if theirs.stored_c is None else theirs.stored_c
        yield Divergence("stored_c", "the stored c", first, second)
    if ours.stored is not None and theirs.stored is not None:
        yield Divergence("stored", "the stored h", ours.stored, theirs.stored)


_RETURNED = "The arithmetic agrees, but {line} differs: {reference} has {first}, {candidate} {second}."
_IN_STEP = "First divergence at {line}: {reference} has {first}, {candidate} {second}."
DIVERGENCE: dict[Step | None, str] = {
    **dict.fromkeys(get_args(Step), _IN_STEP),
    None: "No divergence: {reference} and {candidate} agree on every line (within tolerance).",
    "input": "First divergence before this step, at {line}: {reference} has {first}, {candidate} {second}.",
    **dict.fromkeys(("stored_line", "stored_c", "stored"), _RETURNED),
}
"""Where a candidate diverges, by the kind of line; None of one that does not."""


def divergence_sentence(reference: str, candidate: str, parting: Divergence | None) -> str:
    """Where a candidate diverges from the reference, by the names or the marks of both."""
    names = {"reference": reference, "candidate": candidate}
    if parting is None:
        return DIVERGENCE[None].format(**names)
    first, second = format_distinct(parting.reference, parting.candidate)
    return DIVERGENCE[parting.step].format(**names, line=parting.name, first=first, second=second)


def divergence_sentences(reference: str, partings: Mapping[str, Divergence | None]) -> Iterator[str]:
    """Where each candidate diverges from the reference."""
    for name, parting in partings.items():
        yield divergence_sentence(display_name(reference), display_name(name), parting)


STEP_READS = "previous state and input"
"""The values of which the equations of a step give another one."""
WRONG = (
    "{engine} is wrong here: it returned {symbol} = {stored}; the equations give {computed} for {engine}'s own {read}."
)


def wrong_sentences(outcomes: Mapping[str, Sequence[StoredValue]], read: str) -> Iterator[str]:
    """Which values of each engine differ from those of the equations; `read` names the values that these use."""
    for engine, each in outcomes.items():
        for own in each:
            if not own.right:
                stored, computed = format_distinct(own.stored, own.computed)
                names = {"engine": display_name(engine), "symbol": own.symbol, "read": read}
                yield WRONG.format(**names, stored=stored, computed=computed)


@dataclass(frozen=True, eq=False)
class Explanation:
    """The arithmetic of one value by engine, the reference first, and where each candidate diverges from it.

    `unread` has the value of each recording that lacks the step's inputs, by engine; None if it lacks the value, too.
    `causes` has the likely cause of each engine whose step differs, by engine, and `with_bugs` the step with it where
    that gives the engine's values.
    """

    where: Location
    arithmetics: Mapping[str, StepBreakdown]
    partings: Mapping[str, Divergence | None]
    unread: Mapping[str, float | None] = field(default_factory=dict)
    causes: Mapping[str, str] = field(default_factory=dict)
    with_bugs: Mapping[str, StepWithBugs] = field(default_factory=dict)

    @property
    def reference(self) -> StepBreakdown:
        return next(iter(self.arithmetics.values()))

    @property
    def sentences(self) -> tuple[str, ...]:
        """Which engines' steps differ from the arithmetic, and where each candidate diverges from the reference."""
        read = {name: own.outcomes for name, own in self.arithmetics.items() if name not in self.unread}
        # That the arithmetic agrees says nothing of an engine whose likely cause is known.
        unexplained = {
            name: parting
            for name, parting in self.partings.items()
            if parting is None
            or DIVERGENCE[parting.step] is not _RETURNED
            or not self.causes.keys() & {name, self.reference.engine}
        }
        return (
            *wrong_sentences(read, STEP_READS),
            *divergence_sentences(self.reference.engine, unexplained),
            *(_likely_cause(cause, self.with_bugs.get(name)) for name, cause in self.causes.items()),
            *(_unread(name, stored) for name, stored in self.unread.items()),
        )


def cell_states_of(result: RunResult) -> dict[str, CellStates]:
    """The caches of cell states for `explain_value`, by engine; empty but for an LSTM."""
    if not result.config.network.kind.has_cell_state:
        return {}
    return {name: CellStates(result.inputs, trace) for name, trace in result.traces.items()}


_PADDING = "t = {timestep} is padding: sample {sample} has {steps}."


def padding_sentence(inputs: Inputs, where: Location) -> str:
    """That a place is padding, which has no arithmetic; empty of a computed step."""
    length = inputs.length(where.sample)
    if where.timestep < length:
        return ""
    return _PADDING.format(timestep=where.timestep, sample=where.sample, steps=plural(length, "time step"))


def explain_value(
    result: RunResult,
    where: Location,
    cells: Mapping[str, CellStates] | None = None,
    candidates: Collection[str] | None = None,
    size: str = "",
) -> Explanation:
    """Explain the value at `where`, which must lie in the run; `cells` as `cell_states_of` makes them.

    `candidates` are those to compare with the reference, by default all. `size` is what the unit is counted in, by
    default like the units of h: see `unit_size`. A recording that lacks the step's inputs has no arithmetic, unless
    there is no other engine. Raises an InputError in padding, which no step computes.
    """
    if no_step := padding_sentence(result.inputs, where):
        raise InputError(no_step)
    known = {} if cells is None else cells
    traces = {
        name: trace
        for name, trace in result.traces.items()
        if candidates is None or name in candidates or trace is result.reference
    }
    of_h = size in ("", result.config.network.kind.states[0].size)
    unread = {
        name: float(trace.hidden[where.index]) if of_h and trace.holds(*where.index[:3]) else None
        for name, trace in traces.items()
        if where.timestep not in followed(result.inputs, trace, where.layer, where.direction)
    }
    read = {name: trace for name, trace in traces.items() if name not in unread}
    arithmetics = {
        name: explain(result.inputs, trace, where, known.get(name), size) for name, trace in (read or traces).items()
    }
    reference = arithmetics.get(result.reference.engine)
    partings = {
        c.candidate: first_parting(reference, arithmetics[c.candidate], c.rtol, c.atol)
        for c in result.comparisons
        if reference is not None and c.candidate in arithmetics and c.candidate not in unread
    }
    wrong = [name for name in read if not all(own.right for own in arithmetics[name].outcomes)]
    causes = {
        name: cause for name in wrong if result.judgment is not None and (cause := likely_cause(result.judgment, name))
    }
    with_bugs = {name: step for name in causes if (step := step_with_bugs(result, arithmetics[name])) is not None}
    return Explanation(where, arithmetics, partings, unread, causes, with_bugs)


LIKELY_CAUSE = "Likely cause: {cause}."
_WITH_CAUSE = "With it the equations give {symbol} = {value}, as {engine} returned."


def _likely_cause(cause: str, step: StepWithBugs | None) -> str:
    """The likely cause of an engine's errors, and what the equations give with it."""
    named = LIKELY_CAUSE.format(cause=cause)
    if step is None:
        return named
    last = step.arithmetic.outcomes[-1]
    value, engine = format_short(last.computed), display_name(step.arithmetic.engine)
    with_cause = _WITH_CAUSE.format(symbol=last.symbol, value=value, engine=engine)
    return f"{named} {with_cause}"


_NO_VALUE = "{engine} does not hold this value: it was not recorded."
_NO_INPUTS = "{engine} has h = {value} here; the inputs of its step were not recorded."


def _unread(engine: str, stored: float | None) -> str:
    name = display_name(engine)
    if stored is None:
        return _NO_VALUE.format(engine=name)
    return _NO_INPUTS.format(engine=name, value=number_format.full(stored))

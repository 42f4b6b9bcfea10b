"""A value or a gradient explained for every engine of a run, and the first number where two engines diverge."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import product
from typing import get_args

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.config import parameter_name
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import GRADIENT, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.places import Place, entry_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, carried_to
from rnnviz.core.words import plural
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.hypotheses import EVERY, LaneReads, handed, step_values, texts_of
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.explain.backward import ParameterGradient, gradient_breakdown
from rnnviz.explain.backward_blocks import GradientBlocks, Layers
from rnnviz.explain.forward import value_breakdown
from rnnviz.explain.lines import Breakdown, Floats, Line, format_distinct, format_short, same_number, written_out
from rnnviz.explain.terms import Divergence, Step, first_divergence
from rnnviz.explain.value_sources import unit_size
from rnnviz.frozen import dataclass
from rnnviz.steps.inputs import followed, layer_input
from rnnviz.steps.states import CellStates
from rnnviz.text.verdict_text import likely_cause
from rnnviz.verify.causes import Cause, with_cause
from rnnviz.verify.compare import gradient_atol
from rnnviz.verify.result import PassJudgment, RunResult
from rnnviz.verify.wrong_lane import lane_reads

_RETURNED = "The arithmetic agrees, but {line} differs: {reference} has {first}, {candidate} {second}."
_IN_STEP = "First divergence at {line}: {reference} has {first}, {candidate} {second}."
DIVERGENCE: dict[Step | None, str] = {
    **dict.fromkeys(get_args(Step), _IN_STEP),
    None: "No divergence: {reference} and {candidate} agree on every line (within tolerance).",
    "input": "First divergence before this step, at {line}: {reference} has {first}, {candidate} {second}.",
    **dict.fromkeys(("stored_line", "stored_c", "stored"), _RETURNED),
}
"""Where a candidate diverges, by the kind of number; None of one that does not."""


def divergence_sentence(reference: str, candidate: str, divergence: Divergence | None) -> str:
    """Where a candidate diverges from the reference, by the names or the marks of both."""
    names = {"reference": reference, "candidate": candidate}
    if divergence is None:
        return DIVERGENCE[None].format(**names)
    first, second = format_distinct(divergence.reference, divergence.candidate)
    return DIVERGENCE[divergence.step].format(**names, line=divergence.name, first=first, second=second)


STEP_READS = "previous state and input"
"""The values of which the equations of a step give another one."""
WRONG = (
    "{engine} is wrong here: it returned {symbol} = {stored}; the equations give {computed} for {engine}'s own {read}."
)
LIKELY_CAUSE = "Likely cause: {cause}."
_NO_GRADIENTS = "The run has no gradients: backward.enabled must be true (got false)."


@dataclass(frozen=True, eq=False)
class StepWithBugs:
    """A step with known bugs, which gives the engine's own values within rounding; `cause` is the verdict's."""

    bugs: tuple[str, ...]
    cause: str
    breakdown: Breakdown

    @property
    def fixes(self) -> tuple[str, ...]:
        found = dict.fromkeys(texts_of(bug.partition("@")[0])[1] for bug in self.bugs)
        return tuple(filter(None, found))

    def changed(self, own: Breakdown) -> tuple[Line, ...]:
        """The lines that have another equation or value than in the arithmetic of the engine without the bugs."""
        return tuple(
            line
            for line in self.breakdown.lines
            if (other := own.by_name.get(line.name)) is None
            or line.equation.symbols != other.equation.symbols
            or not same_number(line.value, other.value)
        )

    def to_write(self, own: Breakdown) -> str:
        """The first equation that the engine has to compute in place of another one; "" if all are the same."""
        changed = [own.by_name[line.name] for line in self.changed(own) if line.name in own.by_name]
        other = self.breakdown.by_name
        wrong = (line for line in changed if line.equation.symbols != other[line.name].equation.symbols)
        return next((written_out(line) for line in wrong), "")


@dataclass(frozen=True)
class Unread:
    """An engine whose value or gradient cannot be explained: why, as a clause, and its own value if it gives that."""

    sentence: str
    reason: str = ""
    stored: float | None = None


@dataclass(frozen=True, eq=False)
class Explanation:
    """The arithmetic of a value or a gradient by engine, the reference first, and where each candidate diverges.

    `unread` has the engines that lack what the step reads; `notes` are about the place, such as truncation. `causes`
    has the likely cause of each engine whose step differs, and `with_bugs` the step with it if that gives its values.
    """

    place: Place
    breakdowns: Mapping[str, Breakdown]
    divergences: Mapping[str, Divergence | None]
    unread: Mapping[str, Unread] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    causes: Mapping[str, str] = field(default_factory=dict)
    with_bugs: Mapping[str, StepWithBugs] = field(default_factory=dict)

    @property
    def reference(self) -> Breakdown:
        return next(iter(self.breakdowns.values()))

    @property
    def of_gradient(self) -> bool:
        return self.place.is_gradient

    @property
    def wrong(self) -> bool:
        return any(not breakdown.right for name, breakdown in self.breakdowns.items() if name not in self.unread)

    @property
    def sentences(self) -> tuple[str, ...]:
        """Which engines' own values differ from the arithmetic, and where each candidate diverges."""
        read = "gradients of later steps" if self.of_gradient else STEP_READS
        wrong = []
        for name, own in ((n, own) for n, b in self.breakdowns.items() if n not in self.unread for own in b.outcomes):
            if not own.right:
                stored, computed = format_distinct(own.stored, own.computed)
                values = {"symbol": own.symbol, "read": read, "stored": stored, "computed": computed}
                wrong.append(WRONG.format(engine=display_name(name), **values))
        # That the arithmetic agrees says nothing of an engine whose likely cause is known.
        reference = self.reference.engine
        diverges = [
            divergence_sentence(display_name(reference), display_name(name), divergence)
            for name, divergence in self.divergences.items()
            if divergence is None or not divergence.is_stored or not self.causes.keys() & {name, reference}
        ]
        causes = [_likely_cause(cause, self.with_bugs.get(name)) for name, cause in self.causes.items()]
        unread = [*self.notes, *(each.sentence for each in self.unread.values())]
        return (*wrong, *unread, *diverges) if self.of_gradient else (*wrong, *diverges, *causes, *unread)


def _likely_cause(cause: str, step: StepWithBugs | None) -> str:
    named = LIKELY_CAUSE.format(cause=cause)
    if step is None:
        return named
    last, engine = step.breakdown.outcomes[-1], display_name(step.breakdown.engine)
    return f"{named} With it the equations give {last.symbol} = {format_short(last.computed)}, as {engine} returned."


def padding_sentence(inputs: Inputs, where: Location) -> str:
    """That a place is padding, which has no arithmetic; empty of a computed step."""
    length = inputs.length(where.sample)
    if where.timestep < length:
        return ""
    return f"t = {where.timestep:,} is padding: sample {where.sample} has {plural(length, 'time step')}."


class ExplanationCache:
    """Cell states and backward passes by engine, which all explanations of a run read. Not thread-safe."""

    def __init__(self, result: RunResult) -> None:
        inputs, kind = result.inputs, result.config.network.kind
        layers: Layers = ByteCache("bounds")
        self.cells: dict[str, CellStates] = {}
        if kind.has_cell_state:
            self.cells = {name: CellStates(inputs, trace) for name, trace in result.traces.items()}
        self.blocks: dict[str, GradientBlocks] = {}
        if inputs.loss is not None:
            self.blocks = {
                name: GradientBlocks(inputs, trace, self.cells.get(name), layers)
                for name, trace in result.traces.items()
                if gradient(kind.state_symbols[0]) in trace
            }

    def interrupt_by(self, interrupt: Callable[[], None]) -> None:
        """Let long computations call `interrupt` often, which may raise to cancel."""
        each: list[CellStates | GradientBlocks] = [*self.cells.values(), *self.blocks.values()]
        for computing in each:
            computing.interrupt = interrupt


def explain(
    result: RunResult, place: Place, cache: ExplanationCache | None = None, candidates: Collection[str] | None = None
) -> Explanation:
    """Explain a value that a step computes, or a gradient, of the reference and the `candidates`, by default all.

    An engine that lacks what is read has no breakdown, unless it is of a value and there is no other engine. Raises
    InputError in padding, or where no engine gives the gradient.
    """
    of_gradient, inputs, where = place.is_gradient, result.inputs, place.location
    if of_gradient and inputs.loss is None:
        raise InputError(_NO_GRADIENTS)
    if where is not None and (no_step := padding_sentence(inputs, where)):
        raise InputError(no_step)
    cache = ExplanationCache(result) if cache is None else cache
    wanted = [n for n, t in result.traces.items() if candidates is None or n in candidates or t is result.reference]
    unread = {name: why for name in wanted if (why := _unread(result, name, place, cache)) is not None}
    read = [name for name in wanted if name not in unread]
    if of_gradient and not read:
        reasons = "; ".join(f"{display_name(name)}: {why.reason}" for name, why in unread.items())
        raise InputError(f"No engine of the run gives this gradient: {reasons}.")
    breakdowns = {
        name: gradient_breakdown(cache.blocks[name], place)
        if of_gradient
        else value_breakdown(inputs, result.traces[name], place, cache.cells.get(name))
        for name in read or wanted
    }
    reference = breakdowns.get(result.reference.engine)
    divergences = {
        c.candidate: first_divergence(reference, breakdowns[c.candidate], c.rtol, _atol(result, place, c.atol))
        for c in result.comparisons
        if reference is not None and c.candidate in breakdowns and c.candidate not in unread
    }
    if of_gradient:
        return Explanation(place, breakdowns, divergences, unread, _notes(result, where))
    judgment, wrong = result.judgment, [name for name in read if not breakdowns[name].right]
    causes = {name: cause for name in wrong if judgment is not None and (cause := likely_cause(judgment, name))}
    with_bugs = {
        name: step
        for name in causes
        if judgment is not None
        and (step := _step_with_bugs(judgment, result.inputs, result.traces[name], breakdowns[name])) is not None
    }
    return Explanation(place, breakdowns, divergences, unread, (), causes, with_bugs)


def explain_gradient(result: RunResult, name: str, index: Sequence[int]) -> Explanation:
    """Explain an entry of an array of gradients; InputError if no engine gives it, or in padding."""
    array = next((trace[name] for trace in result.traces.values() if name in trace), None)
    if array is None or not name.startswith(GRADIENT):
        names = dict.fromkeys(n for trace in result.traces.values() for n in trace if n.startswith(GRADIENT))
        raise InputError(f"name must be one of {', '.join(names) or 'no gradients: the run has none'} (got {name}).")
    if len(index) != array.ndim or not all(0 <= k < size for k, size in zip(index, array.shape, strict=True)):
        raise InputError(f"index must be inside the shape {array.shape} of {name} (got {list(index)}).")
    return explain(result, entry_place(result.config.network, name, index))


def contributions_over_time(
    result: RunResult, engine: str, place: Place, check: Callable[[float], None] = lambda fraction: None
) -> Floats:
    """(T, U): the contributions of time steps to a parameter's gradient; InputError without gradients."""
    if result.inputs.loss is None:
        raise InputError(_NO_GRADIENTS)
    cache = ExplanationCache(result)
    if reason := _no_gradient(result, engine, place, cache):
        raise InputError(f"The contributions of time steps by {display_name(engine)} are not known: {reason}.")
    with np.errstate(all="ignore"):
        return ParameterGradient(cache.blocks[engine], place).unit_contributions(check)


def engines_without_terms(result: RunResult, cache: ExplanationCache) -> dict[str, str]:
    """Sentences on the engines with a gradient that has no terms, by engine."""
    found = {name: _unread(result, name, Place.at(gradient("h"), Location()), cache) for name in result.traces}
    return {name: why.sentence for name, why in found.items() if why is not None}


def _unread(result: RunResult, name: str, place: Place, cache: ExplanationCache) -> Unread | None:
    """Why an engine's value or gradient cannot be explained; None if it can."""
    shown, trace = display_name(name), result.traces[name]
    if place.is_gradient:
        reason = _no_gradient(result, name, place, cache)
        return Unread(f"{shown} is left out: {reason}.", reason) if reason else None
    where, kind = place.location, result.config.network.kind
    assert where is not None, "no step computes this place"
    if where.timestep in followed(result.inputs, trace, where.layer, where.direction):
        return None
    if unit_size(kind, place) != kind.states[0].size or not trace.holds(*where.index[:3]):
        return Unread(f"{shown} does not hold this value: it was not recorded.")
    stored = float(trace.hidden[where.index])
    value = number_format.full(stored)
    return Unread(f"{shown} has h = {value} here; the inputs of its step were not recorded.", stored=stored)


def _no_gradient(result: RunResult, name: str, place: Place, cache: ExplanationCache) -> str:
    """Why an engine's gradient cannot be explained, in a clause; "" if it can."""
    if name in result.without_gradients:
        return result.without_gradients[name]
    if name not in cache.blocks:
        return f"it does not give {gradient(result.config.network.kind.state_symbols[0])}"
    trace = result.traces[name]
    # Those of the layers above are read, too.
    lowest = 0 if place.lane is None else place.layer
    lanes = [(layer, direction) for layer, direction in np.ndindex(trace.shape[:2]) if layer >= lowest]
    if any(len(followed(result.inputs, trace, *lane)) < result.inputs.timesteps for lane in lanes):
        return "the inputs of its step were not recorded"
    return ""


def _notes(result: RunResult, where: Location | None) -> tuple[str, ...]:
    loss = result.inputs.loss
    later = None if where is None else carried_to(result.inputs.network, where, result.inputs.length(where.sample))
    if where is None or loss is None or later is None or not loss.cuts(max(later, where.timestep)):
        return ()
    return (f"Truncation: no gradient passes from t = {later} to t = {where.timestep}.",)


def _atol(result: RunResult, place: Place, atol: float) -> float:
    """The tolerance of a place: of a gradient, relative to the largest one of its step or its array."""
    if not place.is_gradient:
        return atol
    where, trace = place.location, result.reference
    if where is None:
        return gradient_atol(atol, np.asarray(trace.get(place.array, np.ones(1))))
    return gradient_atol(atol, trace[gradient("h")][where.layer, where.direction, where.timestep, where.sample])


def value_with_cause(judgment: PassJudgment, inputs: Inputs, trace: Trace) -> float | None:
    """The first wrong value of an engine as it follows with its likely cause; None where that is not known."""
    where = judgment.audits[trace.engine].first_location
    if where is None or where.timestep not in followed(inputs, trace, where.layer, where.direction):
        return None
    step = _step_with_bugs(judgment, inputs, trace, value_breakdown(inputs, trace, Place.at("h", where)))
    return None if step is None else step.breakdown.outcomes[-1].computed


def _step_with_bugs(judgment: PassJudgment, inputs: Inputs, trace: Trace, own: Breakdown) -> StepWithBugs | None:
    """The step of an engine with its likely cause; None if that does not give all of the engine's values."""
    where = own.place.location
    if where is None or not judgment.diagnoses.get(own.engine) or own.right:
        return None
    bugs = judgment.diagnoses[own.engine][0]
    causes = judgment.causes_of(own.engine)
    steps: Iterator[tuple[Inputs, dict[str, FloatArray]] | None]
    if KNOWN_BUGS.keys() >= set(bugs) and not any(cause.beside for cause in causes):
        steps = _with_known_bugs(bugs, inputs, trace, where)
    else:
        # Of the causes of several lanes only that of this one.
        causes = tuple(cause for cause in causes if cause.covers(where.layer, where.direction))
        steps = (_with_cause(cause, inputs, trace, where) for cause in causes)
        bugs = tuple(filter(None, (name for cause in causes for name in (cause.label, cause.beside))))
    for step in steps:
        breakdown = None if step is None else value_breakdown(step[0], trace, own.place, read=step[1])
        if breakdown is not None and breakdown.right:
            return StepWithBugs(bugs, likely_cause(judgment, own.engine, (where.layer, where.direction)), breakdown)
    return None


def _with_known_bugs(
    bugs: Sequence[str], inputs: Inputs, trace: Trace, where: Location
) -> Iterator[tuple[Inputs, dict[str, FloatArray]]]:
    """The inputs with some known bugs at once, in each of their variants, and what the step reads with them."""
    for faults in product(*(KNOWN_BUGS[bug].faults(inputs.network) for bug in bugs)):
        fault: BugVariant | None = BugVariant()
        for other in faults:
            fault = fault and fault.together_with(other)
        if fault is not None:
            yield _with_fault(fault, inputs, where), _read(fault, inputs, trace, where)


_MOST_FOLLOWED = 1 << 26
"""How many products of the layer input the steps before a proof may take, where a recording lacks states."""
_MOST_PROVED = 1 << 20
"""How many hidden values of a lane are read for the proof of a cause that concerns other samples, too."""


def _with_cause(
    cause: Cause, inputs: Inputs, trace: Trace, where: Location
) -> tuple[Inputs, dict[str, FloatArray]] | None:
    """The inputs with a cause of a lane, and what the step reads with it; None in another lane, and where the step is
    one of arrays of other sizes, such as two steps in one."""
    network = inputs.network
    if not cause.covers(where.layer, where.direction):
        return None
    small = trace.hidden[0, 0].size <= _MOST_PROVED
    samples = range(inputs.batch_size) if small else [where.sample]
    own, _, _ = lane_reads(inputs, trace, where.layer, where.direction, samples, inputs.timesteps, BugVariant())
    reads = with_cause(cause.keys, own)
    if reads is None:
        return None
    n = list(samples).index(where.sample)
    s = inputs.length(where.sample) - 1 - where.timestep if network.backward(where.direction) else where.timestep
    lane = where.layer, where.direction
    custom = replace(network, custom=reads.cell, clip=None, activations=None)
    arrays = {parameter_name(*lane, name): a for name, a in reads.layer_parameters(network.dtype).items()}
    if any(array.shape != inputs.parameters[name].shape for name, array in arrays.items()):
        return None
    made = replace(
        inputs,
        config=replace(inputs.config, network=custom),
        parameters=Parameters(custom, {**inputs.parameters, **arrays}),
    )
    here = reads if cause.where.holds_at(s) else own
    read = {symbol: here.before(symbol, after)[s, n] for symbol, after in here.after.items()}
    if own.after.keys() < set(network.kind.state_symbols) and own.x[:s].size * network.hidden_size <= _MOST_FOLLOWED:
        read |= {symbol: array[n] for symbol, array in _unrecorded(cause, own, reads, s).items()}
    return made, read | {"x": here.x[s, n]}


def _unrecorded(cause: Cause, own: LaneReads, changed: LaneReads, step: int) -> dict[str, FloatArray]:
    """The states (N, U) that a recording lacks as a step of a lane reads them, from all steps before with the cause."""
    befores = [{s: reads.before(s, after) for s, after in reads.after.items()} for reads in (own, changed)]
    lacking = [symbol for symbol in own.cell.state_symbols if symbol not in own.after]
    history = {symbol: [own.initial[symbol]] for symbol in lacking}
    for k in range(step + 1):
        at = int(cause.where.holds_at(k))
        reads: LaneReads = (own, changed)[at]
        before = {
            s: handed(reads.state if s in reads.of else "", own.initial[s], past[-2:]) for s, past in history.items()
        }
        if k < step:
            found = step_values(reads, reads.x[k], {s: a[k] for s, a in befores[at].items()} | before, EVERY)
            for symbol, past in history.items():
                past.append(found[symbol])
    return before


def _with_fault(fault: BugVariant, inputs: Inputs, where: Location) -> Inputs:
    cell = inputs.network.kind
    network = replace(inputs.network, custom=fault.changed(cell), clip=None, activations=None)
    lane = where.layer, where.direction
    read = vars(fault.read(cell, inputs.parameters.layer(*lane)))
    arrays = {**inputs.parameters, **{parameter_name(*lane, name): array for name, array in read.items()}}
    config = replace(inputs.config, network=network)
    return replace(inputs, config=config, parameters=Parameters(network, arrays))


def _read(fault: BugVariant, inputs: Inputs, trace: Trace, where: Location) -> dict[str, FloatArray]:
    """Values that the step reads from another place with the fault: the layer input "x" (I,), and previous states (U,).

    Without reversal, the previous state is at t - 1, and the input of values left in the order of computation at the
    mirrored time step. With the batch axis as the time axis, the previous state belongs to the neighboring sample.
    """
    network, (layer, direction, t, sample, _) = inputs.network, where.index
    at, before = t, (t - 1, sample)
    moved = fault.batch_as_time or (network.backward(direction) and fault.backward != "reversed")
    if fault.batch_as_time:
        before = t, sample + (1 if network.backward(direction) else -1)
    elif moved and fault.backward == "not_realigned":
        at = inputs.length(sample) - 1 - t
    read: dict[str, FloatArray] = {}
    if at != t or fault.concat_swapped:
        x = layer_input(inputs, trace, layer, slice(at, at + 1), slice(sample, sample + 1))[0, 0]
        halves = np.split(x, network.directions) if fault.concat_swapped and layer else [x]
        read["x"] = np.concatenate(halves[::-1])
    row = layer * network.directions + direction
    initial = {
        symbol: array[row, t % inputs.batch_size if fault.batch_as_time else sample]
        for symbol, array in inputs.initial_state.items()
    }
    own = {symbol: trace[symbol][layer, direction] for symbol in initial if symbol in trace}
    if moved:
        starts = min(before) < 0 or before[1] == inputs.batch_size
        read |= initial if starts else {symbol: array[before] for symbol, array in own.items()}
    if fault.forgotten and (not fault.at_seams or (t in inputs.seams and not network.backward(direction))):
        if fault.forgotten_is == "swapped":
            others = dict(zip(fault.forgotten, reversed(fault.forgotten), strict=True))
            read |= {symbol: own[other][before] for symbol, other in others.items() if other in own}
        else:
            zeros = fault.forgotten_is == "zeros"
            read |= {s: np.zeros_like(initial[s]) if zeros else initial[s] for s in fault.forgotten}
    return read

"""Likely causes: known bugs that reproduce the numbers of a pass of an engine. Forward: of a large run some steps and
samples are looked at. Where a recording lacks hidden states, the known bug has to give all that it has, over all steps,
if those are not too many. A known bug of padding has to give all steps of each sample, or of a few. Backward: gradients
with a bug follow from the engine's own hidden states; in a large run some samples are looked at, and not the gradients
of parameters. Of two bugs at once each is tried as its own engine has it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import combinations, product
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_OUTPUT, gradient
from rnnviz.core.head import HEAD
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.base import LayerTask, layer_output
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.backward import BackwardPasses, Gradient
from rnnviz.engines.known_bugs.engine import StepWindow, as_ordered, expected_and_found, faulty_layer, faulty_trace
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PADDING_NOT_ZEROED, gradient_bugs_in, known_bugs_in
from rnnviz.engines.known_bugs.whole_lanes import walk_of
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import Audit
from rnnviz.verify.causes import EVIDENCE, Cause, LaneDiagnosis, Nearest, explain_lanes, wrong_lanes
from rnnviz.verify.consistency_checks import PADDING_CHECK, Check
from rnnviz.verify.metrics import abs_error
from rnnviz.verify.partial_recordings import explain_recording
from rnnviz.verify.patterns import Pattern, pattern_of
from rnnviz.verify.reproduction import (
    Names,
    copies_agree,
    final_states,
    limits,
    own_tolerance,
    randomly_rounded,
    reproduces,
    within,
    without_padding,
)
from rnnviz.verify.wrong_lane import WrongLane

ALLOWED = 10.0
"""The distance up to which a trace counts as the known bug's: other code rounds otherwise, over a few steps."""

BETTER = 8.0
"""Factor by which a known bug must be nearer to the trace than the correct recurrence or another known bug."""

_ROUNDING = 32.0
"""Within how many eps of a trace all known bugs are equally near."""

_GLANCE, _STEPS = 3, 24
"""Numbers of steps of each lane that are tried first, since most known bugs are refuted by them, and then."""

_MOST_STEPS = 4096
_MOST_VALUES, _MOST_VALUES_OF_PAIRS = 1 << 20, 1 << 14
"""How many hidden values a network has at most that is computed whole with each known bug, and with each two of
them."""
_SAMPLES = 3

_GLANCES = 2, 24
"""Numbers of steps of each lane of the top layer whose gradients are tried first."""

_MOST_GRADIENTS, _MOST_LANE_STEPS, _MOST_LANE_STEPS_OF_PAIRS = 1 << 21, 1 << 15, 1 << 12
"""How many hidden values are looked at backward, and how many time steps all lanes have at most; with two bugs at
once."""

_SMALL = 32.0
"""The least scale of the other gradients of a time step is the scale of h divided by this."""


@dataclass(frozen=True)
class ForwardEvidence:
    """A trace, and the place of its first step outside its bound."""

    inputs: Inputs
    trace: Trace
    wrong: Location | None
    padding_filled: bool

    def bugs(self) -> Iterator[tuple[Names, BugVariant]]:
        """Every variant of every known bug that changes a step or a final state."""
        for bug in known_bugs_in(self.inputs):
            if bug.name != PADDING_NOT_ZEROED:
                for fault in bug.faults(self.inputs.network):
                    yield (bug.name,), fault

    def paired(self) -> Iterator[tuple[Names, BugVariant]]:
        """Those of which two at once are tried; none if the network is too large."""
        large = self.trace.hidden.size > _MOST_VALUES_OF_PAIRS
        if not (self.trace.partial and large):
            yield from (found for found in self.bugs() if not (found[1].of_padding and large))

    def distance(self, fault: BugVariant, limit: float) -> float:
        """How far the trace is from the fault's numbers, in tolerances; above `limit`, any number that is. A step has
        the tolerance of its largest value: in a sum of large terms a small value is as rough."""
        largest, atol = 0.0, own_tolerance(self.inputs, self.trace)
        for expected, found in self._pairs(fault):
            size = np.abs(found).max(axis=(1, 2), initial=1.0, where=np.isfinite(found))
            apart = abs_error(found, expected).max(axis=(1, 2)) / size / atol
            largest = max(largest, float(apart.max()))
            if not largest <= limit:
                break
        return largest

    def reproduces(self, fault: BugVariant) -> bool:
        """Whether the fault gives every number, within rounding."""
        inputs, trace = self.inputs, self._as_joined(fault)
        large = trace.hidden.size > _MOST_VALUES
        if fault.of_padding and large:
            samples = self._some_samples()
            inputs, trace = inputs.of_samples(samples), trace.of_samples(samples)
        most = max(inputs.timesteps, inputs.batch_size)
        windows = self.windows(fault, _STEPS) if large else self.windows(fault, most, range(most))
        return reproduces(fault, inputs, trace, windows, padding_filled=self.padding_filled)

    def _pairs(self, fault: BugVariant) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Arrays with the fault and in the trace, the cheapest and most discriminating pairs first."""
        inputs, trace = self.inputs, self.trace
        if fault.of_padding and inputs.lengths and not trace.partial:
            yield from self.beside_padding(fault)
        if trace.partial or fault.of_padding:
            yield from self._returned(fault)
            return
        trace = self._as_joined(fault)
        if "out" not in trace.missing:
            # It is the top layer's directions as the fault joins them.
            top = np.asarray(trace.hidden[-1][:, :_STEPS])
            yield layer_output(top[::-1] if fault.concat_swapped else top), np.asarray(trace.output[:_STEPS])
        if not fault.batch_as_time and "state.h" not in trace.missing:
            # There are as many states as timesteps, which do not fit the samples.
            yield final_states(fault, inputs, trace), np.asarray(trace.state_h)
        for steps in (_GLANCE, _STEPS):
            for window in self.windows(fault, steps):
                yield expected_and_found(fault, inputs, trace, window)

    def beside_padding(self, fault: BugVariant) -> Iterator[tuple[FloatArray, FloatArray]]:
        """The first steps of layer 0, which need no other layer, of the sample with the least padding. Most known bugs
        of padding are refuted by them, and all time steps need not be computed."""
        inputs, trace = self.inputs, self.trace
        ordered, timesteps = as_ordered(fault, inputs), inputs.timesteps
        sample = max((n for n, length in enumerate(ordered.lengths) if length < timesteps), key=ordered.length)
        length, own = ordered.length(sample), inputs.length(sample)
        one = ordered.of_samples(np.array([sample]))
        states = dict(one.initial_state)
        for direction in range(inputs.network.directions):
            backward = inputs.network.backward(direction)
            # A step more than is compared, since a known bug may read a length that is shorter by one.
            times = range(max(0, length - _STEPS), timesteps) if backward else range(min(timesteps, _STEPS + 1))
            x = one.sequence[times.start : times.stop]
            series = {"h": np.zeros((len(x), 1, trace.shape[-1]), x.dtype)}
            task = LayerTask(
                cell=inputs.network.kind,
                parameters=inputs.parameters.layer(0, direction),
                x=x,
                state={name: array[direction] for name, array in states.items()},
                series=series,
                backward=backward,
            )
            with np.errstate(all="ignore"):
                faulty_layer(fault, (min(length, times.stop) - times.start,))(task, lambda _: None)
            stop = min(own, times.stop) if backward or times.stop == timesteps else min(own, _STEPS)
            if stop > times.start:
                found = np.asarray(trace.hidden[0, direction, times.start : stop, sample : sample + 1])
                yield series["h"][: stop - times.start], found

    def _returned(self, fault: BugVariant) -> Iterator[tuple[FloatArray, FloatArray]]:
        """All that the network with the fault returns, and what the trace has, of some samples if all are too many."""
        inputs, trace, samples = self.inputs, self.trace, np.arange(self.inputs.batch_size)
        if trace.hidden.size > _MOST_VALUES:
            samples = self._some_samples()
        made = faulty_trace(replace(fault, sample_order=None), as_ordered(fault, inputs).of_samples(samples))
        own = inputs.of_samples(samples).lengths
        if "out" not in trace.missing:
            yield without_padding(made.output, own), without_padding(trace.output[:, samples], own)
        if "state.h" not in trace.missing:
            yield made.state_h, np.asarray(trace.state_h[:, samples])
        if HEAD in trace and HEAD not in trace.missing:
            yield made[HEAD], np.asarray(trace[HEAD][:, samples])
        if not trace.partial:
            for lane in np.ndindex(trace.shape[:2]):
                yield without_padding(made.hidden[lane], own), without_padding(trace.hidden[lane][:, samples], own)

    def _as_joined(self, fault: BugVariant) -> Trace:
        """The trace with the directions of a fault, where its hidden states are the halves of its output."""
        trace = self.trace
        from_output = len(trace.hidden) == 1 and "h" in trace.missing and "out" not in trace.missing
        return trace.with_arrays({"h": trace.hidden[:, ::-1]}) if fault.concat_swapped and from_output else trace

    def _some_samples(self) -> NDArray[np.intp]:
        """The sample of the first wrong step, the shortest sample and the longest one."""
        lengths = np.array(self.inputs.places.every_length)
        return np.unique([0 if self.wrong is None else self.wrong.sample, lengths.argmin(), lengths.argmax()])

    def windows(self, fault: BugVariant, steps: int, every: Sequence[int] = ()) -> Iterator[StepWindow]:
        """The compared window of each lane, of some samples or `every` one, beginning with the lane of the first step
        outside its bound."""
        inputs, network, wrong = self.inputs, self.inputs.network, self.wrong
        lanes = list(product(range(network.num_layers), range(network.directions)))
        if wrong is None:
            sample, step, first = 0, 0, None
        else:
            first = (wrong.layer, wrong.direction)
            lanes.sort(key=lambda lane: lane != first)
            sample = wrong.sample
            last = inputs.length(sample) - 1
            step = last - wrong.timestep if network.backward(wrong.direction) else wrong.timestep
        samples = inputs.batch_size
        if fault.batch_as_time:
            # Its samples are the timesteps, and its steps the samples. Time steps with padding are left out.
            samples = min(inputs.lengths, default=inputs.timesteps)
            sample, step = min(wrong.timestep, samples - 1) if wrong else 0, sample
        chosen = dict.fromkeys((sample, 0, samples - 1, *range(min(samples, _SAMPLES))))
        for lane in lanes:
            reach = min(step + 2, _MOST_STEPS) if lane == first and steps > _GLANCE else 0
            yield StepWindow(*lane, max(steps, reach), tuple(every or [*chosen][:_SAMPLES]))


class BackwardEvidence:
    """The gradients of a trace."""

    def __init__(self, inputs: Inputs, trace: Trace) -> None:
        self.inputs, self.trace = inputs, trace
        self._passes = BackwardPasses(inputs, states_of(inputs, trace), "float64")
        # All that grad.out has is in grad.h, and a bug may read another one than the engine stores.
        unread = trace.missing | {OF_OUTPUT}
        self._given = {n: array for n, array in trace.items() if n.startswith(GRADIENT) and n not in unread}
        self._tolerance = own_tolerance(inputs, trace)

    @classmethod
    def of(cls, inputs: Inputs, trace: Trace) -> "BackwardEvidence | None":
        """The evidence of a trace, or of some samples; None if it is too large."""
        kept = _MOST_GRADIENTS * trace.shape[3] // trace.hidden.size
        if prod(trace.shape[:3]) > _MOST_LANE_STEPS or not kept:
            return None
        if kept >= trace.shape[3]:
            return cls(inputs, trace)
        # The sample of the one value that is the loss, if it is.
        value = None if inputs.loss is None else inputs.loss.value
        samples = np.arange(kept) if value is None else np.array([value[3]])
        return cls(inputs.of_samples(samples), trace.of_samples(samples))

    def bugs(self) -> Iterator[tuple[Names, BugVariant]]:
        network = self.inputs.network
        return (((bug.name,), fault) for bug in gradient_bugs_in(self.inputs) for fault in bug.faults(network))

    def paired(self) -> Iterator[tuple[Names, BugVariant]]:
        """Each bug as its own engine has it."""
        bugs = gradient_bugs_in(self.inputs) if prod(self.trace.shape[:3]) <= _MOST_LANE_STEPS_OF_PAIRS else ()
        return (((bug.name,), bug.faults(self.inputs.network)[0]) for bug in bugs)

    def distance(self, fault: BugVariant, limit: float) -> float:
        largest = 0.0
        # The loop without a bug is computed anyway.
        whole = fault.gradient_loop == BugVariant() or "stored" in fault.unreversed
        for most in (*(most for most in _GLANCES if most < self.trace.shape[2] and not whole), None):
            largest = distance_of(self._passes.gradients(fault, most, keep=True), self._given, self._tolerance, limit)
            if not largest <= limit:
                break
        return largest

    @cached_property
    def _moved(self) -> BackwardPasses:
        """Backward passes from states and parameters that are rounded at random, as in another correct engine."""
        inputs, trace = self.inputs, self.trace
        parameters = Parameters(inputs.network, randomly_rounded(inputs.parameters, trace.eps))
        states = {s: np.asarray(a, np.float64) for s, a in states_of(inputs, trace).items()}
        return BackwardPasses(replace(inputs, parameters=parameters), randomly_rounded(states, trace.eps), "float64")

    def reproduces(self, fault: BugVariant) -> bool:
        """Of grad.out the one without the bug is as good: a bug may read another one than the engine stores."""
        trace, of_h = self.trace, np.zeros(())
        for (name, index, expected), (_, _, other) in zip(
            self._passes.gradients(fault), self._moved.gradients(fault), strict=True
        ):
            if name not in trace or name in trace.missing or name == OF_OUTPUT:
                continue
            found = np.asarray(trace[name][index])
            over_time = name == OF_INPUT or len(index) > 1
            axes = _axes(expected, over_time=over_time)
            limit = limits(expected, other, found, trace, axes)
            if name == gradient("h"):
                of_h = limit
            elif len(index) > 1:
                # They are computed from the gradient of h.
                limit = np.maximum(limit, of_h / _SMALL)
            if not within(found, expected, limit + float(np.finfo(found.dtype).tiny)):
                return False
        return True


def states_of(inputs: Inputs, trace: Trace) -> dict[str, FloatArray]:
    """The states of the forward pass by symbol, each (L, D, T, N, U): the trace's own, if it has all of them."""
    symbols = inputs.network.kind.state_symbols
    names = [trace.stored(s) for s in symbols]
    if trace.partial or None in names:
        trace, names = faulty_trace(BugVariant(), inputs), [*symbols]
    return {s: trace[name or s] for s, name in zip(symbols, names, strict=True)}


def distance_of(
    parts: Iterator[Gradient], found: Mapping[str, FloatArray], tolerance: float, limit: float = np.inf
) -> float:
    """How far gradients are from the arrays of `found` with their names, in tolerances; above `limit`, any such number.
    A time step, an initial state and a parameter have the tolerance of their largest gradient. The tolerance of other
    gradients of a time step is at least a small part of h's tolerance, from which they are computed."""
    largest, of_h = 0.0, np.zeros(())
    for name, index, expected in parts:
        over_time = name == OF_INPUT or len(index) > 1
        if name == gradient("h"):
            of_h = _sizes(expected, over_time=True)
        if name not in found:
            continue
        other = np.asarray(found[name][index])
        least = of_h / _SMALL if len(index) > 1 else np.zeros(())
        size = np.maximum(_sizes(expected, over_time=over_time), _sizes(other, over_time=over_time))
        size = np.maximum(np.maximum(size, least), float(np.finfo(other.dtype).tiny) / tolerance)
        apart = abs_error(other, expected).max(axis=_axes(expected, over_time=over_time))
        largest = max(largest, float(np.max(apart / size / tolerance)))
        if not largest <= limit:
            return largest
    return largest


def _sizes(array: FloatArray, *, over_time: bool) -> FloatArray:
    """The largest finite magnitude of an array, or (T,) of each time step."""
    axes = _axes(array, over_time=over_time)
    sizes: FloatArray = np.asarray(np.abs(array).max(axis=axes, where=np.isfinite(array), initial=0.0))
    return sizes


def _axes(array: FloatArray, *, over_time: bool) -> tuple[int, ...]:
    return tuple(range(1 if over_time else 0, array.ndim))


Evidence: TypeAlias = ForwardEvidence | BackwardEvidence


@dataclass(frozen=True)
class Diagnosis:
    """The explanation of a wrong pass of an engine: `names` has known bugs of the whole network, or the causes of its
    lanes by their labels, each a tuple of those that are needed together. `causes` has these with their places,
    `nearest` the change that comes nearest where nothing explains the pass, and `pattern` which values are wrong."""

    names: tuple[Names, ...] = ()
    causes: tuple[Cause, ...] = ()
    candidates: int = 0
    nearest: Nearest | None = None
    pattern: Pattern | None = None


def explain(inputs: Inputs, trace: Trace, audit: Audit, failing: Sequence[Check] = ()) -> Diagnosis:
    """Explain a wrong pass of an engine: by a known bug of the whole network, else by changes of its wrong lanes, else
    by two known bugs at once."""
    lanes, pattern = list[WrongLane](), None
    if audit.way == "forward" and audit.wrong and not trace.partial:
        lanes = wrong_lanes(inputs, trace, audit.ratio_over_time)
        count = prod(trace.shape[:2])
        pattern = pattern_of(lanes, count, audit.wrong, audit.audited) if lanes else None
    names = diagnose(inputs, trace, audit, failing, pairs=False)
    if names and not _has_evidence(lanes):
        return Diagnosis(candidates=len(names), pattern=pattern)
    nearest = None
    partial = audit.way == "forward" and trace.partial and trace.hidden.size <= _MOST_VALUES
    if not names and (lanes or partial) and not {check.name for check in failing} & {PADDING_CHECK}:
        found = explain_recording(inputs, trace) if partial else explain_lanes(inputs, trace, lanes)
        walks = {
            lane.place: walk_of(cause.name) for lane in lanes for cause in found.causes if cause.covers(*lane.place)
        }
        if not partial and not copies_agree(inputs, trace, walks):
            found = LaneDiagnosis()
        if found.causes:
            return Diagnosis((tuple(c.label for c in found.causes),), found.causes, 1, pattern=pattern)
        if found.candidates:
            return Diagnosis((), (), found.candidates, pattern=pattern)
        nearest = found.nearest
    if not names and _has_evidence(lanes, 2):
        names = diagnose(inputs, trace, audit, failing)
    causes = tuple(Cause(name) for name in names[0]) if len(names) == 1 else ()
    return Diagnosis(names, causes, len(names), None if names else nearest, pattern)


def _has_evidence(lanes: Sequence[WrongLane], bugs: int = 1) -> bool:
    """Whether wrong values have the evidence that one known bug needs against chance, or two at once."""
    need = float(np.log2(len(KNOWN_BUGS))) + EVIDENCE
    return not lanes or sum(lane.most_bits for lane in lanes) >= bugs * need


def diagnose(
    inputs: Inputs, trace: Trace, audit: Audit, failing: Sequence[Check] = (), *, pairs: bool = True
) -> tuple[Names, ...]:
    """The known bugs of the whole network that explain a wrong pass, each a tuple of one name; if no single one does,
    and with `pairs`, of two.

    A known bug explains a trace if it gives every number of it within rounding (`reproduction`), and does so far
    better than the right recurrence: by how much the two differ depends on the network, and may be less than the
    tolerance. Of several, those that come nearest explain it.

    `failing` are the engine's failing checks. Values in padding are not looked at, so only a check knows of others.
    """
    names = {check.name for check in failing}
    evidence: Evidence | None
    if audit.way == "backward":
        evidence = BackwardEvidence.of(inputs, trace)
    elif trace.partial and trace.hidden.size > _MOST_VALUES:
        # It cannot be computed whole.
        evidence = None
    else:
        evidence = ForwardEvidence(inputs, trace, audit.first_location, padding_filled=PADDING_CHECK in names)
    if evidence is None:
        return ()
    correct = evidence.distance(BugVariant(), ALLOWED * BETTER)
    if not audit.wrong and correct <= 1.0 and names == {PADDING_CHECK}:
        return ((PADDING_NOT_ZEROED,),)
    limit = min(ALLOWED, correct / BETTER)
    if audit.way == "backward" and limit == 0.0:
        return ()
    found = _explanations(evidence, evidence.bugs(), limit)
    return found or (_explanations(evidence, _pairs(evidence), limit) if pairs else ())


def _explanations(evidence: Evidence, faults: Iterable[tuple[Names, BugVariant]], limit: float) -> tuple[Names, ...]:
    """The names of those faults that give the whole trace, the nearest ones of them."""
    found = ((names, evidence.distance(fault, limit), fault) for names, fault in faults)
    given = [(names, distance) for names, distance, fault in found if distance <= limit and evidence.reproduces(fault)]
    return nearest(evidence.inputs, given, limit, evidence.trace)


def _pairs(evidence: Evidence) -> Iterator[tuple[Names, BugVariant]]:
    """Two known bugs at once."""
    for (first, one), (second, other) in combinations(evidence.paired(), 2):
        both = one.together_with(other) if first != second else None
        if both is not None:
            yield first + second, both


def nearest(
    inputs: Inputs, found: Iterable[tuple[tuple[str, ...], float]], limit: float, trace: Trace
) -> tuple[tuple[str, ...], ...]:
    """The names whose distance is within the limit and not far from the smallest, in the order in which they came."""
    within = [(names, distance) for names, distance in found if distance <= limit]
    smallest = min((distance for _, distance in within), default=0.0)
    near = max(BETTER * smallest, _ROUNDING * trace.eps / own_tolerance(inputs, trace))
    return tuple(dict.fromkeys(names for names, distance in within if distance <= near))


def distinguishable(trace: Trace, wrong: int) -> bool:
    """Whether an engine has enough numbers, of which some are `wrong`: one fits many known bugs by coincidence."""
    return trace.hidden[0, 0].size > 1 and wrong != 1


def causes(
    explained: Mapping[str, Diagnosis], blind: Collection[str], decided: Collection[str]
) -> tuple[dict[str, tuple[Names, ...]], dict[str, int]]:
    """The cause of each engine that has one, and the number of those that fit where no cause can be known. `explained`
    has what reproduces an engine's numbers, `blind` the known bugs that the run could not reveal, and `decided` the
    engines with enough numbers to distinguish causes."""
    fitting = {engine: [n for n in found.names if not set(n) & set(blind)] for engine, found in explained.items()}
    known = {engine: tuple(found) for engine, found in fitting.items() if len(found) == 1 and engine in decided}
    alike = {
        engine: found.candidates for engine, found in explained.items() if found.candidates and engine not in known
    }
    return {engine: known.get(engine, ()) for engine in explained}, alike

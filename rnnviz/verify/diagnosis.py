"""Likely causes: known bugs that reproduce an engine's numbers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import DEFAULT_TOLERANCES
from rnnviz.core.inputs import Inputs
from rnnviz.core.lengths import clear_padding
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.engines.known_bugs.engine import StepWindow, as_ordered, expected_and_found, faulty_layer, faulty_trace
from rnnviz.engines.known_bugs.registry import PADDING_NOT_ZEROED, KnownBug, known_bugs_in
from rnnviz.engines.layers import LayerTask, layer_output
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import Audit
from rnnviz.verify.consistency_checks import PADDING_CHECK, Check
from rnnviz.verify.metrics import abs_error
from rnnviz.verify.reproduction import final_states, reproduces

_GLANCE = 3
"""Number of steps of each lane that are tried first; most known bugs are refuted by them."""

_STEPS = 24
"""Number of steps of each lane that a known bug has to explain."""

_MOST_STEPS = 4096
_MOST_VALUES, _MOST_VALUES_OF_PAIRS = 1 << 20, 1 << 14
"""How many hidden values a network has at most that is computed whole with each known bug, and with each two of
them."""
_SAMPLES = 3

ALLOWED = 10.0
"""The distance up to which a trace counts as the known bug's: other code rounds otherwise, over a few steps."""

BETTER = 8.0
"""Factor by which a known bug must be nearer to the trace than the correct recurrence or another known bug."""

_ROUNDING = 32.0
"""Within how many eps of a trace all known bugs are equally near."""


Names: TypeAlias = tuple[str, ...]
"""One known bug, or two at once."""


def diagnose(inputs: Inputs, trace: Trace, audit: Audit, failing: Sequence[Check] = ()) -> tuple[Names, ...]:
    """The known bugs that explain a wrong engine's trace, each a tuple of one name; if no single one does, of two.

    A known bug explains a trace if it gives every number of it within rounding (`reproduction`), and does so far
    better than the right recurrence: by how much the two differ depends on the network, and may be less than the
    tolerance. Of several, those that come nearest explain it. Of a large run some steps and samples are looked at.
    Where a recording lacks hidden states, the known bug has to give all that it has, over all steps, if those are not
    too many. A known bug of padding has to give all steps of each sample, or of a few.

    `failing` are the engine's failing checks. Values in padding are not looked at, so only a check knows of others.
    """
    if trace.partial and trace.hidden.size > _MOST_VALUES:
        return ()
    wrong = audit.first_location
    correct = _distance(BugVariant(), inputs, trace, wrong, np.inf)
    names = {check.name for check in failing}
    if not audit.wrong and correct <= 1.0 and names == {PADDING_CHECK}:
        return ((PADDING_NOT_ZEROED,),)
    limit = min(ALLOWED, correct / BETTER)
    seen = _Seen(inputs, trace, wrong, limit, padding_filled=PADDING_CHECK in names)
    found = seen.explanations(((bug.name,), fault) for bug, fault in _faults(inputs))
    if trace.partial and trace.hidden.size > _MOST_VALUES_OF_PAIRS:
        return found
    return found or seen.explanations(_pairs(inputs, trace))


def distinguishable(trace: Trace, wrong: int) -> bool:
    """Whether an engine has enough numbers, of which some are `wrong`, to know its known bug by them.

    One number fits many by coincidence.
    """
    return trace.hidden[0, 0].size > 1 and wrong != 1


@dataclass(frozen=True)
class _Seen:
    """A trace in which known bugs are looked for, and the distance up to which one counts."""

    inputs: Inputs
    trace: Trace
    wrong: Location | None
    limit: float
    padding_filled: bool

    def explanations(self, faults: Iterable[tuple[Names, BugVariant]]) -> tuple[Names, ...]:
        """The names of those faults that give the whole trace, the nearest ones of them."""
        within = [
            (names, distance)
            for names, fault in faults
            if (distance := _distance(fault, self.inputs, self.trace, self.wrong, self.limit)) <= self.limit
            and self._reproduces(fault)
        ]
        return nearest(self.inputs, within, self.limit, self.trace)

    def _reproduces(self, fault: BugVariant) -> bool:
        inputs, trace = self.inputs, _as_joined(fault, self.trace)
        large = trace.hidden.size > _MOST_VALUES
        if fault.of_padding and large:
            samples = _some_samples(inputs, self.wrong)
            inputs = inputs.of_samples(samples)
            trace = trace.of_samples(samples, inputs.lengths)
        steps = _STEPS if large else max(inputs.timesteps, inputs.batch_size)
        every = None if large else tuple(range(max(inputs.timesteps, inputs.batch_size)))
        windows = [
            window if every is None else replace(window, samples=every)
            for window in _parts(fault, inputs, self.wrong, steps)
        ]
        return reproduces(fault, inputs, trace, windows, padding_filled=self.padding_filled)


def _pairs(inputs: Inputs, trace: Trace) -> Iterator[tuple[Names, BugVariant]]:
    faults = [
        (bug, fault)
        for bug, fault in _faults(inputs)
        if not fault.of_padding or trace.hidden.size <= _MOST_VALUES_OF_PAIRS
    ]
    for (first, one), (second, other) in combinations(faults, 2):
        both = one.together_with(other) if first is not second else None
        if both is not None:
            yield (first.name, second.name), both


def nearest(
    inputs: Inputs, found: Iterable[tuple[tuple[str, ...], float]], limit: float, trace: Trace
) -> tuple[tuple[str, ...], ...]:
    """The names whose distance is within the limit and not far from the smallest, in the order in which they came."""
    within = [(names, distance) for names, distance in found if distance <= limit]
    smallest = min((distance for _, distance in within), default=0.0)
    near = max(BETTER * smallest, _ROUNDING * trace.eps / own_tolerance(inputs, trace))
    return tuple(dict.fromkeys(names for names, distance in within if distance <= near))


def own_tolerance(inputs: Inputs, trace: Trace) -> float:
    """The dtype's own absolute tolerance, whatever the comparison's is; of a coarser recording two roundings."""
    own = DEFAULT_TOLERANCES[inputs.network.dtype][1]
    return max(own, 2.0 * trace.spacing) if trace.precision or trace.half else own


def _faults(inputs: Inputs) -> Iterator[tuple[KnownBug, BugVariant]]:
    """Every variant of every known bug that changes a step or a final state."""
    for bug in known_bugs_in(inputs):
        if bug.name != PADDING_NOT_ZEROED:
            for fault in bug.faults(inputs.network):
                yield bug, fault


def _distance(fault: BugVariant, inputs: Inputs, trace: Trace, wrong: Location | None, limit: float) -> float:
    """How far the trace is from what the fault gives, in tolerances; above `limit`, any number that is.

    The tolerance of a step is that of its largest value: in a sum of large terms a small value is as rough as they.
    """
    largest, atol = 0.0, own_tolerance(inputs, trace)
    for expected, found in _evidence(fault, inputs, trace, wrong):
        size = np.abs(found).max(axis=(1, 2), initial=1.0, where=np.isfinite(found))
        apart = abs_error(found, expected).max(axis=(1, 2)) / size / atol
        largest = max(largest, float(apart.max()))
        if not largest <= limit:
            break
    return largest


def _evidence(
    fault: BugVariant, inputs: Inputs, trace: Trace, wrong: Location | None
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Pairs of arrays: with the fault, and in the trace. The cheapest and most discriminating pairs come first."""
    if fault.of_padding and inputs.lengths and not trace.partial:
        yield from _beside_padding(fault, inputs, trace)
    if trace.partial or fault.of_padding:
        yield from _returned(fault, inputs, trace, wrong)
        return
    trace = _as_joined(fault, trace)
    if "out" not in trace.missing:
        yield _output(fault, trace)
    if not fault.batch_as_time and "state.h" not in trace.missing:
        # There are as many states as timesteps, which do not fit the samples.
        yield final_states(fault, inputs, trace), np.asarray(trace.state_h)
    for steps in (_GLANCE, _STEPS):
        for part in _parts(fault, inputs, wrong, steps):
            yield expected_and_found(fault, inputs, trace, part)


def _beside_padding(fault: BugVariant, inputs: Inputs, trace: Trace) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The first steps of layer 0, which need no other layer, of the sample with the least padding.

    Most known bugs of padding are refuted by them, and all time steps need not be computed.
    """
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


def _returned(
    fault: BugVariant, inputs: Inputs, trace: Trace, wrong: Location | None
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """All that the network with the fault returns, and that of the trace, of some samples if all are too many."""
    samples = np.arange(inputs.batch_size)
    if trace.hidden.size > _MOST_VALUES:
        samples = _some_samples(inputs, wrong)
    made = faulty_trace(replace(fault, sample_order=None), as_ordered(fault, inputs).of_samples(samples))
    own = inputs.of_samples(samples).lengths
    if "out" not in trace.missing:
        yield _computed(own, made.output), _computed(own, trace.output[:, samples])
    if "state.h" not in trace.missing:
        yield made.state_h, np.asarray(trace.state_h[:, samples])
    if not trace.partial:
        for lane in np.ndindex(trace.shape[:2]):
            yield _computed(own, made.hidden[lane]), _computed(own, trace.hidden[lane][:, samples])


def _computed(lengths: Sequence[int], array: FloatArray) -> FloatArray:
    """The array (T, N, U) with 0 in padding."""
    array = np.array(array)
    clear_padding(lengths, array)
    return array


def _as_joined(fault: BugVariant, trace: Trace) -> Trace:
    """The trace with the directions of a fault, where its hidden states were taken from the halves of its output."""
    from_output = len(trace.hidden) == 1 and "h" in trace.missing and "out" not in trace.missing
    return trace.with_arrays({"h": trace.hidden[:, ::-1]}) if fault.concat_swapped and from_output else trace


def _some_samples(inputs: Inputs, wrong: Location | None) -> NDArray[np.intp]:
    """The sample of the first wrong step, the shortest sample and the longest one."""
    lengths = np.array([inputs.length(sample) for sample in range(inputs.batch_size)])
    return np.unique([0 if wrong is None else wrong.sample, lengths.argmin(), lengths.argmax()])


def _parts(fault: BugVariant, inputs: Inputs, wrong: Location | None, steps: int) -> Iterator[StepWindow]:
    """The compared window of each lane, beginning with the lane of the first step outside its bound."""
    network = inputs.network
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
        yield StepWindow(*lane, max(steps, reach), tuple(chosen)[:_SAMPLES])


def _output(fault: BugVariant, trace: Trace) -> tuple[FloatArray, FloatArray]:
    """out is the top layer's directions as the fault joins them."""
    top = np.asarray(trace.hidden[-1][:, :_STEPS])
    joined = layer_output(top[::-1] if fault.concat_swapped else top)
    return joined, np.asarray(trace.output[:_STEPS])

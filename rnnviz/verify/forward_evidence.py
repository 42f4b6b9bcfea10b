"""Evidence of the forward pass: hidden states and outputs of an engine, and those of known bugs.

Of a large run some steps and samples are looked at. Where a recording lacks hidden states, the known bug has to give
all that it has, over all steps, if those are not too many. A known bug of padding has to give all steps of each sample,
or of a few.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, clear_padding
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.engines.known_bugs.engine import StepWindow, as_ordered, expected_and_found, faulty_layer, faulty_trace
from rnnviz.engines.known_bugs.registry import PADDING_NOT_ZEROED, known_bugs_in
from rnnviz.engines.layers import LayerTask, layer_output
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import abs_error
from rnnviz.verify.reproduction import Names, final_states, own_tolerance, reproduces

_GLANCE = 3
"""Number of steps of each lane that are tried first; most known bugs are refuted by them."""

_STEPS = 24
"""Number of steps of each lane that a known bug has to explain."""

_MOST_STEPS = 4096
_MOST_VALUES, _MOST_VALUES_OF_PAIRS = 1 << 20, 1 << 14
"""How many hidden values a network has at most that is computed whole with each known bug, and with each two of
them."""
_SAMPLES = 3


@dataclass(frozen=True)
class ForwardEvidence:
    """A trace, and the place of its first step outside its bound."""

    inputs: Inputs
    trace: Trace
    wrong: Location | None
    padding_filled: bool

    @classmethod
    def of(
        cls, inputs: Inputs, trace: Trace, wrong: Location | None, *, padding_filled: bool
    ) -> "ForwardEvidence | None":
        """The evidence of a trace; None of a recording that is too large to compute whole."""
        return None if trace.partial and trace.hidden.size > _MOST_VALUES else cls(inputs, trace, wrong, padding_filled)

    def bugs(self) -> Iterator[tuple[Names, BugVariant]]:
        """Those that change a step or a final state."""
        for bug in known_bugs_in(self.inputs):
            if bug.name != PADDING_NOT_ZEROED:
                for fault in bug.faults(self.inputs.network):
                    yield (bug.name,), fault

    def paired(self) -> Iterator[tuple[Names, BugVariant]]:
        large = self.trace.hidden.size > _MOST_VALUES_OF_PAIRS
        if not (self.trace.partial and large):
            yield from (found for found in self.bugs() if not (found[1].of_padding and large))

    def distance(self, fault: BugVariant, limit: float) -> float:
        """The tolerance of a step is that of its largest value: in a sum of large terms a small value is as rough."""
        largest, atol = 0.0, own_tolerance(self.inputs, self.trace)
        for expected, found in _evidence(fault, self.inputs, self.trace, self.wrong):
            size = np.abs(found).max(axis=(1, 2), initial=1.0, where=np.isfinite(found))
            apart = abs_error(found, expected).max(axis=(1, 2)) / size / atol
            largest = max(largest, float(apart.max()))
            if not largest <= limit:
                break
        return largest

    def reproduces(self, fault: BugVariant) -> bool:
        inputs, trace = self.inputs, _as_joined(fault, self.trace)
        large = trace.hidden.size > _MOST_VALUES
        if fault.of_padding and large:
            samples = _some_samples(inputs, self.wrong)
            inputs = inputs.of_samples(samples)
            trace = trace.of_samples(samples)
        steps = _STEPS if large else max(inputs.timesteps, inputs.batch_size)
        every = None if large else tuple(range(max(inputs.timesteps, inputs.batch_size)))
        windows = [
            window if every is None else replace(window, samples=every)
            for window in _parts(fault, inputs, self.wrong, steps)
        ]
        return reproduces(fault, inputs, trace, windows, padding_filled=self.padding_filled)


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
    lengths = np.array(inputs.places.every_length)
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

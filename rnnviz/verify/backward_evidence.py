"""Evidence of the backward pass: gradients of an engine, and those of known bugs from its own hidden states.

In a large run some samples are looked at, and not the gradients of parameters. Of two bugs at once each is tried as its
own engine has it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_OUTPUT, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs.backward import BackwardPasses, Gradient
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.registry import gradient_bugs_in
from rnnviz.verify.metrics import abs_error
from rnnviz.verify.reproduction import Names, limits, own_tolerance, randomly_rounded, within

_GLANCES = 2, 24
"""Numbers of steps of each lane of the top layer that are tried first; most known bugs are refuted by them."""

_MOST_VALUES, _MOST_STEPS = 1 << 21, 1 << 15
"""How many hidden values are looked at, at most, and how many time steps of all lanes a network has."""

_SMALL = 32.0
"""The least scale of the other gradients of a time step is that of h divided by this."""

_FEW_VALUES = 1 << 16
"""Values of a parameter that are compared first."""

_MOST_STEPS_OF_PAIRS = 1 << 12
"""How many time steps of all lanes it has at most for two bugs at once."""


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
        samples, kept = trace.shape[3], _MOST_VALUES * trace.shape[3] // trace.hidden.size
        if _steps(trace) > _MOST_STEPS or not kept:
            return None
        return cls(*(_of_samples(inputs, trace, kept) if kept < samples else (inputs, trace)))

    def bugs(self) -> Iterator[tuple[Names, BugVariant]]:
        network = self.inputs.network
        return (((bug.name,), fault) for bug in gradient_bugs_in(self.inputs) for fault in bug.faults(network))

    def paired(self) -> Iterator[tuple[Names, BugVariant]]:
        """Each bug as its own engine has it."""
        bugs = gradient_bugs_in(self.inputs) if _steps(self.trace) <= _MOST_STEPS_OF_PAIRS else ()
        return (((bug.name,), bug.faults(self.inputs.network)[0]) for bug in bugs)

    def distance(self, fault: BugVariant, limit: float) -> float:
        largest = 0.0
        # The loop without a bug is computed anyway.
        whole = fault.gradient_loop == BugVariant() or "stored" in fault.unreversed
        for most in (*(most for most in _GLANCES if most < self.trace.shape[2] and not whole), None):
            largest = distance_of(self._passes.gradients(fault, most), self._given, self._tolerance, limit)
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
            self._passes.once(fault), self._moved.once(fault), strict=True
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


def _steps(trace: Trace) -> int:
    """The number of time steps of all lanes."""
    layers, directions, timesteps, *_ = trace.shape
    return layers * directions * timesteps


def _of_samples(inputs: Inputs, trace: Trace, count: int) -> tuple[Inputs, Trace]:
    """The first samples, or that of the one value that is the loss, without the gradients of parameters."""
    value = None if inputs.loss is None else inputs.loss.value
    samples = np.arange(count) if value is None else np.array([value[3]])
    part = inputs.of_samples(samples)
    return part, trace.of_samples(samples)


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
    """How far gradients are from those of `found` that have their names, in tolerances; above `limit`, any such number.

    The tolerance of a time step, of an initial state or of a parameter is that of its largest gradient. That of other
    gradients of a time step is at least a small part of that of h, from which they are computed.
    """
    largest, of_h = 0.0, np.zeros(())
    for name, index, expected in parts:
        over_time = name == OF_INPUT or len(index) > 1
        if name == gradient("h"):
            of_h = _sizes(expected, over_time=True)
        if name not in found:
            continue
        other = np.asarray(found[name][index])
        least = of_h / _SMALL if len(index) > 1 else np.zeros(())
        # Some rows of a large parameter refute most known bugs.
        skipped = 1 if over_time else expected.size // _FEW_VALUES + 1
        for step in dict.fromkeys((skipped, 1)):
            one, two = expected[::step], other[::step]
            size = np.maximum(_sizes(one, over_time=over_time), _sizes(two, over_time=over_time))
            size = np.maximum(np.maximum(size, least), float(np.finfo(other.dtype).tiny) / tolerance)
            apart = abs_error(two, one).max(axis=_axes(one, over_time=over_time))
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

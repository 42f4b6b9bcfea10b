"""The smallest run in which a port is still wrong: fewer layers, directions, samples, time steps, units and features.

A first jump tries a tiny case, then each size is cut from its smallest value on, until a round changes nothing. A cut
is kept if a step is wrong by far, and if no other cause explains it than the one that was named for the whole run.
"""

from collections.abc import Callable, Iterator

import numpy as np

from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.port.command import SizesRefusedError
from rnnviz.frozen import dataclass
from rnnviz.ports import cuts
from rnnviz.verify.audit import Audit, audit_pass
from rnnviz.verify.diagnosis import explain
from rnnviz.verify.forward_pass import ForwardPass

RUNS = 30
"""How often the program is run at most."""

FAR = 64.0
"""How many bounds the largest deviation of a small case must have at least: eight times what a step may have."""

_UNITS, _FEATURES = (1, 2, 3, 4, 6, 8), (1, 2, 3, 4)
_PARTS = (2, 4, 8)
_KEPT_FOR_ROUNDING = 4
"""Runs that are left for the last steps."""

RunPort = Callable[[Inputs], Trace]
"""Runs a program; raises an EngineError where it fails, a SizesRefusedError where it does not compute the sizes."""


@dataclass(frozen=True)
class Case:
    """A run in which a port is wrong: at `first`, and by the changes `names`. `expected` (L, D, T, N, H) is what each
    step gives from the port's own numbers; `states` are the port's, or follow from its h, each (L, D, T, N, U)."""

    inputs: Inputs
    trace: Trace
    audit: Audit
    first: Location
    expected: FloatArray
    states: dict[str, FloatArray]
    names: frozenset[str] = frozenset()
    ambiguous: bool = False

    @property
    def sizes(self) -> dict[str, int]:
        network = self.inputs.network
        return {
            "T": self.inputs.timesteps,
            "N": self.inputs.batch_size,
            "I": network.input_size,
            "H": network.hidden_size,
            "L": network.num_layers,
            "D": network.directions,
        }


def failing_case(inputs: Inputs, trace: Trace) -> Case | None:
    """The case of a run in which a step of the port is wrong, with its causes; None if no step is wrong."""
    symbols = inputs.network.kind.state_symbols
    shapes = {s: inputs.network.hidden_shape(inputs.timesteps, inputs.batch_size, s) for s in symbols}
    derived = {s: np.zeros(shapes[s]) for s in symbols if s == "h" or s not in trace}
    audit = audit_pass(ForwardPass(inputs, trace, full=True, derived=derived))
    first = audit.first_location
    if first is None:
        return None
    states = derived | {s: trace[s] for s in symbols if s in trace}
    found = explain(inputs, trace, audit)
    names = frozenset(cause.name for cause in found.causes) or frozenset(n for names in found.names for n in names)
    return Case(inputs, trace, audit, first, derived["h"], states, names, found.candidates > 1)


class Shrinker:
    """Cuts a failing case with at most `most` runs of the program. A program that does not read the weights gets no
    others: without `cut_weights` samples and time steps alone are cut."""

    def __init__(self, run: RunPort, case: Case, most: int = RUNS, *, cut_weights: bool = True) -> None:
        self.case, self.runs, self._run, self._most = case, 0, run, most
        self._cut_weights = cut_weights
        self._wanted = frozenset[str]() if case.ambiguous else case.names
        self._refused = 0

    def shrink(self) -> Case:
        """The smallest case that is found."""
        if not self.case.trace.partial and self._cut_weights:
            self._jump()
        while self.runs < self._most - _KEPT_FOR_ROUNDING and self._round():
            pass
        if not self._cut_weights:
            return self.case
        inputs = self.case.inputs
        if self._refused and inputs.network.hidden_size > 4 and not inputs.network.kind.projects:
            any(self._take(cuts.zero_other_units(inputs, self._units(k))) for k in (1, 2, 4))
        if inputs.network.num_layers * inputs.network.directions > 1:
            first = self.case.first
            self._take(cuts.zero_other_lanes(self.case.inputs, (first.layer, first.direction)))
        any(self._take(cuts.rounded(self.case.inputs, parts)) for parts in _PARTS)
        return self.case

    def _take(self, inputs: Inputs | None) -> bool:
        """Keep a smaller run if the port is wrong in it, for the same cause."""
        if inputs is None or self.runs >= self._most:
            return False
        self.runs += 1
        try:
            case = failing_case(inputs, self._run(inputs))
        except SizesRefusedError:
            self._refused += 1
            return False
        except EngineError:
            return False
        if case is None or not case.audit.worst_ratio >= FAR or (self._wanted and case.ambiguous):
            return False
        if self._wanted and not (case.names and case.names <= self._wanted):
            return False
        self.case = case
        return True

    def _jump(self) -> None:
        """One layer, sample, short window and few units at once."""
        for back, count in ((1, 2), (2, 4)):
            if self.case.inputs.network.hidden_size <= count or self._take(self._tiny(back, count)):
                return

    def _tiny(self, back: int, count: int) -> Inputs | None:
        case = self.case
        layer, sample = case.first.layer, case.first.sample
        inputs = cuts.keep_layers(case.inputs, case.trace, layer, layer + 1).of_samples(np.array([sample]))
        trace = case.trace.with_arrays({"h": case.trace.hidden[layer : layer + 1, :, :, [sample]]})
        states = {symbol: array[layer : layer + 1, :, :, [sample]] for symbol, array in case.states.items()}
        made = cuts.keep_window(inputs, trace, states, *self._window(back))
        if made is None:
            return None
        if case.first.direction == 0:
            made = cuts.keep_direction(made, 0) or made
        made = cuts.keep_units(made, self._units(count))
        return cuts.keep_features(made, _largest_features(made, 2))

    def _round(self) -> bool:
        """Try to cut each size; whether any was."""
        sizes = [self._samples, self._times]
        if self._cut_weights:
            sizes = [self._layers, self._samples, self._directions, self._times]
            sizes += [self._fewer_units, self._fewer_features]
        # Each one is tried, whether or not another was cut.
        return sum(self._take_first(options()) for options in sizes) > 0

    def _take_first(self, options: Iterator[Inputs | None]) -> bool:
        return any(self._take(made) for made in options)

    def _layers(self) -> Iterator[Inputs | None]:
        case, layer = self.case, self.case.first.layer
        count = case.inputs.network.num_layers
        if count > 1:
            if not case.trace.partial:
                yield cuts.keep_layers(case.inputs, case.trace, layer, layer + 1)
            if layer + 1 < count:
                yield cuts.keep_layers(case.inputs, case.trace, 0, layer + 1)
            if layer > 1 and not case.trace.partial:
                yield cuts.keep_layers(case.inputs, case.trace, layer - 1, layer + 1)

    def _samples(self) -> Iterator[Inputs | None]:
        inputs, sample = self.case.inputs, self.case.first.sample
        if inputs.batch_size > 1:
            yield inputs.of_samples(np.array([sample]))
        if inputs.batch_size > 2:
            beside = sample ^ 1
            for other in {beside if beside < inputs.batch_size else 0, 0} - {sample}:
                yield inputs.of_samples(np.array(sorted((sample, other))))

    def _directions(self) -> Iterator[Inputs | None]:
        case = self.case
        if case.inputs.network.directions == 2:
            yield cuts.keep_direction(case.inputs, 0)
            if case.first.direction == 1 and case.inputs.network.num_layers == 1:
                yield cuts.keep_direction(case.inputs, 1)

    def _times(self) -> Iterator[Inputs | None]:
        """One to three steps at the first wrong one, on both sides of it; else all up to it, and one more."""
        case, steps = self.case, self.case.inputs.timesteps
        if case.trace.partial:
            return
        tried = [self._window(0), self._window(1), self._window(1, other=True)]
        tried += [self._window(2), self._window(2, other=True)]
        start, stop = self._window(steps)
        backward = case.first.backward
        tried += [(start, stop), (max(0, start - 1), stop) if backward else (start, min(steps, stop + 1))]
        for window in dict.fromkeys(tried):
            if window[1] - window[0] < steps:
                yield cuts.keep_window(case.inputs, case.trace, case.states, *window)

    def _window(self, back: int, *, other: bool = False) -> tuple[int, int]:
        """The first wrong step and as many before it in the order of computation; after it if `other`."""
        first, steps = self.case.first, self.case.inputs.timesteps
        if first.backward != other:
            return first.timestep, min(steps, first.timestep + 1 + back)
        return max(0, first.timestep - back), first.timestep + 1

    def _fewer_units(self) -> Iterator[Inputs | None]:
        for count in _UNITS[: None if self._refused < 3 else 1]:
            if count < self.case.inputs.network.hidden_size:
                yield cuts.keep_units(self.case.inputs, self._units(count))

    def _fewer_features(self) -> Iterator[Inputs | None]:
        for count in _FEATURES:
            if count < self.case.inputs.network.input_size:
                yield cuts.keep_features(self.case.inputs, _largest_features(self.case.inputs, count))

    def _units(self, count: int) -> list[int]:
        """The units of the wrong lane that are furthest from what their steps give; the first wrong one among them."""
        case = self.case
        if case.inputs.network.kind.projects:
            # One value of h is made of all units.
            return list(range(count))
        lane = case.first.layer, case.first.direction
        apart = np.nan_to_num(np.abs(case.trace.hidden[lane] - case.expected[lane]), nan=np.inf).max(axis=(0, 1))
        apart[case.first.unit] = np.inf
        return sorted(map(int, np.argsort(-apart, kind="stable")[:count]))


def _largest_features(inputs: Inputs, count: int) -> list[int]:
    """The features with the largest terms in the first layer."""
    weight = np.abs(inputs.parameters.layer(0, 0).i2h_weight).sum(axis=0)
    sizes = weight * np.abs(inputs.sequence).mean(axis=(0, 1))
    return sorted(map(int, np.argsort(-sizes, kind="stable")[:count]))

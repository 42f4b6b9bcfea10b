"""Test vectors: a ladder of small cases with one feature a rung, so that a port skips what it lacks. Of several draws
of a rung the one is taken whose least visible wrong variant is most visible; every known bug and every change that a
diagnosis tries has to be seen by `ENOUGH` rounding bounds."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.config import Config, Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.progress import advance, expect
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.registry import known_bugs_in
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import audit
from rnnviz.verify.causes import Cause, Where, some_of
from rnnviz.verify.step_screen import LaneSteps, lanes_of

ENOUGH = 100.0
"""Rounding bounds by which a wrong variant must be seen in a case."""

_SCALE = 0.7
_OF_BIAS = 0.4
_SATURATING, _GRID = 60.0, 2.0**12
_SEED, _FIRST = 20, 2


@dataclass(frozen=True)
class Rung:
    """A step of the ladder: its sizes and features, and how many draws one is chosen from."""

    name: str
    timesteps: int = 5
    samples: int = 2
    input_size: int = 3
    hidden_size: int = 3
    layers: int = 1
    bidirectional: bool = False
    lengths: bool = False
    saturated: bool = False
    draws: int = 40


RUNGS = (
    Rung("basic"),
    Rung("saturated", saturated=True, draws=1),
    Rung("long", timesteps=36, samples=1),
    Rung("lengths", timesteps=6, samples=3, lengths=True),
    Rung("bidirectional", timesteps=10, samples=6, hidden_size=7, bidirectional=True),
    Rung("two-layers", timesteps=10, samples=6, hidden_size=7, layers=2),
    Rung("both", timesteps=10, samples=6, hidden_size=7, layers=2, bidirectional=True),
    # No multiples of four: ends of vectors that a processor takes at once.
    Rung("wide", hidden_size=19, input_size=11),
    Rung("long-both", timesteps=14, samples=6, hidden_size=7, layers=2, bidirectional=True, lengths=True),
)


@dataclass(frozen=True, eq=False)
class VectorCase:
    """A case: its inputs, what a correct float64 computes, and how well each wrong variant is seen, in bounds."""

    name: str
    inputs: Inputs
    ratios: dict[str, float]

    @property
    def unseen(self) -> set[str]:
        """The wrong variants that it does not see well enough."""
        return {name for name, ratio in self.ratios.items() if not ratio >= ENOUGH}


@dataclass(frozen=True)
class Seen:
    """The case in which a wrong variant is seen best, and by how many bounds."""

    case: str
    ratio: float


@dataclass(frozen=True)
class Coverage:
    """Every wrong variant with the case that sees it best; those that none sees well enough; and those that compute the
    same for any numbers."""

    bugs: dict[str, Seen]
    undetected: tuple[str, ...]
    equivalent: tuple[str, ...]


def ladder(config: Config) -> tuple[list[VectorCase], Coverage]:
    """The cases of a config's cell, and their coverage."""
    cases, equivalent = list[VectorCase](), set[str]()
    expect(len(RUNGS))
    for k, rung in enumerate(RUNGS):
        seen = {name for case in cases for name in case.ratios if name not in case.unseen}
        cases += _cases(config, rung, f"{k + 1:02}-{rung.name}", equivalent, seen)
        advance(1)
    bugs: dict[str, Seen] = {}
    for case in cases:
        for name, ratio in case.ratios.items():
            if name not in bugs or ratio > bugs[name].ratio:
                bugs[name] = Seen(case.name, ratio)
    undetected = tuple(sorted(name for name, seen in bugs.items() if not seen.ratio >= ENOUGH))
    return cases, Coverage(dict(sorted(bugs.items())), undetected, tuple(sorted(equivalent - bugs.keys())))


def _cases(config: Config, rung: Rung, name: str, equivalent: set[str], seen: set[str]) -> Iterator[VectorCase]:
    """The draw of the first ones whose least visible wrong variant is most visible, and others that see what neither
    it nor an earlier case does."""
    draws = (VectorCase(name, own, seen_in(own, equivalent)) for own in _draws(config, rung))
    chosen = max(islice(draws, _FIRST), key=lambda case: min(case.ratios.values(), default=0.0))
    yield chosen
    left, further = set[str]() if rung.saturated else chosen.unseen - seen, 1
    for case in draws:
        if not left:
            return
        if left - case.unseen:
            further += 1
            yield replace(case, name=f"{name}-{further}")
            left &= case.unseen


def _draws(config: Config, rung: Rung) -> Iterator[Inputs]:
    network = replace(
        config.network,
        input_size=rung.input_size,
        hidden_size=rung.hidden_size,
        num_layers=rung.layers,
        bidirectional=rung.bidirectional,
        reverse=config.network.reverse and not rung.bidirectional,
        projection_size=None if config.network.projection_size is None else max(1, rung.hidden_size - 1),
    )
    for draw in range(rung.draws):
        yield _drawn(config, network, rung, np.random.default_rng([_SEED, draw]))


def _drawn(config: Config, network: Network, rung: Rung, generator: np.random.Generator) -> Inputs:
    """Numbers that are nowhere near 0, in the weights, the input and the states; a sum of them seldom is. All are far
    from numbers of 12 fraction bits, so that a port that rounds its weights is seen."""
    kind = network.dtype

    def numbers(shape: Sequence[int], scale: float = _SCALE) -> FloatArray:
        signs = generator.choice((-1.0, 1.0), shape)
        drawn = np.floor(generator.uniform(0.3, 1.0, shape) * scale * _GRID) + generator.uniform(0.35, 0.45, shape)
        return np.asarray(signs * drawn / _GRID, kind)

    shape = rung.timesteps, rung.samples, rung.input_size
    lengths: tuple[int, ...] = ()
    if rung.lengths:
        # Different ones that are not sorted.
        lengths = (rung.timesteps - 2, rung.timesteps, *range(1, rung.samples - 1))
    sequence = replace(config.sequence, timesteps=rung.timesteps, batch_size=rung.samples, seams=None)
    return Inputs(
        replace(config, network=network, sequence=sequence),
        numbers(shape, _SATURATING if rung.saturated else 1.0),
        Parameters(
            network,
            {n: numbers(own, _SCALE if len(own) > 1 else _OF_BIAS) for n, own in network.parameter_shapes().items()},
        ),
        {symbol: numbers(network.state_shape(rung.samples, symbol)) for symbol in network.kind.state_symbols},
        lengths=lengths,
    )


def seen_in(inputs: Inputs, equivalent: set[str]) -> dict[str, float]:
    """By how many bounds each wrong variant is seen; those that compute the same for any numbers go to `equivalent`."""
    found: dict[str, float] = {}
    for lane in lanes_of(inputs):
        for name, ratio in _of_lane(inputs, lane, equivalent):
            found[name] = max(found.get(name, 0.0), ratio)
    right = faulty_trace(BugVariant(), inputs)
    for bug in known_bugs_in(inputs):
        if bug.name not in found and bug.name not in equivalent:
            trace = faulty_trace(bug.faults(inputs.network)[0], inputs)
            found[bug.name] = max(audit(inputs, trace, full=True).worst_ratio, _beside_steps(right, trace))
    return found


def _beside_steps(right: Trace, trace: Trace) -> float:
    """How far outputs, final states and padding are from the right ones, in roundings of h."""
    apart = [np.abs(array - right[name]).max() for name, array in trace.items() if array.shape == right[name].shape]
    return float(max(apart) / (ALLOWED * np.finfo(trace.hidden.dtype).eps))


def _of_lane(inputs: Inputs, lane: LaneSteps, equivalent: set[str]) -> Iterator[tuple[str, float]]:
    place = some_of(inputs.network, [lane.place])
    for hypothesis in lane.hypotheses():
        label = Cause(hypothesis.name, Where(*place, hypothesis.gates, hypothesis.parameters)).label
        ratio = lane.whole.ratio(hypothesis.change) * ALLOWED
        if ratio < ENOUGH and not lane.matters(hypothesis.change):
            equivalent.add(label)
        else:
            yield label, ratio

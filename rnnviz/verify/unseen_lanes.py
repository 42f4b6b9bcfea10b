"""Lanes whose hidden values a recording lacks, and how well hypotheses explain what it has: their final states.

A hypothesis is first tried in float32 on a few samples. Those that are not refuted are computed for all samples in
float64 and in float32: how far these are apart says how much rounding can have moved the values.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from rnnviz.cells.interpreters.running_error import ALLOWED, storage_bound
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.hypotheses import Hypothesis, LaneReads, start_hypotheses, step_hypotheses
from rnnviz.verify.free_runs import FreeLane, States
from rnnviz.verify.metrics import BoolArray, abs_error
from rnnviz.verify.wrong_lane import LARGEST_DEVIATION, Extent, Fit, changed_by, handed_on

TYPES = "float64", "float32"

_ROUNDINGS = 16.0
"""How many times the difference of a run in float32 from one in float64, and how many eps, a value may be off."""

_NEAR = 4.0
"""How many limits of the right values the first try of a hypothesis may be off."""

_MOST_PRODUCTS = 1 << 35
"""How many products of weights are computed for a sample of all hypotheses; of more, the frequent ones are tried."""

SAME = 1e-12
"""Hidden values in float64 are the same up to this."""

_FEW_SAMPLES = 4
"""How many samples a hypothesis is first tried on."""

LONGEST_PERIOD = 64
"""The longest distance of the steps at which a state may be lost."""

_MOST_STEPS = 1 << 12
"""The longest sequence of samples that are run one after another."""


def steps_of(extent: Extent, count: int) -> BoolArray:
    """Which of the steps (S,) an extent has."""
    here = np.ones(count, np.bool_)
    if extent.steps is not None:
        here[:] = False
        here[extent.steps[0] : extent.steps[1] + 1 : extent.every or 1] = True
    return here


def coarser(trace: Trace) -> float:
    """How many times coarser than float32 a recording is."""
    return trace.eps / float(np.finfo(np.float32).eps)


def run_lane(
    inputs: Inputs,
    below: Trace,
    place: tuple[int, int],
    hypotheses: Sequence[Hypothesis],
    extent: Extent,
    dtype: str,
) -> tuple[FloatArray, dict[str, FloatArray]] | None:
    """The hidden values (T, N, U) of a lane and its final states (N, U) with hypotheses, above layers whose hidden
    values `below` has; None where they cannot be made."""
    whole = hypotheses[0] if hypotheses and hypotheses[0].scope in ("walk", "samples", "lane") else None
    walk = BugVariant() if whole is None else whole.walk
    lane = FreeLane.of(inputs, below, place, range(inputs.batch_size), walk)
    if whole is not None and whole.scope == "lane":
        x = handed_on(lane.reads, inputs.network)
        if x is None:
            return None
        hidden = x[np.newaxis].astype(dtype)
        finals: States = {"h": hidden[:, -1]}
    elif whole is not None and whole.scope == "samples":
        if not 1 < inputs.batch_size <= _MOST_STEPS // inputs.timesteps:
            return None
        hidden, finals = lane.one_after_another(dtype)
    else:
        here = steps_of(extent, len(lane.computed))[np.newaxis]
        over_time, finals = lane.run([changed_by(hypotheses, lane.reads)], dtype, here=here)
        hidden = over_time["h"]
    return lane.in_time(hidden, inputs.timesteps)[0], {s: array[0] for s, array in finals.items()}


class UnseenLane(ABC):
    """A lane, or several, of which a recording has `found` (A, N, U): what follows from their hidden values.

    `below` are traces with the hidden values of the network, in float64 and in float32.
    """

    def __init__(self, inputs: Inputs, trace: Trace, place: tuple[int, int], below: Sequence[Trace]) -> None:
        self.inputs, self.trace, self.place, self.below = inputs, trace, place, below
        self.reads = self.lane(place).reads
        self._found = self._recorded()
        made = [self._made((), Extent(), of, dtype) for of, dtype in zip(below, TYPES, strict=True)]
        self.hidden, (self._right, rounded) = zip(*(each for each in made if each is not None), strict=True)
        self._limit = self._limits(self._right, rounded)
        self._off = abs_error(self._found, self._right)
        self.wrong = ~(self._off <= self._limit)

    def lane(self, place: tuple[int, int], samples: Sequence[int] = ()) -> FreeLane:
        """One lane of the network, in some samples."""
        return FreeLane.of(self.inputs, self.below[0], place, samples or range(self.inputs.batch_size))

    @abstractmethod
    def _recorded(self) -> FloatArray:
        """(A, N, U): the values of the recording that are compared."""

    @abstractmethod
    def _made(
        self, hypotheses: Sequence[Hypothesis], extent: Extent, below: Trace, dtype: str
    ) -> tuple[Any, FloatArray] | None:
        """The hidden values and the compared ones with hypotheses; None where they cannot be made."""

    @abstractmethod
    def _screened(self, tried: Sequence[tuple[Hypothesis, Extent]]) -> Iterator[float]:
        """How far the recording is from each hypothesis at an extent, in a few samples, in wide limits."""

    @abstractmethod
    def extents(self, hypothesis: Hypothesis) -> list[Extent]:
        """Where a hypothesis may hold other than everywhere."""

    def _limits(self, exact: FloatArray, rounded: FloatArray) -> FloatArray:
        """How far recorded values (A, N, U) may be off."""
        apart = np.max(abs_error(exact, rounded), axis=(-2, -1), keepdims=True) * coarser(self.trace)
        size = np.max(np.abs(exact), axis=(-2, -1), keepdims=True, initial=1.0)
        stored = ALLOWED * storage_bound(self._found, self.trace.stored_as, self.trace.half)
        return np.broadcast_to(_ROUNDINGS * (apart + self.trace.eps * size) + stored, exact.shape)

    @property
    def is_wrong(self) -> bool:
        return bool(self.wrong.any())

    @property
    def backward(self) -> bool:
        return self.inputs.network.backward(self.place[1])

    @property
    def starts_wrong(self) -> bool:
        return True

    @property
    def right_distance(self) -> float:
        return float((self._off / self._limit).max())

    @property
    def most_bits(self) -> float:
        return self._bits(self._limit, self.wrong)

    @property
    def _largest(self) -> FloatArray:
        """(A, N, U): how far the recording is from the right values, at most what two hidden values may be apart."""
        return np.minimum(np.where(np.isfinite(self._off), self._off, LARGEST_DEVIATION), LARGEST_DEVIATION)

    def _bits(self, limit: FloatArray, here: BoolArray) -> float:
        bits = np.log2(np.maximum(1.0, self._largest[self.wrong].max(initial=0.0) / (2.0 * limit)))
        return float(bits[here].sum())

    @cached_property
    def few(self) -> list[int]:
        """The samples that are most wrong."""
        largest = self._largest.max(axis=(0, 2))
        return sorted(np.argsort(-largest, kind="stable")[:_FEW_SAMPLES].tolist())

    @cached_property
    def _wide(self) -> FloatArray:
        """(A, N, U): how far values may be off that are computed in float32."""
        return np.asarray(_NEAR * max(1.0, 1.0 / coarser(self.trace)) * self._limit)

    @cached_property
    def near(self) -> FloatArray:
        """(A, n, U): how far the few samples may be off in float32, where a hypothesis is first tried."""
        return self._wide[:, self.few]

    def distances(self, hypotheses: Sequence[Hypothesis]) -> Iterator[float]:
        """How far the recording is from each hypothesis, in wide limits; at most 1 if it is not refuted."""
        found = [np.inf if self._batched(each) else 0.0 for each in hypotheses]
        some = [k for k, each in enumerate(hypotheses) if self._batched(each)]
        weights = sum(int(np.prod(self.reads.sizes(name))) for name in self.reads.parameters)
        if len(some) * weights * self.inputs.timesteps > _MOST_PRODUCTS:
            some = [k for k in some if not hypotheses[k].rare][: _MOST_PRODUCTS // (weights * self.inputs.timesteps)]
        tried = [(k, extent) for k in some for extent in (Extent(), *self.extents(hypotheses[k]))]
        with np.errstate(all="ignore"):
            screened = self._screened([(hypotheses[k], extent) for k, extent in tried])
            for (k, _), distance in zip(tried, screened, strict=True):
                found[k] = min(found[k], distance)
        return iter(found)

    def _batched(self, hypothesis: Hypothesis) -> bool:
        """Whether a few samples can refute a hypothesis, together with others."""
        return hypothesis.scope in ("steps", "start") and (
            "sample" not in hypothesis.name or len(self.few) == self.inputs.batch_size
        )

    def is_idle(self, hypotheses: Sequence[Hypothesis]) -> bool:
        """Whether they make no difference to any hidden value, even where that is forgotten later."""
        made = self._made(hypotheses, Extent(), self.below[0], TYPES[0])
        return made is not None and np.allclose(made[0], self.hidden[0], rtol=0.0, atol=SAME)

    def confirmed(self, *hypotheses: Hypothesis) -> list[Fit]:
        """Hypotheses everywhere if they explain all values so, else each other extent at which they do."""
        others = [] if len(hypotheses) > 1 else self.extents(hypotheses[0])
        with np.errstate(all="ignore"):
            everywhere = self._fit(hypotheses, Extent())
            if everywhere is not None:
                return [everywhere]
            return [fit for fit in (self._fit(hypotheses, extent) for extent in others) if fit is not None]

    def _fit(self, hypotheses: Sequence[Hypothesis], extent: Extent) -> Fit | None:
        rounded = self._made(hypotheses, extent, self.below[1], TYPES[1])
        if rounded is None or not (abs_error(self._found, rounded[1]) <= self._wide).all():
            return None
        exact = self._made(hypotheses, extent, self.below[0], TYPES[0])
        assert exact is not None
        limit, off = self._limits(exact[1], rounded[1]), abs_error(self._found, exact[1])
        if not (off <= limit).all():
            return None
        # A unit of relu that is off is 0 with many changes.
        told = self.wrong & (np.abs(exact[1] - self._right) > limit) & ~(np.abs(exact[1]) <= limit)
        return Fit(extent, self._bits(limit, told), float((off / limit).max()), (exact[0], rounded[0]))

    def hypotheses_of(self, reads: LaneReads) -> Mapping[Any, Hypothesis]:
        """Those of a lane by their keys."""
        return {h.key: h for make in (step_hypotheses, start_hypotheses) for h in make(reads)}


class FinalState(UnseenLane):
    """A lane with a recorded final state, above layers whose hidden values are known."""

    def _names(self) -> list[str]:
        names = (f"state.{symbol}" for symbol in self.inputs.network.kind.state_symbols)
        return [name for name in names if name in self.trace and name not in self.trace.missing]

    def _recorded(self) -> FloatArray:
        k = self.place[0] * self.inputs.network.directions + self.place[1]
        return self._joined({name[-1]: np.asarray(self.trace[name][k], np.float64) for name in self._names()})

    def _joined(self, finals: Mapping[str, FloatArray]) -> FloatArray:
        """(..., 1, N, U): the recorded ones of the final states."""
        return np.concatenate([finals[name.removeprefix("state.")] for name in self._names()], axis=-1)[
            ..., np.newaxis, :, :
        ]

    def _made(
        self, hypotheses: Sequence[Hypothesis], extent: Extent, below: Trace, dtype: str
    ) -> tuple[Any, FloatArray] | None:
        made = run_lane(self.inputs, below, self.place, hypotheses, extent, dtype)
        known = made is not None and all(name.removeprefix("state.") in made[1] for name in self._names())
        return (made[0], self._joined(made[1])) if made is not None and known else None

    def extents(self, hypothesis: Hypothesis) -> list[Extent]:
        """Every how many steps a state may be lost."""
        count = self.inputs.timesteps
        if not is_loss(hypothesis, self.reads):
            return []
        return [lost_every(k, count) for k in range(2, min(count, LONGEST_PERIOD + 1))]

    def _screened(self, tried: Sequence[tuple[Hypothesis, Extent]]) -> Iterator[float]:
        lane = self.lane(self.place, self.few)
        own = self.hypotheses_of(lane.reads)
        changed = [own[hypothesis.key].change(lane.reads) for hypothesis, _ in tried]
        here = np.stack([steps_of(extent, len(lane.computed)) for _, extent in tried])
        _, finals = lane.run(changed, TYPES[1], kept=(), here=here)
        off = abs_error(self._found[np.newaxis][:, :, self.few], self._joined(finals))
        return iter((off / self.near).max(axis=(1, 2, 3)).tolist())


def is_loss(hypothesis: Hypothesis, reads: LaneReads) -> bool:
    """Whether a step does not get the state of the step before."""
    return (
        hypothesis.name in ("state-not-carried", "state-initial") and hypothesis.parameters == reads.cell.state_symbols
    )


def lost_every(k: int, count: int) -> Extent:
    """Every k-th of `count` steps."""
    return Extent(steps=(k, (count - 1) // k * k), every=k, price=2.0 * float(np.log2(count + 1)))

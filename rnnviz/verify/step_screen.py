"""How far changed steps are from the right ones, in limits of the audit. All steps of a lane are computed at once, each
from the numbers of a correct engine: a change that one of them shows is detectable, without a run of the network."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import TypeAlias

import numpy as np

from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import ALLOWED, BoundedArray
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.hypotheses import (
    EVERY,
    Change,
    Hypothesis,
    LaneReads,
    Units,
    start_hypotheses,
    step_hypotheses,
    values_at,
)
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import error_and_ratio
from rnnviz.verify.audited import IndexArray, spread
from rnnviz.verify.causes import HypothesisKey
from rnnviz.verify.twin import equal, every_step, twin_of
from rnnviz.verify.wrong_lane import WrongLane

ChangeName: TypeAlias = tuple[str, tuple[str, ...]]
"""The name of a change, and its gates; () for all."""

SHOWN = 2.0
"""By how many limits a step is off that an audit finds: a run with the change has nearly the same numbers before it."""

_FEW_STEPS, _FEW_UNITS = 8, 48
"""How many steps, and units of a wide layer, are looked at first."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Steps (M,) of some samples (M,) of a lane, and the hidden values of some units that follow from what it reads."""

    reads: LaneReads
    steps: IndexArray
    samples: IndexArray
    units: Units
    right: BoundedArray

    @classmethod
    def of(cls, lane: WrongLane, reads: LaneReads, at: IndexArray, units: Units) -> "Steps":
        """The steps of a lane at some places of those that its samples have."""
        steps, samples = (axis[at] for axis in np.nonzero(lane.computed))
        bound = lane.right.bound[steps, samples, : reads.after["h"].shape[-1]][:, units]
        right = values_at(reads, steps, samples, units)["h"]
        return cls(reads, steps, samples, units, BoundedArray(right, bound, lane.right.eps))

    def ratio(self, change: Change) -> float:
        """The largest |changed - right| of any hidden value, in limits of the audit."""
        with np.errstate(all="ignore"):
            reads = change(self.reads)
            # A step that mixes units needs all of them.
            mixes = graph_of(reads.cell).mixes_units
            changed = values_at(reads, self.steps, self.samples, EVERY if mixes else self.units)["h"]
            changed = changed[:, self.units] if mixes else changed
            return float(error_and_ratio(changed, self.right)[1].max(initial=0.0)) / ALLOWED


class LaneSteps:
    """The steps of one lane of a correct trace: `whole` are all, `narrow` those of some units, and `few` some of these,
    which show nearly every change."""

    def __init__(self, inputs: Inputs, trace: Trace, layer: int, direction: int) -> None:
        self._lane = lane = WrongLane(inputs, trace, layer, direction)
        self.place = lane.place
        self.reads = replace(lane.reads, after={**lane.states, **lane.reads.after})
        self.complete = lane.found.shape[:2] == (inputs.timesteps, inputs.batch_size)
        self._count, width = int(lane.computed.sum()), lane.reads.after["h"].shape[-1]
        self._units = EVERY if lane.mixes or width <= _FEW_UNITS else spread(width, _FEW_UNITS)

    @cached_property
    def few(self) -> Steps:
        return Steps.of(self._lane, self.reads, spread(self._count, min(self._count, _FEW_STEPS)), self._units)

    @cached_property
    def narrow(self) -> Steps:
        return Steps.of(self._lane, self.reads, np.arange(self._count), self._units)

    @cached_property
    def whole(self) -> Steps:
        return Steps.of(self._lane, self.reads, np.arange(self._count), EVERY)

    def hypotheses(self) -> Iterator[Hypothesis]:
        """Every change of the lane that its steps can show."""
        return chain(step_hypotheses(self.reads), start_hypotheses(self.reads))

    def by_name(self) -> dict[ChangeName, list[Hypothesis]]:
        """These changes by name and gates: one change in any of its parameters."""
        found: dict[ChangeName, list[Hypothesis]] = {}
        for hypothesis in self.hypotheses():
            found.setdefault((hypothesis.name, hypothesis.gates), []).append(hypothesis)
        return found

    def shows(self, change: Change) -> bool:
        """Whether the steps of some units show a change."""
        return any(look.ratio(change) > SHOWN for look in (self.few, self.narrow))

    def is_same(self, change: Change) -> bool:
        """Whether a change leaves all that is read as it is."""
        own, other = self.reads, change(self.reads)
        pairs = [(own.parameters[name](EVERY), read(EVERY)) for name, read in other.parameters.items()]
        pairs += [(own.initial[name], array) for name, array in other.initial.items()]
        pairs += [(own.own[name], array) for name, array in other.own.items()]
        same = (own.cell, own.state) == (other.cell, other.state) and own.x is other.x
        return same and all(np.array_equal(*pair) for pair in pairs)

    @cached_property
    def _twin(self) -> tuple[LaneReads, list[FloatArray]]:
        twin = twin_of(self.reads)
        return twin, every_step(twin)

    def matters(self, change: Change) -> bool:
        """Whether a change moves any value for other numbers than those of the lane."""
        twin, right = self._twin
        return not equal(every_step(change(twin)), right)


def lanes_of(inputs: Inputs) -> list[LaneSteps]:
    """The steps of every lane of a correct run, layer by layer."""
    trace = faulty_trace(BugVariant(), inputs)
    return [LaneSteps(inputs, trace, *lane) for lane in np.ndindex(trace.shape[:2])]


def ratios(inputs: Inputs) -> Iterator[tuple[tuple[int, int], Hypothesis, float]]:
    """For each lane and each change of it: how far its steps are from the right ones with these inputs, in limits of
    the audit."""
    for lane in lanes_of(inputs):
        for hypothesis in lane.hypotheses():
            yield lane.place, hypothesis, lane.whole.ratio(hypothesis.change)


def grades(cases: Iterable[Inputs]) -> dict[HypothesisKey, float]:
    """How well a set of inputs shows each change: the largest ratio of all cases and lanes; below `SHOWN` none of them
    surely does."""
    found: dict[HypothesisKey, float] = {}
    for case in cases:
        for _, hypothesis, ratio in ratios(case):
            found[hypothesis.key] = max(found.get(hypothesis.key, 0.0), ratio)
    return found

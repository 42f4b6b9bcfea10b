"""Causes of a wrong forward pass, in one lane or in several: hypotheses that give every recorded value.

Each wrong lane is explained by itself; what explains all of them in the same way is one cause. A cause is named if the
values that it explains are worth more bits than it takes to choose it and its place among all that were tried, and if
no other explains them as well. Two hypotheses that are equal for any numbers are one: they are tried on a twin of the
lane, with random numbers.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations, product
from time import perf_counter
from typing import Protocol, TypeAlias

import numpy as np

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.config import Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.engines.known_bugs.hypotheses import (
    Hypothesis,
    LaneReads,
    start_hypotheses,
    step_hypotheses,
)
from rnnviz.engines.known_bugs.whole_lanes import whole_hypotheses
from rnnviz.frozen import dataclass
from rnnviz.verify.one_gate import FittedGate, fitted_gate
from rnnviz.verify.twin import equal, every_step, twin_of
from rnnviz.verify.wrong_lane import Extent, Fit, WrongLane, changed_by, looked_at

EVIDENCE = 10.0
"""How many bits of evidence a cause needs beyond those that choose it among the hypotheses."""

_SECONDS = 2.0
"""How long pairs are tried in all lanes."""

_GATES_PRICE = 1.0
"""The bits that one gate costs: a change of all of them is preferred."""

_WHOLE = "walk", "samples", "lane"
"""Scopes that no step shows."""

_NEARER = 4.0
"""How many times nearer than the right step a change is that is said to be nearest."""

OTHER_WEIGHTS = "other-weights"
"""The name of the nearest change where that is other weights of one gate."""

HypothesisKey: TypeAlias = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Name, gates and parameters of a hypothesis."""

Key: TypeAlias = tuple[tuple[HypothesisKey, ...], Extent]
"""The hypotheses of a cause, and where they hold in a lane."""

Lanes: TypeAlias = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Where:
    """The place of a cause; () and None mean everywhere.

    `steps` are the first and the last computed step, from 0, and `timesteps` the time steps that these are; `every` is
    the distance of the steps, `at` single ones, and `last_step` the last one of the lane. `looked_at` are the numbers
    of steps and samples in which the cause was found, if the lane has more.
    """

    layers: tuple[int, ...] = ()
    directions: tuple[int, ...] = ()
    gates: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    timesteps: tuple[int, int] | None = None
    steps: tuple[int, int] | None = None
    every: int | None = None
    at: tuple[int, ...] = ()
    samples: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    last_step: int | None = None
    looked_at: tuple[int, int] | None = None

    def holds_at(self, step: int) -> bool:
        """Whether a step, in the order of computation, is among those of the place."""
        first, last = self.steps or (0, step)
        return step in self.at if self.at else first <= step <= last and not (step - first) % (self.every or 1)

    @property
    def label(self) -> str:
        """The place as the name of an engine has it: "layer=1,direction=backward,gate=n,from=8"; "" for everywhere."""
        ends = self.steps or (None, None)
        values = {
            "layer": self.layers,
            "direction": tuple(DIRECTIONS[d] for d in self.directions),
            "gate": self.gates,
            "parameter": self.parameters if self.gates or self.layers or self.directions else (),
            "from": () if ends[0] is None else ends[:1],
            "to": () if ends[1] in (None, self.last_step) else ends[1:],
            "every": () if self.every is None else (self.every,),
            "step": self.at,
            "sample": self.samples,
            "unit": self.units,
        }
        return ",".join(f"{key}={'+'.join(map(str, some))}" for key, some in values.items() if some)


@dataclass(frozen=True)
class Cause:
    """A change that gives every recorded value of an engine: a known bug or another hypothesis, with its place.

    `distance` is the largest deviation in limits, `bits` the evidence against chance, and `aliases` name hypotheses
    that are the same for any numbers. `beside` is a second change of the same lanes, and `keys` are the hypotheses.
    """

    name: str
    where: Where = Where()
    distance: float = 0.0
    bits: float | None = None
    aliases: tuple[str, ...] = ()
    beside: str = ""
    keys: tuple[HypothesisKey, ...] = ()

    @property
    def label(self) -> str:
        """The name with its place, as the engine that has this cause is called."""
        place = self.where.label
        return f"{self.name}@{place}" if place else self.name

    def covers(self, layer: int, direction: int) -> bool:
        """Whether a lane has the cause."""
        layers, directions = self.where.layers, self.where.directions
        return (not layers or layer in layers) and (not directions or direction in directions)


class ExplainedLane(Protocol):
    """A wrong lane on which hypotheses are tried."""

    place: tuple[int, int]
    reads: LaneReads

    @property
    def backward(self) -> bool:
        """Whether it is computed from the last time step on."""

    @property
    def starts_wrong(self) -> bool:
        """Whether its initial state may be another."""

    @property
    def most_bits(self) -> float:
        """The evidence of a hypothesis that is as sharp as the right step."""

    @property
    def right_distance(self) -> float:
        """How far it is from the right values, in limits."""

    def distances(self, hypotheses: Sequence[Hypothesis]) -> Iterator[float]:
        """How far it is from each hypothesis, in wide limits; at most 1 if it is not refuted."""

    def confirmed(self, *hypotheses: Hypothesis) -> list[Fit]:
        """Where hypotheses explain the whole lane: several places if that cannot be decided, none if nowhere."""

    def is_idle(self, hypotheses: Sequence[Hypothesis]) -> bool:
        """Whether they make no difference in a lane without errors."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A hypothesis, or two at once, that explains a lane; `fit` says where."""

    hypotheses: tuple[Hypothesis, ...]
    fit: Fit
    price: float
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """The same for the same cause in several lanes."""
        return tuple(each.key for each in self.hypotheses), self.fit.extent


@dataclass(frozen=True)
class Nearest:
    """The hypothesis that comes nearest to a wrong lane where none explains it, and by how many limits it and the right
    step are off. Other weights of one gate may be nearer than all: they are `fitted`."""

    name: str
    layer: int
    direction: int
    distance: float
    right_distance: float
    fitted: FittedGate | None = None


@dataclass(frozen=True, eq=False)
class LaneCauses:
    """The explanation of one wrong lane: nothing, one cause, or several that cannot be distinguished."""

    lane: ExplainedLane
    found: tuple[Explained, ...]
    tried: int
    nearest: Nearest | None


def explain_lane(lane: ExplainedLane, seconds: float = _SECONDS) -> LaneCauses:
    """The hypotheses that explain a wrong lane; pairs of them are tried for some seconds where no single one does."""
    reads, found = lane.reads, list[Explained]()
    hypotheses = [*step_hypotheses(reads), *whole_hypotheses(backward=lane.backward)]
    if lane.starts_wrong:
        hypotheses += start_hypotheses(reads)
    tried, nearest = len(hypotheses), (np.inf, "")
    with np.errstate(all="ignore"):
        for hypothesis, distance in zip(hypotheses, lane.distances(hypotheses), strict=True):
            if hypothesis.scope == "steps":
                nearest = min(nearest, (distance, hypothesis.name))
            if distance <= 1.0:
                found += [_explained((hypothesis,), fit) for fit in lane.confirmed(hypothesis)]
        need = float(np.log2(max(tried, 2))) + EVIDENCE
        found = [each for each in found if each.fit.bits - each.price >= need]
        if not found and lane.most_bits >= 2.0 * need:
            found = [each for each in _pairs(lane, hypotheses, seconds) if each.fit.bits - each.price >= 2.0 * need]
        if found:
            least = min(each.price for each in found)
            found = _distinct([each for each in found if each.price <= least + 1e-9], lane)
    near, right = None, lane.right_distance
    if not found and nearest[0] < right / _NEARER:
        near = Nearest(nearest[1], *lane.place, distance=nearest[0], right_distance=right)
    return LaneCauses(lane, tuple(found), tried, near)


def _explained(hypotheses: tuple[Hypothesis, ...], fit: Fit) -> Explained:
    # A part of the gates, or of the parameters in another order, costs more than all of them.
    extra = sum(_GATES_PRICE * bool(each.gates) + 0.25 * each.rare for each in hypotheses)
    return Explained(hypotheses, fit, fit.extent.price + extra)


def _pairs(lane: ExplainedLane, hypotheses: list[Hypothesis], seconds: float) -> Iterator[Explained]:
    """Two hypotheses at once, until the time is over."""
    began, count = perf_counter(), 0
    for one, other in combinations((h for h in hypotheses if h.scope == "steps" and not h.rare), 2):
        if count % 64 == 0 and perf_counter() - began > seconds:
            return
        count += 1
        if one.name == other.name or {one.name.split("-")[0], other.name.split("-")[0]} in ({"state"}, {"input"}):
            continue
        both = Hypothesis("", partial(changed_by, (one, other)))
        if next(lane.distances([both])) <= 1.0:
            yield from (_explained((one, other), fit) for fit in lane.confirmed(both))


def _distinct(found: list[Explained], lane: ExplainedLane) -> list[Explained]:
    """Of those that are equal for any numbers, the first, with the others as its aliases."""
    if len(found) == 1:
        return found
    twin, kept = twin_of(lane.reads), list[tuple[list[FloatArray], Explained]]()
    for each in found:
        changed = twin
        for hypothesis in each.hypotheses:
            changed = hypothesis.change(changed)
        made = [] if each.hypotheses[0].scope in _WHOLE else every_step(changed)
        for k, (values, other) in enumerate(kept):
            if other.key == each.key or (other.fit.extent == each.fit.extent and equal(values, made)):
                names = dict.fromkeys((*other.aliases, *(h.name for h in each.hypotheses)))
                own = {h.name for h in other.hypotheses}
                kept[k] = values, replace(other, aliases=tuple(n for n in names if n not in own))
                break
        else:
            kept.append((made, each))
    return [each for _, each in kept]


@dataclass(frozen=True, eq=False)
class LaneDiagnosis:
    """The explanation of the wrong lanes of an engine: the causes, which are all needed; how many explain them as well
    where that cannot be decided; how many hypotheses were tried; and the nearest one where none explains them."""

    causes: tuple[Cause, ...] = ()
    candidates: int = 0
    tried: int = 0
    nearest: Nearest | None = None


def wrong_lanes(inputs: Inputs, trace: Trace, ratio_over_time: FloatArray) -> list[WrongLane]:
    """The lanes of which the audit found a step wrong: `ratio_over_time` (L, D, T)."""
    lanes = np.argwhere((ratio_over_time > ALLOWED).any(axis=2)).tolist()
    made = (WrongLane(inputs, trace, *lane) for lane in lanes)
    return [lane for lane in made if lane.is_wrong]


def explain_lanes(inputs: Inputs, trace: Trace, lanes: Sequence[WrongLane], seconds: float = _SECONDS) -> LaneDiagnosis:
    """The causes of wrong lanes. A hypothesis that explains all of them is one cause; else each lane has one."""
    each = [explain_lane(lane, seconds / len(lanes)) for lane in lanes]
    found = joined(inputs, each, lambda place: WrongLane(inputs, trace, *place))
    unexplained = [lane for lane, own in zip(lanes, each, strict=True) if not own.found]
    fitted = next(filter(None, map(_nearest_gate, unexplained)), None)
    better = fitted is not None and (found.nearest is None or fitted.distance < found.nearest.distance)
    return replace(found, nearest=fitted) if better else found


def _nearest_gate(lane: WrongLane) -> Nearest | None:
    """Other weights of one gate with which a lane follows."""
    found = fitted_gate(lane)
    if found is None or found[1] >= lane.right_distance / _NEARER:
        return None
    return Nearest(OTHER_WEIGHTS, *lane.place, found[1], lane.right_distance, found[0])


def joined(
    inputs: Inputs, each: Sequence[LaneCauses], lane_at: Callable[[tuple[int, int]], ExplainedLane]
) -> LaneDiagnosis:
    """The causes of wrong lanes that are explained each by itself; `lane_at` has the others."""
    tried = sum(own.tried for own in each)
    if not each or not all(own.found for own in each):
        nearest = next((own.nearest for own in each if own.nearest is not None), None)
        return LaneDiagnosis((), 0, tried, nearest)
    keys = set.intersection(*({found.key for found in own.found} for own in each))
    common = [found for found in each[0].found if found.key in keys]
    if len(common) > 1 or (not common and any(len(own.found) > 1 for own in each)):
        return LaneDiagnosis((), max(len(common), *(len(own.found) for own in each)), tried)
    if not common:
        causes = [cause_of(inputs, own.found[0], [own.lane.place]) for own in each]
        return LaneDiagnosis(tuple(causes), 1, tried)
    found = common[0]
    fits = [one.fit for own in each for one in own.found if one.key == found.key]
    whole = Fit(found.fit.extent, sum(fit.bits for fit in fits), max(fit.distance for fit in fits))
    found = replace(found, fit=whole)
    places = [own.lane.place for own in each]
    idle = [place for place in _others(inputs, places) if _idle(found, lane_at(place))]
    parts = boxes(inputs, places, idle)
    return LaneDiagnosis(tuple(cause_of(inputs, found, part) for part in parts), 1, tried)


def _others(inputs: Inputs, places: Lanes) -> Lanes:
    layers, directions = range(inputs.network.num_layers), range(inputs.network.directions)
    return [lane for lane in product(layers, directions) if lane not in places]


def _idle(found: Explained, lane: ExplainedLane) -> bool:
    """Whether the change makes no difference in a lane without errors."""
    if found.hypotheses[0].scope in _WHOLE or found.fit.extent != Extent():
        return False
    # The change of another lane may not fit the sizes of this one.
    own = hypotheses_of(found.key[0], lane.reads)
    return bool(own) and lane.is_idle(own)


def boxes(inputs: Inputs, wrong: Lanes, idle: Lanes) -> list[Lanes]:
    """The wrong lanes as parts that a place can name: all lanes, some layers, some directions, or each by itself."""
    layers, directions = range(inputs.network.num_layers), range(inputs.network.directions)
    covered = {*wrong, *idle}
    every = [(k, d) for k in layers for d in directions]
    some_layers, some_directions = {k for k, _ in wrong}, {d for _, d in wrong}
    for box in (
        every,
        [(k, d) for k, d in every if k in some_layers],
        [(k, d) for k, d in every if d in some_directions],
        [(k, d) for k, d in every if k in some_layers and d in some_directions],
    ):
        if covered.issuperset(box):
            return [box]
    return [[lane] for lane in wrong]


def some_of(network: Network, lanes: Lanes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The layers and the directions of a box of lanes; () of all."""
    layers, directions = (tuple(sorted({lane[k] for lane in lanes})) for k in (0, 1))
    return (
        layers if len(layers) < network.num_layers else (),
        directions if len(directions) < network.directions else (),
    )


def cause_of(inputs: Inputs, found: Explained, lanes: Lanes) -> Cause:
    network, extent = inputs.network, found.fit.extent
    gates = tuple(dict.fromkeys(gate for each in found.hypotheses for gate in each.gates))
    parameters = tuple(dict.fromkeys(name for each in found.hypotheses for name in each.parameters))
    seen = looked_at(inputs)
    whole, last = seen == (inputs.timesteps, inputs.batch_size), inputs.timesteps - 1
    steps, every = extent.steps, extent.every or 1
    if steps is not None and steps[1] + every >= seen[0]:
        steps = steps[0], last - (last - steps[0]) % every
    ends = steps or ((min(extent.at), max(extent.at)) if extent.at else None)
    timesteps = None
    if ends is not None:
        times = [last - s if network.backward(d) else s for s in ends for _, d in lanes]
        timesteps = min(times), max(times)
    where = Where(
        *some_of(network, lanes),
        gates,
        parameters,
        timesteps,
        steps,
        extent.every,
        extent.at,
        extent.samples,
        extent.units,
        last if steps else None,
        None if whole else seen,
    )
    name, *others = (each.name for each in found.hypotheses)
    keys, beside = found.key[0], "".join(others)
    return Cause(name, where, found.fit.distance, round(found.fit.bits, 1), found.aliases, beside, keys)


def hypotheses_of(keys: Collection[HypothesisKey], reads: LaneReads) -> list[Hypothesis]:
    """The hypotheses of a cause that a lane has."""
    own = (h for make in (step_hypotheses, start_hypotheses) for h in make(reads) if h.key in keys)
    return [*{h.key: h for h in own}.values()]


def with_cause(keys: Collection[HypothesisKey], reads: LaneReads) -> LaneReads | None:
    """The numbers that a lane reads with the hypotheses of a cause; None if it has none of them."""
    own = hypotheses_of(keys, reads)
    return changed_by(own, reads) if own else None

"""Lanes below the top layer of recorded outputs, and how well hypotheses explain these outputs: the network is computed
from the lowest changed layer on.

In one direction nearly all hypotheses are refuted by the first steps, or by the first ones with a wrong output. In two
directions each output depends on all steps of the layers below, but few steps of the top layer are needed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import layer_output
from rnnviz.engines.known_bugs.hypotheses import Hypothesis, start_hypotheses, step_hypotheses
from rnnviz.engines.known_bugs.whole_lanes import whole_hypotheses
from rnnviz.verify.free_runs import FreeLane, States
from rnnviz.verify.metrics import abs_error
from rnnviz.verify.reproduction import without_padding
from rnnviz.verify.unseen_lanes import (
    LONGEST_PERIOD,
    TYPES,
    UnseenLane,
    is_loss,
    lost_every,
    run_lane,
    steps_of,
)
from rnnviz.verify.wrong_lane import Extent

_FEW_SAMPLES = 2
"""How many samples a hypothesis is first tried on."""

_FIRST, _MORE = 2, 4
"""How many steps are tried first, and how many from the first wrong one on."""

_TOGETHER = 1 << 22
"""How many hidden values are kept of hypotheses that are tried together."""

Place = tuple[int, int]
Own = Mapping[Any, Hypothesis]
"""The hypotheses of a lane by their keys."""


def _own(lane: FreeLane, *, backward: bool) -> Own:
    reads = lane.reads
    every = (*step_hypotheses(reads), *start_hypotheses(reads), *whole_hypotheses(backward=backward))
    return {each.key: each for each in every}


class Network:
    """The lanes of a network whose outputs are recorded, in all samples and in those that are most wrong."""

    def __init__(self, inputs: Inputs, trace: Trace, below: Sequence[Trace]) -> None:
        self.inputs, self.trace, self.below = inputs, trace, below
        self.places: list[Place] = [*product(range(trace.shape[0]), range(trace.shape[1]))]
        self.one_way = trace.shape[1] == 1
        self._made: dict[tuple[Place, Any, Extent], FloatArray] = {}
        self._own: dict[Place, Own] = {}

    @cached_property
    def few(self) -> list[int]:
        """The samples that are most wrong."""
        off = abs_error(self.trace.output, layer_output(self.below[0].hidden[-1]))
        largest = np.where(np.isfinite(off), off, np.inf).max(axis=(0, 2))
        return sorted(np.argsort(-largest, kind="stable")[:_FEW_SAMPLES].tolist())

    @cached_property
    def lanes(self) -> dict[Place, FreeLane]:
        """The lanes in these samples, above the right hidden values."""
        return {place: FreeLane.of(self.inputs, self.below[0], place, self.few) for place in self.places}

    @cached_property
    def own(self) -> dict[Place, Own]:
        return {p: _own(lane, backward=self.inputs.network.backward(p[1])) for p, lane in self.lanes.items()}

    @cached_property
    def in_all_samples(self) -> dict[Place, FreeLane]:
        every = range(self.inputs.batch_size)
        return {place: FreeLane.of(self.inputs, self.below[0], place, every) for place in self.places}

    def own_of_all(self, place: Place) -> Own:
        """The hypotheses of a lane in all samples."""
        if place not in self._own:
            backward = self.inputs.network.backward(place[1])
            self._own[place] = _own(self.in_all_samples[place], backward=backward)
        return self._own[place]

    @cached_property
    def states(self) -> dict[Place, States]:
        """The right states (S, N, U) over time by lane."""
        symbols = self.inputs.network.kind.state_symbols
        found = {p: lane.run([lane.reads], TYPES[1], kept=symbols)[0] for p, lane in self.lanes.items()}
        return {p: {s: array[0] for s, array in states.items()} for p, states in found.items()}

    def lowest(self, place: Place, tried: Sequence[tuple[Hypothesis, Extent]]) -> FloatArray:
        """The hidden values (K, T, n, U) of a lane that reads what it should, with each hypothesis."""
        names = [(place, hypothesis.key, extent) for hypothesis, extent in tried]
        new = [k for k, name in enumerate(names) if name not in self._made]
        if new:
            lane, own = self.lanes[place], self.own[place]
            changed = [own[tried[k][0].key].change(lane.reads) for k in new]
            here = np.stack([steps_of(tried[k][1], len(lane.computed)) for k in new])
            made = lane.in_time(lane.run(changed, TYPES[1], here=here)[0]["h"], self.inputs.timesteps)
            self._made |= {names[k]: array for k, array in zip(new, made, strict=True)}
        return np.stack([self._made[name] for name in names])


class BelowOutputs(UnseenLane):
    """Lanes that have the same cause, some of them below the top layer."""

    def __init__(self, network: Network, lanes: Sequence[Place]) -> None:
        self._network, self.lanes = network, tuple(lanes)
        super().__init__(network.inputs, network.trace, lanes[0], network.below)

    @cached_property
    def few(self) -> list[int]:
        return self._network.few

    @property
    def backward(self) -> bool:
        return all(self.inputs.network.backward(direction) for _, direction in self.lanes)

    def _recorded(self) -> FloatArray:
        return without_padding(self.trace.output, self.inputs.lengths).astype(np.float64)

    def _made(
        self, hypotheses: Sequence[Hypothesis], extent: Extent, below: Trace, dtype: str
    ) -> tuple[Any, FloatArray] | None:
        if not hypotheses:
            return below.hidden, layer_output(below.hidden[-1])
        hidden = np.array(below.hidden)
        made = below.with_arrays({"h": hidden})
        for place in self._above_lowest():
            own = self._network.own_of_all(place) if place in self.lanes else {}
            if place in self.lanes and not all(each.key in own for each in hypotheses):
                return None
            changes = [own[each.key] for each in hypotheses] if place in self.lanes else []
            run = run_lane(self.inputs, made, place, changes, extent if changes else Extent(), dtype)
            if run is None:
                return None
            hidden[place] = run[0]
        return hidden, layer_output(hidden[-1])

    def _above_lowest(self) -> list[Place]:
        """The lanes that are computed: those that are changed in the lowest layer, and all above it."""
        lowest = min(layer for layer, _ in self.lanes)
        return [place for place in self._network.places if place[0] > lowest or place in self.lanes]

    @cached_property
    def _first_wrong(self) -> dict[Place, int]:
        """The first computed step of each lane of the top layer with a wrong output."""
        wrong, found = np.split(self.wrong, self.trace.shape[1], axis=-1), {}
        for place in self._tops:
            lane = self._network.in_all_samples[place]
            steps = lane.in_order(wrong[place[1]][np.newaxis])[0].any(axis=(1, 2))
            found[place] = int(steps.argmax()) if steps.any() else len(steps) - 1
        return found

    @property
    def _tops(self) -> list[Place]:
        return [place for place in self._network.places if place[0] == self.trace.shape[0] - 1]

    def _by_direction(self, array: Any) -> list[Any]:
        """An array (T, N, D·P) of the few samples by direction."""
        return np.split(array[:, self.few], self.trace.shape[1], axis=-1)

    def extents(self, hypothesis: Hypothesis) -> list[Extent]:
        """From the first wrong output on, or at the steps at which a state may be lost."""
        count = self.inputs.timesteps
        if not self._network.one_way:
            lost = is_loss(hypothesis, self.reads)
            return [lost_every(k, count) for k in range(2, min(count, LONGEST_PERIOD + 1))] if lost else []
        first = self._first_wrong[self._tops[0]]
        if not first or hypothesis.scope != "steps":
            return []
        found = [Extent(steps=(first, count - 1), price=2.0 * float(np.log2(count + 1)))]
        return [*found, lost_every(first, count)] if first > 1 and is_loss(hypothesis, self.reads) else found

    def _screened(self, tried: Sequence[tuple[Hypothesis, Extent]]) -> Iterator[float]:
        found = np.full(len(tried), np.inf)
        own = self._network.own
        known = [k for k, (each, _) in enumerate(tried) if all(each.key in own[place] for place in self.lanes)]
        lane = self.trace.shape[2] * len(self.few) * self.trace.shape[4]
        most = max(1, _TOGETHER // (lane * len(self._above_lowest())))
        for start in range(0, len(known), most):
            rows = known[start : start + most]
            tries = [tried[k] for k in rows]
            found[rows] = self._one_way(tries) if self._network.one_way else self._two_ways(tries)
        return iter(found.tolist())

    def _one_way(self, tried: Sequence[tuple[Hypothesis, Extent]]) -> FloatArray:
        """Distances by the first steps, from the beginning or from the first wrong output on."""
        first = self._first_wrong[self._tops[0]]
        found = np.zeros(len(tried))
        later = np.array([extent.steps is not None for _, extent in tried])
        for begin, count, some in ((0, _FIRST, ~later), (0, first + _MORE, ~later), (first, _MORE, later)):
            rows = np.flatnonzero(some & (found <= 1.0))
            if len(rows):
                # From the first wrong step on, each extent has this step and may have the next ones.
                steps = count if begin == 0 else 1
                found[rows] = self._distance([tried[k] for k in rows], begin, steps)
        return found

    def _distance(self, tried: Sequence[tuple[Hypothesis, Extent]], begin: int, count: int) -> FloatArray:
        x: FloatArray | None = None
        for place in self._above_lowest():
            lane = self._network.lanes[place]
            # A step may read the next one of the layer below.
            ahead = self.trace.shape[0] - 1 - place[0]
            reads = [lane.reads] * len(tried) if x is None else self._reading(lane, x, begin)
            own = self._network.own[place]
            changed = [
                own[each.key].change(of) if place in self.lanes else of
                for (each, _), of in zip(tried, reads, strict=True)
            ]
            before = None
            if begin:
                states = self._network.states[place]
                before = {
                    s: np.stack([lane.reads.initial[s] if k < 0 else array[k] for k in (begin - 2, begin - 1)])
                    for s, array in states.items()
                }
            x = lane.run(changed, TYPES[1], begin=begin, count=count + ahead, before=before)[0]["h"]
        assert x is not None
        return self._apart([x], [slice(begin, begin + count)])

    def _reading(self, lane: FreeLane, x: FloatArray, begin: int) -> list[Any]:
        """The numbers that a lane reads above values (K, S, N, U) of some steps, and the right ones at others."""
        full = np.broadcast_to(lane.reads.x, (len(x), *lane.reads.x.shape)).copy()
        full[:, begin : begin + x.shape[1]] = x
        return [replace(lane.reads, x=each) for each in full]

    def _two_ways(self, tried: Sequence[tuple[Hypothesis, Extent]]) -> FloatArray:
        """Distances by the first steps of the top layer, above all steps of the layers below it."""
        few, hidden = self.few, dict[Place, FloatArray]()
        lowest = min(layer for layer, _ in self.lanes)
        made, spans = [], []
        for place in self._network.places:
            layer = place[0]
            right = self.below[1].hidden[place][np.newaxis, :, few]
            if layer < lowest or (layer == lowest and place not in self.lanes):
                hidden[place] = right
                continue
            top = place in self._tops
            if layer == lowest and not top:
                hidden[place] = self._network.lowest(place, tried)
                continue
            lane, own = self._network.lanes[place], self._network.own[place]
            reads = [lane.reads] * len(tried)
            if layer > lowest:
                under = [hidden[layer - 1, d] for d in range(self.trace.shape[1])]
                x = np.concatenate([np.broadcast_to(a, (len(tried), *a.shape[1:])) for a in under], axis=-1)
                reads = [replace(lane.reads, x=each) for each in lane.in_order(x)]
            changed, here = reads, None
            if place in self.lanes:
                changed = [own[each.key].change(of) for (each, _), of in zip(tried, reads, strict=True)]
                here = np.stack([steps_of(extent, len(lane.computed)) for _, extent in tried])
            count = self._first_wrong[place] + _MORE if top else None
            values = lane.run(changed, TYPES[1], here=here, unchanged=reads, count=count)[0]["h"]
            if top:
                made.append(values)
                spans.append(slice(0, values.shape[1]))
            else:
                hidden[place] = lane.in_time(values, self.inputs.timesteps)
        return self._apart(made, spans)

    def _apart(self, made: Sequence[FloatArray], spans: Sequence[slice]) -> FloatArray:
        """How far values (K, S, N, U) of the top layer's lanes are from the recorded ones, in wide limits."""
        found, near = self._by_direction(self._found), np.split(self.near, self.trace.shape[1], axis=-1)
        largest = np.zeros(len(made[0]))
        for place, values, span in zip(self._tops, made, spans, strict=True):
            lane = self._network.lanes[place]
            there, allowed = (lane.in_order(a[place[1]][np.newaxis])[:, span] for a in (found, near))
            off = abs_error(there, values) / allowed
            largest = np.maximum(largest, np.where(lane.computed[span, :, np.newaxis], off, 0.0).max(axis=(1, 2, 3)))
        return largest

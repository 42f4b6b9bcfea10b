"""Causes of a wrong recording that lacks hidden values: its lanes are explained where what they read is known.

Where final states are recorded, each lane is computed from its beginning, the lowest layer first: what a layer reads is
known once those below are explained. The top layer of recorded outputs is tried step by step, from its own outputs.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log2

import numpy as np

from rnnviz.core.head import HEAD
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.verify.below_outputs import BelowOutputs, Network
from rnnviz.verify.causes import (
    EVIDENCE,
    Explained,
    LaneCauses,
    LaneDiagnosis,
    Lanes,
    cause_of,
    explain_lane,
    joined,
)
from rnnviz.verify.through_head import explain_head
from rnnviz.verify.unseen_lanes import SAME, TYPES, FinalState, coarser
from rnnviz.verify.wrong_lane import WrongLane

_DRIFT = 16.0
"""How many times the difference of a run in float32 from one in float64 a value may be off."""


def explain_recording(inputs: Inputs, trace: Trace) -> LaneDiagnosis:
    """The causes of a recording that differs from the network."""
    if "state.h" not in trace.missing:
        return _by_final_states(inputs, trace)
    if "out" in trace.missing:
        alone = HEAD in trace and HEAD not in trace.missing
        return explain_head(inputs, trace) if alone else LaneDiagnosis()
    runs = [faulty_trace(BugVariant(), _in_type(inputs, dtype)).hidden for dtype in TYPES]
    found = _by_output(inputs, trace, runs)
    return found if found.causes or found.candidates else _below_output(inputs, trace, runs)


def _in_type(inputs: Inputs, dtype: str) -> Inputs:
    """The inputs of a run that is computed in another type."""
    network = replace(inputs.network, dtype=dtype)
    return replace(
        inputs,
        config=replace(inputs.config, network=network),
        sequence=inputs.sequence.astype(dtype),
        parameters=Parameters(network, inputs.parameters),
        initial_state={symbol: array.astype(dtype) for symbol, array in inputs.initial_state.items()},
    )


def _by_output(inputs: Inputs, trace: Trace, runs: Sequence[FloatArray]) -> LaneDiagnosis:
    layer = trace.shape[0] - 1

    def lane_at(place: tuple[int, int]) -> WrongLane:
        return _top_lane(inputs, trace, place, runs)

    lanes = [lane_at((layer, direction)) for direction in range(trace.shape[1])]
    each = [explain_lane(lane, seconds=0.0) for lane in lanes if lane.is_wrong]
    return joined(inputs, each, lane_at)


def _top_lane(inputs: Inputs, trace: Trace, place: tuple[int, int], runs: Sequence[FloatArray]) -> WrongLane:
    """A lane of recorded outputs above layers whose hidden values are computed, in float64 and in float32."""
    hidden = np.array(trace.hidden)
    hidden[:-1] = runs[0][:-1]
    drift = coarser(trace) * float(np.abs(runs[0][:-1] - runs[1][:-1]).max(initial=0.0))
    return WrongLane(inputs, trace.with_arrays({"h": hidden}), *place, _DRIFT * drift)


def _by_final_states(inputs: Inputs, trace: Trace) -> LaneDiagnosis:
    """Explain each lane whose final state is wrong, from what it reads with the causes below it."""
    runs = [np.zeros(trace.hidden.shape, dtype) for dtype in TYPES]
    below = [trace.with_arrays({"h": run}) for run in runs]
    lanes: dict[tuple[int, int], FinalState | WrongLane] = {}
    each: list[LaneCauses] = []
    lane: FinalState | WrongLane
    for layer, direction in np.ndindex(trace.shape[:2]):
        place = layer, direction
        top = layer == trace.shape[0] - 1 and "out" not in trace.missing
        lane = _top_lane(inputs, trace, place, runs) if top else FinalState(inputs, trace, place, below)
        lanes[place] = lane
        hidden = lane.hidden if isinstance(lane, FinalState) else None
        if lane.is_wrong:
            each.append(explain_lane(lane, seconds=0.0))
            if not each[-1].found:
                return LaneDiagnosis((), 0, sum(own.tried for own in each), each[-1].nearest)
            hidden = each[-1].found[0].fit.hidden
        for run, own in zip(runs, hidden or (), strict=False):
            run[place] = own
    return joined(inputs, each, lanes.__getitem__)


def _below_output(inputs: Inputs, trace: Trace, runs: Sequence[FloatArray]) -> LaneDiagnosis:
    """Explain outputs by one change of some lanes, not all of the top layer."""
    network = Network(inputs, trace, [trace.with_arrays({"h": run}) for run in runs])
    found = list[tuple[Lanes, Explained]]()
    tried = 0
    for lanes in _boxes(network.places):
        if min(layer for layer, _ in lanes) < trace.shape[0] - 1:
            own = explain_lane(BelowOutputs(network, lanes), seconds=0.0)
            tried += own.tried
            found += [(lanes, each) for each in own.found]
    need = log2(max(tried, 2)) + EVIDENCE
    found = [(lanes, each) for lanes, each in found if each.fit.bits - each.price >= need]
    found = _narrowest(found)
    least = min((each.price for _, each in found), default=0.0)
    found = [(lanes, each) for lanes, each in found if each.price <= least + 1e-9]
    if len(found) == 1:
        ((lanes, only),) = found
        return LaneDiagnosis((cause_of(inputs, only, lanes),), 1, tried)
    return LaneDiagnosis((), len(found), tried)


def _boxes(places: Sequence[tuple[int, int]]) -> list[Lanes]:
    """All lanes, those of each layer, those of each direction, and each lane by itself."""
    by_layer, by_direction = ({lane[k]: [p for p in places if p[k] == lane[k]] for lane in places} for k in (0, 1))
    boxes = [tuple(box) for box in (places, *by_layer.values(), *by_direction.values(), *([p] for p in places))]
    return [*dict.fromkeys(boxes)]


def _narrowest(found: Sequence[tuple[Lanes, Explained]]) -> list[tuple[Lanes, Explained]]:
    """Of a change that explains the outputs in some lanes and in more of them, the fewest; if the others make no
    difference, the most."""
    kept = []
    for lanes, each in found:
        same = [(box, other) for box, other in found if other.key == each.key and box != lanes]
        inner = [other for box, other in same if set(box) < set(lanes)]
        outer = [other for box, other in same if set(box) > set(lanes)]
        if any(_equal(each, other) for other in outer) or not all(_equal(each, other) for other in inner):
            continue
        kept.append((lanes, each))
    return kept


def _equal(one: Explained, other: Explained) -> bool:
    """Whether two explanations have the same hidden values."""
    ours, theirs = one.fit.hidden, other.fit.hidden
    return ours is not None and theirs is not None and np.allclose(ours[0], theirs[0], rtol=0.0, atol=SAME)

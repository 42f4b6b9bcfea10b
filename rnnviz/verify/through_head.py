"""Causes of a recording that has the result of a dense layer alone: changes of parameters or initial states, everywhere
or in a layer or direction, are tried by runs of the whole network."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from time import perf_counter

import numpy as np

from rnnviz.core.config import parameter_name
from rnnviz.core.head import HEAD
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.hypotheses import Hypothesis, LaneReads, start_hypotheses, step_hypotheses
from rnnviz.verify.causes import Cause, HypothesisKey, LaneDiagnosis, Lanes, Where, some_of
from rnnviz.verify.metrics import abs_error
from rnnviz.verify.reproduction import limits, rounded, within
from rnnviz.verify.wrong_lane import lane_reads

_SECONDS = 4.0
"""How long changes are tried; without all of them no cause is known to be the only one."""

_ROUNDINGS = 64.0
_NEAR, _BETTER = 1e-3, 8.0
"""The share of the largest value up to which a run is compared within its limits, and how many limits the network
without a change must be off."""


def explain_head(inputs: Inputs, trace: Trace) -> LaneDiagnosis:
    """The one change that gives the recorded result; none if several do, which are counted, or if time is over."""
    found = np.asarray(trace[HEAD], np.float64)
    plain = faulty_trace(BugVariant(), inputs)
    near = _NEAR * float(np.abs(found).max())
    causes: list[tuple[Cause, Lanes, FloatArray]] = []
    began, tried = perf_counter(), 0
    for key, lanes, changed in _changes(inputs, plain):
        tried += 1
        if perf_counter() - began > _SECONDS:
            return LaneDiagnosis(tried=tried)
        made = np.asarray(faulty_trace(BugVariant(), changed)[HEAD])
        if not abs_error(found, made).max() <= near:
            continue
        limit = _limit(changed, made, trace)
        if within(found, made, limit) and not within(plain[HEAD], made, _BETTER * limit):
            name, gates, parameters = key
            where = Where(*some_of(inputs.network, lanes), gates, parameters)
            distance = float((abs_error(found, made) / limit).max())
            causes.append((Cause(name, where, distance, keys=(key,)), lanes, made))
    # Two changes of the same lanes with the same result are one, by two names.
    distinct = [
        cause
        for k, (cause, lanes, made) in enumerate(causes)
        if not any(lanes == other and np.array_equal(made, same) for _, other, same in causes[:k])
    ]
    if len(distinct) != 1:
        return LaneDiagnosis(candidates=len(distinct), tried=tried)
    aliases = tuple(cause.name for cause, *_ in causes[1:] if cause.name != distinct[0].name)
    return LaneDiagnosis((replace(distinct[0], aliases=aliases),), 1, tried)


def _limit(inputs: Inputs, made: FloatArray, trace: Trace) -> FloatArray:
    """How far the result of a correct engine may be off."""
    moved = faulty_trace(BugVariant(), rounded(inputs, trace.eps))[HEAD]
    found = np.asarray(trace[HEAD])
    return np.asarray(limits(made, moved, found, trace, (-2, -1)) + _ROUNDINGS * trace.eps)


def _changes(inputs: Inputs, plain: Trace) -> Iterator[tuple[HypothesisKey, Lanes, Inputs]]:
    """Every change that other parameters or initial states have: everywhere, then the usual ones in a layer and
    a direction. Those that move nothing are left out."""
    network, samples = inputs.network, range(inputs.batch_size)
    every = list(product(range(network.num_layers), range(network.directions)))
    reads = {lane: lane_reads(inputs, plain, *lane, samples, inputs.timesteps, BugVariant())[0] for lane in every}
    named: dict[HypothesisKey, dict[tuple[int, int], Hypothesis]] = {}
    for lane, own in reads.items():
        for make in (step_hypotheses, start_hypotheses):
            for hypothesis in make(own):
                named.setdefault(hypothesis.key, {}).setdefault(lane, hypothesis)
    layers = [[lane for lane in every if lane[0] == layer] for layer in range(network.num_layers)]
    directions = [[lane for lane in every if lane[1] == direction] for direction in range(network.directions)]
    places = {tuple(place): None for place in (every, *layers, *directions)}
    for lanes in places:
        for key, of_lanes in named.items():
            # All orders of the gates in each lane would take minutes.
            rare = len(lanes) < len(every) and any(h.rare for h in of_lanes.values())
            if not rare and all(lane in of_lanes for lane in lanes):
                changed = _changed(inputs, {lane: (reads[lane], of_lanes[lane]) for lane in lanes})
                if changed is not None:
                    yield key, lanes, changed


def _changed(inputs: Inputs, lanes: Mapping[tuple[int, int], tuple[LaneReads, Hypothesis]]) -> Inputs | None:
    """The inputs with a change in some lanes; None if it changes something else, or nothing."""
    network = inputs.network
    parameters, state, moved = dict(inputs.parameters), {s: np.array(a) for s, a in inputs.initial_state.items()}, False
    for (layer, direction), (reads, hypothesis) in lanes.items():
        if hypothesis.scope not in ("steps", "start"):
            return None
        made = hypothesis.change(reads)
        if made.cell is not reads.cell or made.x is not reads.x or made.state or made.of:
            return None
        for name, array in made.layer_parameters(network.dtype).items():
            full = parameter_name(layer, direction, name)
            if array.shape != parameters[full].shape:
                return None
            moved |= not np.array_equal(array, parameters[full])
            parameters[full] = array
        for s, array in made.initial.items():
            row = state[s][layer * network.directions + direction]
            if array.shape != row.shape:
                return None
            moved |= not np.array_equal(array.astype(row.dtype), row)
            row[...] = array
    return replace(inputs, parameters=Parameters(network, parameters), initial_state=state) if moved else None

"""Causes of a wrong recording that lacks hidden values: its lanes are explained where what they read is known.

The top layer has its own outputs, so that its steps are tried one by one; it reads what the network gives below.
"""

from dataclasses import replace

import numpy as np

from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.verify.causes import LaneDiagnosis, explain_lane, joined
from rnnviz.verify.wrong_lane import WrongLane

_DRIFT = 16.0
"""How many times the difference of a run in float32 from one in float64 a value may be off."""


def explain_recording(inputs: Inputs, trace: Trace) -> LaneDiagnosis:
    """The causes of a recording that differs from the network."""
    if "out" in trace.missing:
        return LaneDiagnosis()
    exact, drift = _below(inputs, trace)
    layer = trace.shape[0] - 1

    def lane_at(place: tuple[int, int]) -> WrongLane:
        return WrongLane(inputs, exact, *place, drift)

    lanes = [lane_at((layer, direction)) for direction in range(trace.shape[1])]
    each = [explain_lane(lane, seconds=0.0) for lane in lanes if lane.is_wrong]
    found = joined(inputs, each, lane_at)
    # A change below moves the top layer, too.
    return found if found.causes or found.candidates else LaneDiagnosis()


def _below(inputs: Inputs, trace: Trace) -> tuple[Trace, float]:
    """The trace with the hidden values of the network below the top layer, and how far these may have drifted."""
    runs = [faulty_trace(BugVariant(), _in_type(inputs, dtype)).hidden for dtype in ("float64", "float32")]
    hidden = np.array(trace.hidden)
    hidden[:-1] = runs[0][:-1]
    drift = float(np.abs(runs[0][:-1] - runs[1][:-1]).max(initial=0.0))
    return trace.with_arrays({"h": hidden}), _DRIFT * drift * trace.eps / float(np.finfo(np.float32).eps)


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

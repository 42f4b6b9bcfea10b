"""The arithmetic of a whole lane is that of each of its values."""

from typing import Any

import numpy as np
import pytest

from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.explain.step_breakdown import explain
from rnnviz.explain.worked_lanes import values_behind, worked_lane
from tests.explain.test_every_cell import NETWORKS
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of

SAMPLES = (0, 2)


def compared(network: dict[str, Any], lengths: list[int] | None = None) -> None:
    sequence = {"timesteps": 4, "batch_size": 3} | ({"lengths": lengths} if lengths else {})
    inputs = inputs_of(sequence, num_layers=2, bidirectional=True, hidden_size=3, **network)
    trace = computed(ManualEngine(), inputs)[0]
    for layer, direction in ((0, 0), (1, 1)):
        lane = worked_lane(inputs, trace, layer, direction, SAMPLES)
        for timestep, column, unit in np.ndindex(4, len(SAMPLES), trace.shape[-1]):
            sample = SAMPLES[column]
            if timestep >= inputs.length(sample):
                continue
            found = explain(inputs, trace, Location(layer, direction, timestep, sample, unit))
            for symbol, number in found.previous.by_symbol.items():
                assert lane.before[symbol][timestep, column, unit] == pytest.approx(number, rel=1e-12)
            for node, values in lane.activations.items():
                assert values[timestep, column, unit] == found.number(node)
            for own in found.outcomes:
                assert lane.bounds[own.symbol][timestep, column, unit] == pytest.approx(own.bound, rel=1e-6)
            pre = [part for gate in found.gates for part in gate.pre.parts]
            behind = values_behind(inputs.network.kind, graph_of(inputs.network.kind)).values()
            for node, read in lane.across.items():
                if node not in behind:
                    assert any(np.array_equal(read[timestep, column], part.inputs) for part in pre), node
                    continue
                for place, value in enumerate(read[timestep, column]):
                    of_cell = explain(inputs, trace, Location(layer, direction, timestep, sample, place), size="H")
                    assert value == pytest.approx(of_cell.number(node), rel=1e-12), node


def test_the_arithmetic_of_a_lane_is_that_of_its_values() -> None:
    compared({"cell": "lstm"})


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_arithmetic_of_a_lane_of_every_cell(name: str) -> None:
    compared(NETWORKS[name])


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "rnn_relu"])
def test_the_arithmetic_of_a_lane_with_padding(cell: str) -> None:
    compared({"cell": cell, "dtype": "float64"}, [4, 1, 2])

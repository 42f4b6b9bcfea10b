"""The arithmetic of a whole lane is that of each of its values."""

from typing import Any

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.explain.forward import value_breakdown
from rnnviz.explain.page_parts import across_nodes, lane_arithmetic, values_behind
from tests.explain.arithmetics import breakdown_at
from tests.explain.test_every_cell import NETWORKS
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of

SAMPLES = (0, 2)


def compared(network: dict[str, Any], lengths: list[int] | None = None) -> None:
    sequence = {"timesteps": 4, "batch_size": 3} | ({"lengths": lengths} if lengths else {})
    inputs = inputs_of(sequence, num_layers=2, bidirectional=True, hidden_size=3, **network)
    trace = computed(ManualEngine(), inputs)[0]
    for layer, direction in ((0, 0), (1, 1)):
        lane = lane_arithmetic(inputs, trace, layer, direction, SAMPLES)
        for timestep, column, unit in np.ndindex(4, len(SAMPLES), trace.shape[-1]):
            sample = SAMPLES[column]
            if timestep >= inputs.length(sample):
                continue
            found = breakdown_at(inputs, trace, Location(layer, direction, timestep, sample, unit))
            for state in found.previous:
                if (name := f"before.{state.symbol}") in lane:
                    assert lane[name][timestep, column, unit] == pytest.approx(state.value, rel=1e-12)
            results = {line.point[2] for line in found.lines if line.point is not None}
            activations = (array for name, array in lane.items() if name.startswith("activation."))
            assert results <= {array[timestep, column, unit] for array in activations}
            for own in found.outcomes:
                assert lane[f"bound.{own.symbol}"][timestep, column, unit] == pytest.approx(own.bound, rel=1e-6)
            parts = [part for gate in found.gates for part in gate.parts]
            graph = inputs.network.graph
            behind = {node: name for name, node in values_behind(graph).items()}
            for node, read in ((node, lane[f"across.{graph.nodes.index(node)}"]) for node in across_nodes(graph)):
                if node not in behind:
                    assert any(np.array_equal(read[timestep, column], part.values) for part in parts), node
                    continue
                for place, value in enumerate(read[timestep, column]):
                    there = Location(layer, direction, timestep, sample, place)
                    of_cell = value_breakdown(inputs, trace, Place.at("c", there))
                    assert value == pytest.approx(of_cell.by_name[behind[node]].value, rel=1e-12), node


def test_the_arithmetic_of_a_lane_is_that_of_its_values():
    compared({"cell": "lstm"})


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_arithmetic_of_a_lane_of_every_cell(name):
    compared(NETWORKS[name])


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "rnn_relu"])
def test_the_arithmetic_of_a_lane_with_padding(cell):
    compared({"cell": cell, "dtype": "float64"}, [4, 1, 2])

"""Where the last vector of each lane stands, and whether it is the same there."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify.final_state_invariants import Agreement, Place, agreement, lanes, places, values_at
from tests.factories import made_result


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_every_place_of_a_lane_holds_its_last_computed_vector(layout: str) -> None:
    result = made_result(cell="gru", num_layers=3, bidirectional=True, layout=layout)
    network, trace = result.inputs.network, result["manual"]
    for last in lanes(network, 5, sample=1):
        for place in places(network, last):
            assert np.array_equal(values_at(trace, network, place), trace.hidden[last.index[:-1]])
        assert str(agreement(trace, network, last, 0.0, 0.0)) == "equal"


def test_the_top_layer_stands_in_out_and_the_others_among_the_hidden_vectors() -> None:
    network = made_result(num_layers=2, bidirectional=True).inputs.network
    texts = [[place.text for place in places(network, last)] for last in lanes(network, 5, sample=1)]
    assert texts == [
        ["out[1][4][:4]", "state[0][2][1]"],
        ["out[1][0][4:8]", "state[0][3][1]"],
        ["hidden, t = 4", "state[0][0][1]"],
        ["hidden, t = 0", "state[0][1][1]"],
    ]


def test_an_lstm_has_its_final_cell_state_too() -> None:
    result = made_result(cell="lstm")
    last = lanes(result.inputs.network, 5, sample=0)[0]
    cell = places(result.inputs.network, last)[2]
    assert (cell.kind, cell.where, cell.text) == ("cell", last, "state[1][0][0]")
    trace = result["manual"]
    assert trace.state_c is not None
    assert np.array_equal(values_at(trace, result.inputs.network, cell), trace.state_c[0, 0])


def test_one_changed_number_of_the_state_sets_its_own_lane_apart() -> None:
    def edit(trace: Trace) -> None:
        trace.state_h[1, 0, 2] += np.float32(0.5)

    result = made_result(edits={"manual": edit}, bidirectional=True)
    network = result.inputs.network
    found = {last.direction: agreement(result["manual"], network, last, 1e-6, 1e-5) for last in lanes(network, 5, 0)}
    assert found[0].verdict == "equal"
    assert (found[1].verdict, found[1].unit) == ("different", 2)
    assert str(found[1]) == "differ by 0.5"
    near = agreement(result["manual"], network, Location(0, 1, 0), 0.0, 1.0)
    assert (near.verdict, str(near)) == ("near", "within 0.5")


@pytest.mark.parametrize("layer", [0, 1])
def test_a_difference_as_large_as_the_tolerance_is_near_and_the_tolerance_is_relative_to_the_source(layer: int) -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[layer, 0, 4, 1] = trace.output[4, 1] = (-1.0, 2.0, 0.5, 0.25)
        trace.state_h[layer, 1] = (-1.0, 2.5, 0.625, 0.25)

    result = made_result(edits={"manual": edit}, num_layers=2)
    last = Location(layer, 0, 4, 1)

    def found(rtol: float, atol: float) -> Agreement:
        return agreement(result["manual"], result.inputs.network, last, rtol, atol)

    assert found(0.0, 0.5) == found(0.25, 0.0) == Agreement("near", 0.5, 1)
    assert found(0.0, 0.499) == found(0.24, 0.0) == Agreement("different", 0.5, 1)


def test_of_vectors_that_a_recording_lacks_only_the_last_ones_have_numbers() -> None:
    result = made_result(cell="lstm", num_layers=2)
    network = result.inputs.network
    trace = replace(result["manual"], missing=frozenset({"hidden", "output"}), state_c=None)
    for timestep, there in ((3, False), (4, True)):
        values = values_at(trace, network, Place("hidden", Location(0, 0, timestep, 1), "hidden"))
        assert (values is not None) == there
    assert values_at(trace, network, Place("cell", Location(0, 0, 4, 1), "state")) is None
    assert values_at(trace, network, Place("out", Location(1, 0, 4, 1), "out")) is None
    assert values_at(trace, network, Place("state", Location(1, 0, 4, 1), "state")) is not None

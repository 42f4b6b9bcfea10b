"""Final states and their copies in out and in the hidden states."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.final_states import Agreement, agreement, lanes, places, values_at
from tests.factories import make_result


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_final_state_equals_the_last_computed_state(layout: str) -> None:
    result = make_result(cell="gru", num_layers=3, bidirectional=True, layout=layout)
    network, trace = result.inputs.network, result["manual"]
    for last in lanes(network, 5, sample=1):
        for place in places(network, last):
            assert np.array_equal(values_at(trace, network, place), trace.hidden[last.index[:-1]])
        assert str(agreement(trace, network, last, 0.0, 0.0)) == "copies equal"


def test_source_of_each_layers_final_state() -> None:
    network = make_result(num_layers=2, bidirectional=True).inputs.network
    texts = [[place.text for place in places(network, last)] for last in lanes(network, 5, sample=1)]
    assert texts == [
        ["out[1][4][:4]", "state[0][2][1]"],
        ["out[1][0][4:8]", "state[0][3][1]"],
        ["hidden, t = 4", "state[0][0][1]"],
        ["hidden, t = 0", "state[0][1][1]"],
    ]


def test_lstm_has_a_final_cell_state() -> None:
    result = make_result(cell="lstm")
    last = lanes(result.inputs.network, 5, sample=0)[0]
    cell = places(result.inputs.network, last)[2]
    assert (cell.array, cell.where, cell.text) == ("state.c", last, "state[1][0][0]")
    trace = result["manual"]
    assert trace.state_c is not None
    assert np.array_equal(values_at(trace, result.inputs.network, cell), trace.state_c[0, 0])


def test_changed_state_value_fails_its_lane() -> None:
    def edit(trace: Trace) -> None:
        trace.state_h[1, 0, 2] += np.float32(0.5)

    result = make_result(edits={"manual": edit}, bidirectional=True)
    network = result.inputs.network
    found = {last.direction: agreement(result["manual"], network, last, 1e-6, 1e-5) for last in lanes(network, 5, 0)}
    assert found[0].verdict == "equal"
    assert (found[1].verdict, found[1].unit) == ("different", 2)
    assert str(found[1]) == "differ by 0.5"
    near = agreement(result["manual"], network, Location(0, 1, 0), 0.0, 1.0)
    assert (near.verdict, str(near)) == ("near", "within 0.5")


@pytest.mark.parametrize("layer", [0, 1])
def test_near_includes_the_tolerance(layer: int) -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[layer, 0, 4, 1] = trace.output[4, 1] = (-1.0, 2.0, 0.5, 0.25)
        trace.state_h[layer, 1] = (-1.0, 2.5, 0.625, 0.25)

    result = make_result(edits={"manual": edit}, num_layers=2)
    last = Location(layer, 0, 4, 1)

    def found(rtol: float, atol: float) -> Agreement:
        return agreement(result["manual"], result.inputs.network, last, rtol, atol)

    assert found(0.0, 0.5) == found(0.25, 0.0) == Agreement("near", 0.5, 1)
    assert found(0.0, 0.499) == found(0.24, 0.0) == Agreement("different", 0.5, 1)


@pytest.mark.parametrize("missing", ["out", "state.h"])
def test_a_place_that_was_not_recorded_has_no_numbers_and_agrees_with_nothing(missing: str) -> None:
    result = make_result(("manual", "recording:golden.npz"), bidirectional=True)
    network, recorded = result.inputs.network, replace(result["recording:golden.npz"], missing=frozenset({missing}))
    for last in lanes(network, 5, sample=0):
        values = {place.array: values_at(recorded, network, place) for place in places(network, last)}
        assert [name for name, numbers in values.items() if numbers is None] == [missing]
        assert str(agreement(recorded, network, last, 0.0, 0.0)) == "not compared"
        assert str(agreement(result["manual"], network, last, 0.0, 0.0)) == "copies equal"

"""Index texts of hidden states, compared with the arrays that they name."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.config import Network
from rnnviz.core.trace_index import Location, lane_text
from rnnviz.gui.value.output_page import (
    in_out,
    initial_text,
    input_text,
    lanes,
    out_columns,
    out_index,
    out_text,
    places,
    state_text,
    values_at,
)
from tests.factories import make_result


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_index_expressions_select_the_values(layout, bidirectional):
    result = make_result(num_layers=2, bidirectional=bidirectional, layout=layout, timesteps=3)
    network, trace = result.inputs.network, result["manual"]
    names = {"out": trace.output_in(layout), "state": [trace.state_h], "__builtins__": {}}
    for where in [Location(1, d, t, n) for d in range(network.directions) for t in range(3) for n in range(2)]:
        told = eval(out_text(network, where), names)
        assert np.array_equal(told, trace.hidden[where.index[:-1]])
        last = where.moved(timestep=0 if network.backward(where.direction) else 2)
        assert np.array_equal(eval(state_text(network, where), names), trace.hidden[last.index[:-1]])
        assert np.array_equal(trace.output[where.timestep, where.sample, out_columns(network, where.direction)], told)


def test_the_slices_are_written_as_one_would_write_them():
    network = Network("gru", 5, 10, num_layers=2, bidirectional=True)
    where = Location(1, 1, 7, 0, 3)
    assert out_text(network, where) == "out[0][7][10:20]"
    assert out_text(network, where.moved(direction=0)) == "out[0][7][:10]"
    assert out_text(Network("gru", 5, 10, layout="TNC"), Location(0, 0, 7, 2)) == "out[7][2]"
    assert state_text(network, where) == "state[0][3][0]"
    assert in_out(network, where)
    assert not in_out(network, Location())
    assert lane_text(network, where) == "layer 1, backward"
    assert lane_text(Network("gru", 5, 10), Location()) == "layer 0"


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
def test_the_inputs_of_a_lane_are_written_as_array_indices(layout):
    result = make_result(cell="lstm", num_layers=2, bidirectional=True, layout=layout, timesteps=3)
    network, trace, inputs = result.inputs.network, result["manual"], result.inputs
    sequence = inputs.sequence.swapaxes(0, 1) if layout == "NTC" else inputs.sequence
    state = inputs.initial_state
    names = {
        "dat": sequence,
        "initial_state": [state["h"], state.get("c")],
        "state": [trace.state_h, trace.state_c],
        "out": trace.output_in(layout),
        "__builtins__": {},
    }
    where = Location(1, 1, 2, 1, 3)
    told = {
        input_text(network, where): inputs.sequence[2, 1],
        initial_text(network, where): state["h"][3, 1],
        initial_text(network, where, cell=True): state["c"][3, 1] if state.get("c") is not None else None,
        state_text(network, where): trace.state_h[3, 1],
        state_text(network, where, cell=True): trace.state_c[3, 1] if trace.state_c is not None else None,
        out_index(network, where): trace.output[2, 1],
    }
    assert len(told) == 6
    for text, values in told.items():
        assert np.array_equal(eval(text, names), values), text


@pytest.mark.parametrize("missing", ["out", "state.h"])
def test_a_place_that_was_not_recorded_has_no_numbers(missing):
    result = make_result(("manual", "recording:golden.npz"), bidirectional=True)
    network, recorded = result.inputs.network, replace(result["recording:golden.npz"], missing=frozenset({missing}))
    for last in lanes(network, 5, sample=0):
        values = {place.array: values_at(recorded, network, place) for place in places(network, last)}
        assert [name for name, numbers in values.items() if numbers is None] == [missing]

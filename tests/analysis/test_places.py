"""Where a hidden vector stands, held against the arrays that the sentences speak of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.analysis.places import (
    carried_to,
    in_out,
    lane_text,
    last_timestep,
    out_text,
    passage_text,
    read_after,
    state_text,
)
from rnnviz.model.config import Network
from rnnviz.model.location import Location
from tests.made_results import made_result


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_slices_that_are_told_hold_the_values(layout: str, bidirectional: bool) -> None:
    result = made_result(num_layers=2, bidirectional=bidirectional, layout=layout, timesteps=3)
    network, trace = result.inputs.network, result["manual"]
    names = {"out": trace.output_in(layout), "state": [trace.state_h], "__builtins__": {}}
    for where in [Location(1, d, t, n) for d in range(network.directions) for t in range(3) for n in range(2)]:
        told = eval(out_text(network, where), names)
        assert np.array_equal(told, trace.hidden[where.index[:-1]])
        last = where.moved(timestep=last_timestep(where.direction, 3))
        assert np.array_equal(eval(state_text(network, where), names), trace.hidden[last.index[:-1]])


def test_the_slices_are_written_as_one_would_write_them() -> None:
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


@given(direction=st.integers(0, 1), timesteps=st.integers(1, 9), data=st.data())
def test_a_step_is_read_by_the_one_that_it_is_carried_to(direction: int, timesteps: int, data: st.DataObject) -> None:
    where = Location(0, direction, data.draw(st.integers(0, timesteps - 1)))
    after = carried_to(where, timesteps)
    if after is None:
        assert where.timestep == last_timestep(direction, timesteps)
    else:
        assert read_after(where.moved(timestep=after), timesteps) == where.timestep


def test_the_ends_of_a_lane_are_told() -> None:
    network = Network("rnn_tanh", 5, 10, num_layers=2, bidirectional=True)
    assert passage_text(network, Location(1, 1, 7), 24) == "read after t = 8 · carried to t = 6"
    assert passage_text(network, Location(1, 1, 23), 24) == "read after the initial state · carried to t = 22"
    last = passage_text(network, Location(1, 1, 0), 24)
    assert last == "read after t = 1 · carried out as the final state state[0][3]"
    alone = passage_text(network, Location(0, 0, 0), 1)
    assert alone == "read after the initial state · carried out as the final state state[0][0]"
    brief = [passage_text(network, Location(1, 1, t), 24, brief=True) for t in (0, 23)]
    assert brief == ["read after t = 1 · carried out as state[0][3]", "read after h0 · carried to t = 22"]

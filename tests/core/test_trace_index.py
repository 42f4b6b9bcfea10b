"""Places in a trace."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Network
from rnnviz.core.trace_index import INPUT, Lane, Location, Places, carried_to, lanes_of, read_after, state_row

SHAPE = (2, 2, 5, 3, 4)
ANY = st.builds(Location, *(st.integers(-9, 9),) * 5)


@given(ANY)
def test_the_nearest_place_inside_is_inside_and_moves_nothing_that_was(where):
    inside = where.within(SHAPE)
    for place, near, size in zip(where.index, inside.index, SHAPE, strict=True):
        assert 0 <= near < size
        assert near == place or not 0 <= place < size
        assert near in (place, 0, size - 1)
    assert inside.within(SHAPE) == inside


def test_a_position_has_a_long_and_a_short_form():
    where = Location(2, 1, 3, 4, 5)
    assert str(where) == "layer 2, backward, t = 3, sample 4, unit 5"
    assert where.to_json() == {"layer": 2, "direction": "backward", "timestep": 3, "sample": 4, "unit": 5}
    assert where.moved(unit=0, direction=0) == Location(2, 0, 3, 4, 0)
    assert (where.short, Location(reverse=True).short) == ("L2← t=3 n=4 u=5", "L0← t=0 n=0 u=0")


BOTH, ONE = Network("gru", 2, 3, num_layers=2, bidirectional=True), Network("gru", 2, 3)


def test_lanes_from_the_top_down():
    assert [(lane.layer, lane.direction) for lane in lanes_of(BOTH)[:-1]] == [(1, 1), (1, 0), (0, 1), (0, 0)]
    assert lanes_of(ONE) == (Lane(0, 0), INPUT)
    assert [lane.backward for lane in lanes_of(replace(ONE, reverse=True))] == [True, False]


def test_the_places_of_some_samples():
    places = Places.of(BOTH, 5, 3, (5, 2, 4))
    assert (places.every_length, places.length(1), Places.of(BOTH, 5, 3).every_length) == ((5, 2, 4), 2, (5, 5, 5))
    assert places.of_samples(np.array([2, 0])) == Places.of(BOTH, 5, 2, (4, 5))
    assert places.of_samples(np.array([0])) == Places.of(BOTH, 5, 1)
    assert [places.last_steps(direction)[0].tolist() for direction in (0, 1)] == [[4, 1, 3], [0, 0, 0]]
    assert Places.of(replace(ONE, reverse=True), 5, 1).location(0, 0, 3).backward


@pytest.mark.parametrize(
    ("direction", "read", "carried"),
    [(0, [None, 0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6, None]), (1, [1, 2, 3, 4, 5, 6, None], [None, 0, 1, 2, 3, 4, 5])],
)
def test_a_lane_runs_from_its_first_step_to_its_last(direction, read, carried):
    both = Network("gru", 2, 3, bidirectional=True)
    alone = Network("gru", 2, 3, reverse=direction == 1)
    for network, lane in ((both, direction), (alone, 0)):
        assert [read_after(network, Location(0, lane, t), 7) for t in range(7)] == read
        assert [carried_to(network, Location(0, lane, t), 7) for t in range(7)] == carried
    assert state_row(Network("gru", 2, 3, num_layers=4, bidirectional=True), Location(3, direction)) == 6 + direction
    assert state_row(Network("gru", 2, 3, num_layers=4), Location(3)) == 3

"""Places in a trace."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Network
from rnnviz.core.trace_index import INPUT, Lane, Location, lanes_of

SHAPE = (2, 2, 5, 3, 4)
ANY = st.builds(Location, *(st.integers(-9, 9),) * 5)


@given(ANY)
def test_the_nearest_place_inside_is_inside_and_moves_nothing_that_was(where: Location) -> None:
    inside = where.within(SHAPE)
    for place, near, size in zip(where.index, inside.index, SHAPE, strict=True):
        assert 0 <= near < size
        assert near == place or not 0 <= place < size
        assert near in (place, 0, size - 1)
    assert inside.within(SHAPE) == inside


def test_an_index_outside_is_clamped_to_the_nearest_edge() -> None:
    assert Location(9, 9, 9, 9, 9).within(SHAPE) == Location(1, 1, 4, 2, 3)
    assert Location(-9, -9, -9, -9, -9).within(SHAPE) == Location(0, 0, 0, 0, 0)
    assert Location(1, 1, 4, 2, 3).within((1, 1, 1, 1, 1)) == Location()
    assert Location(1, 1, 4, 2, 3).within(SHAPE) == Location(1, 1, 4, 2, 3)


def test_a_location_is_written_in_words_and_as_json() -> None:
    where = Location(1, 1, 4, 2, 3)
    assert where.to_json() == {"layer": 1, "direction": "backward", "timestep": 4, "sample": 2, "unit": 3}
    assert str(where) == "layer 1, backward, t = 4, sample 2, unit 3"
    assert Location().to_json()["direction"] == "forward"
    assert where.moved(unit=0, direction=0) == Location(1, 0, 4, 2, 0)


def test_a_position_has_a_long_and_a_short_form() -> None:
    where = Location(2, 1, 3, 4, 5)
    assert str(where) == "layer 2, backward, t = 3, sample 4, unit 5"
    assert (where.short, Location(reverse=True).short) == ("L2← t=3 n=4 u=5", "L0← t=0 n=0 u=0")


BOTH, ONE = Network("gru", 2, 3, num_layers=2, bidirectional=True), Network("gru", 2, 3)


def test_lanes_from_the_top_down() -> None:
    assert [(lane.layer, lane.direction) for lane in lanes_of(BOTH)[:-1]] == [(1, 1), (1, 0), (0, 1), (0, 0)]
    assert lanes_of(ONE) == (Lane(0, 0), INPUT)
    assert lanes_of(replace(ONE, reverse=True)) == (
        Lane(0, 0, reverse=True),
        INPUT,
    )

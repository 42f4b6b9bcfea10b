"""Highlights: the regions of a place, and the highlighted vectors and units in every view."""

import pytest

from rnnviz.core.config import Network
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.quantities.steps import (
    Region,
    highlighted_rows,
    input_regions,
    is_highlighted,
    lane_region,
    previous_regions,
    state_regions,
    vector_region,
)

LSTM = Network("lstm", 5, 3, num_layers=2, bidirectional=True)
GRU = Network("gru", 5, 3, num_layers=2, bidirectional=True)
T = 8
HERE = Location(1, 1, 4, 0, 2)


def test_a_region_defaults_to_the_same_part_and_h() -> None:
    own = range(4, 5), range(3)
    assert vector_region(LSTM, HERE) == Region(Lane(1, 1), *own, "same", "h")
    assert vector_region(LSTM, HERE, "next", "c") == Region(Lane(1, 1), *own, "next", "c")
    assert lane_region(LSTM, 1, 0, T) == Region(Lane(1, 0), range(8), range(3), "same", "h")


def test_a_step_reads_the_input_or_every_direction_below() -> None:
    assert input_regions(LSTM, HERE.moved(layer=0)) == (Region(INPUT, range(4, 5), range(5)),)
    assert input_regions(LSTM, HERE.moved(layer=0), "read") == (Region(INPUT, range(4, 5), range(5), "read"),)
    below = [Region(Lane(0, direction), range(4, 5), range(3), "read") for direction in (0, 1)]
    assert input_regions(LSTM, HERE, "read") == tuple(below)
    assert input_regions(Network("gru", 5, 3, num_layers=2), Location(1, 0, 4)) == (
        Region(Lane(0, 0), range(4, 5), range(3)),
    )


@pytest.mark.parametrize(
    ("direction", "timestep", "before"), [(0, 0, -1), (0, 1, 0), (0, 7, 6), (1, 7, 8), (1, 6, 7), (1, 0, 1)]
)
def test_the_previous_state_is_adjacent_or_outside_the_lane(direction: int, timestep: int, before: int) -> None:
    where = Location(1, direction, timestep)
    h, c = (Region(Lane(1, direction), range(before, before + 1), range(3), "read", array) for array in ("h", "c"))
    assert previous_regions(LSTM, where, T, "read") == (h, c)
    assert previous_regions(GRU, where, T, "read") == (h,)
    assert previous_regions(GRU, where, T)[0].part == "same"
    assert [region.array for region in state_regions(LSTM, where)] == ["h", "c"]
    assert state_regions(GRU, where, "computed") == (
        Region(Lane(1, direction), range(timestep, timestep + 1), range(3), "computed", "h"),
    )


@pytest.mark.parametrize(
    ("region", "where", "kind", "rows"),
    [
        (vector_region(LSTM, HERE), HERE, "hidden", [range(3)]),
        (vector_region(LSTM, HERE, array="c"), HERE, "hidden", []),
        (vector_region(LSTM, HERE, array="c"), HERE, "cell", [range(3)]),
        (vector_region(LSTM, HERE), HERE, "cell", []),
        (vector_region(LSTM, HERE), HERE.moved(timestep=5), "hidden", []),
        (vector_region(LSTM, HERE), HERE.moved(direction=0), "hidden", []),
        (vector_region(LSTM, HERE), HERE.moved(layer=0), "hidden", []),
        # The input of the second layer is both directions of the first one, one after the other.
        (Region(Lane(0, 0), range(2, 6), range(1, 3)), HERE, "input", [range(1, 3)]),
        (Region(Lane(0, 1), range(2, 6), range(1, 3)), HERE, "input", [range(4, 6)]),
        (Region(Lane(0, 1), range(2, 6), range(1, 3), array="c"), HERE, "input", []),
        (vector_region(LSTM, HERE), HERE, "input", []),
        (Region(INPUT, range(8), range(2, 4)), HERE.moved(layer=0), "input", [range(2, 4)]),
        (Region(INPUT, range(8), range(2, 4)), HERE, "input", []),
        (Region(INPUT, range(8), range(2, 4)), HERE.moved(layer=0), "hidden", []),
        # The initial state precedes the first computed step of a lane.
        (Region(Lane(1, 1), range(8, 9), range(3)), HERE.moved(timestep=7), "h0", [range(3)]),
        (Region(Lane(1, 1), range(8, 9), range(3)), HERE.moved(timestep=7), "c0", []),
        (Region(Lane(1, 1), range(8, 9), range(3), array="c"), HERE.moved(timestep=7), "c0", [range(3)]),
        (Region(Lane(1, 0), range(-1, 0), range(3)), Location(1, 0, 0), "h0", [range(3)]),
        (vector_region(LSTM, Location(1, 0, 0)), Location(1, 0, 0), "h0", []),
    ],
)
def test_the_highlighted_components_of_a_vector_are_those_that_a_region_covers(
    region: Region, where: Location, kind, rows: list[range]
) -> None:
    assert highlighted_rows([region], LSTM, T, where, kind) == rows
    elsewhere = Region(Lane(5, 0), range(8), range(3))
    assert highlighted_rows([elsewhere, region, region], LSTM, T, where, kind) == rows * 2


def test_a_vector_is_highlighted_if_any_unit_of_it_is() -> None:
    one = Region(Lane(1, 1), range(3, 5), range(2, 3))
    assert is_highlighted([one], HERE)
    assert not is_highlighted([], HERE)
    assert not is_highlighted([one], HERE, "c")
    assert not is_highlighted([one], HERE.moved(timestep=5))
    assert not is_highlighted([one], HERE.moved(direction=0))
    assert not is_highlighted([Region(Lane(1, 1), range(3, 5), range(0))], HERE)
    assert is_highlighted([Region(Lane(1, 1), range(3, 5), range(1), array="c"), one], HERE, "c")

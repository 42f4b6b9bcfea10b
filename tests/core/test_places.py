"""Places: numbers of named arrays, in their lanes."""

import pytest

from rnnviz.core.config import Network
from rnnviz.core.places import Place, entry_place, parameter_place
from rnnviz.core.trace_index import Lane, Location
from tests.cases import cases

BOTH = Network("lstm", 3, 4, num_layers=2, bidirectional=True)


@pytest.mark.parametrize(("name", "index", "kind", "text", "json"), cases(__file__)["entries-of-arrays"])
def test_an_entry_of_an_array_has_a_lane_a_kind_a_text_and_keys(name, index, kind, text, json):
    place, index = entry_place(BOTH, name, index), tuple(index)
    assert (place.kind, str(place), place.to_json()) == (kind, text, json)
    assert place.lane == (None if kind == "input" else Lane(1, 1))
    assert place.location == (Location(*index) if kind == "step" else None)
    assert place.short == ("grad.h L1← t=3 n=0 u=2" if kind == "step" else text)
    assert (place.sample, place.unit) == (None if kind == "parameter" else 0, index[-1])
    assert place.timestep == (3 if kind in ("step", "input") else None)
    assert place.of == Place(name.removeprefix("grad."), index)
    assert place.of.gradient == place


def test_a_lane_of_a_reversed_network_is_backward():
    reverse = Network("gru", 2, 3, reverse=True)
    for name, index in (("h", (0, 0, 1, 0, 2)), ("h0", (0, 0, 2)), ("parameters.l0_i2h_weight", (1, 1))):
        lane = entry_place(reverse, name, index).lane
        assert lane is not None
        assert lane.backward


def test_given_numbers_are_computed_by_no_step():
    where = Location(1, 0, 2, 0, 1)
    given = [Place("input", (2, 0, 1)), Place("h0", (1, 0, 1)), Place.at("loss.out", where), Place.at("loss.c", where)]
    assert [place.is_given for place in given] == [True] * 4
    assert [place.in_backward_pass for place in given] == [False, False, True, True]
    assert [place.is_gradient for place in given] == [False] * 4
    computed = [Place.at("h", where), Place.at("grad.i", where), *(place.gradient for place in given[:2])]
    assert [place.is_given for place in computed] == [False] * 4
    assert [place.in_backward_pass for place in computed] == [False, True, True, True]


def test_a_number_of_a_parameter_is_named_in_its_network_and_in_its_lane():
    place = parameter_place(Lane(1, 1), "h2h_weight", (4, 2))
    assert place == entry_place(BOTH, "parameters.r1_h2h_weight", (4, 2))
    assert (place.gradient.parameter, place.gradient.name_in_lane) == ("r1_h2h_weight", "h2h_weight")
    assert (place.layer, place.direction) == (1, 1)


def test_a_place_keeps_the_lane_of_its_location():
    place = Place.at("h", Location(1, 0, 2, 0, 3, reverse=True))
    assert place.lane is not None
    assert (place.lane.layer, place.lane.backward) == (1, True)

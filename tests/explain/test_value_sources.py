"""Where numbers come from: places, their names, and numbers that no step computed, word for word."""

from dataclasses import replace
from typing import Any

import pytest

from rnnviz.core.places import Place, entry_place, parameter_place
from rnnviz.core.sequence import UNNAMED, Names
from rnnviz.core.trace_index import Lane, Location
from rnnviz.explain.report import to_json
from rnnviz.explain.value_sources import (
    InputSource,
    counterpart,
    in_words,
    lies_in,
    notation,
    origin,
    quantity_place,
    selected,
)
from tests.cases import cases
from tests.explain.arithmetics import breakdown_at, explain_at, tidy_result
from tests.factories import make_result

AT = Location(1, 1, 3, 2, 4)
SHAPE = (2, 2, 4, 3, 5)
"""(L, D, T, N, H), the last place of which is `AT`."""
SIZES: dict[str, Any] = {"num_layers": 2, "bidirectional": True, "timesteps": 4, "batch_size": 3, "input_size": 7}
"""The sizes of a run of this shape, without its units."""


@pytest.mark.parametrize(
    ("place", "index", "words", "lane", "step"),
    [
        (Place.at("h", AT), "h[t=3, u=4]", "h[t=3, u=4] of layer 1, backward", Lane(1, 1), AT),
        (Place.at("c", AT), "c[t=3, u=4]", "c[t=3, u=4] of layer 1, backward", Lane(1, 1), AT),
        (Place.at("f", AT), "f[t=3, u=4]", "f[t=3, u=4] of layer 1, backward", Lane(1, 1), AT),
        (Place("c0", (2, 2, 4), Lane(1, 0)), "c0[u=4]", "c0[u=4] of layer 1, forward", Lane(1, 0), None),
        (Place("input", (3, 2, 1)), "x[t=3, i=1]", "x[t=3, i=1]", None, None),
        (Place("input", (3, 2, 1), names=Names((), ("a", "b"))), 'x[t=3, i="b"]', 'x[t=3, i="b"]', None, None),
    ],
)
def test_a_place_has_a_notation_a_lane_and_a_step(place, index, words, lane, step):
    assert (notation(place), in_words(place), place.lane, place.location) == (index, words, lane, step)


@pytest.mark.parametrize(
    ("quantity", "place"),
    [
        ("c", Place.at("c", AT)),
        *((symbol, Place.at(symbol, AT)) for symbol in "ifgorzn"),
        ("pre_f", Place.at("f", AT)),
        ("pre_n", Place.at("n", AT)),
        *((other, Place.at("h", AT)) for other in ("h", "pre_h", "change", "norm")),
    ],
)
def test_a_quantity_leads_to_the_arithmetic_of_its_gate_or_its_step(quantity, place):
    assert quantity_place(AT, quantity) == place


@pytest.mark.parametrize("beyond", range(5))
def test_a_place_is_in_a_run_up_to_its_last_index_on_each_axis(beyond):
    index = list(AT.index)
    index[beyond] += 1
    layer, direction, timestep, sample, unit = index
    run = make_result(cell="gru", hidden_size=5, **SIZES).inputs
    assert run.hidden_shape == SHAPE
    for array in ("h", "c", "z"):
        assert lies_in(Place.at(array, AT), run)
        assert not lies_in(Place.at(array, Location(*index)), run)
    assert lies_in(entry_place(run.network, "h0", (3, 2, 4)), run)
    assert lies_in(entry_place(run.network, "h0", (2 * layer + direction, sample, unit)), run) == (beyond == 2)
    assert lies_in(Place("input", (3, 2, 6)), run)
    assert lies_in(Place("input", (timestep, sample, 6)), run) == (beyond not in (2, 3))
    assert not lies_in(Place("input", (3, 2, 7)), run)


def test_units_of_a_projected_cell_are_counted_by_its_own_size():
    run = make_result(cell="lstm", hidden_size=9, projection_size=5, **SIZES).inputs
    assert run.hidden_shape == SHAPE
    last, initial = AT.moved(unit=8), {s: entry_place(run.network, s, (3, 2, 8)) for s in ("h0", "c0")}
    for place in (Place.at("c", last), Place.at("i", last), Place.at("m", last), initial["c0"]):
        for own in (place, place.gradient):
            assert lies_in(own, run)
            assert selected(run.network.kind, own, AT.moved(unit=2)) in (AT.moved(unit=2), None)
    beyond = Place.at("c", last.moved(unit=9))
    for place in (Place.at("h", last), initial["h0"], beyond, Place.at("out", last)):
        assert not lies_in(place, run)
        assert not lies_in(place.gradient, run)
    assert selected(run.network.kind, Place.at("h", AT), AT.moved(unit=2)) == AT


def test_a_number_of_an_equation_leads_to_its_place_and_a_sign_or_a_sum_to_none():
    where = Location(0, 0, 2, 1, 1)
    gru, lstm = (
        breakdown_at(result.inputs, result["gluon"], where)
        for result in (tidy_result(cell=cell, hidden_size=2) for cell in ("gru", "lstm"))
    )
    before, (_, _, n, h) = where.moved(timestep=1), gru.lines
    r, z = (Place.at(symbol, where) for symbol in "rz")
    assert [token.source for token in n.equation.tokens if token.source is not None] == [r]
    sources = [z, None, Place.at("n", where), None, z, None, Place.at("h", before)]
    assert [token.source for token in h.equation.tokens] == [None, None, *sources]
    found = [token.source for line in lstm.lines[-2:] for token in line.equation.tokens]
    assert [place for place in found if place and place.array == "c"] == [Place.at("c", before), Place.at("c", where)]
    assert [own.source for own in lstm.outcomes] == [Place.at("c", where), None]


INPUTS = tidy_result(cell="lstm", num_layers=2, bidirectional=True).inputs
X = Place("input", (1, 0, 2))
WORDS = {"source": "text", "text": "to be or", "tokens": "words"}
LETTERS = Names(tuple("abca"), tuple("abc"))


def found(place: Place, names: Names = UNNAMED, **sections: dict[str, Any]) -> InputSource:
    """The origin for this source in the config, without its file."""
    changes = {name: replace(getattr(INPUTS.config, name), **fields) for name, fields in sections.items()}
    return origin(replace(INPUTS, config=replace(INPUTS.config, **changes), names=names), place)


@pytest.mark.parametrize(("source", "lettered", "words"), cases(__file__)["sequences"])
def test_a_number_of_the_sequence_has_its_source(source, lettered, words):
    said = found(X, LETTERS if lettered else UNNAMED, sequence=source)
    assert said.heading == "This is the input: no step computed it."
    assert (said.place, said.value) == (X, INPUTS.sequence[1, 0, 2])
    assert said.sentences[1:] == (words,)


def test_a_number_of_the_sequence_is_called_by_its_indices_and_names():
    plain, named = found(X), found(X, Names(("Mon", "Tue"), ("open", "", "close")))
    assert (plain.name, plain.sentences[0]) == ("x[t=1, i=2]", "Feature 2 of x at t = 1, sample 0.")
    assert (named.name, named.sentences[0]) == ('x[t=1, i="close"]', "Feature 2 'close' of x at t = 1 'Tue', sample 0.")


@pytest.mark.parametrize("state", ["h", "c"])
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"source": "zeros"}, "The network starts with {}0 = 0 everywhere."),
        ({"source": "normal", "seed": 9}, "It was drawn from the standard normal distribution, seed 9."),
        ({"source": "file", "path": "/far/away/state.npz"}, "It was read from the file state.npz."),
    ],
)
def test_a_number_of_the_initial_state_has_its_place_in_the_array(state, source, words):
    said = found(Place(f"{state}0", (3, 0, 2), Lane(1, 1)), initial_state=source)
    assert said.heading == "This is the initial state: no step computed it."
    array = INPUTS.initial_state[state]
    assert said.place == Place(f"{state}0", (3, 0, 2), Lane(1, 1))
    assert (said.name, said.value) == (f"{state}0[u=2]", array[3, 0, 2])
    assert said.sentences == (
        f"{state}0[u=2] of layer 1, backward, sample 0: {state}0[3, 0, 2] of shape (L·D, N, H).",
        words.format(state),
    )


NAMES = Names(("Mon", "", "Wed", "Thu", "Fri"), ("open", "", "close"))
RESULT = make_result(cell="lstm", num_layers=2)
NAMED = replace(RESULT, inputs=replace(RESULT.inputs, names=NAMES))


def test_json_has_names_and_indices():
    found = to_json(explain_at(NAMED, Location(timestep=2)))
    assert found["names"] == {"timestep": "Wed", "features": ["open", "", "close"]}
    plain = to_json(explain_at(RESULT, Location(timestep=2)))
    assert {key: value for key, value in found.items() if key != "names"} == plain


def test_an_entry_of_a_trace_s_gradients_is_a_place():
    network = make_result(cell="gru", num_layers=2, bidirectional=True).config.network
    where = Location(1, 1, 2, 0, 1)
    output = Place.at("grad.out", where)
    assert entry_place(network, "grad.out", where.index) == quantity_place(where, "grad.out") == output
    assert in_words(output) == "grad.out[t=2, u=1] of layer 1, backward"
    assert (output.location, counterpart(output, where)) == (where, Place.at("h", where))
    place = parameter_place(Lane(1, 1), "h2h_weight", (4, 2)).gradient
    assert entry_place(network, "grad.parameters.r1_h2h_weight", (4, 2)) == place
    assert in_words(place) == "grad.r1_h2h_weight[4, 2] of layer 1, backward"
    assert counterpart(place, where) == Place.at("h", where)
    assert counterpart(Place.at("h", where), where) == Place.at("grad.h", where)
    assert counterpart(Place.at("grad.z", where), where) == Place.at("z", where)

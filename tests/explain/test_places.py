"""Where the numbers of an arithmetic come from, place by place."""

import pytest

from rnnviz.core.axis_labels import Names
from rnnviz.core.trace_index import Lane, Location
from rnnviz.explain.equations import Token, equations
from rnnviz.explain.provenance import (
    CellPlace,
    GatePlace,
    InitialPlace,
    InputPlace,
    Place,
    in_words,
    input_source,
    lane_of,
    lies_in,
    notation,
    own_previous,
    previous_cell,
    quantity_place,
    step_of,
    token_source,
)
from rnnviz.explain.step_breakdown import explain
from tests.explain.arithmetics import tidy_result

AT = Location(1, 1, 3, 2, 4)
SHAPE = (2, 2, 4, 3, 5)
"""(L, D, T, N, H), the last place of which is `AT`."""


@pytest.mark.parametrize(
    ("place", "index", "words", "lane", "step"),
    [
        (AT, "h[t=3, u=4]", "h[t=3, u=4] of layer 1, backward", Lane(1, 1), AT),
        (CellPlace(AT), "c[t=3, u=4]", "c[t=3, u=4] of layer 1, backward", Lane(1, 1), AT),
        (GatePlace(AT, "f"), "f[t=3, u=4]", "f[t=3, u=4] of layer 1, backward", Lane(1, 1), AT),
        (InitialPlace("c", 1, 0, 2, 4), "c0[u=4]", "c0[u=4] of layer 1, forward", Lane(1, 0), None),
        (InputPlace(3, 2, 1), "x[t=3, i=1]", "x[t=3, i=1]", None, None),
        (InputPlace(3, 2, 1, Names((), ("a", "b"))), 'x[t=3, i="b"]', 'x[t=3, i="b"]', None, None),
    ],
)
def test_a_place_has_a_notation_a_lane_and_a_step(
    place: Place, index: str, words: str, lane: Lane | None, step: Location | None
) -> None:
    assert (notation(place), in_words(place), lane_of(place), step_of(place)) == (index, words, lane, step)


@pytest.mark.parametrize(
    ("quantity", "place"),
    [
        ("c", CellPlace(AT)),
        *((symbol, GatePlace(AT, symbol)) for symbol in "ifgorzn"),
        ("pre_f", GatePlace(AT, "f")),
        ("pre_n", GatePlace(AT, "n")),
        *((other, AT) for other in ("h", "pre_h", "change", "norm")),
    ],
)
def test_a_quantity_leads_to_the_arithmetic_of_its_gate_or_its_step(quantity: str, place: Place) -> None:
    assert quantity_place(AT, quantity) == place


@pytest.mark.parametrize("beyond", range(5))
def test_a_place_is_in_a_run_up_to_its_last_index_on_each_axis(beyond: int) -> None:
    index = list(AT.index)
    index[beyond] += 1
    layer, direction, timestep, sample, unit = index
    for make in (Location, lambda *i: CellPlace(Location(*i)), lambda *i: GatePlace(Location(*i), "z")):
        assert lies_in(make(*AT.index), SHAPE, 7)
        assert not lies_in(make(*index), SHAPE, 7)
    assert lies_in(InitialPlace("h", 1, 1, 2, 4), SHAPE, 7)
    assert lies_in(InitialPlace("h", layer, direction, sample, unit), SHAPE, 7) == (beyond == 2)
    assert lies_in(InputPlace(3, 2, 6), SHAPE, 7)
    assert lies_in(InputPlace(timestep, sample, 6), SHAPE, 7) == (beyond not in (2, 3))
    assert not lies_in(InputPlace(3, 2, 7), SHAPE, 7)


@pytest.mark.parametrize("direction", [0, 1])
def test_the_inputs_of_a_step_are_the_layer_below_and_the_previous_step(direction: int) -> None:
    result = tidy_result(cell="lstm", hidden_size=4, num_layers=2, bidirectional=True)
    where = Location(1, direction, 2, 1, 3)
    own = explain(result.inputs, result["gluon"], where)
    before = Location(1, direction, 3 if direction else 1, 1, 3)
    assert [input_source(own, "i2h", index) for index in (0, 3, 4, 7)] == [
        Location(0, 0, 2, 1, 0), Location(0, 0, 2, 1, 3), Location(0, 1, 2, 1, 0), Location(0, 1, 2, 1, 3),
    ]  # fmt: skip
    assert input_source(own, "h2h", 2) == before.moved(unit=2)
    assert own_previous(own) == before
    assert previous_cell(own) == CellPlace(before)
    first = where.moved(layer=0, timestep=3 if direction else 0)
    own = explain(result.inputs, result["gluon"], first)
    assert input_source(own, "h2h", 2) == InitialPlace("h", 0, direction, 1, 2)
    assert input_source(own, "i2h", 2) == InputPlace(first.timestep, 1, 2)
    assert own_previous(own) == InitialPlace("h", 0, direction, 1, 3)
    assert previous_cell(own) == InitialPlace("c", 0, direction, 1, 3)


def test_a_number_of_an_equation_leads_to_its_place_and_a_sign_or_a_sum_to_none() -> None:
    result = tidy_result(cell="gru", hidden_size=2)
    where = Location(0, 0, 2, 1, 1)
    own = explain(result.inputs, result["gluon"], where)
    before, (_, _, n, h) = where.moved(timestep=1), equations(own)
    gates = {symbol: GatePlace(where, symbol) for symbol in "rzn"}
    assert [token_source(own, token) for token in n.tokens] == [
        gates["n"],
        None,
        None,
        None,
        gates["r"],
        None,
        None,
        None,
    ]
    sources = [gates["z"], None, gates["n"], None, gates["z"], None, before]
    assert [token_source(own, token) for token in h.tokens] == [None, None, *sources]
    assert token_source(own, Token("c[t-1]", 0.5)) == CellPlace(before)
    assert token_source(own, Token("c", 0.5)) == CellPlace(where)

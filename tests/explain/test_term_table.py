"""A ledger adds up to its line in either order, whatever is listed; each row knows its source."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.explain.equations import EquationLine, Token, equations, outcomes
from rnnviz.explain.explanation import explain_value
from rnnviz.explain.step_breakdown import StepBreakdown, activation_curve
from rnnviz.explain.term_table import TermTable, ledger
from rnnviz.explain.value_sources import in_words, notation, token_source
from tests.explain.arithmetics import activated, argument_of, arithmetic_of, explained
from tests.factories import make_result

WHERE = Location(layer=1, timestep=2, sample=1, unit=1)


def arithmetics(where: Location = WHERE, **network: object) -> list[StepBreakdown]:
    result = make_result(num_layers=2, bidirectional=True, **network)
    return list(explain_value(result, where).arithmetics.values())


def added(found: TermTable, engine: int = 0) -> list[float]:
    return [row.figures[engine].added for row in found.rows if row.figures[engine].added is not None]


@given(st.data())
def test_the_terms_of_a_gate_sum_to_the_pre_activation_of_the_equations(data: st.DataObject) -> None:
    arithmetic = arithmetic_of(data.draw(explained()))
    gate = data.draw(st.sampled_from(arithmetic.gates))
    found = ledger(
        [arithmetic],
        gate.symbol,
        data.draw(st.sampled_from(["index", "weight"])),
        data.draw(st.none() | st.integers(1, len(gate.pre))),
    )
    reset = arithmetic.by_symbol["r"].value if gate.scaled else None
    argument = argument_of(gate, reset)
    assert sum(added(found)) == pytest.approx(argument, abs=1e-9)
    assert found.rows[-1].figures[0].product == pytest.approx(argument, abs=1e-9)
    assert activated(gate, argument) == pytest.approx(gate.value, abs=1e-9)
    sums = [row.figures[0] for row in found.rows if row.figures[0].added is not None]
    assert [own.start for own in sums[1:]] == [own.stop for own in sums[:-1]]
    assert found.terms == len(gate.pre)


@pytest.mark.parametrize(("cell", "line"), [("lstm", "c"), ("lstm", "h"), ("gru", "h")])
def test_a_state_is_the_sum_of_its_products(cell: str, line: str) -> None:
    (own, _) = each = arithmetics(cell=cell)
    found = ledger(each, line)
    expected = own.c if line == "c" else own.h
    for row in found.rows[:-1]:
        figures = row.figures[0]
        assert figures.factor is not None
        assert figures.input is not None
        assert figures.product == figures.factor * figures.input
    assert sum(added(found)) == pytest.approx(expected, abs=1e-15)
    assert found.rows[-1].figures[0].stop == expected


def names(found: TermTable) -> list[str]:
    return [row.name for row in found.rows]


def test_rows_are_in_the_order_of_evaluation_or_by_contribution() -> None:
    each = arithmetics(cell="gru", hidden_size=2)
    assert names(ledger(each, "n")) == [
        *("h[t=2, u=0] →", "h[t=2, u=1] →", "h[t=2, u=0] ←", "h[t=2, u=1] ←", "b_i2h", "u_n"),
        *("h[t=1, u=0]", "h[t=1, u=1]", "b_h2h", "v_n", "u_n + r · v_n"),
    ]
    weighed = ledger(each, "n", "weight", top=3)
    assert names(weighed)[3:] == ["3 more", "b_i2h", "b_h2h", "u_n + r · v_n"]
    largest = [abs(value) for value in added(weighed)[:3]]
    assert largest == sorted(largest, reverse=True)
    assert set(names(weighed)[:3]) < set(names(ledger(each, "n")))


def test_the_term_of_a_divergence_is_listed_though_it_weighs_little() -> None:
    result = make_result(cell="lstm", hidden_size=4, edits={"manual": lambda trace: trace.hidden.__iadd__(0.1)})
    explanation = explain_value(result, Location(timestep=2))
    each = tuple(explanation.arithmetics.values())
    parting = explanation.partings["manual"]
    assert parting is not None
    assert parting.kind == "h2h"
    for top in (1, 3):
        rows = ledger(each, "i", "weight", top, parting).rows
        assert [row.name for row in rows if row.parts] == [f"h[t=1, u={parting.index}]"]
        assert len([row for row in rows if row.kind == "term"]) == top


def test_an_unknown_line_is_refused() -> None:
    with pytest.raises(KeyError, match="c is not a line of the cell gru"):
        ledger(arithmetics(cell="gru"), "c")


def test_the_numbers_of_an_equation_lead_to_their_sources() -> None:
    where = Location(layer=1, timestep=2, sample=1, unit=1)
    own = arithmetics(where, cell="lstm")[0]
    *_, c, h = equations(own)
    assert [token_source(own, token) for token in c.tokens if token.value is not None] == [
        Place.at("c", where),
        Place.at("f", where),
        Place.at("c", where.moved(timestep=1)),
        Place.at("i", where),
        Place.at("g", where),
    ]
    assert token_source(own, h.tokens[-2]) == Place.at("c", where)
    first = arithmetics(where.moved(timestep=0), cell="gru")[0]
    assert token_source(first, equations(first)[-1].tokens[-1]) == Place("h0", (2, 1, 1))


def test_places_are_named() -> None:
    where = Location(layer=1, direction=1, timestep=3, unit=2)
    assert [notation(p) for p in (Place.at("h", where), Place.at("c", where), Place.at("f", where))] == [
        "h[t=3, u=2]",
        "c[t=3, u=2]",
        "f[t=3, u=2]",
    ]
    assert in_words(Place.at("f", where)) == "f[t=3, u=2] of layer 1, backward"
    assert Place.at("c", where).location == where
    assert Place("input", (0, 0, 0)).location is None


def test_the_outcome_shows_the_error_of_the_engine() -> None:
    own = arithmetics(cell="rnn_tanh")[0]
    values = [token.value for token in outcomes(own.outcomes)["h"].tokens if token.value is not None]
    assert values == [own.stored, own.h, own.outcomes[-1].difference, 8 * own.bound]


def test_numbers_that_differ_have_enough_digits_in_an_equation() -> None:
    one = EquationLine((Token("h", -0.50001), Token(" = tanh("), Token("a", 0.25), Token(" + "), Token("b", -0.125)))
    other = EquationLine((Token("h", -0.50002), *one.tokens[1:]))
    assert one.cells_apart(other) == (
        ("-0.50001", " = tanh(", "0.250", " + ", "(-0.125)"),
        ("-0.50002", " = tanh(", "0.250", " + ", "(-0.125)"),
    )


@pytest.mark.parametrize(("cell", "line"), [("lstm", "f"), ("lstm", "h"), ("rnn_relu", "h"), ("gru", "n")])
def test_each_engines_point_is_on_the_curve(cell: str, line: str) -> None:
    each = arithmetics(cell=cell)
    curve = activation_curve(each, line)
    assert curve is not None
    for x, y in curve.points:
        assert curve.x[0] <= x <= curve.x[-1]
        assert np.interp(x, curve.x, curve.y) == pytest.approx(y, abs=2e-3)
    assert activation_curve(each, "c") is None

"""Equations with their numbers, enough digits to distinguish them, and the curve of an activation."""

from dataclasses import replace
from math import inf, nan, tanh

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.explain.forward import activation_curve
from rnnviz.explain.lines import (
    Breakdown,
    EquationLine,
    StoredValue,
    Token,
    align_decimals,
    format_distinct,
    format_distinct_briefly,
    format_short,
)
from tests.explain.arithmetics import breakdown_at, tidy_result


@pytest.mark.parametrize(
    ("one", "other", "brief"),
    [
        (0.5, 0.625, ("0.500", "0.625")),
        (-0.5, 0.50000004, ("-0.500", "0.500")),
        (1.0, 1.00000004, ("1.00000000", "1.00000004")),
        (0.38212345678923, 0.38212345678924, ("0.382…23", "0.382…24")),
        (-0.38212345678923, -0.38212345678924, ("-0.382…23", "-0.382…24")),
        (1e-9, 2e-9, ("0.000…01", "0.000…02")),
        (99.5, 99.500000004, ("99.500…00", "99.500…04")),
    ],
)
def test_two_values_differ_within_ten_characters(one: float, other: float, brief: tuple[str, str]) -> None:
    assert format_distinct_briefly(one, other) == brief
    assert format_distinct_briefly(other, one) == brief[::-1]


WHERE = Location(0, 0, 2, 1, 1)


def arithmetic(cell: str) -> Breakdown:
    result = tidy_result(cell=cell, hidden_size=2)
    return breakdown_at(result.inputs, result["gluon"], WHERE)


def test_the_outcome_is_the_stored_minus_the_exact_value_with_its_limit() -> None:
    own = StoredValue("h", 0.25, -0.5, 0.125).equation
    assert own.symbols == "stored h - h = Δ, |Δ| ≤ bound"
    assert own.numbers == "0.250 - (-0.500) = 0.750, |Δ| ≤ 1.000"


@pytest.mark.parametrize(
    ("stored", "computed", "bound", "difference", "ratio"),
    [
        (0.75, 0.5, 0.125, 0.25, 2.0),
        (0.5, 0.75, 0.125, -0.25, 2.0),
        (1.5, 0.5, 0.125, 1.0, 8.0),
        (1.625, 0.5, 0.125, 1.125, 9.0),
        (inf, inf, 0.125, 0.0, 0.0),
        (nan, nan, 0.125, 0.0, 0.0),
        (inf, -inf, 0.125, inf, inf),
        (0.5, 0.75, 0.0, -0.25, inf),
        (0.5, 0.5, 0.0, 0.0, 0.0),
        (0.5, 0.75, inf, -0.25, 0.0),
        (0.5, 0.75, nan, -0.25, 0.0),
    ],
)
def test_a_value_is_right_up_to_eight_bounds(
    stored: float, computed: float, bound: float, difference: float, ratio: float
) -> None:
    own = StoredValue("h", stored, computed, bound)
    assert (own.difference, own.ratio, own.right) == (difference, ratio, ratio <= 8.0)


def test_a_negative_number_has_brackets_only_after_a_sign() -> None:
    h, a, b, sign = Token("h", -0.5), Token("a", -0.25), Token("b", -4e-4), Token(" - ")
    line = EquationLine((h, Token(" = "), a, sign, b, Token(" · ("), a, sign, Token("c", 0.0), Token(")")))
    assert line.numbers == "-0.500 = -0.250 - (-4e-4) · (-0.250 - 0.000)"
    assert line.cells == ("-0.500", " = ", "-0.250", " - ", "(-4e-4)", " · (", "-0.250", " - ", "0.000", ")")


def test_numbers_of_two_engines_have_enough_digits_to_differ_and_equal_ones_no_more() -> None:
    signs = Token(" = "), Token(" + ")
    one = EquationLine((Token("h", 0.25), signs[0], Token("a", -0.12341), signs[1], Token("b", -0.5)))
    two = EquationLine((Token("h", 0.25), signs[0], Token("a", -0.12342), signs[1], Token("b", -0.75)))
    assert one.cells_apart(two) == (
        ("0.250", " = ", "-0.12341", " + ", "(-0.500)"),
        ("0.250", " = ", "-0.12342", " + ", "(-0.750)"),
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01, "0.010"), (0.0099999, "0.0100"), (0.001, "0.0010"), (-0.001, "-0.0010"), (0.00099, "9.9e-4"), (nan, "NaN")],
)
def test_a_small_number_has_two_digits(value: float, text: str) -> None:
    assert format_short(value) == text


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        (0.1234, 0.1236, ("0.123", "0.124")),
        (0.12341, 0.12344, ("0.12341", "0.12344")),
        (1.0, 1.0 + 2**-52, ("1.0000000000000000", "1.0000000000000002")),
        (0.25, 0.25 + 2**-54, ("0.2500000000000000", "0.2500000000000001")),
        (1e-17, 2e-17, ("1e-17", "2e-17")),
        (999999.0, 999998.9999, ("999999.0000", "999998.9999")),
        (1e6, 999999.5, ("1.000e+6", "999999.500")),
        (1e6, 1e6 + 0.001, ("1000000.0", "1000000.001")),
        (0.5, inf, ("0.500", "infinity")),
        (nan, 0.5, ("NaN", "0.500")),
    ],
)
def test_two_numbers_have_enough_decimals_to_differ(one: float, other: float, texts: tuple[str, str]) -> None:
    assert format_distinct(one, other) == texts


@pytest.mark.parametrize(
    ("texts", "aligned"),
    [
        ([], []),
        (["1.5", "-12.25", "3"], ["  1.5 ", "-12.25", "  3   "]),
        (["4e-7", "-0.5", "NaN", "1.2e+6"], ["  4e-7  ", " -0.5   ", "NaN     ", "  1.2e+6"]),
        (["-4e-7", "", "0.25"], ["-4e-7", "     ", " 0.25"]),
        (["none", "1.0"], ["none  ", "   1.0"]),
    ],
)
def test_texts_are_aligned_at_the_decimal_point(texts: list[str], aligned: list[str]) -> None:
    assert align_decimals(texts) == aligned


@pytest.mark.parametrize(
    ("cell", "line", "activation", "least"),
    [
        ("lstm", "i", "sigmoid", 6.0),
        ("lstm", "g", "tanh", 3.0),
        ("rnn_relu", "h", "relu", 2.0),
        ("rnn_tanh", "h", "tanh", 3.0),
    ],
)
def test_a_curve_is_symmetric_and_extends_beyond_each_point(
    cell: str, line: str, activation: str, least: float
) -> None:
    own = arithmetic(cell)
    gate = own.by_name[line]
    assert gate.argument is not None
    assert gate.point is not None
    formula = {"sigmoid": lambda x: 1 / (1 + np.exp(-x)), "tanh": np.tanh, "relu": lambda x: np.where(x > 0, x, 0)}
    for bias, reach in ((0.0, least), (-200.0, None), (1e31, least), (nan, least)):
        there = gate.argument + bias
        curve = activation_curve([gate, replace(gate, point=(gate.point[0], there, gate.value))])
        assert curve is not None
        assert curve.activation == activation
        assert curve.x[-1] == pytest.approx(-curve.x[0])
        assert curve.x[-1] == pytest.approx(1.15 * abs(there) if reach is None else least)
        assert len(curve.x) == 97
        np.testing.assert_allclose(curve.y, formula[activation](curve.x), atol=1e-15)
        assert repr(curve.points) == repr(((gate.argument, gate.value), (there, gate.value)))


def test_only_the_last_line_of_an_lstm_has_a_curve_without_a_gate() -> None:
    own = arithmetic("lstm")
    c = own.by_name["c"].value
    curve = activation_curve([own.by_name["h"]])
    assert curve is not None
    assert curve.activation == "tanh"
    np.testing.assert_allclose(curve.points, [(c, tanh(c))], rtol=1e-14)
    assert activation_curve([own.by_name["c"]]) is activation_curve([arithmetic("gru").by_name["h"]]) is None

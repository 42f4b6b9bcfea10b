"""Equations with their numbers, enough digits to distinguish them, and the curve of an activation."""

from math import nan

import pytest

from rnnviz.explain.lines import EquationLine, StoredValue, Token, align_decimals, format_distinct, format_short
from tests.cases import cases


def test_the_outcome_is_the_stored_minus_the_exact_value_with_its_limit():
    own = StoredValue("h", 0.25, -0.5, 0.125).equation
    assert own.symbols == "stored h - h = Δ, |Δ| ≤ bound"
    assert own.numbers == "0.250 - (-0.500) = 0.750, |Δ| ≤ 1.000"


@pytest.mark.parametrize(("stored", "computed", "bound", "difference", "ratio"), cases(__file__)["right-values"])
def test_a_value_is_right_up_to_eight_bounds(stored, computed, bound, difference, ratio):
    own = StoredValue("h", stored, computed, bound)
    assert (own.difference, own.ratio, own.right) == (difference, ratio, ratio <= 8.0)


def test_a_negative_number_has_brackets_only_after_a_sign():
    h, a, b, sign = Token("h", -0.5), Token("a", -0.25), Token("b", -4e-4), Token(" - ")
    line = EquationLine((h, Token(" = "), a, sign, b, Token(" · ("), a, sign, Token("c", 0.0), Token(")")))
    assert line.numbers == "-0.500 = -0.250 - (-4e-4) · (-0.250 - 0.000)"
    assert line.cells == ("-0.500", " = ", "-0.250", " - ", "(-4e-4)", " · (", "-0.250", " - ", "0.000", ")")


def test_numbers_of_two_engines_have_enough_digits_to_differ_and_equal_ones_no_more():
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
def test_a_small_number_has_two_digits(value, text):
    assert format_short(value) == text


@pytest.mark.parametrize(("one", "other", "texts"), cases(__file__)["decimals"])
def test_two_numbers_have_enough_decimals_to_differ(one, other, texts):
    assert format_distinct(one, other) == tuple(texts)


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
def test_texts_are_aligned_at_the_decimal_point(texts, aligned):
    assert align_decimals(texts) == aligned

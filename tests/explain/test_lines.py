"""Equations with their numbers, enough digits to distinguish them, and the curve of an activation."""

from math import inf, nan

import pytest

from rnnviz.explain.lines import EquationLine, StoredValue, Token, align_decimals, format_distinct, format_short


def test_the_outcome_is_the_stored_minus_the_exact_value_with_its_limit():
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
def test_two_numbers_have_enough_decimals_to_differ(one, other, texts):
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
def test_texts_are_aligned_at_the_decimal_point(texts, aligned):
    assert align_decimals(texts) == aligned

"""Numbers of an arithmetic as paper and pencil need them."""

from math import inf, nan

import pytest

from rnnviz.explain.equations import format_distinct, format_short, told_apart_briefly


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
    assert told_apart_briefly(one, other) == brief
    assert told_apart_briefly(other, one) == brief[::-1]


@pytest.mark.parametrize(("one", "other"), [(123456.7890123, 123456.7890124), (4e12, 4.0000001e12)])
def test_values_that_need_more_than_ten_characters_are_short(one: float, other: float) -> None:
    assert max(map(len, format_distinct(one, other))) > 10
    assert told_apart_briefly(one, other) == (format_short(one), format_short(other))


@pytest.mark.parametrize("strange", [nan, inf, -inf])
def test_a_nonfinite_value_differs_from_a_number(strange: float) -> None:
    one, other = told_apart_briefly(strange, 0.5)
    assert one != other

"""Numbers as they are shown, and that what is copied reads back to the same float."""

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core import number_format
from rnnviz.verify.metrics import ulp_distance


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.6524, "0.652"),
        (np.float32(0.1), "0.100"),
        (0.0, "0.000"),
        (-0.0001, "-1e-4"),
        (-0.0, "0.000"),
        (1.4e-30, "1e-30"),
        (0.0005, "0.001"),
        (-12.5, "-12.500"),
        (999_999.0, "999999.000"),
        (1_234_567.0, "1.235e+6"),
        (-3e38, "-3.000e+38"),
        (nan, "NaN"),
        (inf, "infinity"),
        (np.float32(-inf), "-infinity"),
    ],
)
def test_value_has_three_decimals(value: float, shown: str) -> None:
    assert number_format.short(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5.96e-8, "6e-8"),
        (6.14e-8, "6.1e-8"),
        (9.97e-4, "0.001"),
        (0.0411, "0.041"),
        (-0.0112, "-0.011"),
        (0.67, "0.67"),
        (1.0, "1"),
        (123.0, "120"),
        (9_999.0, "1e+4"),
        (1e-5, "1e-5"),
        (5e-324, "4.9e-324"),
        (inf, "infinity"),
        (nan, "NaN"),
    ],
)
def test_difference_has_two_digits(value: float, shown: str) -> None:
    assert number_format.error(value) == shown


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_printed_limit_passes(value: float) -> None:
    read = float(number_format.format_ceil(value))
    assert value <= read <= value * 1.11


@given(st.floats(width=32))
def test_float32_digits_round_trip(value: float) -> None:
    number = np.float32(value)
    back = np.float32(float(number_format.full(number)))
    assert back.tobytes() == number.tobytes() or (np.isnan(number) and np.isnan(back))


@given(st.floats())
def test_float64_digits_round_trip(value: float) -> None:
    for number in (value, np.float64(value)):
        back = float(number_format.full(number))
        assert np.float64(back).tobytes() == np.float64(value).tobytes() or (np.isnan(value) and np.isnan(back))


def test_float32_has_no_float64_digits() -> None:
    assert number_format.full(np.float32(0.1)) == "0.1"
    assert number_format.full(float(np.float32(0.1))) == "0.10000000149011612"
    assert number_format.full(np.float32(1.5e-8)) == "1.5e-8"


def test_nonfinite_numbers_round_trip() -> None:
    assert [number_format.full(v) for v in (nan, inf, -inf)] == ["NaN", "infinity", "-infinity"]
    assert float(number_format.full(-inf)) == -inf


def test_ulp_distance_to_nan() -> None:
    distance = ulp_distance(np.array([np.nan, 1.0], np.float32), np.array([1.0, 1.0], np.float32))
    assert [number_format.ulp(int(d)) for d in distance] == ["none", "0"]
    assert number_format.ulp(12_345) == "12,345"
    assert number_format.ulp(2**32) == "4.3e+9"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.00031, "0.3 ms"),
        (0.0412, "41 ms"),
        (0.9996, "1.0 s"),
        (1.23, "1.2 s"),
        (13.8, "14 s"),
        (59.6, "1 min 0 s"),
        (125.0, "2 min 5 s"),
        (3_840.0, "1 h 4 min"),
    ],
)
def test_duration_units(seconds: float, shown: str) -> None:
    assert number_format.duration(seconds) == shown


def test_values_equal_in_three_decimals_are_shown_in_full() -> None:
    assert number_format.format_pair(0.2631, 0.2642) == ("0.263", "0.264")
    assert number_format.format_pair(0.26310001, 0.26310002) == ("0.26310001", "0.26310002")
    assert number_format.format_pair(float("nan"), 0.0) == ("NaN", "0.000")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (inf, "infinity"),
        (-inf, "-infinity"),
        (nan, "NaN"),
        (0.0411, "0.042"),
        (0.25, "0.25"),
        (9.91e-9, "1e-8"),
        (1.01, "1.1"),
        (991.0, "1000"),
        (-0.0119, "-0.011"),
    ],
)
def test_limit_is_rounded_up(value: float, shown: str) -> None:
    assert number_format.format_ceil(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (999_999.9996, "1000000.000"),
        (1e6, "1.000e+6"),
        (-1e6, "-1.000e+6"),
        (1.5e10, "1.500e+10"),
        (1e100, "1.000e+100"),
    ],
)
def test_exponent_from_a_million(value: float, shown: str) -> None:
    assert number_format.short(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1e-3, "0.001"),
        (-1e-3, "-0.001"),
        (9.4e-4, "9.4e-4"),
        (9_949.0, "9900"),
        (9_950.0, "1e+4"),
        (-12_000.0, "-1.2e+4"),
        (2.5e10, "2.5e+10"),
        (1e100, "1e+100"),
    ],
)
def test_exponent_of_very_small_and_large_differences(value: float, shown: str) -> None:
    assert number_format.error(value) == shown


@pytest.mark.parametrize(
    ("distance", "shown"),
    [(0, "0"), (99_999, "99,999"), (100_000, "1e+5"), (2**64 - 2, "1.8e+19"), (2**64 - 1, "none")],
)
def test_ulp_is_exact_up_to_100000(distance: int, shown: str) -> None:
    assert number_format.ulp(distance) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.009449, "9.4 ms"),
        (0.00949, "9.5 ms"),
        (0.0095, "10 ms"),
        (0.9994, "999 ms"),
        (0.9995, "1.0 s"),
        (9.949, "9.9 s"),
        (9.95, "10 s"),
        (59.4, "59 s"),
        (3_599.4, "59 min 59 s"),
        (3_599.6, "1 h 0 min"),
        (7_325.0, "2 h 2 min"),
    ],
)
def test_duration_rounds_up_to_the_next_unit(seconds: float, shown: str) -> None:
    assert number_format.duration(seconds) == shown


def test_separators_and_sign() -> None:
    assert number_format.count(3_200_000) == "3,200,000"
    assert number_format.full(1) == "1.0"
    assert [number_format.full(v) for v in (-1.5e-300, 1e22, np.float32(-2e30))] == ["-1.5e-300", "1e+22", "-2e+30"]


def test_minus_signs_of_numbers_are_true_and_names_keep_hyphens() -> None:
    sentence = "bug:gates-i-f-o-g has -0.5 at rnn-2, manual (-1.2e-7)"
    assert number_format.true_minus_in(sentence) == "bug:gates-i-f-o-g has −0.5 at rnn-2, manual (−1.2e−7)"


def test_a_ratio_of_one_is_a_percentage() -> None:
    assert number_format.times(1.0) == "100%"
    assert number_format.times(1.04).endswith("×")


def test_json_has_the_names_of_numbers_that_are_not_finite() -> None:
    named = [number_format.json_number(value) for value in (nan, inf, -inf, -1.5, 0.0)]
    assert named == ["NaN", "Infinity", "-Infinity", -1.5, 0.0]

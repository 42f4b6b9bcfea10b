"""Numbers as they are shown, and that what is copied reads back to the same float."""

from collections.abc import Callable
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core import number_format as form
from rnnviz.verify.metrics import ulp_distance

SHORT = [
    (0.6524, "0.652"), (np.float32(0.1), "0.100"), (0.0, "0.000"), (-0.0001, "-1e-4"), (-0.0, "0.000"),
    (1.4e-30, "1e-30"), (0.0005, "0.001"), (-12.5, "-12.500"), (999_999.0, "999999.000"), (1_234_567.0, "1.235e+6"),
    (999_999.9996, "1000000.000"), (1e6, "1.000e+6"), (-1e6, "-1.000e+6"), (1.5e10, "1.500e+10"),
    (1e100, "1.000e+100"), (-3e38, "-3.000e+38"), (nan, "NaN"), (inf, "infinity"), (np.float32(-inf), "-infinity"),
]  # fmt: skip
ERROR = [
    (0.0, "0"), (-0.0, "0"), (5.96e-8, "6e-8"), (6.14e-8, "6.1e-8"), (9.97e-4, "0.001"), (0.0411, "0.041"),
    (-0.0112, "-0.011"), (0.67, "0.67"), (1.0, "1"), (123.0, "120"), (9_999.0, "1e+4"), (1e-5, "1e-5"),
    (5e-324, "4.9e-324"), (1e-3, "0.001"), (-1e-3, "-0.001"), (9.4e-4, "9.4e-4"), (9_949.0, "9900"), (9_950.0, "1e+4"),
    (-12_000.0, "-1.2e+4"), (2.5e10, "2.5e+10"), (1e100, "1e+100"), (inf, "infinity"), (nan, "NaN"),
]  # fmt: skip
LIMIT = [
    (0.0, "0"), (-0.0, "0"), (inf, "infinity"), (-inf, "-infinity"), (nan, "NaN"), (0.0411, "0.042"), (0.25, "0.25"),
    (9.91e-9, "1e-8"), (1.01, "1.1"), (991.0, "1000"), (-0.0119, "-0.011"),
]  # fmt: skip
DURATION = [
    (0.00031, "0.3 ms"), (0.009449, "9.4 ms"), (0.00949, "9.5 ms"), (0.0095, "10 ms"), (0.0412, "41 ms"),
    (0.9994, "999 ms"), (0.9995, "1.0 s"), (0.9996, "1.0 s"), (1.23, "1.2 s"), (9.949, "9.9 s"), (9.95, "10 s"),
    (13.8, "14 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (125.0, "2 min 5 s"), (3_599.4, "59 min 59 s"),
    (3_599.6, "1 h 0 min"), (3_840.0, "1 h 4 min"), (7_325.0, "2 h 2 min"),
]  # fmt: skip
ULP = [
    (0, "0"), (12_345, "12,345"), (99_999, "99,999"), (100_000, "1e+5"), (2**32, "4.3e+9"), (2**64 - 2, "1.8e+19"),
    (2**64 - 1, "none"),
]  # fmt: skip
FULL = [
    (nan, "NaN"), (inf, "infinity"), (-inf, "-infinity"), (1, "1.0"), (-1.5e-300, "-1.5e-300"), (1e22, "1e+22"),
    (np.float32(-2e30), "-2e+30"), (np.float32(0.1), "0.1"), (float(np.float32(0.1)), "0.10000000149011612"),
]  # fmt: skip
JSON = [(nan, "NaN"), (inf, "Infinity"), (-inf, "-Infinity"), (-1.5, -1.5), (0.0, 0.0)]
TABLES: dict[Callable[[Any], Any], list[tuple[Any, Any]]] = {
    form.short: SHORT,
    form.error: ERROR,
    form.format_ceil: LIMIT,
    form.duration: DURATION,
    form.ulp: ULP,
    form.full: FULL,
    form.json_number: JSON,
    form.times: [(1.0, "100%"), (1.04, "1×"), (0.0059, "0.59%"), (10_000.0, "10,000×"), (1.2e9, "1.2e+9×")],
    form.count: [(3_200_000, "3,200,000")],
}


@pytest.mark.parametrize(("shown", "table"), TABLES.items(), ids=[f.__name__ for f in TABLES])
def test_each_form_of_a_number(shown, table):
    assert [shown(value) for value, _ in table] == [text for _, text in table]


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_printed_limit_passes(value):
    assert value <= float(form.format_ceil(value)) <= value * 1.11


@given(st.floats(width=32), st.floats())
def test_digits_round_trip(single, double):
    for number in (np.float32(single), double, np.float64(double)):
        back = type(number)(float(form.full(number)))
        assert np.asarray(back).tobytes() == np.asarray(number).tobytes() or (np.isnan(number) and np.isnan(back))


def test_ulp_distance_to_nan():
    distance = ulp_distance(np.array([np.nan, 1.0], np.float32), np.array([1.0, 1.0], np.float32))
    assert [form.ulp(int(d)) for d in distance] == ["none", "0"]


def test_values_equal_in_three_decimals_are_shown_in_full():
    assert form.format_pair(0.2631, 0.2642) == ("0.263", "0.264")
    assert form.format_pair(0.26310001, 0.26310002) == ("0.26310001", "0.26310002")
    assert form.format_pair(float("nan"), 0.0) == ("NaN", "0.000")


def test_minus_signs_of_numbers_are_true_and_names_keep_hyphens():
    sentence = "bug:gates-i-f-o-g has -0.5 at rnn-2, manual (-1.2e-7)"
    assert form.true_minus_in(sentence) == "bug:gates-i-f-o-g has −0.5 at rnn-2, manual (−1.2e−7)"

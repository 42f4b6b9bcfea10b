"""Signed differences: their size is the comparison's error, and what is not finite differs only where it differs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rnnviz.verify.metrics import abs_error, signed_difference

NAN, INF = np.nan, np.inf


def test_the_sign_shows_whether_the_candidate_is_larger() -> None:
    reference, candidate = np.array([1.0, 1.0, 0.25, -0.0]), np.array([1.5, 0.5, 0.25, 0.0])
    assert signed_difference(reference, candidate).tolist() == [0.5, -0.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("reference", "candidate", "expected"),
    [
        (NAN, NAN, 0.0),
        (INF, INF, 0.0),
        (-INF, -INF, 0.0),
        (1.0, NAN, NAN),
        (NAN, 1.0, NAN),
        (NAN, INF, NAN),
        (1.0, INF, INF),
        (INF, 1.0, -INF),
        (INF, -INF, -INF),
        (-1e308, 1.7e308, INF),
    ],
)
def test_nonfinite_values_differ_only_where_they_differ(reference: float, candidate: float, expected: float) -> None:
    difference = signed_difference(np.array([reference]), np.array([candidate]))
    assert np.array_equal(difference, [expected], equal_nan=True)


@given(
    pair=arrays.arrays(np.float32, (2, 6), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
)
def test_its_size_is_the_error_of_the_comparison(pair: np.ndarray) -> None:
    assert np.array_equal(np.abs(signed_difference(*pair)), abs_error(*pair))

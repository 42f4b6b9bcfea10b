"""Errors between two arrays, element by element."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from rnnviz.verify import metrics as extent
from rnnviz.verify.metrics import (
    abs_error,
    error_ratio,
    error_ratio_of,
    largest_magnitude,
    passing_atol,
    tolerance,
    ulp_distance,
)

DTYPES = ("float32", "float64")
LARGEST = np.finfo(np.float64).max
TINY = 5e-324
FAR = 2**64 - 1


def pair(r: float, c: float, dtype: str = "float64") -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    return np.array([r], dtype), np.array([c], dtype)


def mismatching(r: float, c: float, rtol: float, atol: float) -> bool:
    reference, candidate = pair(r, c)
    return bool(~(abs_error(reference, candidate) <= tolerance(reference, rtol, atol))[0])


@given(st.floats(width=32), st.floats(width=32))
def test_error_of_float32_is_exact_in_float64(r: float, c: float) -> None:
    error = abs_error(*pair(r, c, "float32"))
    assert error.dtype == np.float64
    if math.isfinite(r) and math.isfinite(c):
        assert error[0] == abs(c - r)


@pytest.mark.parametrize(
    ("r", "c", "error"),
    [
        (math.nan, math.nan, 0.0),
        (math.inf, math.inf, 0.0),
        (-math.inf, -math.inf, 0.0),
        (math.inf, -math.inf, math.inf),
        (math.nan, math.inf, math.inf),
        (math.inf, math.nan, math.inf),
        (math.nan, 1.0, math.inf),
        (1.0, math.nan, math.inf),
        (math.inf, 1.0, math.inf),
        (1.0, -math.inf, math.inf),
        (0.0, -0.0, 0.0),
        (LARGEST, -LARGEST, math.inf),
        (LARGEST, LARGEST, 0.0),
        (TINY, 0.0, TINY),
        (TINY, -TINY, 2 * TINY),
    ],
)
def test_error_of_nonfinite_numbers(r: float, c: float, error: float) -> None:
    assert abs_error(*pair(r, c))[0] == error
    assert mismatching(r, c, rtol=1e-5, atol=1e-8) == (error > 1e-7)


@pytest.mark.parametrize("c", [math.nan, math.inf, -math.inf])
def test_nan_and_a_number_never_agree(c: float) -> None:
    for r, rtol, atol in product((0.0, 1.0, LARGEST), (0.0, 1.0, 10.0, 1e300), (0.0, 1.0, LARGEST)):
        assert mismatching(r, c, rtol, atol), (r, rtol, atol)
        assert mismatching(c, r, rtol, atol), (r, rtol, atol)


def test_wide_rtol_passes_the_largest_floats() -> None:
    assert not mismatching(LARGEST, LARGEST, rtol=10.0, atol=0.0)
    assert not mismatching(LARGEST, LARGEST / 2, rtol=10.0, atol=0.0)
    assert error_ratio(*pair(LARGEST, LARGEST / 2), rtol=10.0, atol=1.0)[0] <= 1.0


def test_tolerance_is_relative_to_the_reference() -> None:
    # |1 - 2| <= 0.6 · 2, but not <= 0.6 · 1.
    assert not mismatching(2.0, 1.0, rtol=0.6, atol=0.0)
    assert mismatching(1.0, 2.0, rtol=0.6, atol=0.0)


def test_tolerance_of_nonfinite_reference_is_atol() -> None:
    reference = np.array([math.nan, math.inf, -math.inf, -2.0])
    np.testing.assert_array_equal(tolerance(reference, 0.5, 0.25), [0.25, 0.25, 0.25, 1.25])


@pytest.mark.parametrize(("rtol", "atol"), [(1.5, 0.0), (1.0, 1e308), (3.0, 2.0)])
def test_tolerance_of_the_largest_float_is_finite(rtol: float, atol: float) -> None:
    largest = float(np.finfo(np.float64).max)
    assert tolerance(np.array([largest]), rtol, atol).tolist() == [largest]


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
    st.floats(0, 1),
)
@example(1.0, 1.0 + 2**-52, 0.0, 2**-52)
@example(1.0, 1.0 + 2**-52, 0.0, math.nextafter(2**-52, 0))
@example(0.0, TINY, 0.0, 0.0)
def test_error_ratio_above_1_is_a_mismatch(r: float, c: float, rtol: float, atol: float) -> None:
    assert (error_ratio(*pair(r, c), rtol, atol)[0] > 1.0) == mismatching(r, c, rtol, atol)


def test_error_ratio_without_tolerance() -> None:
    np.testing.assert_array_equal(error_ratio_of(np.array([0.0, 1e-300]), np.zeros(2)), [0.0, math.inf])


def test_an_error_ratio_beyond_the_largest_float_is_infinite() -> None:
    np.testing.assert_array_equal(error_ratio_of(np.array([1e300]), np.array([1e-300])), [math.inf])


@given(
    st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=8),
    st.floats(0, 10),
    st.floats(0, 10),
)
def test_agreement_equals_numpy(pairs: list[tuple[float, float]], rtol: float, atol: float) -> None:
    r, c = (np.array(side) for side in zip(*pairs, strict=True))
    # With such numbers numpy's own product overflows, and then it takes everything for close.
    assume(np.abs(r[np.isfinite(r)], dtype=float).max(initial=0.0) < LARGEST / 100)
    with np.errstate(over="ignore"):
        expected = np.isclose(c, r, rtol=rtol, atol=atol, equal_nan=True)
    np.testing.assert_array_equal(abs_error(r, c) <= tolerance(r, rtol, atol), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@given(start=st.floats(-(2.0**100), 2.0**100, width=32), steps=st.integers(0, 40))
@example(start=0.0, steps=3)
@example(start=-0.0, steps=3)
@example(start=-1e-45, steps=5)
@example(start=-1.0, steps=1)
def test_ulp_counts_nextafter_steps(dtype: str, start: float, steps: int) -> None:
    first = last = np.array(start, dtype)
    for _ in range(steps):
        last = np.nextafter(last, np.array(np.inf, dtype))
    assert ulp_distance(first, last) == steps
    assert ulp_distance(last, first) == steps


@pytest.mark.parametrize("dtype", DTYPES)
def test_ulp_of_the_largest_distance(dtype: str) -> None:
    largest = np.finfo(dtype).max
    first, last = pair(-largest, largest, dtype)
    # All finite floats but one of the two zeros lie between.
    exponents = {"float32": 0x7F7FFFFF, "float64": 0x7FEFFFFFFFFFFFFF}
    assert int(ulp_distance(first, last)[0]) == 2 * exponents[dtype]
    assert int(ulp_distance(*pair(largest, np.inf, dtype))[0]) == 1
    assert int(ulp_distance(*pair(-0.0, 0.0, dtype))[0]) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_ulp_of_nan(dtype: str) -> None:
    negative_nan = np.copysign(np.array([np.nan], dtype), -1)
    assert int(ulp_distance(negative_nan, np.array([np.nan], dtype))[0]) == 0
    for other in (0.0, 1.0, np.inf, -np.inf):
        assert int(ulp_distance(*pair(np.nan, other, dtype))[0]) == FAR
        assert int(ulp_distance(*pair(other, np.nan, dtype))[0]) == FAR


def test_ulp_of_a_strided_view() -> None:
    r = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    c = np.nextafter(r, np.float32(2))
    np.testing.assert_array_equal(ulp_distance(r[::2, ::3], c[::2, ::3]), np.ones((2, 2)))


# torch compares float32 in float32: only of these numbers does it know the error exactly.
EIGHTHS = st.one_of(st.integers(-8_000, 8_000).map(lambda k: k / 8), st.sampled_from([math.nan, math.inf, -math.inf]))
NUMBERS = {"float32": EIGHTHS, "float64": st.floats(-1e300, 1e300) | EIGHTHS}


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    data=st.data(),
    rtol=st.sampled_from([0.0, 1.3e-6, 1e-7, 0.5]),
    atol=st.sampled_from([0.0, 1e-5, 1e-7, 1.0]),
)
def test_agreement_equals_torch(dtype: str, data: st.DataObject, rtol: float, atol: float) -> None:
    torch = pytest.importorskip("torch")
    pairs = data.draw(st.lists(st.tuples(NUMBERS[dtype], NUMBERS[dtype]), min_size=1, max_size=4))
    r, c = (np.array(side, dtype) for side in zip(*pairs, strict=True))
    try:
        torch.testing.assert_close(torch.from_numpy(c), torch.from_numpy(r), rtol=rtol, atol=atol, equal_nan=True)
        close = True
    except AssertionError:
        close = False
    assert bool((abs_error(r, c) <= tolerance(r, rtol, atol)).all()) == close


def test_smallest_passing_atol_is_exact() -> None:
    rng = np.random.default_rng(3)
    for scale in 10.0 ** rng.integers(-8, 8, 200):
        error, relative = scale * rng.random((2, 5)) * np.array([[1.0], [10.0 ** rng.integers(-9, 1)]])
        atol = passing_atol(error, relative)
        assert (error <= atol + relative).all()
        assert atol == 0.0 or (error > np.nextafter(atol, 0.0) + relative).any()


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=6), elements=st.floats()), st.integers(1, 20))
def test_extent_is_the_largest_finite_magnitude(array: np.ndarray, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extent, "_BLOCK_VALUES", block)
        found = largest_magnitude(array)
    assert found == max((abs(value) for value in array.flat if math.isfinite(value)), default=0.0)


def test_extent_without_finite_values() -> None:
    assert largest_magnitude(np.array([math.nan, math.inf, -math.inf])) == 0.0

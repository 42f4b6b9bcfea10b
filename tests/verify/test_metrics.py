"""Errors between two arrays, element by element."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from rnnviz.verify import metrics
from rnnviz.verify import metrics as extent

DTYPES = ("float32", "float64")
LARGEST = np.finfo(np.float64).max
TINY = 5e-324
FAR = 2**64 - 1


def pair(r: float, c: float, dtype: str = "float64") -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    return np.array([r], dtype), np.array([c], dtype)


def mismatching(r: float, c: float, rtol: float, atol: float) -> bool:
    reference, candidate = pair(r, c)
    return bool(~(metrics.abs_error(reference, candidate) <= metrics.tolerance(reference, rtol, atol))[0])


@given(st.floats(width=32), st.floats(width=32))
def test_error_of_float32_is_exact_in_float64(r, c):
    error = metrics.abs_error(*pair(r, c, "float32"))
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
def test_error_of_nonfinite_numbers(r, c, error):
    assert metrics.abs_error(*pair(r, c))[0] == error
    assert mismatching(r, c, rtol=1e-5, atol=1e-8) == (error > 1e-7)


@pytest.mark.parametrize("c", [math.nan, math.inf, -math.inf])
def test_nan_and_a_number_never_agree(c):
    for r, rtol, atol in product((0.0, 1.0, LARGEST), (0.0, 1.0, 10.0, 1e300), (0.0, 1.0, LARGEST)):
        assert mismatching(r, c, rtol, atol), (r, rtol, atol)
        assert mismatching(c, r, rtol, atol), (r, rtol, atol)


def test_wide_rtol_passes_the_largest_floats():
    assert not mismatching(LARGEST, LARGEST, rtol=10.0, atol=0.0)
    assert not mismatching(LARGEST, LARGEST / 2, rtol=10.0, atol=0.0)
    assert metrics.error_ratio(*pair(LARGEST, LARGEST / 2), rtol=10.0, atol=1.0)[0] <= 1.0


def test_tolerance_of_nonfinite_reference_is_atol():
    reference = np.array([math.nan, math.inf, -math.inf, -2.0])
    np.testing.assert_array_equal(metrics.tolerance(reference, 0.5, 0.25), [0.25, 0.25, 0.25, 1.25])


@pytest.mark.parametrize(("rtol", "atol"), [(1.5, 0.0), (1.0, 1e308), (3.0, 2.0)])
def test_tolerance_of_the_largest_float_is_finite(rtol, atol):
    largest = float(np.finfo(np.float64).max)
    assert metrics.tolerance(np.array([largest]), rtol, atol).tolist() == [largest]


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
    st.floats(0, 1),
)
@example(1.0, 1.0 + 2**-52, 0.0, 2**-52)
@example(1.0, 1.0 + 2**-52, 0.0, math.nextafter(2**-52, 0))
@example(0.0, TINY, 0.0, 0.0)
def test_error_ratio_above_1_is_a_mismatch(r, c, rtol, atol):
    assert (metrics.error_ratio(*pair(r, c), rtol, atol)[0] > 1.0) == mismatching(r, c, rtol, atol)


def test_error_ratio_without_tolerance():
    np.testing.assert_array_equal(metrics.error_ratio_of(np.array([0.0, 1e-300]), np.zeros(2)), [0.0, math.inf])


def test_an_error_ratio_beyond_the_largest_float_is_infinite():
    np.testing.assert_array_equal(metrics.error_ratio_of(np.array([1e300]), np.array([1e-300])), [math.inf])


@given(
    st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=8),
    st.floats(0, 10),
    st.floats(0, 10),
)
def test_agreement_equals_numpy(pairs, rtol, atol):
    r, c = (np.array(side) for side in zip(*pairs, strict=True))
    # With such numbers numpy's own product overflows, and then it takes everything for close.
    assume(np.abs(r[np.isfinite(r)], dtype=float).max(initial=0.0) < LARGEST / 100)
    with np.errstate(over="ignore"):
        expected = np.isclose(c, r, rtol=rtol, atol=atol, equal_nan=True)
    np.testing.assert_array_equal(metrics.abs_error(r, c) <= metrics.tolerance(r, rtol, atol), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@given(start=st.floats(-(2.0**100), 2.0**100, width=32), steps=st.integers(0, 40))
@example(start=0.0, steps=3)
@example(start=-0.0, steps=3)
@example(start=-1e-45, steps=5)
@example(start=-1.0, steps=1)
def test_ulp_counts_nextafter_steps(dtype, start, steps):
    first = last = np.array(start, dtype)
    for _ in range(steps):
        last = np.nextafter(last, np.array(np.inf, dtype))
    assert metrics.ulp_distance(first, last) == steps
    assert metrics.ulp_distance(last, first) == steps


@pytest.mark.parametrize("dtype", DTYPES)
def test_ulp_of_the_largest_distance(dtype):
    largest = np.finfo(dtype).max
    first, last = pair(-largest, largest, dtype)
    # All finite floats but one of the two zeros lie between.
    exponents = {"float32": 0x7F7FFFFF, "float64": 0x7FEFFFFFFFFFFFFF}
    assert int(metrics.ulp_distance(first, last)[0]) == 2 * exponents[dtype]
    assert int(metrics.ulp_distance(*pair(largest, np.inf, dtype))[0]) == 1
    assert int(metrics.ulp_distance(*pair(-0.0, 0.0, dtype))[0]) == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_ulp_of_nan(dtype):
    negative_nan = np.copysign(np.array([np.nan], dtype), -1)
    assert int(metrics.ulp_distance(negative_nan, np.array([np.nan], dtype))[0]) == 0
    for other in (0.0, 1.0, np.inf, -np.inf):
        assert int(metrics.ulp_distance(*pair(np.nan, other, dtype))[0]) == FAR
        assert int(metrics.ulp_distance(*pair(other, np.nan, dtype))[0]) == FAR


def test_ulp_of_a_strided_view():
    r = np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6)
    c = np.nextafter(r, np.float32(2))
    np.testing.assert_array_equal(metrics.ulp_distance(r[::2, ::3], c[::2, ::3]), np.ones((2, 2)))


def test_smallest_passing_atol_is_exact():
    rng = np.random.default_rng(3)
    for scale in 10.0 ** rng.integers(-8, 8, 200):
        error, relative = scale * rng.random((2, 5)) * np.array([[1.0], [10.0 ** rng.integers(-9, 1)]])
        atol = metrics.passing_atol(error, relative)
        assert (error <= atol + relative).all()
        assert atol == 0.0 or (error > np.nextafter(atol, 0.0) + relative).any()


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=6), elements=st.floats()), st.integers(1, 20))
def test_extent_is_the_largest_finite_magnitude(array, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extent, "_BLOCK_VALUES", block)
        found = metrics.largest_magnitude(array)
    assert found == max((abs(value) for value in array.flat if math.isfinite(value)), default=0.0)


NAN, INF = np.nan, np.inf


def test_the_sign_shows_whether_the_candidate_is_larger():
    reference, candidate = np.array([1.0, 1.0, 0.25, -0.0]), np.array([1.5, 0.5, 0.25, 0.0])
    assert metrics.signed_difference(reference, candidate).tolist() == [0.5, -0.5, 0.0, 0.0]


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
def test_nonfinite_values_differ_only_where_they_differ(reference, candidate, expected):
    difference = metrics.signed_difference(np.array([reference]), np.array([candidate]))
    assert np.array_equal(difference, [expected], equal_nan=True)


@given(
    pair=arrays(np.float32, (2, 6), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
)
def test_its_size_is_the_error_of_the_comparison(pair):
    assert np.array_equal(np.abs(metrics.signed_difference(*pair)), metrics.abs_error(*pair))


FLOATS = st.one_of(
    st.floats(width=32),
    st.floats(-2.0, 2.0, width=32),
    st.sampled_from(
        [0.0, -0.0, 1e-45, -1e-45, 3.4028234663852886e38, -3.4028234663852886e38, float("nan"), float("inf")]
    ),
)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
LIMITS = st.sampled_from(
    [(1.3e-6, 1e-5), (0.0, 1e-30), (1e-5, 0.0), (0.0, 0.0), (1.0, 1.0), (3.0, 1e-5), (1e-5, 1e300)]
)


def block(values: list[float], dtype: str = "float32") -> NDArray[np.floating]:
    return np.array(values, dtype).reshape(-1, 1, 1)


@given(
    pairs=st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=12),
    limits=LIMITS,
    steps=st.lists(st.integers(-9, 9), min_size=1, max_size=12),
    values=st.lists(FINITE, min_size=12, max_size=12),
)
def test_a_block_differs_as_in_the_plain_formulas(pairs, limits, steps, values):
    near = block(values[: len(steps)])
    far = (near.view(np.int32) + np.array(steps, np.int32).reshape(near.shape)).view(np.float32)
    apart = tuple(block([pair[side] for pair in pairs]) for side in (0, 1))
    differences = metrics.BlockDifferences(*limits)
    # One after another in the same memory, larger and smaller ones.
    for r, c in (apart, (near, far), (near, near), (near[:1], far[:1]), apart):
        with np.errstate(all="ignore"):
            expected, found = metrics.block_difference(r, c, *limits), differences.of(r, c)
        for name in ("error", "error_ratio"):
            assert getattr(found, name).dtype == np.float64
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        np.testing.assert_array_equal(found.ulp.astype(np.uint64), expected.ulp)
        if expected.finite is None:
            assert found.finite is None
        else:
            np.testing.assert_array_equal(found.finite, expected.finite)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_of_either_dtype_and_with_gaps_in_memory(dtype):
    rng = np.random.default_rng(3)
    r = np.tanh(rng.normal(size=(4, 6, 10))).astype(dtype)[::2, :, ::3]
    c = np.nextafter(r, dtype == dtype, dtype=dtype)
    found, expected = metrics.BlockDifferences(1e-6, 1e-6).of(r, c), metrics.block_difference(r, c, 1e-6, 1e-6)
    np.testing.assert_array_equal(found.error_ratio, expected.error_ratio)
    np.testing.assert_array_equal(found.ulp, np.ones(r.shape))

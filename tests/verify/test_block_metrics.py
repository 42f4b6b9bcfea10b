"""The quick way through a block gives what the plain formulas give, bit by bit."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.core.trace_index import Places
from rnnviz.verify.histogram import HistogramAccumulator
from rnnviz.verify.metrics import BlockDifferences, block_difference
from tests.verify.traces import block_of

LARGEST = float(np.finfo(np.float32).max)
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
def test_a_block_differs_as_in_the_plain_formulas(
    pairs: list[tuple[float, float]], limits: tuple[float, float], steps: list[int], values: list[float]
) -> None:
    near = block(values[: len(steps)])
    far = (near.view(np.int32) + np.array(steps, np.int32).reshape(near.shape)).view(np.float32)
    apart = tuple(block([pair[side] for pair in pairs]) for side in (0, 1))
    differences = BlockDifferences(*limits)
    # One after another in the same memory, larger and smaller ones.
    for r, c in (apart, (near, far), (near, near), (near[:1], far[:1]), apart):
        with np.errstate(all="ignore"):
            expected, found = block_difference(r, c, *limits), differences.of(r, c)
        for name in ("error", "error_ratio"):
            assert getattr(found, name).dtype == np.float64
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        np.testing.assert_array_equal(found.ulp.astype(np.uint64), expected.ulp)
        if expected.finite is None:
            assert found.finite is None
        else:
            np.testing.assert_array_equal(found.finite, expected.finite)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinity_in_one_engine_is_infinitely_far_off(value: float) -> None:
    there, finite = block([0.5, value]), block([0.5, 2.0])
    for r, c in ((there, finite), (finite, there)):
        found = BlockDifferences(1e-5, 1e-5).of(r, c)
        assert found.error_ratio.ravel().tolist() == [0.0, np.inf]


def test_infinities_in_both_engines_are_compared_without_a_warning() -> None:
    r, c = block([np.inf, -np.inf, 1.0]), block([np.inf, np.inf, 1.0])
    found = BlockDifferences(1.3e-6, 1e-5).of(r, c)
    assert found.finite is not None
    np.testing.assert_array_equal(found.error_ratio.ravel(), [0.0, np.inf, 0.0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_of_either_dtype_and_with_gaps_in_memory(dtype: str) -> None:
    rng = np.random.default_rng(3)
    r = np.tanh(rng.normal(size=(4, 6, 10))).astype(dtype)[::2, :, ::3]
    c = np.nextafter(r, dtype == dtype, dtype=dtype)
    found, expected = BlockDifferences(1e-6, 1e-6).of(r, c), block_difference(r, c, 1e-6, 1e-6)
    np.testing.assert_array_equal(found.error_ratio, expected.error_ratio)
    np.testing.assert_array_equal(found.ulp, np.ones(r.shape))


@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 40), min_size=1, max_size=20), st.integers(0, 1))
@example([2**31, 2**31 + 1, 2**32 - 1, 1, 2, 3, 4, 5], 1)
def test_narrow_distances_are_counted_as_wide_ones(distances: list[int], direction: int) -> None:
    narrow, wide = HistogramAccumulator(-1, 63), HistogramAccumulator(-1, 63)
    for start in (0, len(distances)):
        array = np.array(distances, np.uint32).reshape(-1, 1, 1)
        at = block_of(array, (0, direction, start), last_first=bool(direction))
        narrow.add_distances(array, at)
        wide.add_distances(array.astype(np.uint64), at)
    one, other = (figures.histogram(Places(1, 2, 9, 9)) for figures in (narrow, wide))
    np.testing.assert_array_equal(one.counts, other.counts)
    assert one.first == other.first

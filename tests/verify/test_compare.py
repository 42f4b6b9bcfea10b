"""Comparisons of two arrays: metrics, histograms, figures over time and mismatches."""

import math
import pickle
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, Places
from rnnviz.execution.events import RunRequest
from rnnviz.execution.pipeline import compute, judge_computed
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import compare as comparing
from rnnviz.verify import metrics, mismatches
from rnnviz.verify.compare import Comparison, compare, shared_arrays
from rnnviz.verify.histogram import Histogram, HistogramAccumulator
from rnnviz.verify.metrics import abs_error, error_ratio, tolerance, ulp_distance
from rnnviz.verify.mismatches import mismatch_rows, mismatching_at, neighbor_mismatch
from tests.cases import cases
from tests.factories import make_result
from tests.verify.traces import SHAPES, Shape, block_of, changed, in_order, locations, random_trace, trace_of

DTYPES = ("float32", "float64")
LARGEST = np.finfo(np.float64).max
TINY = 5e-324
FAR = 2**64 - 1


def pair(r: float, c: float, dtype: str = "float64") -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    return np.array([r], dtype), np.array([c], dtype)


def mismatching(r: float, c: float, rtol: float, atol: float) -> bool:
    return bool(metrics.mismatching(*pair(r, c), rtol, atol)[0])


@given(st.floats(width=32), st.floats(width=32))
def test_error_of_float32_is_exact_in_float64(r, c):
    error = metrics.abs_error(*pair(r, c, "float32"))
    assert error.dtype == np.float64
    if math.isfinite(r) and math.isfinite(c):
        assert error[0] == abs(c - r)


@pytest.mark.parametrize(("r", "c", "error"), cases(__file__)["nonfinite-errors"])
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


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1, max_size=8), st.floats(0, 10), st.floats(0, 10))
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
    assert metrics.passing_atol(np.array([0.75]), np.array([0.25]), 0.5) == 0.5


@given(arrays(np.float64, array_shapes(max_dims=3, max_side=6), elements=st.floats()), st.integers(1, 20))
def test_extent_is_the_largest_finite_magnitude(array, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK_VALUES", block)
        found = metrics.largest_magnitude(array)
    assert found == max((abs(value) for value in array.flat if math.isfinite(value)), default=0.0)


NAN, INF = np.nan, np.inf


def test_the_sign_shows_whether_the_candidate_is_larger():
    reference, candidate = np.array([1.0, 1.0, 0.25, -0.0]), np.array([1.5, 0.5, 0.25, 0.0])
    assert metrics.signed_difference(reference, candidate).tolist() == [0.5, -0.5, 0.0, 0.0]


@pytest.mark.parametrize(("reference", "candidate", "expected"), cases(__file__)["nonfinite-differences"])
def test_nonfinite_values_differ_only_where_they_differ(reference, candidate, expected):
    difference = metrics.signed_difference(np.array([reference]), np.array([candidate]))
    assert np.array_equal(difference, [expected], equal_nan=True)


@given(pair=arrays(np.float32, (2, 6), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
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


RTOL, ATOL = 1.3e-6, 1e-5


def bin_of(histogram: Histogram, value: float) -> int:
    """Where a value belongs, by comparing it with the edges."""
    if value == 0.0 or np.isinf(value):
        return 0 if value == 0.0 else len(histogram.counts) - 1
    inside = range(1, len(histogram.counts) - 1)
    return next(place for place in inside if histogram.edges(place)[0] < value <= histogram.edges(place)[1])


def counted(*values: float, lowest: int = -40, highest: int = 39) -> Histogram:
    tally = HistogramAccumulator(lowest, highest)
    array = np.array(values).reshape(len(values), 1, 1)
    tally.add(array, block_of(array))
    return tally.histogram(Places(1, 1, len(values), 1))


def test_the_limit_belongs_to_passing_values():
    histogram = counted(1.0, np.nextafter(1.0, 2.0))
    below, above = np.flatnonzero(histogram.counts)
    assert histogram.edges(below) == (0.5, 1.0)
    assert histogram.edges(above) == (1.0, 2.0)
    assert list(histogram.filled) == [below, above]


def test_an_empty_bin_has_no_place_and_a_histogram_of_zeros_no_filled_octave():
    histogram = counted(0.0, 0.0)
    assert histogram.first[5] is None
    assert histogram.counts[0] == histogram.total == 2
    assert histogram.counts.dtype == np.int64
    assert len(histogram.filled) == 0


@given(SHAPES, st.integers(0, 2**32), st.sampled_from(["float32", "float64"]), st.sampled_from([1, 7, 1 << 16]))
def test_every_value_of_a_comparison_is_in_its_bin_with_the_first_location(shape, seed, dtype, block):
    rng = np.random.default_rng(seed)
    reference = random_trace(shape, dtype, seed)
    # Errors over many orders of magnitude, with zeros, NaN and infinities among them.
    error = rng.normal(size=shape) * 10.0 ** rng.integers(-12, 4, shape) * (rng.random(shape) < 0.7)
    hidden = (reference.hidden + error).astype(dtype)
    hidden[rng.random(shape) < 0.1] = np.nan
    hidden[rng.random(shape) < 0.1] = np.inf
    candidate = trace_of(hidden, "candidate")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK_VALUES", block)
        comparison = compare(reference, candidate, RTOL, ATOL)
    ulps = ulp_distance(reference.hidden, hidden)
    distances = np.where(ulps == np.uint64(2**64 - 1), np.inf, ulps.astype(np.float64))
    for histogram, values in (
        (comparison.error_ratios, error_ratio(reference.hidden, hidden, RTOL, ATOL)),
        (comparison.ulps, distances),
    ):
        counts, first = np.zeros_like(histogram.counts), {}
        for where in in_order(shape):
            place = bin_of(histogram, float(values[where.index]))
            counts[place] += 1
            first.setdefault(place, where)
        np.testing.assert_array_equal(histogram.counts, counts)
        assert {place: histogram.first[place] for place in np.flatnonzero(counts)} == first


@pytest.mark.parametrize(("dtype", "large"), [("uint32", [16, 17]), ("uint64", [5000, 2**24, 2**24 + 1, 2**32 - 1])])
@pytest.mark.parametrize("last_first", [False, True])
def test_distances_are_in_their_bins(dtype, large, last_first):
    rng = np.random.default_rng(3)
    ulp = rng.integers(0, 5, 4 * 5 * 6).astype(dtype)
    ulp[rng.permutation(ulp.size)[: len(large)]] = large
    tally, distances = HistogramAccumulator(-1, 63), ulp.reshape(4, 5, 6)
    tally.add(distances, block_of(distances, (1, 1, 3), last_first=last_first))
    counts, first = np.zeros(67, int), {}
    for t in reversed(range(4)) if last_first else range(4):
        for sample, unit in np.ndindex(5, 6):
            distance = int(distances[t, sample, unit])
            # Octave k is (2^k, 2^(k+1)], at index k + 2, after the zeros and values below 1.
            place = 0 if distance == 0 else (distance - 1).bit_length() + 1
            counts[place] += 1
            first.setdefault(place, Location(1, 1, 3 + t, sample, unit))
    histogram = tally.histogram(Places(2, 2, 11, 5))
    np.testing.assert_array_equal(histogram.counts, counts)
    assert {place: histogram.first[place] for place in np.flatnonzero(counts)} == first
    assert histogram.total == 120


def test_the_end_bins_hold_all_values_beyond_them():
    histogram = counted(0.0, 1e-9, 0.25, 0.5, 0.75, 1.0, 3.0, 4.0, 5.0, 1e300, np.inf, lowest=-2, highest=2)
    assert histogram.counts.tolist() == [1, 3, 2, 0, 2, 2, 1]
    assert [histogram.edges(place) for place in range(7)] == [
        (0.0, 0.0),
        (0.0, 0.5),
        (0.5, 1.0),
        (1.0, 2.0),
        (2.0, 4.0),
        (4.0, np.inf),
        (np.inf, np.inf),
    ]
    assert [where and where.timestep for where in histogram.first] == [0, 1, 4, None, 6, 8, 10]
    assert list(histogram.filled) == [1, 2, 3, 4, 5]


def test_a_histogram_stays_protected_after_a_pipe():
    histogram = pickle.loads(pickle.dumps(counted(1.0)))
    assert not histogram.counts.flags.writeable


def test_the_first_place_of_a_reversed_lane_is_its_last_time_step():
    tally, ones = HistogramAccumulator(-40, 39), np.ones((3, 1, 1))
    tally.add(ones, block_of(ones, (0, 0, 4), last_first=True))
    histogram = tally.histogram(Places(1, 1, 7, 1, reverse=True))
    first = histogram.first[bin_of(histogram, 1.0)]
    assert first == Location(0, 0, 6)
    assert first is not None
    assert first.backward


SHAPE: Shape = (2, 2, 4, 3, 5)
RTOL, ATOL = 1e-6, 1e-5


def floats(dtype: str) -> st.SearchStrategy[float]:
    """Numbers that are often near each other, and now and then as far apart as floats can be."""
    width = 32 if dtype == "float32" else 64
    near = st.sampled_from([0.0, 1e-6, 2e-5, 1.0, 1.0 + 2e-6, 1.0 + 2e-5, -1.0])
    return (
        st.one_of(near, st.floats(width=width))
        if width == 64
        else st.one_of(near.map(lambda x: float(np.float32(x))), st.floats(width=32))
    )


@st.composite
def pairs(draw: st.DrawFn) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    dtype, shape = draw(st.sampled_from(("float32", "float64"))), draw(SHAPES)
    r = draw(arrays(dtype, shape, elements=floats(dtype), fill=st.just(0.5)))
    c = draw(arrays(dtype, shape, elements=floats(dtype), fill=st.just(0.5)))
    return r, c


SOME_NAN = tuple(np.array(values).reshape(1, 1, 4, 1, 1) for values in ([NAN, 1.0, INF, NAN], [1.0, NAN, -INF, INF]))


@given(pair=pairs(), block=st.integers(1, 40), rtol=st.sampled_from([0.0, 1e-6, 0.5, 3.0]), atol=st.floats(0, 2))
@example(pair=SOME_NAN, block=1, rtol=0.0, atol=1.0)
def test_figures_equal_a_plain_count(pair, block, rtol, atol):
    r, c = pair
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK_VALUES", block)
        comparison = compare(trace_of(r), trace_of(c, "candidate"), rtol, atol)
    outside = ~(abs_error(r, c) <= tolerance(r, rtol, atol))
    np.testing.assert_array_equal(comparison.mismatched_over_time, outside.sum(axis=(3, 4)))
    np.testing.assert_array_equal(comparison.error_ratio_over_time, error_ratio(r, c, rtol, atol).max(axis=(3, 4)))
    np.testing.assert_array_equal(comparison.error_ratio_by_column, error_ratio(r, c, rtol, atol).max(axis=2))
    np.testing.assert_array_equal(comparison.lane_mismatched, outside.sum(axis=(2, 3, 4)))
    assert (comparison.mismatched, comparison.elements) == (outside.sum(), outside.size)
    assert comparison.verdict == ("disagree" if outside.any() else "agree")
    assert comparison.nonfinite_reference == (~np.isfinite(r)).sum()
    assert comparison.nonfinite_candidate == (~np.isfinite(c)).sum()

    finite = np.isfinite(r) & np.isfinite(c)
    same = (r == c) | (np.isnan(r) & np.isnan(c))
    assert comparison.nonfinite_apart == (~finite & ~same).sum()
    error = np.where(finite, abs_error(r, c), 0.0)
    np.testing.assert_array_equal(comparison.error_over_time, error.max(axis=(3, 4)))
    assert comparison.max_abs_error == error.max()
    assert error[comparison.max_abs_error_at.index] == error.max()
    assert comparison.max_error_ratio == np.where(finite, error_ratio(r, c, rtol, atol), 0.0).max()
    assert comparison.max_ulp == np.where(finite, ulp_distance(r, c), 0).max()

    flagged = [where for where in in_order(r.shape) if outside[where.index]]
    first = comparison.first_mismatch
    assert (first is None) == (not flagged)
    if first is not None:
        assert first.where == flagged[0]
        np.testing.assert_array_equal([first.reference, first.candidate], [r[first.where.index], c[first.where.index]])


@given(pair=pairs(), block=st.integers(1, 40), rtol=st.sampled_from([0.0, 1.3e-6, 1e-7, 0.5]), atol=st.floats(0, 2))
def test_smallest_passing_atol_is_minimal(pair, block, rtol, atol):
    finite = np.isfinite(pair[0]) & np.isfinite(pair[1])
    r, c = (np.where(finite, side, side.dtype.type(0)) for side in pair)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "_BLOCK_VALUES", block)
        needed = compare(trace_of(r), trace_of(c), rtol, atol).smallest_passing_atol
    assert needed >= 0.0
    if math.isinf(needed):
        # Two floats are so far apart that no float says how far.
        assert np.isinf(abs_error(r, c)).any()
        return
    assert compare(trace_of(r), trace_of(c), rtol, needed).verdict == "agree"
    if needed > 0.0:
        smaller = math.nextafter(needed, 0.0)
        assert compare(trace_of(r), trace_of(c), rtol, smaller).verdict == "disagree"


@pytest.mark.parametrize("other", [Location(1, 0, 0, 0, 0), Location(0, 1, 2, 0, 0)], ids=["elsewhere", "beside"])
def test_max_error_and_atol_ignore_nonfinite_pairs(other):
    reference = random_trace(SHAPE)
    place = Location(0, 1, 2, 1, 3)
    near = float(reference.hidden[place.index]) + 0.25
    comparison = compare(reference, changed(reference, {place: near, other: math.nan}), 0.0, 0.0)
    assert comparison.smallest_passing_atol == abs(near - reference.hidden[place.index])
    assert comparison.max_abs_error_at == place
    assert comparison.mismatched == 2
    assert comparison.nonfinite_apart == 1


def test_extremes_of_float64_cause_no_warning():
    largest = np.finfo(np.float64).max
    comparison = compare(
        trace_of(np.full((1, 1, 1, 1, 1), -largest)), trace_of(np.full((1, 1, 1, 1, 1), largest)), 1.0, 1.0
    )
    assert comparison.verdict == "disagree"
    assert comparison.max_abs_error == math.inf
    assert comparison.max_ulp == 2 * 0x7FEFFFFFFFFFFFFF
    assert comparison.nonfinite_apart == 0


def test_progress_reaches_1():
    told: list[float] = []
    trace = random_trace(SHAPE)
    compare(trace, trace, RTOL, ATOL, told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_cell_states_are_compared_where_both_engines_give_them():
    result = make_result(("manual", "bug:no-h2h-bias"), cell="lstm", hidden_size=5, projection_size=3)
    reference, candidate = result.traces.values()
    assert shared_arrays(reference, candidate) == ["h", "c"]
    found = compare(reference, candidate, RTOL, ATOL, name="c")
    assert (found.name, found.error_over_time.shape) == ("c", reference.shape[:3])
    assert reference.cell is not None
    assert candidate.cell is not None
    assert found.elements == reference.cell.size
    assert found.max_abs_error == np.abs(reference.cell.astype(float) - candidate.cell).max()
    assert shared_arrays(reference, candidate.with_arrays({"c": None})) == ["h"]


def test_hidden_states_alone_are_compared_where_one_trace_lacks_some_of_them():
    whole = random_trace(SHAPE).with_arrays({"i": np.ones(SHAPE)})
    partial = replace(whole, missing=frozenset({"h", "out"}))
    assert partial.partial
    assert not whole.partial
    for pair in ((whole, partial), (partial, whole)):
        assert shared_arrays(*pair) == ["h"]
    assert shared_arrays(whole, whole) == ["h", "i"]


def test_gates_are_compared_where_both_engines_give_them():
    one = random_trace(SHAPE)
    gates = one.with_arrays({"i": one.hidden * 0.5, "o": one.hidden})
    other = gates.with_arrays({"i": gates["i"] + 1e-3, "o": None})
    assert shared_arrays(gates, other) == ["h", "i"]
    assert compare(gates, other, RTOL, ATOL, name="i").mismatched == one.hidden.size
    assert compare(gates, other, RTOL, ATOL).mismatched == 0


def test_the_smallest_passing_tolerance_is_that_of_the_worst_block(monkeypatch):
    """The second time step has the larger error, and a relative tolerance that is larger still."""
    monkeypatch.setattr(metrics, "_BLOCK_VALUES", 1)
    shape = (1, 1, 2, 1, 1)
    reference, candidate = (trace_of(np.array(values).reshape(shape), name) for name, values in (
        ("a", [1e-3, 10.0]), ("b", [1e-3 + 0.01, 10.05]),
    ))  # fmt: skip
    found = compare(reference, candidate, 0.01, 0.0)
    assert found.smallest_passing_atol == pytest.approx(0.01 - 1e-5, rel=1e-12)
    assert found.mismatched == 1


SHORT, LONG = 40, 4000


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch):
    monkeypatch.setattr(comparing, "_MANY", 300)


def comparison_of(timesteps: int, folder: Path | None) -> Comparison:
    shape: Shape = (1, 2, timesteps, 1, 2)
    return compare(random_trace(shape, seed=1), random_trace(shape, seed=2), 1e-6, 1e-5, folder=folder)


def test_arrays_in_files_equal_those_in_memory_also_after_a_pipe(tmp_path):
    plain, stored = comparison_of(LONG, None), comparison_of(LONG, tmp_path)
    assert (plain.stored, [*stored.stored]) == ({}, [*Comparison.NAMES])
    received = pickle.loads(pickle.dumps(stored))
    for name in Comparison.NAMES:
        for comparison in (stored, received):
            array = getattr(comparison, name)
            np.testing.assert_array_equal(array, getattr(plain, name))
            assert not array.flags.writeable
    np.testing.assert_array_equal(received.lane_mismatched, plain.lane_mismatched)
    assert received.lane_mismatched is received.lane_mismatched


def test_figures_in_memory_travel_whole_and_stay_protected():
    plain = comparison_of(SHORT, None)
    received = pickle.loads(pickle.dumps(plain))
    for name in Comparison.NAMES:
        np.testing.assert_array_equal(getattr(received, name), getattr(plain, name))
        assert not getattr(received, name).flags.writeable


def test_a_few_time_steps_create_no_files(tmp_path):
    assert comparison_of(SHORT, tmp_path).stored == {}
    assert list(tmp_path.iterdir()) == []


def test_a_figure_whose_file_is_missing_is_an_error(tmp_path):
    sent = pickle.dumps(comparison_of(LONG, tmp_path))
    (tmp_path / "comparison.h.error_over_time.npy").unlink()
    with pytest.raises(OSError, match="error_over_time"):
        pickle.loads(sent)


def test_the_size_of_an_outcome_does_not_grow_with_the_time_steps(tmp_path):
    sizes = []
    for timesteps in (1000, LONG):
        config = Config.from_mapping(
            {
                "network": {"cell": "rnn_tanh", "input_size": 2, "hidden_size": 2},
                "sequence": {"batch_size": 1, "timesteps": timesteps},
                "compare": {"reference": "manual", "candidates": ["bug:no-h2h-bias"]},
            }
        )
        request = RunRequest(config, load_inputs, "full")
        folder = tmp_path / str(timesteps)
        outcome = compute(request, folder, lambda *_: None)
        judgment = judge_computed(request, folder, outcome, lambda *_: None)
        sizes.append(len(pickle.dumps((outcome, judgment))))
    assert abs(sizes[1] - sizes[0]) < 1000


def plainly(reference: Trace, candidate: Trace, rtol: float, atol: float) -> list[tuple[object, ...]]:
    """Every row: location, both values, difference, error ratio, and distance in ulp."""
    rows: list[tuple[object, ...]] = []
    for where in in_order(reference.shape):
        r, c = float(reference.hidden[where.index]), float(candidate.hidden[where.index])
        error, limit = abs(c - r), atol + rtol * abs(r)
        if not error <= limit:
            steps, between = 0, np.float32(min(r, c))
            while between < max(r, c):
                between, steps = np.nextafter(between, np.float32(np.inf)), steps + 1
            rows.append((where, r, c, error, error / limit, steps))
    return rows


@pytest.mark.parametrize("share", [0.9, 0.08])
@pytest.mark.parametrize("values_at_a_time", [1, 30, 1 << 20])
@pytest.mark.parametrize("largest", [1, 7, 1000])
def test_rows_equal_a_plain_loop(share, values_at_a_time, largest, monkeypatch):
    monkeypatch.setattr(mismatches, "_BLOCK_VALUES", values_at_a_time)
    rtol, atol = 2.0**-20, 2.0**-21
    rng = np.random.default_rng(5)
    reference = random_trace((2, 2, 5, 3, 4), "float32")
    hidden = np.array(reference.hidden)
    # A few floats off, some of them outside the tolerance.
    off = rng.integers(-40, 41, hidden.shape) * (rng.random(hidden.shape) < share)
    hidden = (hidden.view(np.int32) + off.astype(np.int32)).view(np.float32)
    candidate = trace_of(hidden, "candidate")
    expected = plainly(reference, candidate, rtol, atol)
    rows = mismatch_rows(compare(reference, candidate, rtol, atol), reference, candidate, largest=largest)
    assert rows.total == len(expected)
    padded = replace(reference, places=replace(reference.places, lengths=(2, 5, 4)))
    computed = [row[0] for row in expected if row[0].timestep < (2, 5, 4)[row[0].sample]]
    seen = mismatch_rows(compare(padded, candidate, rtol, atol), padded, candidate)
    assert [seen.location(row) for row in range(len(seen))] == computed
    assert len(rows) == min(largest, len(expected))
    for row, (where, r, c, error, ratio, steps) in enumerate(expected[:largest]):
        assert rows.location(row) == where
        assert (rows.reference[row], rows.candidate[row], rows.error[row]) == (r, c, error)
        assert rows.error_ratio[row] == pytest.approx(ratio, rel=1e-12)
        assert rows.ulp[row] == steps
        assert rows.row_of(where) == row
    listed = {where for where, *_ in expected[:largest]}
    assert all(rows.row_of(where) is None for where in in_order(reference.shape) if where not in listed)
    assert rows.reference.dtype == rows.candidate.dtype == np.float32


@given(limit=st.floats(1e-300, 1e300), seed=st.integers(0, 99))
def test_value_just_above_the_limit_is_listed(limit, seed):
    shape = (1, 1, 2, 1, 3)
    reference = trace_of(np.zeros(shape))
    where = list(in_order(shape))[seed % 6]
    hidden = np.full(shape, limit)
    hidden[where.index] = np.nextafter(limit, np.inf)
    candidate = trace_of(hidden)
    rows = mismatch_rows(compare(reference, candidate, 0.0, limit), reference, candidate)
    assert [rows.location(row) for row in range(len(rows))] == [where]


def test_lane_order_is_fixed():
    reference = random_trace((2, 2, 3, 2, 4))
    candidate = trace_of(reference.hidden + 1.0)
    comparison = compare(reference, candidate, 0.0, 0.5)
    rows = mismatch_rows(comparison, reference, candidate, [(1, 1), (0, 1), (1, 0)])
    every = in_order((2, 2, 3, 2, 4))
    assert [rows.location(row) for row in range(len(rows))] == [w for w in every if (w.layer, w.direction) != (0, 0)]
    none = mismatch_rows(compare(reference, candidate, 0.0, 1.5), reference, candidate)
    assert (none.total, len(none), none.where.shape, none.where.dtype) == (0, 0, (0, 5), np.int64)
    assert none.row_of(Location()) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_sided_nan_is_listed(value):
    reference = changed(random_trace((1, 1, 3, 2, 2)), {Location(0, 0, 1, 1, 0): value, Location(0, 0, 2, 0, 1): value})
    candidate = changed(reference, {Location(0, 0, 1, 1, 0): 0.5})
    rows = mismatch_rows(compare(reference, candidate, 1e-7, 1e-7), reference, candidate)
    assert [rows.location(row) for row in range(len(rows))] == [Location(0, 0, 1, 1, 0)]
    assert rows.error[0] == rows.error_ratio[0] == np.inf


@st.composite
def mismatch_places(draw: st.DrawFn) -> tuple[Shape, list[Location]]:
    """A shape and some places in it, in the order of computation."""
    shape = draw(SHAPES)
    every = list(in_order(shape))
    wrong = draw(st.sets(st.sampled_from(every), min_size=1, max_size=12))
    return shape, [where for where in every if where in wrong]


@pytest.mark.parametrize("forward", [True, False])
@given(case=mismatch_places(), data=st.data())
def test_next_visits_every_mismatch_and_wraps(forward, case, data):
    shape, wrong = case
    reference = random_trace(shape)
    candidate = changed(reference, {where: data.draw(st.sampled_from([9.0, math.nan])) for where in wrong})
    comparison = compare(reference, candidate, 1e-6, 1e-5)
    expected = wrong if forward else wrong[::-1]
    here = data.draw(st.sampled_from(wrong))
    at = expected.index(here)
    visited = []
    for _ in range(2 * len(wrong)):
        found = neighbor_mismatch(comparison, reference, candidate, here, forward=forward)
        assert found is not None
        here = found
        visited.append(here)
    assert visited == (expected[at + 1 :] + expected[: at + 1]) * 2


@given(case=mismatch_places(), data=st.data())
def test_next_and_previous_from_any_location(case, data):
    shape, wrong = case
    reference = random_trace(shape)
    candidate = changed(reference, dict.fromkeys(wrong, 9.0))
    comparison = compare(reference, candidate, 1e-6, 1e-5)
    here = data.draw(locations(shape))
    order = {where: place for place, where in enumerate(in_order(shape))}
    after = [where for where in wrong if order[where] > order[here]]
    before = [where for where in wrong if order[where] < order[here]]
    found = {
        forward: neighbor_mismatch(comparison, reference, candidate, here, forward=forward) for forward in (True, False)
    }
    assert found[True] == (after[0] if after else wrong[0])
    assert found[False] == (before[-1] if before else wrong[-1])


@given(case=mismatch_places())
def test_mismatches_of_gradients_are_in_the_order_of_the_backward_pass(case):
    shape, places = case
    reference = random_trace(shape)
    candidate = changed(reference, dict.fromkeys(places, 9.0))
    reference, candidate = (t.with_arrays({"grad.h": t.hidden}) for t in (reference, candidate))
    comparison = compare(reference, candidate, 1e-6, 1e-5, name="grad.h")
    expected = sorted(places, key=lambda where: where.gradient_order)
    rows = mismatch_rows(comparison, reference, candidate)
    assert [rows.location(row) for row in range(len(rows))] == expected
    assert [rows.row_of(where) for where in expected] == list(range(len(expected)))
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where == expected[0]
    for here, after in zip(expected, [*expected[1:], expected[0]], strict=True):
        assert neighbor_mismatch(comparison, reference, candidate, here, forward=True) == after
        assert neighbor_mismatch(comparison, reference, candidate, after, forward=False) == here


def test_next_without_mismatches():
    trace = random_trace((1, 2, 3, 2, 2))
    comparison = compare(trace, trace, 0.0, 0.0)
    assert neighbor_mismatch(comparison, trace, trace, Location(), forward=True) is None
    assert neighbor_mismatch(comparison, trace, trace, Location(), forward=False) is None


def test_mismatches_of_one_step():
    reference = random_trace((1, 2, 3, 2, 4))
    candidate = changed(reference, {Location(0, 1, 2, 1, 3): 9.0, Location(0, 1, 1, 0, 0): 9.0})
    comparison = compare(reference, candidate, 1e-6, 1e-5)
    expected = np.zeros((2, 4), bool)
    expected[1, 3] = True
    np.testing.assert_array_equal(mismatching_at(comparison, reference, candidate, Location(0, 1, 2)), expected)
    np.testing.assert_array_equal(mismatching_at(comparison, reference, candidate, Location(0, 0, 2)), False)


def test_value_at_the_limit_passes():
    reference = changed(random_trace((1, 1, 1, 1, 2)), {Location(): 2.0, Location(unit=1): -2.0})
    candidate = changed(reference, {Location(): 2.25, Location(unit=1): -2.2500001})
    comparison = compare(reference, candidate, 0.0625, 0.125)
    assert mismatching_at(comparison, reference, candidate, Location()).tolist() == [[False, True]]


def test_an_array_without_mismatches_gives_way_to_h_and_then_to_a_gradient_of_its_units():
    zeros, wide = np.zeros((1, 1, 2, 1, 3)), np.zeros((1, 1, 2, 1, 4))
    correct, wrong, of_gates = (
        compare(trace_of(r), trace_of(r + error, "candidate"), 0.0, 0.0)
        for r, error in ((zeros, 0.0), (zeros, 1.0), (wide, 1.0))
    )
    c = replace(correct, name="c")
    named = {"c": c, "grad.gates": of_gates, "grad.input": wrong, "grad.h": wrong}
    others = {name: replace(own, name=name) for name, own in named.items()}
    found = Comparison(**vars(correct), others=others)
    assert (list(found), len(found)) == (["h", *others], 1 + len(others))
    assert found.mismatching("c") is others["grad.h"]
    assert found.mismatching("grad.gates") is others["grad.gates"]
    assert Comparison(**vars(correct), others={"c": c}).mismatching("c") is c
    of_h = Comparison(**vars(wrong), others=others)
    assert of_h.mismatching("c") is of_h
    assert of_h.mismatching() is of_h
    assert of_h.mismatching("grad.gates") is others["grad.gates"]

"""The spread of a comparison's figures: every value in its bin, each bin with its first place."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace_index import Location, Places
from rnnviz.verify import metrics as module
from rnnviz.verify.compare import compare
from rnnviz.verify.histogram import Histogram, HistogramAccumulator
from rnnviz.verify.metrics import error_ratio, ulp_distance
from tests.verify.traces import SHAPES, block_of, in_order, random_trace, trace_of

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
        patch.setattr(module, "_BLOCK_VALUES", block)
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

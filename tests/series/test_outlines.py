"""Numbers over time as they are drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnviz.series.outlines import (
    LogScale,
    block_for,
    finite_range,
    largest_of,
    log_scale,
    outline_of,
    pixel_bands,
    runs,
)
from tests.cases import cases


@given(hnp.arrays(bool, st.integers(0, 40)))
def test_runs_cover_true_values_and_nothing_else(mask):
    covered = np.zeros_like(mask)
    for first, last in runs(mask):
        assert not covered[max(first - 1, 0) : last + 2].any()
        covered[first : last + 1] = True
    assert np.array_equal(covered, mask)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0.0, None, allow_nan=False)))
def test_zero_is_below_every_number_and_infinity_above(values):
    scale = log_scale([values])
    positions = scale.positions(values)
    between = (values > 0.0) & np.isfinite(values)
    assert np.all(positions[values == 0.0] == scale.zero)
    assert np.all(positions[np.isinf(values)] == scale.infinity)
    assert np.all((positions[between] >= scale.lowest) & (positions[between] <= scale.highest))
    assert np.allclose(positions[between], np.log10(values[between]))


def test_a_tick_is_labeled_with_its_number():
    texts = {-9.0: "0", -8.0: "1e-8", -2.0: "0.01", 0.0: "1", 3.0: "1,000", 4.0: "1e4", 5.0: "infinity", 0.5: ""}
    assert {position: LogScale(-8, 4).text(position) for position in texts} == texts


@pytest.mark.parametrize(
    ("series", "low", "high"),
    [
        ([[1.0, np.nan], [3.0, -np.inf]], 1.0 - 0.12, 3.0 + 0.12),
        ([[-7.0], [5.0, 2.0]], -7.72, 5.72),
        ([[]], -1.12, 1.12),
        ([[np.nan, np.inf]], -1.12, 1.12),
        ([[0.5, 0.5]], 0.0, 1.0),
        ([[-4.0]], -6.0, -2.0),
        ([[-4.0], [-4.0 - 1e-7]], -6.0, -2.0),
    ],
)
def test_the_range_has_a_small_margin(series, low, high):
    assert finite_range([np.array(values) for values in series]) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("series", "also", "scale"),
    [
        ([], (), LogScale(-1, 1)),
        ([[0.0, 0.0]], (0.0, np.inf), LogScale(-1, 1)),
        ([[0.0, np.inf]], (), LogScale(-1, 1, infinite=True)),
        ([[np.inf], [0.5, 30.0]], (), LogScale(-1, 2, infinite=True)),
        ([[0.5, np.nan], [0.0, 30.0, 4.0]], (2e-3,), LogScale(-3, 2)),
        ([[30.0], [0.5]], (700.0,), LogScale(-1, 3)),
        ([[1.0]], (), LogScale(0, 1)),
        ([[0.01, 0.1]], (), LogScale(-2, -1)),
        ([], (5.0,), LogScale(0, 1)),
        ([[0.0, 0.25]], (), LogScale(-1, 0)),
    ],
)
def test_the_decades_are_those_that_hold_every_number(series, also, scale):
    assert log_scale((np.array(values) for values in series), *also) == scale


@given(st.integers(1, 3000), st.data())
def test_the_ends_are_those_of_the_values_that_share_a_pixel(timesteps, data):
    first = data.draw(st.integers(0, timesteps - 1))
    seen = range(first, data.draw(st.integers(first + 1, timesteps)))
    pixels = data.draw(st.integers(1, 400))
    values = np.random.default_rng(timesteps).standard_normal(timesteps)
    outline = outline_of(values, seen, pixels)
    assert outline.block == 1 or 2**0.5 * len(seen) >= outline.block * pixels, "the nearest power of two"
    assert len(outline.low) <= 2 * pixels + 4
    assert outline.first <= seen.start
    starts = outline.first + outline.block * np.arange(len(outline.low))
    assert starts[-1] + outline.block >= seen.stop
    for start, low, high in zip(starts, outline.low, outline.high, strict=True):
        part = values[start : start + outline.block]
        assert (low, high) == (part.min(), part.max())


@pytest.mark.parametrize(
    ("seen", "first", "blocks", "last"),
    [
        (range(32, 48), 28, 6, 51),
        (range(33, 47), 28, 6, 51),
        (range(16), 0, 5, 19),
        # The sequence has 98 time steps: its last block is cut off.
        (range(90, 98), 84, 4, 97),
    ],
)
def test_the_outline_has_one_block_beyond_each_visible_end(seen, first, blocks, last):
    outline = outline_of(np.arange(98.0), seen, len(seen) // 4)
    assert outline.block == 4
    assert (outline.first, len(outline.low), outline.high[-1]) == (first, blocks, last)
    assert outline.timesteps == 98


def test_points_are_at_their_time_steps_and_two_in_the_middle_of_a_block():
    values = np.array([1.0, 5.0, 2.0, 0.0, 7.0])
    x, y = outline_of(values, range(5), 100).points()
    assert (x.tolist(), y.tolist()) == ([0, 1, 2, 3, 4], values.tolist())
    x, y = outline_of(values, range(5), 2).points()
    assert (x.tolist(), y.tolist()) == ([0.5, 0.5, 2.5, 2.5, 4.0, 4.0], [1, 5, 2, 0, 7, 7])


def test_a_block_of_a_series_is_a_gap_only_where_it_has_no_number():
    values = np.array([np.nan, 1.0, np.nan, np.nan])
    outline = outline_of(values, range(4), 2)
    assert outline.low[0] == outline.high[0] == 1.0
    assert np.isnan(outline.low[1])


def test_the_largest_of_several_ignores_nan():
    outlines = [outline_of(np.array(values), range(3), 10) for values in ([1.0, np.nan, 2.0], [0.0, 3.0, np.nan])]
    assert largest_of(outlines).high.tolist() == [1.0, 3.0, 2.0]


def test_a_block_is_about_a_pixel_wide():
    times = (0, 1, 100, 141, 142, 282, 283, 400, 100_000)
    assert [block_for(range(n), 100) for n in times] == [1, 1, 1, 1, 2, 2, 4, 4, 1024]


FOUR = [[10, 10], [12, 12], [60, 61], [99, 99]]


@pytest.mark.parametrize(("bands", "ends", "width", "narrowest", "pixels"), cases(__file__)["intervals"])
def test_an_interval_has_a_minimum_width_and_adjacent_ones_are_merged(bands, ends, width, narrowest, pixels):
    assert pixel_bands(np.array(bands), *ends, width, narrowest).tolist() == pixels

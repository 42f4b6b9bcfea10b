"""Numbers made ready to be drawn over time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnviz.core.trace_index import Location
from rnnviz.quantities.plot_series import (
    LogScale,
    finite_range,
    log_scale,
    pixel_bands,
    pixel_maxima,
    runs,
    unit_over_time,
)
from tests.factories import make_result


def test_a_unit_over_time_is_the_lanes_column() -> None:
    result = make_result(num_layers=2, bidirectional=True)
    values = unit_over_time(result["manual"], Location(1, 1, 0, 1), 2, range(1, 4))
    assert np.array_equal(values, result["manual"].hidden[1, 1, 1:4, 1, 2])
    assert values.flags.c_contiguous


@given(hnp.arrays(bool, st.integers(0, 40)))
def test_runs_cover_true_values_and_nothing_else(mask: np.ndarray) -> None:
    covered = np.zeros_like(mask)
    for first, last in runs(mask):
        assert not covered[max(first - 1, 0) : last + 2].any()
        covered[first : last + 1] = True
    assert np.array_equal(covered, mask)


def test_an_interval_covers_its_time_steps_and_one_out_of_view_nothing() -> None:
    bands = np.array([[0, 0], [2, 3], [9, 9]])
    assert pixel_bands(bands, -0.5, 9.5, 100).tolist() == [[0, 10], [20, 40], [90, 100]]
    assert pixel_bands(bands, 3.5, 8.5, 100).tolist() == []
    assert pixel_bands(bands, 2.5, 7.5, 50).tolist() == [[0, 10]]


def test_no_interval_vanishes_and_there_are_never_more_than_pixels() -> None:
    every_other = runs(np.arange(1_000_000) % 2 == 0)
    assert pixel_bands(every_other, -0.5, 999_999.5, 300).tolist() == [[0, 300]]
    alone = pixel_bands(np.array([[777_777, 777_777]]), -0.5, 999_999.5, 300)
    assert alone.tolist() == [[233, 235]]


def test_the_range_is_that_of_the_finite_numbers_and_never_empty() -> None:
    low, high = finite_range([np.array([1.0, np.nan]), np.array([3.0, -np.inf])])
    assert low < 1.0 < 3.0 < high
    for values in ([], [np.array([np.nan])], [np.array([2.0, 2.0])], [np.array([0.0])]):
        low, high = finite_range(values)
        assert low < high


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0.0, None, allow_nan=False)))
def test_zero_is_below_every_number_and_infinity_above(values: np.ndarray) -> None:
    scale = log_scale([values])
    positions = scale.positions(values)
    between = (values > 0.0) & np.isfinite(values)
    assert np.all(positions[values == 0.0] == scale.zero)
    assert np.all(positions[np.isinf(values)] == scale.infinity)
    assert np.all((positions[between] >= scale.lowest) & (positions[between] <= scale.highest))
    assert np.allclose(positions[between], np.log10(values[between]))


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (-9.0, "0"),
        (-8.0, "1e-8"),
        (-2.0, "0.01"),
        (0.0, "1"),
        (3.0, "1,000"),
        (4.0, "1e4"),
        (5.0, "infinity"),
        (0.5, ""),
    ],
)
def test_a_tick_is_labeled_with_its_number(position: float, text: str) -> None:
    assert LogScale(-8, 4).text(position) == text


def test_the_limit_has_its_place_on_the_axis() -> None:
    scale = log_scale([np.array([1e-8]), np.array([1e-7])], 1e-5)
    assert (scale.lowest, scale.highest) == (-8, -5)


@given(st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**32))
def test_no_value_vanishes_between_pixels(steps: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).random(steps)
    drawn = pixel_maxima(values, width)
    assert drawn.shape == (width,)
    assert drawn.max() == values.max()
    if steps >= width:
        edges = [*(np.arange(width) * steps // width), steps]
        assert drawn.tolist() == [values[start:stop].max() for start, stop in pairwise(edges)]
    else:
        assert set(drawn) == set(values)


@pytest.mark.parametrize(
    ("series", "low", "high"),
    [
        ([[1.0, np.nan], [3.0, -np.inf]], 1.0 - 0.12, 3.0 + 0.12),
        ([[-7.0], [5.0, 2.0]], -7.72, 5.72),
        ([[]], -1.12, 1.12),
        ([[np.nan, np.inf]], -1.12, 1.12),
        ([[0.5, 0.5]], 0.0, 1.0),
        ([[-4.0]], -6.0, -2.0),
    ],
)
def test_the_range_has_a_small_margin(series: list[list[float]], low: float, high: float) -> None:
    assert finite_range([np.array(values) for values in series]) == pytest.approx((low, high), abs=1e-12)


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
def test_the_decades_are_those_that_hold_every_number(
    series: list[list[float]], also: tuple[float, ...], scale: LogScale
) -> None:
    assert log_scale((np.array(values) for values in series), *also) == scale


def test_zero_and_infinity_are_a_decade_beyond_the_others() -> None:
    scale = LogScale(-3, 2, infinite=True)
    assert (scale.zero, scale.infinity) == (-4.0, 3.0)
    assert scale.positions(np.array([0.0, np.inf, 10.0])).tolist() == [-4.0, 3.0, 1.0]
    assert [scale.text(position) for position in (-3.0, -2.0, 2.0, -5.0, 4.0)] == ["1e-3", "0.01", "100", "", ""]
    assert not LogScale(-3, 2).infinite


def test_an_interval_has_a_minimum_width_and_adjacent_ones_are_merged() -> None:
    bands = np.array([[10, 10], [12, 12], [60, 61], [99, 99]])
    assert pixel_bands(bands, -0.5, 99.5, 100, narrowest=1).tolist() == [[10, 11], [12, 13], [60, 62], [99, 100]]
    assert pixel_bands(bands, -0.5, 99.5, 100).tolist() == [[10, 14], [60, 62], [99, 100]]
    assert pixel_bands(bands, -0.5, 99.5, 100, narrowest=3).tolist() == [[10, 15], [60, 63], [99, 100]]
    # A range that ends at the left edge or begins at the right edge is invisible; one that overlaps is visible.
    assert pixel_bands(np.array([[0, 4]]), 4.5, 14.5, 10).tolist() == []
    assert pixel_bands(np.array([[0, 5]]), 4.5, 14.5, 10).tolist() == [[0, 1]]
    assert pixel_bands(np.array([[14, 20]]), 4.5, 14.5, 10).tolist() == [[9, 10]]
    assert pixel_bands(np.array([[15, 20]]), 4.5, 14.5, 10).tolist() == []
    assert pixel_bands(np.array([[0, 20]]), 4.5, 14.5, 10).tolist() == [[0, 10]]


def test_runs_are_pairs_of_the_first_and_the_last_index() -> None:
    mask = np.array([True, False, True, True, True, False, False, True])
    assert runs(mask).tolist() == [[0, 0], [2, 4], [7, 7]]
    assert runs(np.zeros(3, bool)).shape == (0, 2)


@pytest.mark.parametrize("width", [3, 4, 5, 8, 11])
def test_a_pixel_of_a_wide_picture_shows_the_value_that_covers_it(width: int) -> None:
    values = np.array([3.0, 1.0, 4.0, 2.0])
    shown = pixel_maxima(values, width).tolist()
    if width == 3:
        assert shown == [3.0, 1.0, 4.0]
    else:
        assert shown == [values[pixel * 4 // width] for pixel in range(width)]

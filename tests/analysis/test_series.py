"""Numbers made ready to be drawn over time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnviz.analysis.series import LogScale, finite_range, log_scale, pixel_bands, pixel_maxima, runs, unit_over_time
from rnnviz.model.location import Location
from tests.made_results import made_result


def test_a_unit_over_time_is_the_lanes_column() -> None:
    result = made_result(num_layers=2, bidirectional=True)
    values = unit_over_time(result["manual"], Location(1, 1, 0, 1), 2, range(1, 4))
    assert np.array_equal(values, result["manual"].hidden[1, 1, 1:4, 1, 2])
    assert values.flags.c_contiguous


@given(hnp.arrays(bool, st.integers(0, 40)))
def test_runs_cover_what_is_true_and_nothing_else(mask: np.ndarray) -> None:
    covered = np.zeros_like(mask)
    for first, last in runs(mask):
        assert not covered[max(first - 1, 0) : last + 2].any()
        covered[first : last + 1] = True
    assert np.array_equal(covered, mask)


def test_a_band_covers_its_timesteps_and_one_that_is_out_of_sight_nothing() -> None:
    bands = np.array([[0, 0], [2, 3], [9, 9]])
    assert pixel_bands(bands, -0.5, 9.5, 100).tolist() == [[0, 10], [20, 40], [90, 100]]
    assert pixel_bands(bands, 3.5, 8.5, 100).tolist() == []
    assert pixel_bands(bands, 2.5, 7.5, 50).tolist() == [[0, 10]]


def test_no_band_vanishes_and_there_are_never_more_than_pixels() -> None:
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
def test_zero_stands_below_every_number_and_infinity_above(values: np.ndarray) -> None:
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
def test_a_tick_says_the_number_that_stands_there(position: float, text: str) -> None:
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

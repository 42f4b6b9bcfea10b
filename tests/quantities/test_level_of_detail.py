"""However many cells fall on a pixel, no mark and no extreme vanishes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnviz.quantities.level_of_detail import (
    Bins,
    bin_extremes,
    bin_marks,
    block_extremes,
    block_marks,
    every_cell,
)

FLOATS = st.floats(width=32)


@st.composite
def bins_over(draw: st.DrawFn, cells: int) -> Bins:
    """Pixels over some of `cells` cells: several cells each, or several pixels for a cell."""
    if draw(st.booleans()):
        starts = sorted(draw(st.sets(st.integers(0, cells - 1), min_size=1)))
        return Bins(np.array(starts, np.int64), draw(st.integers(starts[-1] + 1, cells)))
    first, stop = sorted(draw(st.sets(st.integers(0, cells), min_size=2, max_size=2)))
    return Bins(np.repeat(np.arange(first, stop), draw(st.integers(1, 3))), stop)


@st.composite
def picture_and_bins(draw: st.DrawFn, elements: st.SearchStrategy, dtype: str) -> tuple[np.ndarray, Bins, Bins]:
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 17)))
    picture = draw(hnp.arrays(dtype, shape, elements=elements))
    return picture, draw(bins_over(shape[1])), draw(bins_over(shape[0]))


def cells_of(bins: Bins, pixel: int) -> slice:
    start = int(bins.starts[pixel])
    end = int(bins.starts[pixel + 1]) if pixel + 1 < len(bins.starts) else bins.stop
    return slice(start, max(end, start + 1))


def extreme_of(values: np.ndarray) -> float:
    if np.isnan(values).any():
        return np.nan
    magnitude = np.abs(values).max()
    return magnitude if (values == magnitude).any() else -magnitude


@given(picture_and_bins(FLOATS, "float32"))
def test_a_pixel_shows_the_value_of_largest_magnitude(drawn: tuple[np.ndarray, Bins, Bins]) -> None:
    picture, times, units = drawn
    shown = bin_extremes(picture, times, units)
    assert shown.shape == (len(units.starts), len(times.starts))
    for row in range(shown.shape[0]):
        for column in range(shown.shape[1]):
            expected = extreme_of(picture[cells_of(units, row), cells_of(times, column)])
            assert np.array_equal(shown[row, column], expected, equal_nan=True)


@given(picture_and_bins(st.booleans(), "bool"))
def test_a_pixel_is_marked_if_and_only_if_one_of_its_cells_is(drawn: tuple[np.ndarray, Bins, Bins]) -> None:
    picture, times, units = drawn
    shown = bin_marks(picture, times, units)
    for row in range(shown.shape[0]):
        for column in range(shown.shape[1]):
            assert shown[row, column] == picture[cells_of(units, row), cells_of(times, column)].any()


@given(hnp.arrays("float32", st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=FLOATS), st.data())
def test_blocks_keep_every_extreme_at_the_ends_too(values: np.ndarray, data: st.DataObject) -> None:
    k, m = data.draw(st.sampled_from((1, 2, 4, 8))), data.draw(st.sampled_from((1, 2, 4)))
    blocks = block_extremes(values, values, k, m)
    assert blocks.shape == (-(-values.shape[1] // m), -(-values.shape[0] // k))
    for (unit, time), shown in np.ndenumerate(blocks):
        expected = extreme_of(values[time * k : (time + 1) * k, unit * m : (unit + 1) * m])
        assert np.array_equal(shown, expected, equal_nan=True)


@pytest.mark.parametrize(("k", "m"), [(1, 1), (2, 1), (1, 4), (4, 2)])
def test_the_extremes_of_both_arrays_are_kept(k: int, m: int) -> None:
    one, other = np.random.default_rng(k).normal(size=(2, 9, 7))
    low, high = np.minimum(one, other), np.maximum(one, other)
    for end in (low, high):
        end[3, 2] = end[8, 6] = np.nan  # as a block that holds one has it in both ends
    blocks = block_extremes(low, high, k, m)
    assert blocks.shape == (-(-7 // m), -(-9 // k))
    for (unit, time), shown in np.ndenumerate(blocks):
        there = slice(time * k, (time + 1) * k), slice(unit * m, (unit + 1) * m)
        assert np.array_equal(shown, extreme_of(np.stack([low[there], high[there]])), equal_nan=True)


@pytest.mark.parametrize(
    ("starts", "stop", "block", "widest"),
    [
        ([0], 1, 1, 1),
        ([3], 10, 4, 7),
        ([0, 8, 16], 17, 8, 8),
        ([0, 7, 14], 30, 4, 16),
        ([0, 8, 16], 40, 8, 24),
        ([5, 5, 5, 6, 6], 7, 1, 1),
        ([0, 3, 9], 10, 2, 6),
    ],
)
def test_bins_have_their_first_cell_their_narrowest_and_their_widest(
    starts: list[int], stop: int, block: int, widest: int
) -> None:
    bins = Bins(np.array(starts, np.int64), stop)
    assert (bins.first, bins.block, bins.widest) == (starts[0], block, widest)
    moved = bins.after(starts[0])
    assert (moved.starts.tolist(), moved.stop) == ([start - starts[0] for start in starts], stop - starts[0])
    whole = bins.in_blocks(block)
    assert (whole.starts.tolist(), whole.stop) == ([start // block for start in starts], (stop + block - 1) // block)


@given(hnp.arrays("bool", st.tuples(st.integers(1, 20), st.integers(1, 20))), st.data())
def test_blocks_keep_every_mark(marks: np.ndarray, data: st.DataObject) -> None:
    k, m = data.draw(st.sampled_from((1, 2, 4, 8))), data.draw(st.sampled_from((1, 2, 4)))
    for (unit, time), shown in np.ndenumerate(block_marks(marks, k, m)):
        assert shown == marks[time * k : (time + 1) * k, unit * m : (unit + 1) * m].any()


@given(st.integers(1, 3000), st.data())
def test_no_block_is_lost_between_pixels(cells: int, data: st.DataObject) -> None:
    bins = data.draw(bins_over(min(cells, 200)))
    blocks = bins.in_blocks(bins.block)
    assert (np.diff(blocks.starts) > 0).all() or bins.block == 1
    assert blocks.first == bins.first // bins.block
    assert (blocks.stop - 1) == (bins.stop - 1) // bins.block


def test_of_two_equal_magnitudes_the_positive_is_shown() -> None:
    values = np.array([[-2.0], [2.0], [1.0]])
    assert block_extremes(values, values, 4, 1).tolist() == [[2.0]]


@pytest.mark.parametrize("other", [1.0, -np.inf, np.inf])
def test_nan_wins_over_everything(other: float) -> None:
    values = np.array([[other], [np.nan]])
    assert np.isnan(block_extremes(values, values, 2, 1)).all()


def test_every_cell_has_a_pixel() -> None:
    bins = every_cell(3, 6)
    assert (bins.starts.tolist(), bins.stop, bins.block, bins.widest) == ([3, 4, 5], 6, 1, 1)


def test_many_cells_on_a_pixel_are_cut_off_where_the_last_pixel_ends() -> None:
    picture = np.random.default_rng(2).standard_normal((23, 31)).astype(np.float32)
    # Beyond the last pixels lie larger values, which no pixel shows.
    picture[21:], picture[:, 29:] = 9.0, 9.0
    times, units = Bins(np.array([0, 9, 18]), 29), Bins(np.array([0, 7]), 21)
    shown = bin_extremes(picture, times, units)
    for pixel in np.ndindex(shown.shape):
        cells = picture[cells_of(units, pixel[0]), cells_of(times, pixel[1])]
        assert shown[pixel] == cells.flat[np.abs(cells).argmax()]

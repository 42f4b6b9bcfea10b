"""A plot with few pixels of a long series keeps every extreme."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace, open_trace
from rnnviz.core.trace_index import Location
from rnnviz.quantities.level_of_detail import build_values
from rnnviz.quantities.plot_series import Outline, block_for, drop_collinear, largest_of, outline_of, unit_outline
from tests.factories import make_result


@given(st.integers(1, 3000), st.data())
def test_the_ends_are_those_of_the_values_that_share_a_pixel(timesteps: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, timesteps - 1))
    seen = range(first, data.draw(st.integers(first + 1, timesteps)))
    pixels = data.draw(st.integers(1, 400))
    values = np.random.default_rng(timesteps).standard_normal(timesteps)
    outline = outline_of(values, seen, pixels)
    assert outline.block == 1 or len(seen) >= outline.block * pixels
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
def test_the_outline_has_one_block_beyond_each_visible_end(seen: range, first: int, blocks: int, last: int) -> None:
    outline = outline_of(np.arange(98.0), seen, len(seen) // 4)
    assert outline.block == 4
    assert (outline.first, len(outline.low), outline.high[-1]) == (first, blocks, last)
    assert outline.timesteps == 98


def test_points_are_at_their_time_steps_and_two_in_the_middle_of_a_block() -> None:
    values = np.array([1.0, 5.0, 2.0, 0.0, 7.0])
    x, y = outline_of(values, range(5), 100).points()
    assert (x.tolist(), y.tolist()) == ([0, 1, 2, 3, 4], values.tolist())
    x, y = outline_of(values, range(5), 2).points()
    assert (x.tolist(), y.tolist()) == ([0.5, 0.5, 2.5, 2.5, 4.0, 4.0], [1, 5, 0, 2, 7, 7])


def test_a_line_keeps_its_bends_its_ends_and_its_gaps() -> None:
    y = np.array([0.0, 0.0, 0.0, 1.0, 0.0, 0.0, np.nan, 0.0, 0.0, 0.0])
    x, kept = drop_collinear(np.arange(10.0), y)
    assert x.tolist() == [0, 2, 3, 4, 5, 6, 7, 9]
    np.testing.assert_array_equal(kept, y[x.astype(int)])


def test_a_block_of_a_series_is_a_gap_only_where_it_has_no_number() -> None:
    values = np.array([np.nan, 1.0, np.nan, np.nan])
    outline = outline_of(values, range(4), 2)
    assert outline.low[0] == outline.high[0] == 1.0
    assert np.isnan(outline.low[1])


def test_runs_of_blocks_are_in_time_steps_and_end_with_the_sequence() -> None:
    outline = Outline(first=8, block=4, low=np.zeros(4), high=np.zeros(4), timesteps=22)
    assert outline.steps(np.array([True, False, True, True])).tolist() == [[8, 11], [16, 21]]


def test_the_largest_of_several_ignores_nan() -> None:
    outlines = [outline_of(np.array(values), range(3), 10) for values in ([1.0, np.nan, 2.0], [0.0, 3.0, np.nan])]
    assert largest_of(outlines).high.tolist() == [1.0, 3.0, 2.0]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """A trace that is long enough to store its ends, with one outlier and one NaN."""
    made = make_result(timesteps=70_000, batch_size=1, hidden_size=64)["manual"]
    hidden = made.hidden
    hidden[0, 0, 40_001, 0, 7] = 9.0
    hidden[0, 0, 60_001, 0, 7] = np.nan
    folder: Path = tmp_path_factory.mktemp("trace")
    (folder / "engine").write_text("manual")
    for name, array in made.items():
        np.save(folder / f"{name}.array.npy", array)
    build_values(folder, "h", hidden)
    return open_trace(folder)


@pytest.mark.parametrize("seen", [range(70_000), range(20_000, 61_000), range(39_990, 40_030)])
def test_stored_ends_give_the_same_outline_as_the_values(stored: Trace, seen: range) -> None:
    assert stored.pyramids
    where = Location(0, 0, 0, 0, 0)
    kept = unit_outline(stored, where, 7, seen, 600)
    read = unit_outline(replace(stored, pyramids={}), where, 7, seen, 600)
    assert read.timesteps == kept.timesteps == stored.shape[2]
    assert (kept.first, kept.block) == (read.first, read.block)
    for ours, theirs in ((kept.low, read.low), (kept.high, read.high)):
        np.testing.assert_array_equal(ours, theirs)
    assert np.nanmax(kept.high) == 9.0


def test_a_long_trace_is_not_read_where_its_ends_are_stored(stored: Trace) -> None:
    class Unread:
        shape = stored.hidden.shape

        def __getitem__(self, index: object) -> FloatArray:
            raise AssertionError(f"{index} was read")

    trace = stored.with_arrays({"h": Unread()})
    assert len(unit_outline(trace, Location(), 7, range(70_000), 600).low) > 600


def test_a_block_is_never_wider_than_a_pixel() -> None:
    assert [block_for(range(n), 100) for n in (1, 100, 199, 200, 399, 400, 100_000)] == [1, 1, 1, 2, 2, 4, 512]

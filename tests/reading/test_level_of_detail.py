"""Extremes and marks of many cells on one pixel, and the pyramids of traces."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnviz.core.multiscale import Level, level_shape, open_pyramids
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane
from rnnviz.reading import level_of_detail as module
from rnnviz.reading.lane_reader import LaneReader
from rnnviz.reading.level_of_detail import (
    Bins,
    ComparedPyramids,
    bin_extremes,
    bin_marks,
    block_extremes,
    build_values,
    needs_pyramid,
)
from rnnviz.verify.metrics import ComparedBlock, block_difference, error_ratio, signed_difference
from tests.cases import cases
from tests.profiles import examples, nightly_except
from tests.verify.pyramids import pyramid_result, with_short_levels
from tests.verify.traces import random_trace

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


@pytest.mark.parametrize(
    ("shown_in", "of_cells", "elements", "dtype"),
    [(bin_extremes, extreme_of, FLOATS, "float32"), (bin_marks, np.any, st.booleans(), "bool")],
    ids=["value", "mark"],
)
@given(data=st.data())
def test_a_pixel_shows_the_value_of_largest_magnitude_and_is_marked_if_one_of_its_cells_is(
    shown_in, of_cells, elements, dtype, data
):
    picture, times, units = data.draw(picture_and_bins(elements, dtype))
    shown = shown_in(picture, times, units)
    assert shown.shape == (len(units.starts), len(times.starts))
    for row, column in np.ndindex(shown.shape):
        expected = of_cells(picture[cells_of(units, row), cells_of(times, column)])
        assert np.array_equal(shown[row, column], expected, equal_nan=True)


@given(hnp.arrays("float32", st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=FLOATS), st.data())
def test_blocks_keep_every_extreme_at_the_ends_too(values, data):
    k, m = data.draw(st.sampled_from((1, 2, 4, 8))), data.draw(st.sampled_from((1, 2, 4)))
    blocks = block_extremes(values, values, k, m)
    assert blocks.shape == (-(-values.shape[1] // m), -(-values.shape[0] // k))
    for (unit, time), shown in np.ndenumerate(blocks):
        expected = extreme_of(values[time * k : (time + 1) * k, unit * m : (unit + 1) * m])
        assert np.array_equal(shown, expected, equal_nan=True)


@pytest.mark.parametrize(("starts", "stop", "block", "widest"), cases(__file__)["bins-of-levels"])
def test_bins_have_their_first_cell_their_narrowest_and_their_widest(starts, stop, block, widest):
    bins = Bins(np.array(starts, np.int64), stop)
    assert (bins.first, bins.block, bins.widest) == (starts[0], block, widest)
    moved = bins.after(starts[0])
    assert (moved.starts.tolist(), moved.stop) == ([start - starts[0] for start in starts], stop - starts[0])
    whole = bins.in_blocks(block)
    assert (whole.starts.tolist(), whole.stop) == ([start // block for start in starts], (stop + block - 1) // block)


SPIKES = st.sampled_from((np.nan, np.inf, -np.inf, 50.0, -50.0))


@pytest.fixture(autouse=True)
def short_levels(monkeypatch):
    with_short_levels(monkeypatch)


def blocks_of(array: np.ndarray, level: Level) -> Any:
    """Each block of an array (L, D, T, N, U) with its place in the level."""
    for layer, direction, time, sample, unit in np.ndindex(level_shape(array.shape, level)):
        times = slice(time * level.times, (time + 1) * level.times)
        units = slice(unit * level.units, (unit + 1) * level.units)
        yield (layer, direction, time, sample, unit), array[layer, direction, times, sample, units]


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 5, 1, 2] += 0.5
    trace.hidden[0, 1, 37, 0, 3] = np.nan
    trace.hidden[1, 0, 16, 0, 0] = -np.inf


@pytest.mark.slow
@pytest.mark.parametrize("block", nightly_except((1, 3, 16, 50), 3, 16))
def test_every_level_holds_the_extremes_of_its_blocks(tmp_path, block):
    result = pyramid_result(
        tmp_path, block, {"manual": spoil}, num_layers=2, bidirectional=True, timesteps=41, hidden_size=5
    )
    r, c = (result[name].hidden for name in ("gluon", "manual"))
    comparison = result.comparison("manual")
    over = error_ratio(r, c, comparison.rtol, comparison.atol)
    expected = {
        ("gluon", "low"): (r, np.min),
        ("manual", "low"): (c, np.min),
        ("manual", "high"): (c, np.max),
        ("manual", "difference-low"): (signed_difference(r, c), np.min),
        ("manual", "difference-high"): (signed_difference(r, c), np.max),
        ("manual", "error_ratio"): (over, np.max),
        ("manual", "marks"): (~(over <= 1.0), np.any),
    }
    for (engine, name), (array, reduced) in expected.items():
        levels = result[engine].pyramids[f"h.{name}"]
        assert set(levels) == {Level(4, 4), Level(4, 1), Level(16, 1)}
        for level, stored in levels.items():
            for place, values in blocks_of(array, level):
                assert stored[place] == pytest.approx(reduced(values), rel=1e-6, nan_ok=True)
    assert "h.marks" not in result["gluon"].pyramids


def test_a_number_beyond_the_range_of_float32_is_stored_as_its_largest_and_no_infinity(tmp_path):
    def one(trace):
        trace.hidden[0, 0, 3, 0, 1] = -3e38

    def other(trace):
        trace.hidden[0, 0, 3, 0, 1] = 3e38

    result = pyramid_result(tmp_path, 8, {"gluon": one, "manual": other}, timesteps=32)
    high = result["manual"].pyramids["h.difference-high"][Level(4, 1)]
    assert high[0, 0, 0, 0, 1] == np.finfo(np.float32).max


@settings(max_examples=examples(25), deadline=None)
@given(st.data())
def test_one_marked_cell_and_one_spike_are_found_at_every_zoom(data):
    """In shapes of all kinds, in each sample, in every coloring, whichever copy is read."""
    sizes = {
        "timesteps": data.draw(st.integers(8, 90)),
        "hidden_size": data.draw(st.integers(1, 9)),
        "batch_size": data.draw(st.integers(1, 3)),
        "num_layers": data.draw(st.integers(1, 2)),
        "bidirectional": data.draw(st.booleans()),
    }
    place = (
        data.draw(st.integers(0, sizes["num_layers"] - 1)),
        data.draw(st.integers(0, int(sizes["bidirectional"]))),
        data.draw(st.integers(0, sizes["timesteps"] - 1)),
        data.draw(st.integers(0, sizes["batch_size"] - 1)),
        data.draw(st.integers(0, sizes["hidden_size"] - 1)),
    )
    spike = data.draw(SPIKES)

    def edit(trace):
        trace.hidden[place] = spike

    with TemporaryDirectory() as folder:
        result = pyramid_result(Path(folder), data.draw(st.integers(1, 20)), {"manual": edit}, **sizes)
        for _ in range(6):
            width, height = data.draw(st.integers(1, sizes["timesteps"])), data.draw(st.integers(1, 9))
            first = data.draw(st.integers(0, place[2]))
            across = Bins(np.arange(first, sizes["timesteps"], width), sizes["timesteps"])
            down = Bins(np.arange(0, sizes["hidden_size"], height), sizes["hidden_size"])
            at = place[4] // height, (place[2] - first) // width
            for quantity in ("value", "error_ratio", "difference"):
                lanes = LaneReader(result, "manual", "manual", place[3], quantity)
                _assert_found(lanes, Lane(*place[:2]), across, down, at, spike, quantity)


def _assert_found(
    lanes: LaneReader, lane: Lane, across: Bins, down: Bins, at: tuple[int, int], spike: float, quantity: Any
) -> None:
    patch = lanes.read(lane, across, down)
    assert patch.marks is not None
    marked = np.argwhere(patch.marks)
    assert len(marked) == 1
    # A block that two pixels share is shown by the later one: at most one pixel away from its own.
    assert abs(marked[0] - at).max() <= 1
    shown = float(patch.values[tuple(marked[0])])
    if quantity == "error_ratio":
        assert shown > 1e5
    elif np.isfinite(spike):
        assert shown == pytest.approx(spike, abs=1.0 if quantity == "difference" else 0.0)
    else:
        assert np.array_equal(shown, spike, equal_nan=True)
    others = [float(value) for place, value in np.ndenumerate(patch.values) if place != tuple(marked[0])]
    assert all(abs(value) <= 1.0 for value in others)


def test_unknown_differences_make_their_blocks_unknown(tmp_path):
    r, c = (replace(random_trace((1, 2, 32, 3, 4), "float32", seed), folder=tmp_path / str(seed)) for seed in (0, 1))
    for trace in (r, c):
        trace.folder.mkdir()
    pyramids = ComparedPyramids(r, c, first=False)
    for direction in (0, 1):
        for start in (24, 16, 8, 0):
            index = 0, direction, slice(start, start + 8)
            known = (direction, start) != (1, 8)
            difference = block_difference(r.hidden[index], c.hidden[index], 0.0, 10.0) if known else None
            pyramids.add(ComparedBlock((0, direction, start), r.hidden[index], c.hidden[index], difference))
    pyramids.finish()
    assert open_pyramids(tmp_path / "0") == {}
    stored = open_pyramids(tmp_path / "1")
    assert {name: found[Level(4, 1)].dtype.name for name, found in stored.items()} == {
        **dict.fromkeys(("h.low", "h.high", "h.difference-low", "h.difference-high", "h.error_ratio"), "float32"),
        "h.marks": "bool",
    }
    for times, unknown in ((4, [2, 3]), (16, [0])):
        level = Level(times, 1)
        for name in ("h.difference-low", "h.difference-high", "h.error_ratio"):
            missing = np.isnan(stored[name][level])
            assert not missing[0, 0].any()
            for place in range(32 // times):
                assert (missing[0, 1, place] == (place in unknown)).all()
        assert not stored["h.marks"][level].any()
        assert not np.isnan(stored["h.low"][level]).any()


@pytest.mark.parametrize("values", [1, 24, 200, 1 << 16])
def test_in_whatever_pieces_an_array_is_read_its_copies_are_the_same(values, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_VALUES", values)
    array = random_trace((2, 2, 41, 3, 5), "float32").hidden
    build_values(tmp_path, "h", array)
    stored = open_pyramids(tmp_path)
    assert set(stored) == {"h.low", "h.high"}
    for level in (Level(4, 4), Level(4, 1), Level(16, 1)):
        assert {stored[name][level].dtype for name in stored} == {array.dtype}
        for place, block in blocks_of(array, level):
            assert stored["h.low"][level][place] == block.min()
            assert stored["h.high"][level][place] == block.max()


def test_only_a_stored_and_long_trace_needs_a_pyramid(tmp_path):
    long, short = random_trace((1, 1, 32, 1, 2)), random_trace((1, 1, 3, 1, 2))
    assert needs_pyramid(replace(long, folder=tmp_path))
    assert not needs_pyramid(long)
    assert not needs_pyramid(replace(short, folder=tmp_path))
    build_values(tmp_path, "h", short.hidden)
    assert list(tmp_path.iterdir()) == []

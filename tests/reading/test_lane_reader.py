"""Lanes as they are read for a picture: what plain loops over the arrays find, however it is cut, kept and copied."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.reading import lane_reader as module
from rnnviz.reading.arrays import ResultReader
from rnnviz.reading.lane_reader import CancelledError, LaneReader
from rnnviz.reading.level_of_detail import Bins, every_cell
from rnnviz.reading.quantities import Quantity
from rnnviz.reading.units import LaneOrders, OrderKey, UnitOrder
from rnnviz.verify.compare import compare_all
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of
from tests.profiles import nightly_except
from tests.verify.pyramids import pyramid_result, with_short_levels

T, N, H = 37, 3, 6
RTOL, ATOL = 0.125, 0.0625
SIZES: dict[str, Any] = {"timesteps": T, "batch_size": N, "hidden_size": H, "input_size": 5, "num_layers": 2}
SIZES |= {"bidirectional": True, "dtype": "float64"}
SAMPLE, UNITS = 2, np.array([4, 2, 0, 5, 1, 3])
LANE, AT = Lane(1, 1), (1, 1, slice(None), SAMPLE)
EVERY = slice(0, T), slice(0, H)


def spoil(trace: Trace) -> None:
    rng = np.random.default_rng(3)
    trace.hidden[...] += 0.5 * rng.normal(size=trace.hidden.shape) * (rng.random(trace.hidden.shape) < 0.04)
    trace.hidden[1, 1, 20, SAMPLE, 1] -= 2.0
    # Nothing differs there.
    trace.hidden[0, 1, :9] = 0.0


def level(trace: Trace) -> None:
    trace.hidden[0, 1, :9] = 0.0


@pytest.fixture(scope="module")
def result():
    compared = {"rtol": RTOL, "atol": ATOL}
    return make_result(edits={"gluon": level, "manual": spoil}, cell="lstm", compare_with=compared, **SIZES)


@pytest.fixture(scope="module")
def gates(result):
    """(L, D, T, N, H) by name: the candidate's, in plain Python."""
    return gates_of(result.inputs, result["manual"].hidden)


def reader(
    result: RunResult, quantity: Quantity = "value", candidate: str | None = "manual", **more: Any
) -> LaneReader:
    return LaneReader(result, "manual", candidate, SAMPLE, quantity, **more)


def ordered(units: np.ndarray = UNITS) -> LaneOrders:
    lanes = {(layer, direction): UnitOrder(units) for layer in range(2) for direction in range(2)}
    return LaneOrders(OrderKey("activity", "manual", 0), lanes)


def pixels(width: int, stop: int = T, first: int = 0) -> Bins:
    return Bins(np.arange(first, stop, width), stop)


def numbers(
    result: RunResult, gates: dict[str, np.ndarray], lane: Lane, quantity: str
) -> tuple[np.ndarray, np.ndarray]:
    """(units, T): what is shown of the candidate in the sample, and which of it is outside the tolerance."""
    if lane.layer is None:
        values = result.inputs.sequence[:, SAMPLE].T
        return values, np.zeros(values.shape, bool)
    at = lane.layer, lane.direction, slice(None), SAMPLE
    r, c = result["gluon"].hidden[at].T, result["manual"].hidden[at].T
    limit = ATOL + RTOL * np.abs(r)
    shown = {"value": c, "difference": c - r, "error_ratio": np.abs(c - r) / limit}
    return shown[quantity] if quantity in shown else gates[quantity][at].T, np.abs(c - r) > limit


def pictured(cells: np.ndarray, marks: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """One pixel for each block: its number of the largest magnitude, and whether any cell of it is marked."""
    rows, columns = range(0, len(cells), height), range(0, cells.shape[1], width)
    values, marked = (np.empty((len(rows), len(columns)), kind) for kind in (float, bool))
    for (y, row), (x, column) in product(enumerate(rows), enumerate(columns)):
        block = slice(row, row + height), slice(column, column + width)
        values[y, x] = max(cells[block].ravel(), key=lambda v: (abs(v), v))
        marked[y, x] = marks[block].any()
    return values, marked


# Cells as they are


@pytest.mark.parametrize("quantity", ["value", "error_ratio", "difference", "i", "pre_g"])
def test_cells_are_the_numbers_of_arrays_with_the_marks_of_the_comparison(result, gates, quantity):
    times, units = slice(3, 30), slice(1, 4)
    values, marks = numbers(result, gates, LANE, quantity)
    found = reader(result, quantity).cells(LANE, times, units)
    np.testing.assert_allclose(found.values, values[units, times], rtol=1e-12, atol=1e-14)
    assert found.marks is not None
    np.testing.assert_array_equal(found.marks, marks[units, times])
    assert not np.shares_memory(found.values, result["manual"].hidden)
    # Without a mismatch in these time steps and without a candidate nothing is marked.
    assert reader(result, quantity).cells(Lane(0, 1), slice(0, 9), units).marks is None
    if quantity not in ("error_ratio", "difference"):
        alone = reader(result, quantity, None).cells(LANE, times, units)
        assert alone.marks is None
        np.testing.assert_array_equal(alone.values, found.values)


def test_the_one_number_of_a_time_step_is_marked_if_any_of_its_vector_is(result, gates):
    values, marks = numbers(result, gates, LANE, "value")
    found = reader(result, "norm").cells(LANE, slice(0, T), slice(0, 1))
    np.testing.assert_allclose(found.values, np.sqrt((values**2).sum(axis=0, keepdims=True)), rtol=1e-12)
    assert found.marks is not None
    np.testing.assert_array_equal(found.marks, marks.any(axis=0, keepdims=True))


def test_an_array_that_is_compared_has_the_marks_of_its_own_comparison(result):
    assert reader(result, "c").cells(LANE, *EVERY).marks is None
    reference, candidate = result["gluon"], result["manual"]
    c = candidate["c"].copy()
    c[1, 1, 3, SAMPLE, 2] += 1.0
    candidate = candidate.with_arrays({"c": c})
    comparison = compare_all(reference, candidate, RTOL, ATOL)
    changed = replace(result, traces={"gluon": reference, "manual": candidate}, comparisons=(comparison,))
    tile = reader(changed, "c").cells(LANE, *EVERY)
    assert tile.marks is not None
    assert np.argwhere(tile.marks).tolist() == [[2, 3]]
    np.testing.assert_array_equal(tile.values, c[AT].T)


@pytest.mark.parametrize(
    ("quantity", "units", "computed"),
    [("value", H, False), ("difference", H, False), ("g", H, True), ("change", H, True), ("norm", 1, True)],
)
def test_a_lane_has_a_row_for_each_unit_or_one_for_all(result, quantity, units, computed):
    source = reader(result, quantity)
    assert (source.shape(Lane(1)), source.computes(Lane(1))) == ((T, units), computed)
    effort = 1.0 + ResultReader(result).effort("manual", 1, quantity)
    assert source.effort(Lane(1)) == (effort if computed else 1.0)
    # The input is read by value, whatever the lanes show.
    assert (source.shape(INPUT), source.computes(INPUT), source.effort(INPUT)) == ((T, 5), False, 1.0)
    assert source.recorded(INPUT) == range(T)
    found = source.cells(INPUT, slice(2, 9), slice(2, 5))
    np.testing.assert_array_equal(found.values, result.inputs.sequence[2:9, SAMPLE, 2:5].T)
    assert found.marks is None


def test_only_recorded_values_are_available_and_compared(result):
    ends = replace(result["manual"], missing=frozenset({"h", "out"}))
    partial = replace(result, traces={**result.traces, "manual": ends})
    for quantity, recorded in (("value", 1), ("norm", 1), ("error_ratio", 1), ("difference", 1), ("change", 0)):
        assert reader(partial, quantity).recorded(LANE) == range(recorded)
    assert LaneReader(partial, "gluon", "manual", SAMPLE).recorded(LANE) == range(T)
    # `out` alone has every hidden state of the last layer.
    top = replace(result, traces={**result.traces, "manual": replace(ends, missing=frozenset({"h"}))})
    assert [reader(top).recorded(Lane(layer, 1)) for layer in (0, 1)] == [range(1), range(T)]
    for quantity in ("error_ratio", "difference"):
        backward = reader(partial, quantity).cells(LANE, slice(0, 4), slice(0, H)).values
        assert np.isnan(backward).all(axis=0).tolist() == [False, True, True, True]
        forward = reader(partial, quantity).cells(Lane(1), slice(T - 4, T), slice(0, H)).values
        assert np.isnan(forward).all(axis=0).tolist() == [True, True, True, False]


def test_gradients_are_read_at_any_resolution_with_their_marks_and_those_of_the_input():
    def edit(trace):
        trace["grad.c"][0, 1, 21, 1, 2] += 0.5
        trace["grad.input"][30, 1, 0] += 0.5

    names = {"cell": "lstm", "bidirectional": True, "timesteps": 40}
    result = make_result(gradients=("gluon", "manual"), edits={"manual": edit}, **names)
    lanes = LaneReader(result, "manual", "manual", 1, "grad.c")
    for lane, array, (unit, t) in (
        (Lane(0, 1), result["manual"]["grad.c"][0, 1, :, 1], (2, 21)),
        (INPUT, result["manual"]["grad.input"][:, 1], (0, 30)),
    ):
        units = every_cell(0, array.shape[1])
        fine, coarse = (lanes.read(lane, pixels(width, 40), units) for width in (1, 8))
        np.testing.assert_array_equal(fine.values, array.T)
        np.testing.assert_array_equal(np.abs(coarse.values), np.abs(array.T.reshape(len(array.T), 5, 8)).max(axis=2))
        assert fine.marks is not None
        assert coarse.marks is not None
        assert np.argwhere(fine.marks).tolist() == [[unit, t]]
        assert np.argwhere(coarse.marks).tolist() == [[unit, t // 8]]
    lacking = LaneReader(make_result(gradients=("gluon",), **names), "manual", None, 1, "grad.c")
    assert np.isnan(lacking.read(Lane(0, 1), pixels(1, 40), every_cell(0, 4)).values).all()
    assert len(lacking.recorded(Lane(0, 1))) == 0


# Pictures


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["value", "error_ratio", "difference", "o"])
@pytest.mark.parametrize("chunk", nightly_except((1, 50), 50))
def test_every_pixel_shows_the_extreme_and_the_marks_of_its_cells(result, gates, quantity, chunk, monkeypatch):
    monkeypatch.setattr(module, "_CHUNK_VALUES", chunk)
    monkeypatch.setattr(module, "_COMPUTED_TIMES", 4)
    shared = ResultReader(result)
    for lane, orders in product((LANE, Lane(0, 0), INPUT), (None, ordered())):
        cells, marks = numbers(result, gates, lane, quantity)
        if orders is not None and lane is not INPUT:
            cells, marks = cells[UNITS], marks[UNITS]
        lanes = reader(result, quantity, arrays=shared, orders=orders)
        for width, height in ((1, 1), (2, 1), (1, 2), (4, 2), (8, 4), (64, 1)):
            for first, stop in ((0, T), (16, 33)):
                patch = lanes.read(lane, pixels(width, stop, first), pixels(height, len(cells)))
                # A block is shown as a whole.
                stop = min(T, -(-stop // width) * width)
                values, marked = pictured(cells[:, first:stop], marks[:, first:stop], width, height)
                np.testing.assert_allclose(patch.values, values, rtol=1e-12, atol=1e-14)
                found = np.zeros_like(marked) if patch.marks is None else patch.marks
                assert found.tolist() == marked.tolist()
        cut = lanes.read(lane, every_cell(3, 9), every_cell(1, 4))
        np.testing.assert_allclose(cut.values, cells[1:4, 3:9], rtol=1e-12, atol=1e-14)


def test_pictures_of_everything_share_one_cache_and_none_is_taken_for_another(result):
    shared = ResultReader(result)
    for engine, candidate, sample, quantity, orders in product(
        ("gluon", "manual"), (None, "manual"), (0, 2), ("value", "f", "change"), (None, ordered())
    ):
        own, other = (
            LaneReader(result, engine, candidate, sample, quantity, arrays, orders)
            for arrays in (ResultReader(result), shared)
        )
        for lane, across, down in (
            (Lane(0, 1), pixels(4), every_cell(0, H)),
            (Lane(1, 1), pixels(4), every_cell(0, H)),
            (Lane(0, 0), pixels(4), pixels(2, H)),
            (Lane(1, 0), every_cell(2, T), every_cell(1, H)),
        ):
            one, two = own.read(lane, across, down), other.read(lane, across, down)
            np.testing.assert_array_equal(one.values, two.values)
            np.testing.assert_equal(one.marks, two.marks)


@pytest.fixture
def reads(monkeypatch):
    """The time steps of the cells that were read or computed, part by part."""
    noted: list[tuple[int, int]] = []
    real = LaneReader.cells

    def cells(self, lane, times, units):
        noted.append((times.start, times.stop))
        return real(self, lane, times, units)

    monkeypatch.setattr(LaneReader, "cells", cells)
    return noted


def test_computing_ends_when_canceled_and_reading_does_not(result, reads, monkeypatch):
    monkeypatch.setattr(module, "_COMPUTED_TIMES", 8)
    monkeypatch.setattr(module, "_CHUNK_VALUES", 1)
    monkeypatch.setattr(module, "_TIMES", 8)
    for times in (pixels(2), every_cell(0, T)):
        for lane, quantity in ((Lane(0, 0), "value"), (INPUT, "i")):
            reader(result, quantity).read(lane, times, every_cell(0, 5), lambda: False)
        reads.clear()
        answers = iter([True, True, False])
        with pytest.raises(CancelledError):
            reader(result, "i").read(Lane(0, 0), times, every_cell(0, H), lambda: next(answers))  # noqa: B023
        assert reads == [(0, 8), (8, 16)]


@pytest.mark.slow
@pytest.mark.parametrize("quantity", ["value", "error_ratio", "difference"])
def test_coarser_copies_are_read_where_they_make_up_the_pixels(tmp_path, quantity, monkeypatch):
    with_short_levels(monkeypatch)
    monkeypatch.setattr(module, "_CHUNK_VALUES", 64)
    sizes = {**SIZES, "timesteps": 200, "hidden_size": 8, "dtype": "float32"}
    result = pyramid_result(tmp_path, 16, {"manual": spoil}, **sizes)
    lanes = reader(result, quantity)
    turned = reader(result, quantity, orders=ordered(np.arange(7, -1, -1)))
    exact = reader(make_result(edits={"manual": spoil}, **sizes), quantity)
    levels = {(1, 1): (1, 1), (2, 1): (1, 1), (1, 8): (1, 1), (4, 1): (4, 1), (4, 4): (4, 4), (8, 8): (4, 4)}
    levels |= {(16, 1): (16, 1), (32, 2): (16, 1), (64, 1): (64, 1), (128, 8): (64, 1)}
    assert {asked: tuple(lanes.level_read(LANE, *asked)) for asked in levels} == levels
    # Copies in which units are merged do not fit another order.
    in_rows = levels | {(4, 4): (4, 1), (8, 8): (4, 1)}
    assert {asked: tuple(turned.level_read(LANE, *asked)) for asked in levels} == in_rows
    assert tuple(turned.level_read(INPUT, 8, 8)) == (4, 4)
    assert tuple(reader(result, "g").level_read(LANE, 64, 8)) == (1, 1)
    if quantity == "value":
        reference = LaneReader(result, "gluon", "manual", SAMPLE)
        cells = result["gluon"].hidden[0, 0, :, SAMPLE].T.reshape(8, 50, 4)
        shown = reference.read(Lane(0, 0), pixels(4, 200), every_cell(0, 8)).values
        np.testing.assert_array_equal(np.abs(shown), np.abs(cells).max(axis=2))
        assert tuple(reference.level_read(Lane(0, 0), 16, 1)) == (16, 1)
    for lane, width, height in product((LANE, Lane(0, 0), INPUT), (4, 8, 32), (1, 4)):
        across, down = pixels(width, 200), pixels(height, 5 if lane is INPUT else 8)
        found, wanted = lanes.read(lane, across, down), exact.read(lane, across, down)
        # A copy has numbers in float32, and rounded error ratios.
        np.testing.assert_allclose(found.values, wanted.values, rtol=1e-6)
        np.testing.assert_equal(found.marks, wanted.marks)
        if lane is not INPUT:
            flipped = turned.read(lane, across, down)
            np.testing.assert_allclose(flipped.values, wanted.values[::-1], rtol=1e-6)
            assert flipped.marks is None or np.array_equal(flipped.marks, wanted.marks[::-1])

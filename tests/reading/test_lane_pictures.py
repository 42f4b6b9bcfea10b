"""Pictures of lanes, pixel by pixel: what plain loops over the arrays find, however it is cut, kept and copied."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane
from rnnviz.reading import lane_reader as module
from rnnviz.reading.gate_lanes import LaneGates
from rnnviz.reading.lane_reader import CancelledError, CellReader, Chunks, MultiscaleReader, Tile, no_chunks
from rnnviz.reading.level_of_detail import Bins, every_cell
from rnnviz.reading.units import LaneOrders, OrderKey, UnitOrder
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of
from tests.profiles import nightly_except
from tests.verify.pyramids import pyramid_result, with_short_levels

T, N, H = 37, 3, 6
SIZES: dict[str, Any] = {
    "timesteps": T,
    "batch_size": N,
    "hidden_size": H,
    "input_size": 5,
    "num_layers": 2,
    "bidirectional": True,
    "dtype": "float64",
}
SAMPLE, UNITS = 2, np.array([4, 2, 0, 5, 1, 3])


def spoil(trace: Trace) -> None:
    rng = np.random.default_rng(3)
    trace.hidden[...] += 0.5 * rng.normal(size=trace.hidden.shape) * (rng.random(trace.hidden.shape) < 0.04)


@pytest.fixture(scope="module")
def result() -> RunResult:
    return make_result(edits={"manual": spoil}, cell="lstm", **SIZES)


@pytest.fixture(scope="module")
def output_gates(result: RunResult) -> np.ndarray:
    """(L, D, T, N, H): the candidate's, in plain Python."""
    return gates_of(result.inputs, result["manual"].hidden)["o"]


def ordered() -> LaneOrders:
    """The same order in every lane."""
    lanes = {(layer, direction): UnitOrder(UNITS) for layer in range(2) for direction in range(2)}
    return LaneOrders(OrderKey("activity", "manual", 0), lanes)


def numbers(result: RunResult, output_gates: np.ndarray, lane: Lane, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """(units, T): what is shown of the candidate in the sample, and which of it is outside the tolerance."""
    if lane.layer is None:
        values = result.inputs.sequence[:, SAMPLE].T
        return values, np.zeros(values.shape, bool)
    at = lane.layer, lane.direction, slice(None), SAMPLE
    r, c = result["gluon"].hidden[at].T, result["manual"].hidden[at].T
    limit = 1e-7 + 1e-7 * np.abs(r)
    shown = {"value": c, "difference": c - r, "error_ratio": np.abs(c - r) / limit, "o": output_gates[at].T}
    return shown[quantity], np.abs(c - r) > limit


def pictured(cells: np.ndarray, marks: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """One pixel for each block: its number of the largest magnitude, and whether any cell of it is marked."""
    rows, columns = range(0, len(cells), height), range(0, cells.shape[1], width)
    values, marked = (np.empty((len(rows), len(columns)), kind) for kind in (float, bool))
    for (y, row), (x, column) in product(enumerate(rows), enumerate(columns)):
        block = slice(row, row + height), slice(column, column + width)
        values[y, x] = max(cells[block].ravel(), key=lambda v: (abs(v), v))
        marked[y, x] = marks[block].any()
    return values, marked


@pytest.mark.parametrize("quantity", ["value", "error_ratio", "difference", "o"])
@pytest.mark.parametrize("chunk", nightly_except((1, 50), 50))
def test_every_pixel_shows_the_extreme_and_the_marks_of_its_cells(
    result: RunResult, output_gates: np.ndarray, quantity: Any, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHUNK_VALUES", chunk)
    monkeypatch.setattr(module, "_COMPUTED_TIMES", 4)
    cache = no_chunks()
    for lane, orders in product((Lane(1, 1), Lane(0, 0), INPUT), (None, ordered())):
        cells, marks = numbers(result, output_gates, lane, quantity)
        if orders is not None and lane is not INPUT:
            cells, marks = cells[UNITS], marks[UNITS]
        lanes = MultiscaleReader(result, "manual", "manual", SAMPLE, quantity, cache, orders=orders)
        for width, height in ((1, 1), (2, 1), (1, 2), (4, 2), (8, 4), (64, 1)):
            for first, stop in ((0, T), (16, 33)):
                across = Bins(np.arange(first, stop, width), stop)
                # A block is shown as a whole.
                stop = min(T, -(-stop // width) * width)
                down = Bins(np.arange(0, len(cells), height), len(cells))
                patch = lanes.read(lane, across, down)
                values, marked = pictured(cells[:, first:stop], marks[:, first:stop], width, height)
                np.testing.assert_allclose(patch.values, values, rtol=1e-12, atol=1e-14)
                found = np.zeros_like(marked) if patch.marks is None else patch.marks
                assert found.tolist() == marked.tolist()
            rows = every_cell(1, 4)
            cut = lanes.read(lane, every_cell(3, 9), rows)
            np.testing.assert_allclose(cut.values, cells[1:4, 3:9], rtol=1e-12, atol=1e-14)


def test_pictures_of_everything_share_one_store_and_none_is_taken_for_another(result: RunResult) -> None:
    cache = no_chunks()
    across, down = Bins(np.arange(0, T, 4), T), every_cell(0, H)

    def pictures(cache: Chunks | None) -> list[Tile]:
        found = []
        for engine, candidate, sample, quantity, orders in product(
            ("gluon", "manual"), (None, "manual"), (0, 2), ("value", "f", "change"), (None, ordered())
        ):
            lanes = MultiscaleReader(result, engine, candidate, sample, quantity, cache, orders=orders)
            found += [lanes.read(Lane(layer, 1), across, down) for layer in (0, 1)]
            found += [lanes.read(Lane(0, 0), Bins(np.arange(0, T, 4), T), Bins(np.arange(0, H, 2), H))]
            found.append(lanes.read(Lane(1, 0), every_cell(2, T), every_cell(1, H)))
        return found

    for shared, own in zip(pictures(cache), pictures(None), strict=True):
        assert np.array_equal(shared.values, own.values)
        assert (shared.marks is None) == (own.marks is None)
        assert shared.marks is None or np.array_equal(shared.marks, own.marks)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The time steps of the cells that were read or computed, part by part."""
    noted: list[tuple[int, int]] = []
    real = CellReader.cells

    def cells(self: CellReader, lane: Lane, times: slice, units: slice) -> Tile:
        noted.append((times.start, times.stop))
        return real(self, lane, times, units)

    monkeypatch.setattr(CellReader, "cells", cells)
    return noted


@pytest.mark.parametrize("direction", [0, 1])
def test_computed_parts_are_in_the_order_of_computation_and_only_once(
    result: RunResult, direction: int, reads: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMPUTED_TIMES", 16)
    monkeypatch.setattr(module, "_CHUNK_VALUES", 1)
    lanes = MultiscaleReader(result, "gluon", None, SAMPLE, "i")
    whole = every_cell(0, H)
    lanes.read(Lane(0, direction), Bins(np.arange(0, T, 2), T), whole)
    parts = [(0, 16), (16, 32), (32, 37)]
    assert reads == (parts[::-1] if direction else parts)
    widths = (2, 4, 8, 16)
    down = Bins(np.arange(0, H, 2), H)
    coarse = [lanes.read(Lane(0, direction), Bins(np.arange(0, T, width), T), down).values for width in widths]
    assert len(reads) == len(parts), "a coarser picture is made of the finer one"
    for width, values in zip(widths, coarse, strict=True):
        fresh = MultiscaleReader(result, "gluon", None, SAMPLE, "i")
        assert np.array_equal(values, fresh.read(Lane(0, direction), Bins(np.arange(0, T, width), T), down).values)


@pytest.mark.parametrize(
    ("values", "times", "units", "parts"),
    [
        (1, 1, 2, [(start, start + 1) for start in range(T)]),
        # A chunk is a power of two of timesteps, and no smaller than a pixel.
        (H * 8, 2, 1, [(0, 8), (8, 16), (16, 24), (24, 32), (32, 37)]),
        (H * 16 - 1, 2, 1, [(0, 8), (8, 16), (16, 24), (24, 32), (32, 37)]),
        (1, 4, 1, [(start, min(start + 4, T)) for start in range(0, T, 4)]),
        (H * 64, 2, 1, [(0, 37)]),
    ],
)
def test_parts_are_as_large_as_the_limit_allows(
    values: int,
    times: int,
    units: int,
    parts: list[tuple[int, int]],
    result: RunResult,
    reads: list[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CHUNK_VALUES", values)
    cache = no_chunks()
    lanes = MultiscaleReader(result, "gluon", None, SAMPLE, cache=cache)
    lanes.read(Lane(0, 0), Bins(np.arange(0, T, times), T), Bins(np.arange(0, H, units), H))
    assert reads == parts
    reads.clear()
    for again in (lanes, MultiscaleReader(result, "gluon", None, SAMPLE, cache=cache)):
        again.read(Lane(0, 0), Bins(np.arange(8, 16, times), 16), Bins(np.arange(0, H, units), H))
    assert reads == [], "it is kept, for others as well"


def test_computing_ends_when_canceled_and_reading_does_not(
    result: RunResult, reads: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_COMPUTED_TIMES", 8)
    monkeypatch.setattr(module, "_CHUNK_VALUES", 1)
    for times in (Bins(np.arange(0, T, 2), T), every_cell(0, T)):
        with pytest.raises(CancelledError):
            MultiscaleReader(result, "gluon", None, 0, "i").read(Lane(0, 0), times, every_cell(0, H), lambda: False)
        assert reads == []
        for lane, quantity in ((Lane(0, 0), "value"), (INPUT, "i")):
            lanes = MultiscaleReader(result, "gluon", None, 0, quantity)
            lanes.read(lane, times, every_cell(0, 5), lambda: False)
        reads.clear()
    answers = iter([True, True, False])
    with pytest.raises(CancelledError):
        MultiscaleReader(result, "gluon", None, 0, "i").read(
            Lane(0, 0), Bins(np.arange(0, T, 2), T), every_cell(0, H), lambda: next(answers)
        )
    assert reads == [(0, 8), (8, 16)]


@pytest.mark.parametrize("quantity", ["value", "norm", "g"])
def test_a_lane_has_numbers_where_they_are_recorded(result: RunResult, quantity: Any) -> None:
    ends = replace(result["manual"], missing=frozenset({"h", "out"}))
    partial = replace(result, traces={**result.traces, "manual": ends})
    lanes = MultiscaleReader(partial, "manual", "manual", SAMPLE, quantity)
    assert lanes.recorded(Lane(1, 1)) != lanes.recorded(Lane(1, 0)) or quantity == "g"


def test_a_passed_gate_cache_is_used_and_one_number_for_all_units_has_no_order(result: RunResult) -> None:
    class Slow(LaneGates):
        def effort(self, *_: object) -> float:
            return 6.5

    assert MultiscaleReader(result, "manual", None, 0, "g", gates=Slow(result)).effort(Lane(1, 1)) == 7.5
    across, one = every_cell(0, T), every_cell(0, 1)
    plain, turned = (
        MultiscaleReader(result, "manual", "manual", SAMPLE, "norm", orders=orders).read(Lane(1, 1), across, one)
        for orders in (None, ordered())
    )
    assert np.array_equal(plain.values, turned.values)


@pytest.mark.parametrize("quantity", ["value", "error_ratio", "difference"])
def test_coarser_copies_are_read_where_they_make_up_the_pixels(
    tmp_path: Path, quantity: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_short_levels(monkeypatch)
    monkeypatch.setattr(module, "_CHUNK_VALUES", 64)
    sizes = {**SIZES, "timesteps": 200, "hidden_size": 8, "dtype": "float32"}
    result = pyramid_result(tmp_path, 16, {"manual": spoil}, **sizes)
    lanes = MultiscaleReader(result, "manual", "manual", SAMPLE, quantity)
    orders = {(layer, direction): UnitOrder(np.arange(7, -1, -1)) for layer in range(2) for direction in range(2)}
    upside_down = LaneOrders(OrderKey("activity", "manual", 0), orders)
    turned = MultiscaleReader(result, "manual", "manual", SAMPLE, quantity, orders=upside_down)
    plain = make_result(edits={"manual": spoil}, **sizes)
    exact = MultiscaleReader(plain, "manual", "manual", SAMPLE, quantity)
    whole = every_cell(0, 8)
    levels = {(1, 1): (1, 1), (2, 1): (1, 1), (1, 8): (1, 1), (4, 1): (4, 1), (4, 4): (4, 4), (8, 8): (4, 4)}
    levels |= {(16, 1): (16, 1), (32, 2): (16, 1), (64, 1): (64, 1), (128, 8): (64, 1)}
    assert {asked: tuple(lanes.level_read(Lane(1, 1), *asked)) for asked in levels} == levels
    in_rows = levels | {(4, 4): (4, 1), (8, 8): (4, 1)}
    assert {asked: tuple(turned.level_read(Lane(1, 1), *asked)) for asked in levels} == in_rows
    assert tuple(turned.level_read(INPUT, 8, 8)) == (4, 4)
    if quantity == "value":
        reference = MultiscaleReader(result, "gluon", "manual", SAMPLE).read(
            Lane(0, 0), Bins(np.arange(0, 200, 4), 200), whole
        )
        cells = result["gluon"].hidden[0, 0, :, SAMPLE].T.reshape(8, 50, 4)
        assert np.array_equal(np.abs(reference.values), np.abs(cells).max(axis=2))
        assert tuple(MultiscaleReader(result, "gluon", "manual", SAMPLE).level_read(Lane(0, 0), 16, 1)) == (16, 1)
    assert tuple(MultiscaleReader(result, "manual", "manual", SAMPLE, "g").level_read(Lane(1, 1), 64, 8)) == (1, 1)
    for lane, width, height in product((Lane(1, 1), Lane(0, 0), INPUT), (4, 8, 32), (1, 4)):
        units = 5 if lane is INPUT else 8
        across, down = Bins(np.arange(0, 200, width), 200), Bins(np.arange(0, units, height), units)
        found, wanted = lanes.read(lane, across, down), exact.read(lane, across, down)
        # A copy has numbers in float32, and rounded error ratios.
        np.testing.assert_allclose(found.values, wanted.values, rtol=1e-6)
        assert (found.marks is None) == (wanted.marks is None)
        assert found.marks is None or np.array_equal(found.marks, wanted.marks)
        if lane is not INPUT:
            flipped = turned.read(lane, across, down)
            np.testing.assert_allclose(flipped.values, wanted.values[::-1], rtol=1e-6)
            assert flipped.marks is None or np.array_equal(flipped.marks, wanted.marks[::-1])

"""Cells that are computed piece by piece: every one is there, none is computed twice, and all in their order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace_index import Lane
from rnnviz.reading.lane_reader import (
    CancelledError,
    ChunkedCompute,
    Chunks,
    Tile,
    Wanted,
    always,
    concat_tiles,
    no_chunks,
)

TIMES, UNITS = 300, 290
"""More than four pieces of 64 timesteps, and more than two of 128 units."""


class Cells:
    """A source whose cells encode their place, and which records its requests."""

    def __init__(self, marked: tuple[int, int] | None = None) -> None:
        self.marked = marked
        self.asked: list[tuple[int | None, int, slice, slice]] = []

    def shape(self, lane: Lane) -> tuple[int, int]:
        return TIMES, UNITS if lane.layer else 3

    def backward(self, lane: Lane) -> bool:
        return lane.backward

    def cells(self, lane: Lane, times: slice, units: slice) -> Tile:
        self.asked.append((lane.layer, lane.direction, times, units))
        rows, columns = np.arange(units.start, units.stop)[:, np.newaxis], np.arange(times.start, times.stop)
        marks = (rows == self.marked[0]) & (columns == self.marked[1]) if self.marked else None
        return Tile(1000.0 * rows + columns, marks if marks is not None and marks.any() else None)


def read(
    cells: Cells,
    times: slice,
    units: slice,
    direction: int = 0,
    cache: Chunks | None = None,
    name: str = "name",
    wanted: Wanted = always,
) -> Tile:
    pieces = ChunkedCompute(cells, no_chunks() if cache is None else cache, name)
    return pieces.read(Lane(1, direction), times, units, wanted)


@given(st.data())
def test_any_part_equals_the_source_with_its_marks(data: st.DataObject) -> None:
    times, units = (
        slice(start, data.draw(st.integers(start + 1, size)))
        for size in (TIMES, UNITS)
        for start in [data.draw(st.integers(0, size - 1))]
    )
    marked = data.draw(st.tuples(st.integers(0, UNITS - 1), st.integers(0, TIMES - 1)))
    cells = Cells(marked)
    patch = read(cells, times, units, data.draw(st.integers(0, 1)))
    rows, columns = np.arange(UNITS)[units][:, np.newaxis], np.arange(TIMES)[times]
    np.testing.assert_array_equal(patch.values, 1000.0 * rows + columns)
    there = (rows == marked[0]) & (columns == marked[1])
    np.testing.assert_array_equal(np.zeros_like(there) if patch.marks is None else patch.marks, there)
    # Nothing is computed that does not lie in a piece that is wanted.
    for _, _, across, down in cells.asked:
        assert across.start < times.stop
        assert across.stop > times.start
        assert down.start < units.stop
        assert down.stop > units.start
    if marked[0] // 128 not in range(units.start // 128, -(-units.stop // 128)):
        assert patch.marks is None


@pytest.mark.parametrize("direction", [0, 1])
def test_pieces_are_computed_once_and_in_the_order_of_computation(direction: int) -> None:
    cells, cache = Cells(), no_chunks()
    read(cells, slice(63, 257), slice(127, 257), direction, cache=cache)
    columns = [slice(0, 64), slice(64, 128), slice(128, 192), slice(192, 256), slice(256, 300)]
    rows = [slice(0, 128), slice(128, 256), slice(256, 290)]
    expected = [(1, direction, across, down) for down in rows for across in columns[:: -1 if direction else 1]]
    assert cells.asked == expected
    read(cells, slice(0, 300), slice(0, 290), direction, cache=cache)
    assert len(cells.asked) == 15
    read(cells, slice(64, 128), slice(128, 256), 1 - direction, cache=cache)
    read(cells, slice(64, 128), slice(128, 256), direction, cache=cache, name="another")
    assert cells.asked[15:] == [(1, d, columns[1], rows[1]) for d in (1 - direction, direction)]
    ChunkedCompute(cells, cache, "name").read(Lane(None, direction), slice(0, 2), slice(0, 3), always)
    assert cells.asked[17:] == [(None, direction, columns[0], slice(0, 3))]


def test_a_canceled_read_is_not_computed() -> None:
    cells, answers = Cells(), iter([True, True, False])
    with pytest.raises(CancelledError):
        read(cells, slice(0, 300), slice(0, 128), wanted=lambda: next(answers))
    assert len(cells.asked) == 2


def test_patches_in_a_row_have_no_marks_where_none_has_and_else_all_of_them() -> None:
    left, right = (Tile(np.full((2, width), float(width)), None) for width in (3, 1))
    assert concat_tiles([left], 1) is left
    assert concat_tiles([left, right], 1).marks is None
    marked = Tile(right.values, np.array([[False], [True]]))
    both = concat_tiles([left, marked], 1)
    assert both.values.tolist() == [[3.0, 3.0, 3.0, 1.0]] * 2
    assert both.marks is not None
    assert both.marks.dtype == np.bool_
    assert both.marks.tolist() == [[False, False, False, False], [False, False, False, True]]
    below = concat_tiles([left, Tile(np.zeros((1, 3)), np.ones((1, 3), np.bool_))], 0)
    assert below.marks is not None
    assert below.marks.tolist() == [[False] * 3, [False] * 3, [True] * 3]

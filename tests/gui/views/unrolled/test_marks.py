"""Marks on pixels: never lost, never drowned."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnviz.gui.look.theme import LIGHT
from rnnviz.gui.views.unrolled.colours import pixel
from rnnviz.gui.views.unrolled.marks import mark_cells, mark_region
from rnnviz.gui.views.unrolled.scale import Scale

GROUND = 0xFF123456
OUTLINE, UNDER = pixel(LIGHT.outline), pixel(LIGHT.outline_under)


@given(hnp.arrays(bool, st.tuples(st.integers(3, 20), st.integers(3, 20))))
def test_every_marked_pixel_has_the_outline_on_it_or_near_it(marks: np.ndarray) -> None:
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_region(pixels, marks, 0, 0, LIGHT)
    for y, x in np.argwhere(marks):
        around = pixels[max(0, y - 7) : y + 8, max(0, x - 7) : x + 8]
        assert (around == OUTLINE).any() or marks.all()
    if not marks.any():
        assert (pixels == GROUND).all()


def test_a_single_marked_pixel_keeps_its_colour_within_a_ring_of_two_tones() -> None:
    marks = np.zeros((7, 7), bool)
    marks[3, 3] = True
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_region(pixels, marks, 1, 1, LIGHT)
    assert (pixels == OUTLINE).sum() == 8
    assert (pixels == UNDER).sum() == 16
    assert (pixels[[0, -1]] == GROUND).all()


def test_a_region_that_is_marked_all_over_is_dotted_not_painted_over() -> None:
    marks = np.ones((40, 40), bool)
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_region(pixels, marks, 0, 0, LIGHT)
    assert (pixels == OUTLINE).any()
    assert (pixels == GROUND).mean() > 0.6


def test_a_large_cell_is_outlined_along_its_own_edge() -> None:
    times, units = Scale(20.0, 3), Scale(16.0, 2)
    marks = np.zeros((32, 60), bool)
    marks[16:, 20:40] = True
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_cells(pixels, marks, 0, 0, times, units, LIGHT, 1)
    assert (pixels[~marks] == GROUND).all()
    cell = pixels[16:, 20:40]
    assert (cell[0] == UNDER).all()
    assert (cell[1, 1:-1] == OUTLINE).all()
    assert (cell[2, 2:-2] == OUTLINE).all()
    assert (cell[6:-6, 6:-6] == GROUND).all()

"""Marks on pixels: never lost, never drowned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnnviz.gui.theme.palettes import LIGHT
from rnnviz.gui.views.unrolled.colormap import pixel
from rnnviz.gui.views.unrolled.tiles import REACH, mark_region

GROUND = 0xFF123456
NEAR = 16
"""How far from a mark its outline may be."""
OUTLINE, UNDER = pixel(LIGHT.outline), pixel(LIGHT.outline_under)


def marked(marks: np.ndarray, left: int = 0, top: int = 0) -> np.ndarray:
    pixels = np.zeros(marks.shape, np.uint32)
    mark_region(pixels, marks, left, top, LIGHT)
    return pixels


def scattered(share: float) -> np.ndarray:
    return np.random.default_rng(0).random((200, 400)) < share


@given(hnp.arrays(bool, st.tuples(st.integers(3, 20), st.integers(3, 20))).map(lambda marks: np.pad(marks, REACH)))
def test_every_marked_pixel_has_the_outline_on_it_or_near_it(marks: np.ndarray) -> None:
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_region(pixels, marks, 0, 0, LIGHT)
    for y, x in np.argwhere(marks):
        around = pixels[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1]
        assert (around == OUTLINE).any()
    if not marks.any():
        assert (pixels == GROUND).all()


def test_a_single_marked_pixel_keeps_its_color_within_a_ring_of_two_tones() -> None:
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


@pytest.mark.parametrize("share", [0.01, 0.05, 0.4])
def test_pieces_that_are_read_with_their_neighborhood_fit_together(share: float) -> None:
    marks = scattered(share)
    whole = marked(marks)
    left, right, top, bottom = 100, 180, 60, 120
    wide = marks[top - REACH : bottom + REACH, left - REACH : right + REACH]
    piece = marked(wide, left - REACH, top - REACH)[REACH:-REACH, REACH:-REACH]
    assert np.array_equal(piece, whole[top:bottom, left:right])

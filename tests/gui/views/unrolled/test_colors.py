"""Colors of numbers and marks on pixels; the range of the colors, how it is chosen, and its ticks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.app_state import Limit
from rnnviz.gui.theme.palettes import LIGHT
from rnnviz.gui.views.unrolled.color_range import RangeDialog, limit_of
from rnnviz.gui.views.unrolled.colormap import (
    ABOVE,
    BELOW,
    NAN,
    NEGATIVE,
    POSITIVE,
    STEPS,
    color_table,
    difference_scale,
    error_ratio_scale,
    hatch,
    pixel,
    value_scale,
)
from rnnviz.gui.views.unrolled.tiles import REACH, mark_region
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result
from tests.gui.views.unrolled.seen import BOTH_THEMES, settled


def test_a_scale_of_values_is_symmetric_and_covers_the_extent():
    assert (value_scale(2.5).low, value_scale(2.5).high) == (-2.5, 2.5)
    assert value_scale(0.3, bounded=True).high == 1.0
    assert value_scale(3.0, bounded=True).high == 3.0
    assert value_scale(0.0).high == 1.0


@pytest.mark.parametrize("largest", [0.0, 5e-324, 1e-12, 0.5, np.inf])
def test_a_scale_of_differences_has_its_middle_at_zero_however_small_or_large_they_are(largest):
    scale = difference_scale(largest)
    assert scale.low == -scale.high
    assert scale.indices(np.array([-scale.high, 0.0, scale.high])).tolist() == [0, STEPS // 2, STEPS - 1]
    assert scale.indices(np.array([0.0]))[0] == STEPS // 2


def test_special_values_have_reserved_indices():
    values = np.array([np.nan, np.inf, -np.inf, 1.2, -1.2, 1.0, -1.0, 0.0], np.float32)
    indices = value_scale(1.0).indices(values).tolist()
    assert indices == [NAN, POSITIVE, NEGATIVE, ABOVE, BELOW, STEPS - 1, 0, STEPS // 2]


@given(st.lists(st.floats(-1.0, 1.0), min_size=2))
def test_a_larger_value_never_has_a_lower_index(values):
    assert (np.diff(value_scale(1.0).indices(np.sort(values)).astype(int)) >= 0).all()


@BOTH_THEMES
def test_zero_has_the_middle_color_and_the_ends_theirs(theme):
    table, scale = color_table(theme, value_scale(2.0)), value_scale(2.0)
    ends = table[scale.indices(np.array([-2.0, 2.0]))].tolist()
    assert ends == [pixel(theme.diverging[0]), pixel(theme.diverging[-1])]
    middle = int(table[scale.indices(np.array([0.0]))][0])
    want = pixel(theme.diverging[3])
    assert all(abs((middle >> shift & 255) - (want >> shift & 255)) <= 2 for shift in (0, 8, 16))


@BOTH_THEMES
def test_error_ratio_above_1_changes_the_hue(theme):
    scale = error_ratio_scale(120.0)
    table = color_table(theme, scale)
    assert scale.high == 1000.0
    under, over = (int(table[i]) for i in scale.indices(np.array([0.9, 1.2])))

    def distance(one, other):
        return sum(abs((one >> shift & 255) - (other >> shift & 255)) for shift in (0, 8, 16))

    neighbors = [distance(int(a), int(b)) for a, b in pairwise(table[:STEPS])]
    assert distance(under, over) > 60
    assert max(neighbors) == neighbors[int(np.argmax(neighbors))] > 5 * float(np.median(neighbors))


@BOTH_THEMES
def test_each_special_value_has_a_distinct_pattern(theme):
    scale = value_scale(1.0)
    table = color_table(theme, scale)
    patterns = set()
    for index in (NAN, POSITIVE, NEGATIVE, ABOVE, BELOW):
        indices = np.full((8, 8), index, np.uint8)
        pixels = table[indices]
        hatch(pixels, indices, 0, 0, theme)
        assert len(np.unique(pixels)) == 2
        patterns.add(pixels.tobytes())
    assert len(patterns) == 5


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
def test_every_marked_pixel_has_the_outline_on_it_or_near_it(marks):
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_region(pixels, marks, 0, 0, LIGHT)
    for y, x in np.argwhere(marks):
        around = pixels[max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1]
        assert (around == OUTLINE).any()
    if not marks.any():
        assert (pixels == GROUND).all()


def test_a_single_marked_pixel_keeps_its_color_within_a_ring_of_two_tones():
    marks = np.zeros((7, 7), bool)
    marks[3, 3] = True
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_region(pixels, marks, 1, 1, LIGHT)
    assert (pixels == OUTLINE).sum() == 8
    assert (pixels == UNDER).sum() == 16
    assert (pixels[[0, -1]] == GROUND).all()


def test_a_region_that_is_marked_all_over_is_hatched_not_painted_over():
    marks = np.ones((40, 40), bool)
    pixels = np.full(marks.shape, GROUND, np.uint32)
    mark_region(pixels, marks, 0, 0, LIGHT)
    assert (pixels == OUTLINE).any()
    assert (pixels == GROUND).mean() > 0.6


@pytest.mark.parametrize("share", [0.01, 0.05, 0.4])
def test_pieces_that_are_read_with_their_neighborhood_fit_together(share):
    marks = scattered(share)
    whole = marked(marks)
    left, right, top, bottom = 100, 180, 60, 120
    wide = marks[top - REACH : bottom + REACH, left - REACH : right + REACH]
    piece = marked(wide, left - REACH, top - REACH)[REACH:-REACH, REACH:-REACH]
    assert np.array_equal(piece, whole[top:bottom, left:right])


def edit(trace: Trace) -> None:
    """Values up to 0.15 in the first half of layer 0, 0.3 in the second; up to 0.7 in layer 1; 0.9 in sample 1."""
    trace.hidden[...] = 0.0
    trace.hidden[0, 0, :200, 0, 3] = -0.15
    trace.hidden[0, 0, 200:, 0, 3] = 0.3
    trace.hidden[1, 0, :, 0, 3] = 0.7
    trace.hidden[1, 0, :, 1, 3] = 0.9


def flat(trace: Trace) -> None:
    trace.hidden[...] = 0.125


def end(view: UnrolledView) -> float:
    shown = view.shown
    return shown.paint.hidden.scale.high


def opened_menu(view: UnrolledView) -> QMenu:
    view.offer_color_range()
    return view.findChildren(QMenu)[-1]


def drag(view: UnrolledView, share: float, by: float) -> None:
    """Drag from a part of the bar's width, 1 at its right end, to the right by a part of it."""
    viewport, bar = view.legend, view.legend.bar

    def point(at: float) -> QPoint:
        return QPointF(bar.left() + at * bar.width(), bar.center().y()).toPoint()

    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=point(share))
    QTest.mouseMove(viewport, point(share + by / 2.0))
    QTest.mouseMove(viewport, point(share + by))
    assert view.session.limit == Limit()
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=point(share + by))


def test_a_drag_on_the_bar_moves_one_end_or_both(qtbot, view):
    view.show_result(make_result(hidden_size=8, timesteps=400, edits={"manual": flat}), "manual")
    view.session.set_engine("manual")
    before = view.shown.paint.hidden.scale
    chosen = []
    view.range_chosen.connect(chosen.append)
    for share, by, low, high in ((0.9, -0.5, False, True), (0.1, 0.5, True, False), (0.5, -0.4, True, True)):
        drag(view, share, by)
        scale = view.shown.paint.hidden.scale
        assert ((scale.low > before.low), (scale.high < before.high)) == (low, high)
        assert view.session.limit == Limit("fixed", scale.low, scale.high)
        assert f"{scale.high:g}" in view.legend.toolTip()
        view.choose_range(Limit())
        assert view.session.limit == Limit()
    assert len(chosen) == 6
    view.scale_range(2.0)
    assert end(view) == 2.0 * before.high
    view.session.set_color_by("error_ratio")
    view.session.set_limit(Limit())
    view.scale_range(2.0)
    assert view.session.limit == Limit()


def test_each_choice_covers_its_values(qtbot, view):
    result = make_result(hidden_size=8, timesteps=400, num_layers=2, edits={"manual": edit})
    view.show_result(result, "manual")
    view.session.set_engine("manual")
    # Most values are 0.7 or less; those of the other sample do not count.
    assert end(view) == 0.8
    choose = view.choose_range
    choose(Limit("lane"))
    assert end(view) == 0.3
    view.show_location(Location(layer=1))
    qtbot.waitUntil(lambda: end(view) == 0.8)
    view.show_location(Location())
    choose(Limit("fixed", -0.2, 0.3))
    assert end(view) == 0.3
    choose(Limit("all"))
    assert end(view) == 1.0
    choose(Limit("visible"))
    view.canvas.zoom_lanes(8.0, 1e6)
    view.canvas.zoom_time(4.0, 0.0)
    view.canvas.pan(1e6, -1e6)
    qtbot.waitUntil(lambda: settled(view))
    lanes = {rect.lane for rect in view.geometry_in_view.lane_rects_in_view()}
    assert (Lane(1) in lanes, end(view)) in ((False, 0.15), (True, 0.8))
    view.session.set_color_by("error_ratio")
    assert end(view) >= 10.0


def test_the_range_is_chosen_in_the_menu_of_the_color_bar_and_kept(qtbot, view):
    view.show_result(make_result(hidden_size=8, timesteps=4), "manual")
    assert view.save_state() == ()
    menu = opened_menu(view)
    assert [action.isChecked() for action in menu.actions()[:5]] == [True, False, False, False, False]
    assert all(action.toolTip() for action in menu.actions() if not action.isSeparator())
    menu.triggered.emit(menu.actions()[3])
    menu.close()
    assert view.session.limit.name == "all"
    menu = opened_menu(view)
    menu.triggered.emit(menu.actions()[4])
    menu.close()
    dialog = view.findChild(RangeDialog)
    assert all(box.accessibleName() and box.toolTip() for box in (dialog.low, dialog.high))
    dialog.low.setValue(-0.5)
    dialog.high.setValue(0.25)
    assert (dialog.low.text(), dialog.high.text()) == ("-0.5", "0.25")
    assert dialog.low.lineEdit().hasSelectedText()
    dialog.accept()
    assert end(view) == 0.25
    saved = view.save_state()
    view.restore_state(())
    assert view.session.limit == Limit()
    view.restore_state(saved)
    assert view.session.limit == Limit("fixed", -0.5, 0.25)
    assert limit_of("colors fixed 0.25") == Limit("fixed", -0.25, 0.25)
    for broken in ("colors most 1.0", "colors fixed nan", "colors fixed 1e", "colors fixed -1.0"):
        assert limit_of(broken) is None


def test_the_range_covers_most_values_without_the_initial_state_and_outliers(view):
    def outlier(trace):
        trace.hidden[...] = 0.25
        trace.hidden[0, 0, 3, 0, 0] = 0.9

    view.show_result(make_result(hidden_size=10, timesteps=40, edits={"manual": outlier}), "manual")
    view.session.set_engine("manual")
    assert np.abs(view.shown.result.inputs.initial_state["h"]).max() > 0.5
    assert end(view) == 0.25
    view.zoom_time(3.0)
    assert end(view) == 0.25


def test_a_range_of_a_large_result_is_that_of_some_of_its_values(view):
    ramp = np.linspace(0.0, 1.0, 3000)

    def edit(trace):
        trace.hidden[0, 0, :, 0] = 0.29 * ramp[:, None]

    view.show_result(make_result(hidden_size=200, timesteps=3000, batch_size=1, edits={"manual": edit}), "manual")
    view.session.set_engine("manual")
    assert end(view) == 0.3

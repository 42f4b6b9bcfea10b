"""Range of the colors: what it covers, how it is chosen, and its ticks."""

from typing import Any

import pytest
from PySide6.QtWidgets import QInputDialog

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.theme.palettes import DARK, LIGHT
from rnnviz.gui.views.unrolled.color_bar import Limit, limit_of, ticks
from rnnviz.gui.views.unrolled.colormap import rounded_up
from rnnviz.gui.views.unrolled.lane_text import initial_timestep
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result


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
    shown = view._shown
    assert shown is not None
    return shown.paint.hidden.scale.high


@pytest.mark.parametrize(("value", "expected"), [(0.9, 1.0), (1.0, 1.0), (1.01, 2.0), (0.0021, 0.005), (70.0, 100.0)])
def test_an_end_is_rounded_up_to_a_round_number(value: float, expected: float) -> None:
    assert rounded_up(value) == expected


def test_each_choice_covers_its_values(qtbot: Any, view: UnrolledView) -> None:
    result = make_result(hidden_size=8, timesteps=400, num_layers=2, edits={"manual": edit})
    view.show_result(result, "manual")
    view.session.set_engine("manual")
    assert end(view) == 0.8
    choose = view.color_range.choose
    choose(Limit("lane"))
    assert end(view) == 0.4
    view.show_location(Location(layer=1))
    qtbot.waitUntil(lambda: end(view) == 0.8)
    view.show_location(Location())
    choose(Limit("fixed", 0.3))
    assert end(view) == 0.3
    choose(Limit("all"))
    assert end(view) == 1.0
    choose(Limit())
    view.box.lane_zoom_asked.emit(8.0, 1e6)
    view.box.time_zoom_asked.emit(4.0, 0.0)
    view.box.pan_asked.emit(1e6, -1e6)
    view._match_colors()
    lanes = {rect.lane for rect in view.geometry_in_view.lane_rects_in_view()}
    assert (Lane(1) in lanes, end(view)) in ((False, 0.2), (True, 0.8))
    view.session.set_color_by("error_ratio")
    assert ticks(view._shown.paint.hidden.scale, 5.0)[-1][0] >= 10.0


def test_the_range_is_chosen_in_the_menu_of_the_color_bar_and_kept(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(make_result(hidden_size=8, timesteps=4), "manual")
    assert view.save_state() == ()
    menu = view.color_range.offer(view, view.mapToGlobal(view.rect().center()))
    assert [action.isChecked() for action in menu.actions()] == [True, False, False, False]
    assert all(action.toolTip() for action in menu.actions())
    menu.triggered.emit(menu.actions()[2])
    menu.close()
    assert view.color_range.limit.name == "all"
    menu = view.color_range.offer(view, view.mapToGlobal(view.rect().center()))
    menu.triggered.emit(menu.actions()[3])
    menu.close()
    dialog = view.findChild(QInputDialog)
    dialog.setDoubleValue(0.25)
    dialog.accept()
    assert end(view) == 0.25
    saved = view.save_state()
    view.restore_state(())
    assert view.color_range.limit == Limit()
    view.restore_state(saved)
    assert view.color_range.limit == Limit("fixed", 0.25)
    assert limit_of("colors most 1.0") is None
    assert limit_of("colors fixed nan") is None


def test_ticks_are_round_and_signs_true(view: UnrolledView) -> None:
    view.show_result(make_result(hidden_size=8, timesteps=4), "manual")
    for lane in (Lane(0), INPUT):
        for most in (3.0, 5.0):
            found = ticks(view._shown.paint.of(lane).scale, most)
            step = found[1][0] - found[0][0]
            assert rounded_up(step * (1.0 - 1e-9)) == pytest.approx(step)
            assert len(found) >= 3
            assert found[0][1].startswith("\N{MINUS SIGN}")


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_zero_has_a_tone_of_its_own(theme: Any) -> None:
    assert theme.diverging[3] != theme.base
    assert theme.sequential[0] != theme.base


def test_an_initial_state_counts_where_its_column_is_in_view(view: UnrolledView) -> None:
    view.resize(900, 500)
    view.show_result(make_result(hidden_size=2, timesteps=6, edits={"manual": flat}), "manual")
    view.session.set_engine("manual")
    ends = {}
    for zoom in (1.0, 2.0):
        view.box.time_zoom_asked.emit(zoom, 1e6)
        view._match_colors()
        geometry = view.geometry_in_view
        in_view = [initial_timestep(view._shown, geometry, rect) for rect in geometry.lane_rects_in_view()]
        ends[any(timestep is not None for timestep in in_view)] = end(view)
    assert ends[False] == 0.15
    assert ends[True] > 0.5

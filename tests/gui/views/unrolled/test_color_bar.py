"""Range of the colors: what it covers, how it is chosen, and its ticks."""

from typing import Any

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.app_state import Limit
from rnnviz.gui.views.unrolled.color_bar import RangeDialog, limit_of, ticks
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
    shown = view.shown
    assert shown is not None
    return shown.paint.hidden.scale.high


def opened_menu(view: UnrolledView) -> QMenu:
    view.offer_color_range()
    return view.findChildren(QMenu)[-1]


def drag(view: UnrolledView, share: float, by: float) -> None:
    """Drag from a part of the bar's height, 1 at its top, up by a part of it."""
    bar, viewport = view.color_bar.bar, view.canvas.viewport()

    def point(at: float) -> QPoint:
        place = view.color_bar.mapToScene(QPointF(bar.center().x(), bar.bottom() - at * bar.height()))
        return QPoint(view.canvas.mapFromScene(place))

    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=point(share))
    QTest.mouseMove(viewport, point(share + by / 2.0))
    QTest.mouseMove(viewport, point(share + by))
    assert view.session.limit == Limit()
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=point(share + by))


def test_a_drag_on_the_bar_moves_one_end_or_both(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(make_result(hidden_size=8, timesteps=400, edits={"manual": flat}), "manual")
    view.session.set_engine("manual")
    qtbot.waitUntil(lambda: view.color_bar.bar.height() > 100)
    before = view.shown.paint.hidden.scale
    chosen = []
    view.range_chosen.connect(chosen.append)
    for share, by, low, high in ((0.9, -0.5, False, True), (0.1, 0.5, True, False), (0.5, -0.4, True, True)):
        drag(view, share, by)
        scale = view.shown.paint.hidden.scale
        assert ((scale.low > before.low), (scale.high < before.high)) == (low, high)
        assert view.session.limit == Limit("fixed", scale.low, scale.high)
        assert f"{scale.high:g}" in view.description_at(view.color_bar.sceneBoundingRect().center())
        view.color_bar.reset_requested.emit()
        assert view.session.limit == Limit()
    assert len(chosen) == 6
    view.scale_range(2.0)
    assert end(view) == 2.0 * before.high
    view.session.set_color_by("error_ratio")
    view.session.set_limit(Limit())
    view.scale_range(2.0)
    assert view.session.limit == Limit()


def test_each_choice_covers_its_values(qtbot: Any, view: UnrolledView) -> None:
    result = make_result(hidden_size=8, timesteps=400, num_layers=2, edits={"manual": edit})
    view.show_result(result, "manual")
    view.session.set_engine("manual")
    assert end(view) == 0.8
    choose = view.choose_range
    choose(Limit("lane"))
    assert end(view) == 0.4
    view.show_location(Location(layer=1))
    qtbot.waitUntil(lambda: end(view) == 0.8)
    view.show_location(Location())
    choose(Limit("fixed", -0.2, 0.3))
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
    assert ticks(view.shown.paint.hidden.scale, 5.0)[-1][0] >= 10.0


def test_the_range_is_chosen_in_the_menu_of_the_color_bar_and_kept(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(make_result(hidden_size=8, timesteps=4), "manual")
    assert view.save_state() == ()
    menu = opened_menu(view)
    assert [action.isChecked() for action in menu.actions()[:4]] == [True, False, False, False]
    assert all(action.toolTip() for action in menu.actions() if not action.isSeparator())
    menu.triggered.emit(menu.actions()[2])
    menu.close()
    assert view.session.limit.name == "all"
    menu = opened_menu(view)
    menu.triggered.emit(menu.actions()[3])
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


def test_an_initial_state_counts_where_its_column_is_in_view(view: UnrolledView) -> None:
    view.resize(900, 500)
    view.show_result(make_result(hidden_size=2, timesteps=6, edits={"manual": flat}), "manual")
    view.session.set_engine("manual")
    ends = {}
    for zoom in (1.0, 2.0):
        view.box.time_zoom_asked.emit(zoom, 1e6)
        view._match_colors()
        geometry = view.geometry_in_view
        in_view = [initial_timestep(view.shown, geometry, rect) for rect in geometry.lane_rects_in_view()]
        ends[any(timestep is not None for timestep in in_view)] = end(view)
    assert ends[False] == 0.15
    assert ends[True] > 0.5

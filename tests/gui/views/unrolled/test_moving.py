"""Moving and zooming the unrolled network, and hints for it."""

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollBar

from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result
from tests.gui.views.unrolled.seen import hint, long_result, small, turn_wheel, visible_numbers


def test_the_wheel_zooms_time_and_with_ctrl_the_lanes(view: UnrolledView) -> None:
    view.show_result(long_result(), "manual")
    whole = view.geometry_in_view
    turn_wheel(view, 2)
    assert view.geometry_in_view.camera.span < whole.camera.span
    turn_wheel(view, -10)
    assert view.geometry_in_view.camera.span == whole.camera.span == 400.0
    turn_wheel(view, 5, Qt.KeyboardModifier.ControlModifier)
    zoomed = view.geometry_in_view
    assert zoomed.stack.lane_rects[0].height > 2.0 * whole.stack.lane_rects[0].height
    assert zoomed.camera.scroll > 0.0
    assert view.findChild(QScrollBar).isVisible()
    turn_wheel(view, -20, Qt.KeyboardModifier.ControlModifier)
    assert view.geometry_in_view.stack == whole.stack


def test_dragging_pans_and_a_double_click_fits(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(long_result(), "manual")
    view.zoom_time(8.0)
    before = view.geometry_in_view.camera
    view.box.pan_asked.emit(-40.0, 0.0)
    after = view.geometry_in_view.camera
    assert after.span == before.span
    assert after.start == pytest.approx(before.start + 40.0 / view.geometry_in_view.pitch)
    place = QPoint(400, 200)
    qtbot.mouseClick(view.canvas.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseDClick(view.canvas.viewport(), Qt.MouseButton.LeftButton, pos=place)
    qtbot.mouseRelease(view.canvas.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert view.geometry_in_view.camera.span == 400.0


def test_keys_zoom_and_fit(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(long_result(), "manual")
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    assert view.geometry_in_view.camera.span < 400.0
    qtbot.keyClick(view, Qt.Key.Key_Minus)
    assert view.geometry_in_view.camera.span == 400.0
    qtbot.keyClick(view, Qt.Key.Key_Plus)
    qtbot.keyClick(view, Qt.Key.Key_0)
    assert view.geometry_in_view.camera.span == 400.0


def test_a_rerun_of_the_same_shape_keeps_the_part_in_view(view: UnrolledView) -> None:
    view.show_result(long_result(), "manual")
    view.zoom_time(4.0)
    before = view.geometry_in_view.camera
    view.show_result(long_result(), "manual")
    assert view.geometry_in_view.camera == before
    view.show_result(make_result(timesteps=300), "manual")
    assert view.geometry_in_view.camera.span == 300.0


def test_the_selection_stays_in_view(view: UnrolledView) -> None:
    view.show_result(long_result(), "manual")
    view.zoom_time(20.0)
    for where in (Location(0, 0, 399, 0, 63), Location(0, 1, 0, 0, 0)):
        view.show_location(where)
        x, y, width, height = view.geometry_in_view.rect(
            CellGeometry(Lane(where.layer, where.direction), where.timestep, where.unit)
        )
        assert 0.0 <= x + width / 2.0 <= view.geometry_in_view.width
        assert 0.0 <= y + height / 2.0 <= view.geometry_in_view.height


def hover(view: UnrolledView, *, here: bool) -> None:
    place = QPoint(view.width() // 2, view.height() // 3) if here else QPoint(view.width() - 3, 5)
    QTest.mouseMove(view.canvas.viewport(), place)


def test_hovering_lanes_without_numbers_shows_a_zoom_hint(qtbot: Any, view: UnrolledView) -> None:
    hover(view, here=False)
    view.show_result(long_result(), "manual")
    assert hint(view) == ""
    hover(view, here=True)
    qtbot.waitUntil(lambda: "Ctrl+scroll" in hint(view))
    hover(view, here=False)
    qtbot.waitUntil(lambda: hint(view) == "")
    hover(view, here=True)
    qtbot.waitUntil(lambda: hint(view) != "")
    turn_wheel(view, 40)
    turn_wheel(view, 20, Qt.KeyboardModifier.ControlModifier)
    assert visible_numbers(view) != []
    assert hint(view) == ""
    view.fit()
    assert visible_numbers(view) == []
    assert hint(view) == ""


def test_numbers_that_are_there_need_no_hint_and_teach_none(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(small(), "manual")
    hover(view, here=False)
    with qtbot.waitSignal(view.box.hovered):
        hover(view, here=True)
    assert hint(view) == ""
    view.show_result(long_result(), "manual")
    assert hint(view) != ""

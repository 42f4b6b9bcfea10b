"""Moving and zooming the unrolled network, and hints for it."""

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QScrollBar

from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.gui.views.unrolled.seen import long_result, turn_wheel


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

"""The minimap shows the part in view and every mismatch, and moves the view."""

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt

from rnnviz.core.trace import Trace
from rnnviz.gui.views.unrolled.canvas import UnrolledCanvas
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result


def edit(trace: Trace) -> None:
    trace.hidden[0, 0, 300, 0, 3] += 0.5
    trace.hidden[0, 0, 3999, 1, 3] += 0.5


def test_the_minimap_has_the_part_in_view_and_every_mismatch(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(make_result(hidden_size=4, timesteps=4000, edits={"manual": edit}), "manual")
    minimap = view.findChild(UnrolledCanvas).minimap
    width = view.geometry_in_view.width
    assert minimap.part.isNull()
    assert minimap.ticks == [601 * int(width) // 8000, 7999 * int(width) // 8000]
    view.zoom_time(10.0)
    assert minimap.part.width() == pytest.approx(width / 10.0, rel=0.01)
    at = view.canvas.mapFromScene(minimap.mapToScene(width * 0.75, 6.0))
    qtbot.mouseClick(view.canvas.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(at))
    camera = view.geometry_in_view.camera
    assert camera.start + camera.span / 2.0 == pytest.approx(3000, abs=10)
    assert minimap.part.center().x() == pytest.approx(width * 0.75, abs=2.0)
    assert view.description_at(minimap.mapToScene(10.0, 6.0)).startswith("40")
    view.show_result(make_result(hidden_size=4, timesteps=4000), "manual")
    assert minimap.ticks == []

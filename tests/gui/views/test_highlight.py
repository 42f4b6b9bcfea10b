"""Pointing at a part of the map highlights it in the map, the lanes and the table, and leaving clears it."""

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from rnnviz.core.config import Network
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.regions import Region, lane_region
from rnnviz.gui.views.output_map import OutputMap
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.vector_table import VectorTable
from tests.factories import make_result
from tests.gui.shown import highlighted_parts

pytestmark = pytest.mark.slow


@pytest.fixture
def shown(qtbot, window):
    """A window on a stacked bidirectional LSTM, with the pointer elsewhere."""
    window.session.set_result(make_result(cell="lstm", num_layers=3, bidirectional=True, timesteps=4))
    chart = window.findChild(OutputMap).chart
    qtbot.waitUntil(lambda: chart.height() == chart.sizeHint().height())
    QTest.mouseMove(window.verdict)
    qtbot.waitUntil(lambda: window.session.highlighted == () and not chart.underMouse())
    return window


def highlight(chart: Any, text: str) -> None:
    rect = next(rect for part, rect in chart.part_rects() if part.text == text)
    QTest.mouseMove(chart, rect.center().toPoint())


def rows_with_highlight(state_map: OutputMap) -> list[str]:
    rows = state_map.rows
    lit = [rows.index(place).data() for place, row in enumerate(rows.rows) if rows.highlighted_times(row)]
    return [text.split(" = ")[0].split(",")[0] for text in lit]


def test_hovering_a_part_of_state_highlights_all_its_places(qtbot, shown):
    state_map, lanes, table = shown.findChild(OutputMap), shown.lanes, shown.findChild(VectorTable)
    shown.session.set_location(Location(2, 1, 0, 0))
    highlight(state_map.chart, "state[0][5][0]")
    assert highlighted_parts(state_map.chart) == ["out[0][0][4:8]", "state[0][5][0]"]
    assert rows_with_highlight(state_map) == ["Layer 2", "out[0][0][4:8]", "state[0][5][0]"]
    (frame,) = lanes.highlights.frames
    assert frame.region == Region(Lane(2, 1), range(1), range(4))
    x, y, width, height = lanes.geometry_in_view.rect(CellGeometry(Lane(2, 1), 0, 1))
    assert frame.rect.contains(x, y)
    assert frame.rect.contains(x + width, y + height)
    assert table.table.highlighted == (range(4),)
    highlight(state_map.chart, "state[1][5][0]")
    assert highlighted_parts(state_map.chart) == ["state[1][5][0]"]
    assert [frame.tag for frame in lanes.highlights.frames] == ["c"]
    assert table.table.highlighted == ()
    table.choose("cell")
    assert table.table.highlighted == (range(4),)
    QTest.mouseMove(shown.verdict)
    qtbot.waitUntil(lambda: shown.session.highlighted == ())
    assert not lanes.highlights.isVisible()
    assert rows_with_highlight(state_map) == []


def test_a_lane_in_the_list_is_highlighted_whole_and_a_point_on_its_axis_alone(shown):
    state_map = shown.findChild(OutputMap)
    rect = state_map.list.visualRect(state_map.rows.index(0))
    QTest.mouseMove(state_map.list.viewport(), QPoint(rect.left() + 12, rect.top() + 8))
    assert shown.session.highlighted == (lane_region(Network("lstm", 3, 4), 2, 0, 4),)
    axis = state_map.painter.axis_rect(rect)
    QTest.mouseMove(state_map.list.viewport(), QPoint(axis.left() + axis.width() * 3 // 8, axis.center().y()))
    assert [region.times for region in shown.session.highlighted] == [range(1, 2)]


def test_the_keyboard_highlights_and_selects_every_part(qtbot, shown):
    chart = shown.findChild(OutputMap).chart
    chart.setFocus(Qt.FocusReason.TabFocusReason)
    assert highlighted_parts(chart)[0] == "out[0][0][:4]"
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Right):
        qtbot.keyClick(chart, key)
    assert highlighted_parts(chart) == ["state[1][4][0]"]
    assert chart.accessibleDescription() == "state[1][4][0]: layer 2, forward"
    qtbot.keyClick(chart, Qt.Key.Key_Return)
    assert shown.session.location == Location(2, 0, 3)
    shown.lanes.setFocus()
    assert shown.session.highlighted == ()


def test_another_result_puts_everything_out(shown):
    shown.session.set_highlight((lane_region(Network("lstm", 3, 4), 2, 1, 4),))
    assert shown.lanes.highlights.frames
    shown.session.set_result(make_result(timesteps=1))
    assert shown.session.highlighted == ()
    assert shown.lanes.highlights.frames == []


def test_a_step_is_described_below_the_lanes_and_drawn_with_arrows(shown, press):
    caption = shown.lanes.findChild(QLabel, "flow_caption")
    assert not caption.isVisible()
    shown.session.set_location(Location(1, 1, 1))
    for _ in range(4):
        press(".")
    assert caption.text() == "reads c[t=2], and computes c[t=1] and h[t=1] of layer 1 ←"
    assert [frame.tag for frame in shown.lanes.highlights.frames] == ["read", "read", "read h, c", "computed h, c"]
    assert [badge.text for badge in shown.lanes.parts.badges.badges] == ["computed h, c", "read", "read h, c"]
    press(",")
    assert caption.text() == "computes the gates i f g o of layer 1 ←"
    assert [frame.tag for frame in shown.lanes.highlights.frames] == ["read", "read", "read", "gates"]
    press(Qt.Key.Key_Up)
    press(Qt.Key.Key_Down)
    assert not caption.isVisible()


def test_the_map_clears_only_its_own_highlights(shown, press):
    state_map = shown.findChild(OutputMap)
    press(".")
    highlighted = shown.session.highlighted
    assert highlighted
    state_map.chart.pointed.emit(None)
    state_map.list.pointed.emit(None, None)
    assert shown.session.highlighted == highlighted
    assert shown.lanes.highlights.frames

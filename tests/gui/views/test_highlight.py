"""Pointing at a part of the map highlights it in the map, the lanes and the table, and leaving clears it."""

from typing import Any

import pytest
from PySide6.QtCore import QRectF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.regions import Region
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.marks import Text
from tests.factories import make_result

pytestmark = pytest.mark.slow


@pytest.fixture
def shown(qtbot, window):
    """A window on a stacked bidirectional LSTM with the final states, with the pointer elsewhere."""
    window.session.set_result(make_result(cell="lstm", num_layers=3, bidirectional=True, timesteps=4))
    window.value.choose("Output")
    QTest.mouseMove(window.verdict)
    qtbot.waitUntil(lambda: window.session.highlighted == ())
    yield window
    window.value.choose("Value")


def highlight(window: Any, text: str) -> None:
    table, model = window.value.output.table, window.value.output.model
    index = model.index(next(at for at, row in enumerate(model.rows) if row.text == text), 0)
    table.scrollTo(index)
    QTest.mouseMove(table.viewport(), table.visualRect(index).center())


def highlighted_places(window: Any) -> list[str]:
    output = window.value.output
    return [output.model.rows[span.start].text for span in output.table.highlighted]


def test_hovering_a_final_state_highlights_all_its_places(qtbot, shown):
    lanes, vector = shown.lanes, shown.value.vector
    shown.session.set_location(Location(2, 1, 0, 0))
    highlight(shown, "state[0][5][0]")
    assert highlighted_places(shown) == ["out[0][0][4:8]", "state[0][5][0]"]
    (frame,) = lanes.canvas.highlights
    assert frame.region == Region(Lane(2, 1), range(1), range(4))
    x, y, width, height = lanes.geometry_in_view.rect(CellGeometry(Lane(2, 1), 0, 1))
    assert QRectF(*frame.rect).contains(QRectF(x, y, width, height))
    of_h = shown.session.highlighted
    highlight(shown, "state[1][5][0]")
    of_c = shown.session.highlighted
    assert highlighted_places(shown) == ["state[1][5][0]"]
    assert [frame.tag for frame in lanes.canvas.highlights] == ["c"]
    shown.value.choose("Vector")
    for kind, regions in (("hidden", of_h), ("cell", of_c)):
        vector.choose(kind)
        shown.session.set_highlight(of_h)
        assert vector.table.highlighted == ((range(4),) if kind == "hidden" else ())
        shown.session.set_highlight(regions)
        assert vector.table.highlighted == (range(4),)
    vector.choose("hidden")
    shown.value.choose("Output")
    highlight(shown, "state[0][5][0]")
    QTest.mouseMove(shown.verdict)
    qtbot.waitUntil(lambda: shown.session.highlighted == ())
    assert not lanes.canvas.marks["highlights"]


def test_another_result_puts_everything_out(shown):
    shown.session.set_highlight((Region(Lane(2, 1), range(4), range(4)),))
    assert shown.lanes.canvas.highlights
    shown.session.set_result(make_result(timesteps=1))
    assert shown.session.highlighted == ()
    assert shown.lanes.canvas.highlights == []


def test_a_step_is_described_below_the_lanes_and_drawn_with_arrows(shown, press):
    caption = shown.lanes.findChild(ElidedLabel, "flow_caption")
    assert not caption.isVisible()
    shown.session.set_location(Location(1, 1, 1))
    for _ in range(4):
        press(".")
    assert caption.text() == "reads c[t=2], and computes c[t=1] and h[t=1] of layer 1 ←"
    assert caption.findChild(QLabel).geometry() == caption.contentsRect() != caption.rect()
    assert [frame.tag for frame in shown.lanes.canvas.highlights] == ["read", "read", "read h, c", "computed h, c"]
    tags = [mark.text for mark in shown.lanes.canvas.marks["highlights"] if isinstance(mark, Text)]
    assert sorted(tags) == ["computed h, c", "read", "read h, c"]
    press(",")
    assert caption.text() == "computes the gates i f g o of layer 1 ←"
    assert [frame.tag for frame in shown.lanes.canvas.highlights] == ["read", "read", "read", "gates"]
    press(Qt.Key.Key_Up)
    press(Qt.Key.Key_Down)
    assert not caption.isVisible()

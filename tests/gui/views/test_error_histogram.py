"""The histogram: its counts, and selection of a bar's first value by pointer and keys."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.error_histogram import ErrorHistogram
from tests.factories import make_result

PLACE = Location(0, 1, 3, 1, 2)


def nudge(trace: Trace) -> None:
    trace.hidden[PLACE.index] += np.float32(0.25)
    trace.hidden[0, 0, 0, 0, 0] += np.float32(1e-6)


@pytest.fixture
def view(qtbot):
    view = qtbot.on_screen(ErrorHistogram(), 900, 220)
    view.show_result(make_result(edits={"manual": nudge}, bidirectional=True), "manual")
    return view


def bar_of(view: ErrorHistogram, where: Location) -> int:
    [place] = [place for place, bar in enumerate(view.bars) if bar.first == where]
    return place


def middle(view: ErrorHistogram, place: int) -> QPoint:
    return view.chart.bar_rect(place).center().toPoint()


def test_the_description_counts_equal_and_outside_values(view):
    assert view.description.text().startswith("98% of 80 values are equal, 1 outside the tolerance")


def test_a_click_on_a_bar_selects_its_first_value(qtbot, view):
    place = bar_of(view, PLACE)
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.mouseClick(view.chart, Qt.MouseButton.LeftButton, pos=middle(view, place))
    assert asked.args == [PLACE]
    assert "1 value" in view.description.text()
    assert view.description.text().endswith(f"first at {PLACE}")


def test_arrows_choose_a_bar_and_enter_selects_its_value(qtbot, view):
    view.activateWindow()
    view.chart.setFocus()
    for _ in range(bar_of(view, PLACE) + 1):
        QTest.keyClick(view.chart, Qt.Key.Key_Right)
    assert view.chart.chosen_place == bar_of(view, PLACE)
    assert view.chart.accessibleDescription() == view.description.text()
    with qtbot.waitSignal(view.location_requested) as asked:
        QTest.keyClick(view.chart, Qt.Key.Key_Return)
    assert asked.args == [PLACE]
    QTest.keyClick(view.chart, Qt.Key.Key_Home)
    assert view.description.text().startswith("Exactly 0: 78 values (98%)")
    QTest.keyClick(view.chart, Qt.Key.Key_Left)
    assert view.chart.chosen_place == 0


def test_hovering_a_bar_shows_its_counts(view):
    place = bar_of(view, PLACE)
    QTest.mouseMove(view.chart, middle(view, place))
    assert view.chart.toolTip().endswith("times the tolerance: 1 value")


def test_the_ulps_can_be_counted_instead(view):
    view.choose("ulp")
    assert sum(bar.count for bar in view.bars) == 80
    assert any("ulp" in bar.words for bar in view.bars)


def test_copying_has_a_row_for_each_bar(view):
    heading, *rows = [line.split("\t") for line in view.copy_text().splitlines()]
    assert heading == ["above", "up to", "values", "first at"]
    assert sum(int(row[2]) for row in rows) == 80

"""Errors by size: their counts, and selection of a bar's first value by pointer and keys."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.error_plot import ErrorPlot
from rnnviz.series.histogram_bars import HistogramBar
from tests.factories import make_result

PLACE = Location(0, 1, 3, 1, 2)


def nudge(trace: Trace) -> None:
    trace.hidden[PLACE.index] += np.float32(0.25)
    trace.hidden[0, 0, 0, 0, 0] += np.float32(1e-6)


@pytest.fixture
def view(qtbot):
    view = qtbot.on_screen(ErrorPlot(), 900, 220)
    view.show_result(make_result(edits={"manual": nudge}, bidirectional=True), "manual")
    view.choose("sizes")
    return view


def bar_of(view: ErrorPlot, where: Location) -> HistogramBar:
    [found] = [bar for bar in view.bars.bars if bar.first == where]
    return found


def test_the_heading_counts_equal_and_outside_values(view):
    assert view.heading.text().startswith("98% of 80 values are equal, 1 outside")
    assert not view.plot.isVisible()


def test_a_click_on_a_bar_selects_its_first_value(qtbot, view):
    bar = bar_of(view, PLACE)
    point = view.sizes.mapFromScene(view.sizes.rect_of(bar).center())
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.mouseClick(view.sizes.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert asked.args == [PLACE]
    assert view.heading.text().endswith(f"first at {PLACE}")


def test_arrows_choose_a_bar_and_enter_selects_its_value(qtbot, view):
    chart, bars = view.sizes, view.bars.bars
    view.activateWindow()
    chart.setFocus()
    for _ in range(bars.index(bar_of(view, PLACE)) + 1):
        QTest.keyClick(chart, Qt.Key.Key_Right)
    assert chart.chosen_bar is bar_of(view, PLACE)
    assert chart.accessibleDescription() == view.heading.text()
    with qtbot.waitSignal(view.location_requested) as asked:
        QTest.keyClick(chart, Qt.Key.Key_Return)
    assert asked.args == [PLACE]
    for key in (Qt.Key.Key_Home, Qt.Key.Key_Left):
        QTest.keyClick(chart, key)
        assert chart.chosen_bar is bars[0]
    assert "78 values" in view.heading.text()


def test_the_ulps_can_be_counted_and_copied(view):
    view.choose("ulp")
    assert sum(bar.count for bar in view.bars.bars) == 80
    assert any("ulp" in bar.words for bar in view.bars.bars)
    heading, *rows = [line.split("\t") for line in view.copy_text().splitlines()]
    assert len(heading) == 4
    assert sum(int(row[2]) for row in rows) == 80
    view.choose("error")
    assert view.bars is None
    assert view.plot.isVisible()

"""The plot of the kit: the part in view, its keys, and what is left of a curve with many steps."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from rnnviz.gui.kit.plot import Plot, Spans, cosmetic_pen
from rnnviz.series.outlines import LogScale


@pytest.fixture
def plot(qtbot):
    plot = qtbot.on_screen(Plot("curves"), 600, 200)
    plot.show_steps(1000)
    plot.show_values(-1.0, 1.0)
    return plot


def test_keys_zoom_at_the_selection_and_show_everything(qtbot, plot):
    parts = []
    plot.part_requested.connect(lambda *part: parts.append(part))
    plot.show_selection(700)
    qtbot.activate(plot)
    plot.setFocus()
    QTest.keyClick(plot, Qt.Key.Key_Plus)
    assert len(plot.seen) < 1000
    assert 700 in plot.seen
    QTest.keyClick(plot, Qt.Key.Key_0)
    assert plot.seen == range(1000)
    assert len(parts) == 2
    plot.show_steps(10)
    assert plot.seen == range(10)


def test_a_thinned_curve_keeps_its_extremes_and_a_near_one_has_every_value(plot):
    plot.show_steps(100_000)
    values = np.zeros(100_000)
    values[77_777], values[44_444] = 0.9, -0.7
    [curve] = plot.curves(1)
    dashes = cosmetic_pen(QColor("red"), 1.5, Qt.PenStyle.DashLine)
    curve.draw_with(dashes)
    plot.draw(curve, values)
    _, drawn = curve.getData()
    assert len(drawn) <= 4 * plot.view_box.width()
    assert (drawn.max(), drawn.min()) == (0.9, -0.7)
    assert curve.opts["pen"].style() == Qt.PenStyle.SolidLine, "dashes of many steps merge"
    plot.show_part(77_770.0, 77_790.0)
    steps, drawn = curve.getData()
    assert drawn[np.flatnonzero(steps == 77_777)] == [0.9]
    assert curve.opts["pen"].style() == Qt.PenStyle.DashLine


@pytest.mark.parametrize(("count", "padding"), [(99_999, 0), (100_003, 0), (100_000, 33_331)])
def test_a_thinned_curve_has_its_last_steps(plot, count, padding):
    plot.show_steps(count)
    values = np.zeros(count)
    values[count - padding - 1], values[count - padding :] = 0.9, np.nan
    [curve] = plot.curves(1)
    plot.draw(curve, values)
    _, drawn = curve.getData()
    assert len(drawn) < count / 10
    assert drawn[-2:].max() == 0.9


def test_only_steps_that_exist_have_a_label(plot):
    plot.show_steps(7)
    assert plot.steps_axis.tickStrings([-1.0, 0.0, 6.0, 7.0], 1.0, 1.0) == ["", "0", "6", ""]


def test_a_logarithmic_axis_has_room_for_the_limit_and_for_zeros(plot):
    plot.show_scale(LogScale(-3, 0), (100.0, "limit"))
    low, high = plot.view_box.viewRange()[1]
    assert plot.limit == 2.0
    assert low < plot.scale.zero
    assert high > 2.0
    [curve] = plot.curves(1)
    plot.draw(curve, np.array([0.0, 1e-2, np.inf]))
    assert curve.values.tolist() == [plot.scale.zero, -2.0, plot.scale.infinity]


def test_spans_are_hidden_where_there_are_none(plot):
    spans = Spans(plot, "no values")
    spans.show_runs(np.array([[3, 5]]))
    assert spans.isVisible()
    spans.show_runs(np.zeros((0, 2), np.int64))
    assert not spans.isVisible()

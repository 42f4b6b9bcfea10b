"""Error over time: the positions are the comparison's, zero and infinity have their place, the limit its line."""

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.error_plot import ErrorPlot
from rnnviz.series.outlines import LogScale
from rnnviz.verify.result import Judgment, RunResult
from tests.factories import adding, make_result, with_judgment


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(ErrorPlot(), 900, 200)


def nudge(trace: Trace) -> None:
    trace.hidden[0, 1, 2, 1, 3] += np.float32(0.25)
    trace.hidden[0, 1, 3, 0, 0] += np.float32(1e-6)
    trace.hidden[0, 1, 4, 0, 0] = np.nan


def lane_curve(view: ErrorPlot) -> np.ndarray:
    """Drawn positions of the selected lane."""
    return next(iter(view.drawn.values()))


@pytest.mark.parametrize(
    ("quantity", "array"),
    [("error_ratio", "error_ratio_over_time"), ("error", "error_over_time"), ("mismatched", "mismatched_over_time")],
)
def test_the_curve_is_the_comparisons_with_a_place_for_zero_and_infinity(view, quantity, array):
    result = make_result(edits={"manual": nudge}, bidirectional=True)
    view.show_result(result, "manual")
    view.choose(quantity)
    view.show_location(Location(0, 1, 2))
    values = getattr(result.comparison("manual"), array)[0, 1].astype(float)
    positions = lane_curve(view)
    assert np.all(positions[values == 0.0] == view.plot.scale.zero)
    assert np.all(positions[np.isinf(values)] == view.plot.scale.infinity)
    between = (values > 0.0) & np.isfinite(values)
    assert np.allclose(positions[between], np.log10(values[between]))
    low, high = view.plot.view_box.viewRange()[1]
    assert np.all((positions > low) & (positions < high))
    assert view.plot.scale.text(view.plot.scale.zero) == "0"


def test_the_limit_line_separates_mismatches(view):
    result = make_result(edits={"manual": nudge}, bidirectional=True)
    view.show_result(result, "manual")
    view.show_location(Location(0, 1, 0))
    assert view.plot.limit == 0.0
    above = lane_curve(view) > view.plot.limit
    assert np.array_equal(above, result.comparison("manual").mismatched_over_time[0, 1] > 0)
    view.choose("error")
    assert view.plot.limit == pytest.approx(-5.0)
    view.choose("mismatched")
    assert view.plot.limit is None


def test_the_selected_value_is_written_as_text(view):
    view.show_result(make_result(edits={"manual": nudge}, bidirectional=True), "manual")
    view.choose("error")
    view.show_location(Location(0, 1, 2))
    assert view.selection_label.text() == "t = 2: 0.25"
    view.show_location(Location(0, 1, 1))
    assert view.selection_label.text() == "t = 1: 0"
    view.choose("error_ratio")
    view.show_location(Location(0, 1, 4))
    assert view.selection_label.text() == "t = 4: infinity"


def test_a_click_selects_the_time_step(qtbot, view):
    view.show_result(make_result(timesteps=9), "manual")
    plot = view.plot
    point = plot.mapFromScene(plot.view_box.mapViewToScene(QPointF(6.3, plot.view_box.viewRect().center().y())))
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert asked.args == [Location(0, 0, 6)]


def test_the_axis_reads_zero_at_its_floor(view):
    view.show_result(make_result(edits={"manual": nudge}, bidirectional=True), "manual")
    low, high = view.plot.view_box.viewRange()[1]
    axis, scale = view.plot.values_axis, view.plot.scale
    [(spacing, places)] = axis.tickValues(low, high, 150)
    texts = dict(zip(places, axis.tickStrings(places, 1.0, spacing), strict=True))
    assert (texts[scale.zero], texts[scale.infinity]) == ("0", "infinity")
    assert "" not in texts.values()
    # Without an infinite value the axis has no place for one.
    view.show_result(make_result(bidirectional=True), "manual")
    [(_, places)] = axis.tickValues(low, view.plot.scale.infinity + 1.0, 150)
    assert view.plot.scale.infinity not in places
    axis.show_scale(LogScale(-7, 1))
    assert axis.tickStrings([-5.0], 1.0, spacing) == ["1e−5"]


def test_copying_copies_the_lane_in_full(view):
    result = make_result(edits={"manual": nudge}, bidirectional=True)
    view.show_result(result, "manual")
    view.show_location(Location(0, 1, 0))
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    comparison = result.comparison("manual")
    assert [float(row[2]) for row in rows[1:]] == comparison.error_over_time[0, 1].tolist()
    assert [int(row[3]) for row in rows[1:]] == comparison.mismatched_over_time[0, 1].tolist()


def evaluated(result: RunResult, *, gap: int | None = None) -> RunResult:
    """Audited, but for the time step `gap` of the first lane."""
    audits = dict(with_judgment(result).judgment.audits)
    if gap is not None:
        for name, found in audits.items():
            figures = {each: getattr(found, each).copy() for each in found.NAMES}
            for array in figures.values():
                array[0, 0, gap] = np.nan
            audits[name] = replace(found, **figures)
    return replace(result, judgment=Judgment(audits))


def test_each_engines_error_within_a_step_is_drawn_with_the_accumulated_error(view):
    result = evaluated(make_result(edits={"manual": nudge}, bidirectional=True))
    view.show_result(result, "manual")
    view.choose("error")
    view.show_location(Location(0, 1, 2))
    assert [key.text() for key in view.legend.keys] == [
        "accumulated",
        "manual, one step",
        "gluon, one step",
        "other lanes",
    ]
    for name in ("manual", "gluon"):
        errors = result.judgment.audits[name].error_over_time[0, 1]
        drawn = view.drawn[f"{name}, one step"]
        between = (errors > 0.0) & np.isfinite(errors)
        assert np.allclose(drawn[between], np.log10(errors[between]))
    assert view.legend.keys[0].value == "0.25"


def test_the_step_audit_has_its_own_limit_and_both_engines(view):
    result = evaluated(make_result(edits={"manual": nudge}, bidirectional=True))
    view.show_result(result, "manual")
    view.choose("audit")
    view.show_location(Location(0, 1, 2))
    assert view.plot.limit == pytest.approx(np.log10(8.0))
    assert [key.text() for key in view.legend.keys] == ["manual", "gluon", "other lanes"]
    assert lane_curve(view)[2] > view.plot.limit
    assert np.all(view.drawn["gluon"] < view.plot.limit)


def test_a_time_step_that_was_not_audited_is_a_gap_and_not_a_zero(view):
    view.show_result(evaluated(make_result(), gap=3), "manual")
    view.choose("audit")
    view.show_location(Location(0, 0, 3))
    assert np.flatnonzero(np.isnan(lane_curve(view))).tolist() == [3]
    assert np.flatnonzero(np.isnan(view.drawn["gluon"])).tolist() == [3]
    assert view.legend.keys[0].value == "not audited"


def test_the_errors_of_a_gradient_are_drawn_when_it_is_selected(qtbot, view):
    result = make_result(gradients=("gluon", "manual"), edits={"manual": adding(0.5, 0, 0, 3, 1, 2, array="grad.h")})
    view.show_result(result, "manual")
    assert not lane_curve(view).max() > view.plot.scale.zero
    view.array.setCurrentText("grad.h")
    qtbot.waitUntil(lambda: view.selection_label.geometry().right() < view.array.geometry().left())
    assert np.flatnonzero(lane_curve(view) > view.plot.scale.zero).tolist() == [3]
    view.choose("audit")
    assert view.drawn == {}
    view.show_result(with_judgment(result), "manual")
    assert list(view.drawn) == ["manual", "gluon"]

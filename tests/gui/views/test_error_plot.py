"""Error over time: the positions are the comparison's, zero and infinity have their place, the limit its line."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from rnnviz.gui.theme import THEMES
from rnnviz.gui.views.error_plot import ErrorPlot
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace
from tests.made_results import made_result


@pytest.fixture
def view(qtbot) -> ErrorPlot:
    view = ErrorPlot()
    qtbot.addWidget(view)
    view.resize(900, 200)
    view.show()
    return view


def nudge(trace: Trace) -> None:
    trace.hidden[0, 1, 2, 1, 3] += np.float32(0.25)
    trace.hidden[0, 1, 3, 0, 0] += np.float32(1e-6)
    trace.hidden[0, 1, 4, 0, 0] = np.nan


def test_an_empty_view_shows_no_curve(view: ErrorPlot) -> None:
    assert not view.plot.isVisible()
    assert view.copy_text() == ""


@pytest.mark.parametrize(
    ("quantity", "array"),
    [("violation", "violation_over_time"), ("error", "error_over_time"), ("mismatched", "mismatched_over_time")],
)
def test_the_curve_is_the_comparisons_with_a_place_for_zero_and_infinity(
    view: ErrorPlot, quantity: str, array: str
) -> None:
    result = made_result(edits={"manual": nudge}, bidirectional=True)
    view.show_result(result, "manual")
    view.choose(quantity)
    view.show_location(Location(0, 1, 2))
    values = getattr(result.comparison("manual"), array)[0, 1].astype(float)
    positions = view.lane_curve
    assert np.all(positions[values == 0.0] == view.scale.zero)
    assert np.all(positions[np.isinf(values)] == view.scale.infinity)
    between = (values > 0.0) & np.isfinite(values)
    assert np.allclose(positions[between], np.log10(values[between]))
    low, high = view.plot.view_box.viewRange()[1]
    assert np.all((positions > low) & (positions < high))
    assert view.scale.text(view.scale.zero) == "0"


def test_exactly_the_changed_timesteps_stand_out_of_zero(view: ErrorPlot) -> None:
    view.show_result(made_result(edits={"manual": nudge}, bidirectional=True), "manual")
    view.show_location(Location(0, 1, 0))
    assert np.flatnonzero(view.lane_curve != view.scale.zero).tolist() == [2, 3, 4]
    view.show_location(Location(0, 0, 0))
    assert np.all(view.lane_curve == view.scale.zero)


def test_the_limit_is_a_line_that_parts_what_mismatches(view: ErrorPlot) -> None:
    result = made_result(edits={"manual": nudge}, bidirectional=True)
    view.show_result(result, "manual")
    view.show_location(Location(0, 1, 0))
    assert view.limit == 0.0
    above = view.lane_curve > view.limit
    assert np.array_equal(above, result.comparison("manual").mismatched_over_time[0, 1] > 0)
    view.choose("error")
    assert view.limit == pytest.approx(-5.0)
    view.choose("mismatched")
    assert view.limit is None


def test_the_value_at_the_cursor_is_told_in_words(view: ErrorPlot) -> None:
    view.show_result(made_result(edits={"manual": nudge}, bidirectional=True), "manual")
    view.choose("error")
    view.show_location(Location(0, 1, 2))
    assert view.told == "t = 2: 0.25"
    view.show_location(Location(0, 1, 1))
    assert view.told == "t = 1: 0"
    view.choose("violation")
    view.show_location(Location(0, 1, 4))
    assert view.told == "t = 4: infinity"


def test_a_click_asks_for_the_timestep(qtbot, view: ErrorPlot) -> None:
    view.show_result(made_result(timesteps=9), "manual")
    plot = view.plot
    point = plot.mapFromScene(plot.view_box.mapViewToScene(QPointF(6.3, plot.view_box.viewRect().center().y())))
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert asked.args == [Location(0, 0, 6)]


def test_the_other_lanes_are_drawn_until_they_are_too_many(view: ErrorPlot) -> None:
    view.show_result(made_result(num_layers=2, bidirectional=True), "manual")
    assert len(view.plot.getPlotItem().listDataItems()) == 4
    view.show_result(made_result(edits={"manual": nudge}, num_layers=20, bidirectional=True), "manual")
    view.show_location(Location(19, 0, 0))
    envelope, lane = (item.getOriginalDataset()[1] for item in view.plot.getPlotItem().listDataItems())
    assert np.flatnonzero(envelope != view.scale.zero).tolist() == [2, 3, 4]
    assert np.all(lane == view.scale.zero)


def test_equal_engines_lie_on_zero_beneath_the_tolerance(view: ErrorPlot) -> None:
    view.show_result(made_result(), "manual")
    assert np.all(view.lane_curve == view.scale.zero)
    assert view.limit is not None
    assert view.limit > view.scale.zero
    low, high = view.plot.view_box.viewRange()[1]
    assert low < view.scale.zero < view.limit < high


def test_the_axis_reads_zero_at_its_floor(view: ErrorPlot) -> None:
    view.show_result(made_result(edits={"manual": nudge}, bidirectional=True), "manual")
    low, high = view.plot.view_box.viewRange()[1]
    axis = view.plot.getAxis("left")
    [(spacing, places)] = axis.tickValues(low, high, 150)
    texts = dict(zip(places, axis.tickStrings(places, 1.0, spacing), strict=True))
    assert texts[view.scale.zero] == "0"
    assert texts[view.scale.infinity] == "infinity"
    assert "" not in texts.values()


def test_what_is_copied_is_the_lane_in_full(view: ErrorPlot) -> None:
    result = made_result(edits={"manual": nudge}, bidirectional=True)
    view.show_result(result, "manual")
    view.show_location(Location(0, 1, 0))
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    comparison = result.comparison("manual")
    assert [float(row[2]) for row in rows[1:]] == comparison.error_over_time[0, 1].tolist()
    assert [int(row[3]) for row in rows[1:]] == comparison.mismatched_over_time[0, 1].tolist()


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_both_themes_have_their_ground(view: ErrorPlot, theme) -> None:
    view.show_result(made_result(), "manual")
    view.apply_theme(theme)
    image = view.plot.grab().toImage()
    assert image.pixelColor(image.width() - 3, 3).name() == theme.base

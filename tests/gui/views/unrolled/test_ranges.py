"""A range is chosen in a lane: the active units and similar ranges are found in the background, and lead there."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.reading.units import THRESHOLD
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.unrolled.seen import settled

SIZE = (1000, 600)


def on_together(trace: Trace) -> None:
    trace.hidden[0, 0, :, 0] = 0.0
    for start, stop in ((10, 14), (40, 44), (70, 80)):
        trace.hidden[0, 0, start:stop, 0, [1, 4]] = 0.6
    trace.hidden[0, 0, 10:14, 0, 2] = 0.4


@pytest.fixture
def view(view):
    session = view.session
    session.on_change(lambda: view.show_result(session.result, session.candidate), "result")
    session.on_change(lambda: view.show_location(session.location), "location")
    view.location_requested.connect(session.set_location)
    return view


def result() -> RunResult:
    return make_result(hidden_size=6, timesteps=100, batch_size=2, edits={"gluon": on_together})


def drag(view: UnrolledView, first: int, last: int) -> None:
    """The signals of the lanes for a drag with Shift."""
    geometry = view.geometry_in_view
    y = geometry.top_of(geometry.stack.lane_rects[0]) + 5.0
    view.canvas.range_dragged.emit(geometry.x_of(first), y, geometry.x_of(last))


def test_a_range_highlights_the_active_units_and_lists_similar_ranges(qtbot, view):
    view.session.set_result(result())
    view.session.set_engine("gluon")
    view.setFocus()
    before = view.grab().toImage()
    drag(view, 10, 13)
    qtbot.waitUntil(lambda: view.ranges.found is not None)
    panel = view.ranges.panel
    assert panel.isVisible()
    assert panel.units.text() == "3 of 6 units are active throughout: 1, 2, 4"
    assert view.grab().toImage() != before
    panel.box.setValue(0.5)
    qtbot.waitUntil(lambda: panel.units.text() == "2 of 6 units are active throughout: 1, 4")
    texts = [panel.ranges.item(row).text() for row in range(panel.ranges.count())]
    assert texts == ["1.00   t = 40 to 43", "0.40   t = 70 to 79"]
    panel.ranges.itemClicked.emit(panel.ranges.item(0))
    geometry = view.geometry_in_view
    assert geometry.camera.start <= 40
    assert geometry.camera.start + geometry.camera.span >= 43
    assert geometry.camera.span < 20
    QTest.keyClick(panel.ranges, Qt.Key.Key_Escape)
    assert not panel.isVisible()
    assert view.ranges.query is None
    view.fit()
    view.session.set_location(Location())
    qtbot.waitUntil(lambda: settled(view))
    assert view.grab().toImage() == before


def test_a_range_is_chosen_with_the_keyboard_from_the_selection(qtbot, view):
    view.session.set_result(result())
    view.session.set_engine("gluon")
    view.session.set_location(Location(timestep=10, unit=1))
    for _ in range(4):
        QTest.keyClick(view, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert view.ranges.query.times == range(10, 14)
    for _ in range(5):
        QTest.keyClick(view, Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier)
    assert view.ranges.query.times == range(8, 11)
    qtbot.waitUntil(lambda: view.ranges.found is not None)
    # No unit is on at the default threshold, so that the highest one that matches is taken.
    assert view.ranges.found.units
    assert view.ranges.query.threshold < THRESHOLD
    assert view.ranges.panel.box.value() == pytest.approx(view.ranges.query.threshold)
    view.ranges.panel.box.setValue(THRESHOLD)
    qtbot.waitUntil(lambda: view.ranges.found is not None)
    assert "0 of 6 units" in view.ranges.panel.units.text()
    QTest.keyClick(view, Qt.Key.Key_Escape)
    assert view.ranges.query is None


def test_a_range_is_cleared_with_another_sample_or_result(qtbot, view):
    view.session.set_result(result())
    view.session.set_engine("gluon")
    for change in (lambda: view.session.set_location(Location(sample=1)), lambda: view.session.set_result(result())):
        drag(view, 10, 13)
        qtbot.waitUntil(lambda: view.ranges.found is not None)
        change()
        assert view.ranges.query is None
        assert not view.ranges.panel.isVisible()


def test_a_range_ends_before_padding(view):
    view.session.set_result(make_result(timesteps=100, batch_size=2, lengths=[60, 100]))
    drag(view, 50, 90)
    assert view.ranges.query.times == range(50, 60)
    view.session.set_location(Location(sample=1))
    drag(view, 50, 90)
    assert view.ranges.query.times == range(50, 91)
    view.session.set_location(Location(sample=0))
    view.restore_state(["range 0 0 50 91 0.5"])
    assert view.save_state() == ()


@pytest.mark.slow
def test_a_range_is_searched_by_the_quantity_of_the_lanes(qtbot, view):
    def turn_on(trace):
        trace["c"][0, 0, :, 0] = [0.0, 2.0, 0.0, -1.0, 0.0, 0.0]
        trace["c"][0, 0, 10:14, 0, 4] = trace["c"][0, 0, 40:44, 0, 4] = 0.6
        trace["grad.c"][0, 0, :, 0] = 0.0
        trace["grad.c"][0, 0, 10:14, 0, 3] = 2e-4

    made = {"cell": "lstm", "hidden_size": 6, "timesteps": 100, "gradients": ("manual",)}
    view.session.set_result(make_result(("gluon", "manual"), edits={"manual": turn_on}, **made))
    view.session.set_engine("manual")
    panel = view.ranges.panel
    drag(view, 10, 13)
    qtbot.waitUntil(lambda: view.ranges.found is not None)
    assert panel.quantity.text() == "h ≥"
    view.session.set_color_by("c")
    qtbot.waitUntil(lambda: panel.units.text() == "2 of 6 units are active throughout: 1, 4")
    assert panel.quantity.text() == "c ≥"
    panel.onset.click()
    qtbot.waitUntil(lambda: panel.units.text() == "1 of 6 units are active throughout: 4")
    assert [panel.ranges.item(row).text() for row in range(panel.ranges.count())] == ["1.00   t = 40 to 43"]
    panel.box.setValue(-2.0)
    qtbot.waitUntil(lambda: "0 of 6 units" in panel.units.text())
    view.session.set_color_by("grad.c")
    # Another quantity has its own threshold, as fine as its values.
    qtbot.waitUntil(lambda: panel.units.text() == "1 of 6 units are active throughout: 3")
    assert panel.quantity.text() == "grad.c ≥"
    assert 0.0 < panel.box.value() <= 2e-4
    view.session.set_color_by("error_ratio")
    assert panel.quantity.text() == "h ≥"
    view.session.set_color_by("c")
    assert view.save_state() == ("range 0 0 10 14 -2.0 onset",)
    view.ranges.clear()
    view.restore_state(["range 0 0 40 44 0.5"])
    qtbot.waitUntil(lambda: panel.units.text() == "2 of 6 units are active throughout: 1, 4")
    assert not panel.onset.isChecked()
    view.restore_state(["range 0 0 40 44 5e-1 onset"])
    qtbot.waitUntil(lambda: panel.units.text() == "1 of 6 units are active throughout: 4")
    assert panel.onset.isChecked()


def test_a_gradient_that_the_engine_lacks_is_searched_where_it_is_shown(qtbot, view):
    def turn_on(trace):
        trace["grad.h"][0, 0, :, 0] = 0.0
        trace["grad.h"][0, 0, 10:14, 0, 3] = 2.0

    view.session.set_result(make_result(timesteps=100, gradients=("manual",), edits={"manual": turn_on}))
    view.session.set_engine("gluon")
    view.session.set_color_by("grad.h")
    drag(view, 10, 13)
    qtbot.waitUntil(lambda: view.ranges.panel.units.text() == "1 of 4 units are active throughout: 3")


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_other_ranges_are_marked_over_the_time_axis(qtbot, view, theme):
    view.apply_theme(theme)
    view.session.set_result(result())
    view.session.set_engine("gluon")
    view.ranges.panel.box.setValue(0.5)
    drag(view, 10, 13)
    qtbot.waitUntil(lambda: view.ranges.found is not None)
    geometry = view.geometry_in_view
    image = view.grab().toImage()
    corner = view.canvas.mapTo(view, view.canvas.area.topLeft())
    y = corner.y() + int(geometry.bottom) - 3
    accent = [image.pixelColor(corner.x() + int(geometry.x_of(t)), y) == theme.color("accent") for t in (42, 75, 60)]
    assert accent == [True, True, False]

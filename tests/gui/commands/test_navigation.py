"""From a number to what it used, down to the input, and back: the trail alone, and in the window by keys and clicks."""

from typing import Any

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QPushButton, QToolButton

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.navigation import NavigationHistory
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from rnnviz.gui.views.different_values import DifferentValues
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.gui.views.vector_table import VectorTable
from rnnviz.reading.quantities import RECOMPUTED
from tests.factories import make_result
from tests.gui.views.unrolled.seen import visible_numbers

TOP, BELOW = Location(layer=1, timestep=4, unit=2), Location(timestep=4, unit=1)
INPUT = Place("input", (4, 0, 2))


def hidden(where: Location, **moved: int) -> Place:
    return Place.at("h", where.moved(**moved))


@pytest.fixture
def session(qapp):
    result = make_result(cell="lstm", num_layers=2)
    session = Session(result.config)
    session.set_result(result)
    session.set_location(TOP)
    return session


@pytest.fixture
def trail(session):
    return NavigationHistory(session)


def test_the_selection_follows_the_history_forward_and_back(session, trail):
    for place in (Place.at("f", TOP), hidden(BELOW), Place.at("c", BELOW.moved(timestep=3)), INPUT):
        trail.visit(place)
    assert session.location == BELOW.moved(timestep=3)
    trail.back()
    trail.back()
    assert (trail.place, session.location) == (hidden(BELOW), BELOW)
    trail.back()
    assert (trail.place, session.location) == (Place.at("f", TOP), TOP)
    trail.back()
    assert trail.place == hidden(TOP)
    assert not trail.can_go_back
    trail.back()
    for _ in range(4):
        trail.forward()
    assert trail.place == INPUT
    assert not trail.can_go_forward


def test_a_link_within_the_history_drops_the_forward_entries(trail):
    for place in (hidden(BELOW), INPUT):
        trail.visit(place)
    trail.back()
    trail.visit(Place("h0", (0, 0, 1)))
    assert trail.places == (hidden(TOP), hidden(BELOW), Place("h0", (0, 0, 1)))


def test_other_lengths_start_a_new_history(session, trail):
    # The selection is before padding, but the places before it are not.
    session.set_result(make_result(cell="lstm", num_layers=2))
    trail.visit(hidden(BELOW, timestep=1))
    session.set_result(make_result(cell="lstm", num_layers=2, lengths=[3, 5]))
    assert trail.places == (hidden(BELOW, timestep=1),)


def test_a_history_survives_another_run_of_the_same_network_only(session, trail):
    session.set_result(make_result(cell="lstm", num_layers=2))
    trail.visit(hidden(BELOW))
    trail.visit(INPUT)
    session.set_result(make_result(cell="lstm", num_layers=2))
    assert trail.place == INPUT
    session.set_result(make_result(cell="gru", num_layers=2))
    assert trail.places == (hidden(session.location),)


@pytest.fixture
def arithmetic(window):
    return window.findChild(ArithmeticView)


def shown(qtbot: Any, arithmetic: ArithmeticView) -> None:
    qtbot.waitUntil(lambda: arithmetic.isVisible() and arithmetic.complete)


@pytest.mark.slow
def test_a_history_leads_by_keys_from_the_top_layers_last_time_step_to_the_input(
    qtbot, run_config, window, press, arithmetic
):
    # Wide enough for the names of four places.
    window.resize(1600, 900)
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 3}
    run_config(network, sequence={"timesteps": 4, "batch_size": 1})
    window.main_layout.tabs.setCurrentIndex(1)
    window.session.set_location(Location(2, 0, 3, 0, 1))
    press("e")
    shown(qtbot, arithmetic)
    for layer in (1, 0):
        arithmetic.table.setFocus()
        arithmetic.table.setCurrentIndex(arithmetic.table.term_model.index(0, 0))
        qtbot.keyClick(arithmetic.table, Qt.Key.Key_Return)
        shown(qtbot, arithmetic)
        assert window.session.location == Location(layer, 0, 3, 0, 0)
    arithmetic.table.setFocus()
    arithmetic.table.setCurrentIndex(arithmetic.table.term_model.index(2, 0))
    qtbot.keyClick(arithmetic.table, Qt.Key.Key_Return)
    assert arithmetic.place == Place("input", (3, 0, 2))
    assert "This is the input" in arithmetic.end.text
    assert arithmetic.crumbs.names == [
        "layer 2 → h[t=3, u=1]",
        "layer 1 → h[t=3, u=0]",
        "layer 0 → h[t=3, u=0]",
        "x[t=3, i=2]",
    ]
    for layer, unit in ((0, 0), (1, 0), (2, 1)):
        QTest.keyClick(window, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
        shown(qtbot, arithmetic)
        assert window.session.location == Location(layer, 0, 3, 0, unit)
    assert not window.actions_["trail_back"].isEnabled()
    QTest.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert window.session.location == Location(1, 0, 3, 0, 0)

    def last_crumbs():
        return [button for button in arithmetic.crumbs.findChildren(QToolButton) if button.property("at") == 3]

    qtbot.waitUntil(lambda: len(last_crumbs()) == 1)
    qtbot.mouseClick(last_crumbs()[0], Qt.MouseButton.LeftButton)
    assert arithmetic.ends


@pytest.mark.slow
def test_a_double_click_on_a_number_of_another_view_brings_its_arithmetic_to_the_front(
    qtbot, run_config, window, arithmetic
):
    run_config(
        {"cell": "lstm", "input_size": 2, "hidden_size": 3},
        sequence={"timesteps": 3},
        compare={"candidates": ["bug:no-h2h-bias"]},
    )
    tabs = window.main_layout.tabs
    vector = window.findChild(VectorTable)
    mismatches = window.findChild(DifferentValues)
    units = window.findChild(UnitsPlot)

    def double_click(viewport, at):
        for act in (qtbot.mouseClick, qtbot.mouseDClick, qtbot.mouseRelease):
            act(viewport, Qt.MouseButton.LeftButton, pos=at)

    def double_click_row(table, index):
        table.scrollTo(index)
        double_click(table.viewport(), table.visualRect(index).center())

    tabs.select(units.title)
    double_click_row(vector.table, vector.model.index(2, 1))
    assert (tabs.front, window.session.location.unit) == (arithmetic, 2)
    vector.choose("input")
    double_click_row(vector.table, vector.model.index(1, 1))
    assert arithmetic.place == Place("input", (0, 0, 1))

    tabs.select(mismatches.title)
    double_click_row(mismatches.table, mismatches.model.index(4, 0))
    assert tabs.front is arithmetic
    assert arithmetic.place == hidden(mismatches.location(4))

    tabs.select(units.title)
    ground = units.plot.view_box.sceneBoundingRect()
    at = units.plot.mapFromScene(ground.right() - 5, ground.center().y())
    double_click(units.plot.viewport(), at)
    assert (tabs.front, window.session.location.timestep) == (arithmetic, 2)

    tabs.select(units.title)
    geometry = window.lanes.geometry_in_view
    number = visible_numbers(window.lanes)[0]
    x, y, width, height = geometry.rect(number.cell)
    at = window.lanes.canvas.mapFromScene(window.lanes.box.mapToScene(x + width / 2, y + height / 2))
    double_click(window.lanes.canvas.viewport(), QPoint(at))
    assert tabs.front is arithmetic

    tabs.select(units.title)
    window.lanes.setFocus()
    qtbot.keyClick(window.lanes, Qt.Key.Key_Return)
    assert tabs.front is arithmetic

    tabs.select(units.title)
    arithmetic.choose_line("h")
    window.verdict.toggle_details()
    window.findChild(QPushButton, "show_me").click()
    assert tabs.front is arithmetic
    # To the line that differs, or to the likely cause.
    qtbot.waitUntil(lambda: any(card.hasFocus() for card in arithmetic.cards.cards))
    qtbot.waitUntil(lambda: arithmetic.complete)
    symbols = [card.content.lines[0].result.text for card in arithmetic.cards.cards]
    focused = [card.hasFocus() for card in arithmetic.cards.cards]
    assert focused.index(True) > symbols.index("stored h")


@pytest.mark.slow
def test_a_gates_number_in_any_view_leads_to_the_line_of_that_gate(qtbot, run_config, window, arithmetic):
    run_config({"cell": "lstm", "input_size": 2, "hidden_size": 3}, sequence={"timesteps": 3})
    vector = window.findChild(VectorTable)
    units = window.findChild(UnitsPlot)
    where = Location(0, 0, 1, 0, 2)

    def explained_line():
        arithmetic.finish_pending()
        assert window.session.location == where
        return arithmetic.page.term_table.line

    window.session.set_location(where)
    window.session.set_color_by("f")
    window.lanes.setFocus()
    qtbot.keyClick(window.lanes, Qt.Key.Key_Return)
    assert explained_line() == "f"
    window.session.set_color_by("pre_g")
    qtbot.keyClick(window.lanes, Qt.Key.Key_E)
    assert explained_line() == "g"
    window.session.set_color_by("c")
    qtbot.keyClick(window.lanes, Qt.Key.Key_E)
    assert explained_line() == "c"

    vector.choose("hidden")
    vector.restore_state(("o",))
    # Gluon returns no gates.
    column = [column.name for column in vector.model.columns].index(f"o {RECOMPUTED}")
    vector.table.activated.emit(vector.model.index(2, column))
    assert explained_line() == "o"
    window.main_layout.tabs.select(units.title)
    units.choice.choose("i")
    units.plot.explanation_requested.emit(1)
    assert explained_line() == "i"

"""From a number to what it used, down to the input, and back: the trail alone, and in the window by keys and clicks."""

from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.navigation import NavigationHistory
from rnnviz.gui.value.card import ValueCard
from rnnviz.reading.quantities import RECOMPUTED
from tests.factories import make_result
from tests.gui.views.unrolled.seen import middle_of, visible_numbers

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


def test_a_gate_is_the_line_of_its_own_and_another_place_keeps_the_line(session, trail):
    trail.visit(Place.at("f", TOP))
    assert trail.line == "f"
    trail.visit(hidden(BELOW))
    assert trail.line == "f"
    trail.choose_line("c")
    session.set_location(BELOW.moved(unit=0))
    assert (trail.places, trail.line) == ((hidden(BELOW.moved(unit=0)),), "c")
    trail.begin(Place.at("grad.h", TOP))
    assert trail.line == "grad.h"
    trail.choose_line("grad.o")
    session.set_location(BELOW)
    assert (trail.place.array, trail.line) == ("grad.h", "grad.o")
    trail.begin(TOP)
    assert trail.line == ""


@pytest.fixture
def card(window):
    return window.value


def shown(qtbot: Any, card: ValueCard) -> None:
    qtbot.waitUntil(lambda: card.isVisible() and card.complete)


def term(card: ValueCard, place: Place) -> int:
    return next(at for at, row in enumerate(card.arithmetic.terms.rows) if row.source == place)


@pytest.mark.slow
def test_a_history_leads_by_keys_from_the_top_layers_last_time_step_to_the_input(
    qtbot, run_config, window, press, card
):
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 3}
    run_config(network, sequence={"timesteps": 4, "batch_size": 1})
    window.resize(1600, 1200)
    window.session.set_location(Location(2, 0, 3, 0, 1))
    press("e")
    shown(qtbot, card)
    assert card.arithmetic.equations.hasFocus()
    terms = card.arithmetic.terms
    for place in (*(hidden(Location(layer, 0, 3, 0, 0)) for layer in (1, 0)), Place("input", (3, 0, 2))):
        terms.setFocus()
        terms.setCurrentIndex(terms.model().index(term(card, place), 0))
        qtbot.keyClick(terms, Qt.Key.Key_Return)
        shown(qtbot, card)
        assert window.navigation.place == place
        assert window.session.location == (place.location or Location(0, 0, 3, 0, 0))
    assert "This is the input" in card.source.text
    for layer, unit in ((0, 0), (1, 0), (2, 1)):
        QTest.keyClick(window, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
        shown(qtbot, card)
        assert window.session.location == Location(layer, 0, 3, 0, unit)
    assert not window.actions_["trail_back"].isEnabled()
    assert not card.back.isEnabled()
    QTest.keyClick(window, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert window.session.location == Location(1, 0, 3, 0, 0)
    card.arithmetic.equations.setFocus()
    qtbot.keyClick(card.arithmetic.equations, Qt.Key.Key_Escape)
    assert window.lanes.hasFocus() or window.lanes.isAncestorOf(window.focusWidget())


@pytest.mark.slow
def test_a_double_click_on_a_number_of_another_view_opens_it_in_the_card(qtbot, run_config, window, card):
    run_config(
        {"cell": "lstm", "input_size": 2, "hidden_size": 3},
        sequence={"timesteps": 3},
        compare={"candidates": ["bug:no-h2h-bias"]},
    )
    docks, vector = window.main_layout.docks, card.vector

    def double_click(viewport, at):
        for act in (qtbot.mouseClick, qtbot.mouseDClick, qtbot.mouseRelease):
            act(viewport, Qt.MouseButton.LeftButton, pos=at)

    def double_click_row(table, index):
        table.scrollTo(index)
        double_click(table.viewport(), table.visualRect(index).center())

    card.choose("Vector")
    double_click_row(vector.table, vector.model.index(2, 1))
    assert (card.page_name, window.session.location.unit) == ("Value", 2)
    card.choose("Vector")
    vector.choose("input")
    double_click_row(vector.table, vector.model.index(1, 1))
    assert window.navigation.place == Place("input", (0, 0, 1))
    vector.choose("hidden")

    window.main_layout.select_tab("Different values")
    mismatches = window.main_layout.tabs.front
    docks.close("Value")
    double_click_row(mismatches.table, mismatches.model.index(4, 0))
    assert docks.is_open("Value")
    assert window.navigation.place == hidden(mismatches.location(4))

    window.main_layout.select_tab("Units over time")
    units = window.main_layout.tabs.front
    card.choose("Output")
    ground = units.plot.view_box.sceneBoundingRect()
    at = units.plot.mapFromScene(ground.right() - 5, ground.center().y())
    double_click(units.plot.viewport(), at)
    assert (card.page_name, window.session.location.timestep) == ("Value", 2)

    docks.close("Value")
    number = visible_numbers(window.lanes)[0]
    double_click(window.lanes.canvas, middle_of(window.lanes, number.cell).toPoint())
    assert docks.is_open("Value")

    card.choose("Output")
    window.lanes.setFocus()
    qtbot.keyClick(window.lanes, Qt.Key.Key_Return)
    assert card.page_name == "Value"

    card.choose("Vector")
    window.verdict.explanation_wanted.emit()
    shown(qtbot, card)
    assert card.arithmetic.equations.hasFocus()


@pytest.mark.slow
def test_a_gates_number_in_any_view_leads_to_the_line_of_that_gate(qtbot, run_config, window, card):
    run_config({"cell": "lstm", "input_size": 2, "hidden_size": 3}, sequence={"timesteps": 3})
    vector = card.vector
    window.main_layout.select_tab("Units over time")
    units = window.main_layout.tabs.front
    where = Location(0, 0, 1, 0, 2)

    def explained_line():
        card.finish_pending()
        assert window.session.location == where
        return card.page.line.name

    window.session.set_location(where)
    window.session.set_color_by("f")
    window.lanes.setFocus()
    qtbot.keyClick(window.lanes, Qt.Key.Key_Return)
    assert explained_line() == "f"
    for quantity, line in (("pre_g", "g"), ("c", "c")):
        window.session.set_color_by(quantity)
        window.lanes.setFocus()
        qtbot.keyClick(window.lanes, Qt.Key.Key_E)
        assert explained_line() == line

    card.choose("Vector")
    vector.choose("hidden")
    vector.columns.choose_these(("o",))
    # Gluon returns no gates.
    column = [column.name for column in vector.model.columns].index(f"o {RECOMPUTED}")
    vector.table.activated.emit(vector.model.index(2, column))
    assert explained_line() == "o"
    units.choice.choose("i")
    units.plot.explanation_requested.emit(1)
    assert explained_line() == "i"

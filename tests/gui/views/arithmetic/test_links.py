"""Where the numbers of the arithmetic lead, by the mouse and by the keyboard."""

from typing import Any

import pytest
from PySide6.QtCore import Qt

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Lane
from rnnviz.explain.lines import format_short
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from tests.gui.views.arithmetic.seen import WHERE, card, row


def test_the_sentence_leads_to_the_line(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    name = "bug:reset-before-matmul"
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="gru")
    qtbot.mouseClick(view.note, Qt.MouseButton.LeftButton)
    assert view.cards.cards[-1].hasFocus()


@pytest.mark.slow
def test_the_first_line_that_differs_is_selected_once_its_page_is_there(
    qtbot: Any, view: ArithmeticView, show: Any
) -> None:
    name = "bug:no-h2h-bias"
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="gru")
    view.choose_line("h")
    view.show_location(WHERE.moved(layer=0))
    view.show_divergence()
    qtbot.waitUntil(lambda: view.complete and any(own.content.parts and own.checked for own in view.cards.cards))
    view.choose_line("h")
    qtbot.waitUntil(lambda: view.complete)
    assert view.page.term_table.line == "h"
    # A stored value that differs is focused, and the terms are those of its line.
    name = "bug:gates-i-f-o-g"
    view.resize(1001, 150)
    show(WHERE.moved(layer=0, timestep=4), engines=("gluon", name), candidate=name, cell="lstm")
    view.show_divergence()
    qtbot.waitUntil(lambda: view.complete)
    stored = view.cards.cards[-2]
    assert stored.hasFocus()
    assert view.page.term_table.line == "c"
    qtbot.wait(1)
    assert not stored.visibleRegion().isEmpty(), "also after its line was scrolled to"
    assert stored.visibleRegion().boundingRect() == stored.rect()


@pytest.mark.parametrize("click", ["mouse", "enter"])
def test_a_term_leads_to_its_source(qtbot: Any, view: ArithmeticView, show: Any, click: str) -> None:
    show()
    for name, place in (
        ("h[t=2, u=3] ←", WHERE.moved(layer=0, unit=3)),
        ("h[t=3, u=2]", WHERE.moved(timestep=3, unit=2)),
    ):
        index = view.table.term_model.index(row(view, name), 0)
        view.table.scrollTo(index)
        with qtbot.waitSignal(view.place_requested) as asked:
            if click == "mouse":
                at = view.table.visualRect(index).center()
                qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
            else:
                view.table.setFocus()
                view.table.setCurrentIndex(index)
                qtbot.keyClick(view.table, Qt.Key.Key_Return)
        assert asked.args == [Place.at("h", place)]


def test_the_numbers_of_an_equation_lead_to_their_sources(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    own = card(view, "c")
    asked: list[object] = []
    view.place_requested.connect(asked.append)
    for token in own.links:
        qtbot.mouseClick(own, Qt.MouseButton.LeftButton, pos=own.link_rect(token).center().toPoint())
    previous = WHERE.moved(timestep=3)
    assert asked == [Place.at("f", WHERE), Place.at("c", previous), Place.at("i", WHERE), Place.at("g", WHERE)]


def test_cards_are_chosen_and_links_followed_by_keys_alone(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm")
    view.cards.cards[0].setFocus()
    for symbol in "fgoch":
        with qtbot.waitSignal(view.shown):
            qtbot.keyClick(view.focusWidget(), Qt.Key.Key_Down)
        assert view.table.term_model.term_table.line == symbol
        assert card(view, symbol).checked
    own = card(view, "h")
    qtbot.keyClick(own, Qt.Key.Key_Right)
    assert own.accessibleName() == "o: Enter goes to o[t=2, u=1] of layer 1, backward"
    with qtbot.waitSignal(view.place_requested) as asked:
        qtbot.keyClick(own, Qt.Key.Key_Return)
    assert asked.args == [Place.at("o", WHERE)]


def test_the_input_and_the_initial_state_end_a_history(view: ArithmeticView, show: Any) -> None:
    result = show(cell="lstm")
    for place, said in (
        (Place("input", (2, 1, 0)), "x[t=2, i=0] = " + format_short(float(result.inputs.sequence[2, 1, 0]))),
        (
            Place("c0", (3, 1, 2), Lane(1, 1)),
            f"c0[u=2] = {format_short(float(result.inputs.initial_state['c'][3, 1, 2]))}",
        ),
    ):
        view.show_history((Place.at("h", WHERE), place), 1)
        assert view.ends
        assert view.end.isVisible()
        assert said in view.end.text
        assert "no step computed it" in view.end.text
        assert said in view.copy_text()
    view.show_history((Place.at("h", WHERE), Place("input", (2, 1, 0))), 0)
    assert not view.ends
    assert view.table.isVisible()


def test_each_line_of_a_projected_cell_is_reached_from_the_hidden_value(
    qtbot: Any, view: ArithmeticView, show: Any
) -> None:
    where = WHERE.moved(unit=1)
    made = show(where, cell="lstm", hidden_size=5, projection_size=2)
    assert [own.content.lines[0].result.text for own in view.cards.cards if own.content] == ["h", "stored h"]
    index = view.table.term_model.index(row(view, "m[t=2, u=4]"), 0)
    with qtbot.waitSignal(view.place_requested) as asked:
        view.table.setFocus()
        view.table.setCurrentIndex(index)
        qtbot.keyClick(view.table, Qt.Key.Key_Return)
    (place,) = asked.args
    assert place == Place.at("m", where.moved(unit=4))
    view.show_history((Place.at("h", where), place), 1)
    qtbot.waitUntil(lambda: view.complete)
    view.show_location(where)
    qtbot.waitUntil(lambda: view.complete)
    assert view.crumbs.names[-1] == "m[t=2, u=4]"
    assert view.page.term_table.line == "m"
    lines = {own.content.lines[0].result.text: own.content.lines[0] for own in view.cards.cards if own.content}
    assert [name for name in lines if not name.startswith("stored ")] == ["i", "f", "g", "o", "c", "m"]
    assert lines["stored c"].result.value == made["gluon"]["c"][where.moved(unit=4).index]
    assert view.copy_text().startswith("c[t=2, u=4] of layer 1 backward")
    # Another time step begins again at the selected hidden value.
    view.show_location(where.moved(timestep=1))
    qtbot.waitUntil(lambda: view.complete)
    assert (view.place, view.page.term_table.line) == (Place.at("h", where.moved(timestep=1)), "h")

"""The value card and the tab with its terms on a screen, by themselves."""

import pytest

from rnnviz.core.trace_index import Location
from rnnviz.gui.value.arithmetic_view import ArithmeticView
from rnnviz.gui.value.card import ValueCard
from tests.factories import make_result

WHERE = Location(layer=1, direction=1, timestep=2, sample=1, unit=1)


@pytest.fixture
def card(qtbot):
    card = qtbot.on_screen(ValueCard(), 404, 700)
    yield card
    card.close()


@pytest.fixture
def tab(qtbot):
    tab = qtbot.on_screen(ArithmeticView(), 1016, 320)
    yield tab
    tab.close()


def showing(qtbot, view):
    def show(where=WHERE, candidate="manual", result=None, place=None, **made):
        result = result or make_result(**({"num_layers": 2, "bidirectional": True} | made))
        view.show_result(result, candidate)
        view.show_location(where)
        if place is not None:
            view.show_place(place, "")
        qtbot.waitUntil(lambda: view.complete)
        return result

    return show


@pytest.fixture
def show(qtbot, card):
    """Shows a place in the card and waits until it is there."""
    return showing(qtbot, card)


@pytest.fixture
def show_terms(qtbot, tab):
    """Shows a place in the tab and waits until it is there."""
    return showing(qtbot, tab)

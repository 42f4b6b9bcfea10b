"""The arithmetic of a value on a screen, by itself."""

import pytest

from rnnviz.gui.views.arithmetic.view import ArithmeticView
from tests.factories import make_result
from tests.gui.views.arithmetic.seen import WHERE


@pytest.fixture
def view(qtbot):
    view = qtbot.on_screen(ArithmeticView(), 1016, 220)
    yield view
    view.close()


@pytest.fixture
def show(qtbot, view):
    """Shows the arithmetic of a place and waits until it is there."""

    def show(where=WHERE, candidate="manual", **made):
        result = make_result(**({"num_layers": 2, "bidirectional": True} | made))
        view.show_result(result, candidate)
        view.show_location(where)
        qtbot.waitUntil(lambda: view.complete and view.page is not None)
        return result

    return show

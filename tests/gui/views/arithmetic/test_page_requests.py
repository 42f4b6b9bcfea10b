"""When the arithmetic of a value is worked out, and which answers are shown."""

import weakref
from typing import Any

import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from tests.factories import make_result
from tests.gui.views.arithmetic.seen import WHERE


def test_only_the_last_of_many_moves_is_sure_to_be_answered(qtbot: Any, view: ArithmeticView, show: Any) -> None:
    show(cell="lstm", timesteps=60)
    shown: list[Place] = []
    view.shown.connect(lambda: shown.append(view.page.request.place))
    for timestep in range(60):
        view.show_location(WHERE.moved(timestep=timestep))
    assert view.page.request.place == Place.at("h", WHERE)
    qtbot.waitUntil(lambda: view.complete)
    assert shown[-1] == Place.at("h", WHERE.moved(timestep=59))
    assert len(shown) < 60


@pytest.mark.parametrize(
    "place",
    [Place.at("h", Location(1, 0, 40, 0, 2)), Place("input", (40, 0, 1)), Place("h0", (3, 0, 1), Lane(3))],
    ids=lambda place: place.array,
)
def test_a_history_through_a_pending_result_is_waited_for(
    qtbot: Any, view: ArithmeticView, show: Any, place: Any
) -> None:
    show()
    before = view.page
    view.hide()
    view.show_history((place,), 0)
    view.resize(view.width() + 40, view.height() + 10)
    view.show()
    assert view.page is before


def test_a_source_does_not_keep_the_page_of_an_earlier_result(view: ArithmeticView, show: Any) -> None:
    earlier = weakref.ref(show())
    view.show_history((Place.at("h", WHERE), Place("input", (2, 1, 0))), 1)
    assert view.ends
    view.show_result(make_result(num_layers=2, bidirectional=True), "manual")
    assert view.ends
    assert earlier() is None

"""The arithmetic of a value on a screen, by itself."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rnnviz.core.trace_index import Location
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.arithmetic.seen import WHERE


@pytest.fixture
def view(qtbot: Any) -> Iterator[ArithmeticView]:
    view = ArithmeticView()
    qtbot.addWidget(view)
    view.resize(1016, 220)
    view.show()
    yield view
    view.close()


@pytest.fixture
def show(qtbot: Any, view: ArithmeticView) -> Callable[..., RunResult]:
    """Shows the arithmetic of a place and waits until it is there."""

    def show(where: Location = WHERE, candidate: str = "manual", **made: Any) -> RunResult:
        result = make_result(**({"num_layers": 2, "bidirectional": True} | made))
        view.show_result(result, candidate)
        view.show_location(where)
        qtbot.waitUntil(lambda: view.complete and view.page is not None)
        return result

    return show

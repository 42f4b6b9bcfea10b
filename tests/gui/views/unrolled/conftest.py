"""The unrolled network on a screen, by itself."""

from typing import Any

import pytest

from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.gui.views.unrolled.seen import empty_view


@pytest.fixture
def view(qtbot: Any, request: pytest.FixtureRequest) -> UnrolledView:
    """Of the `SIZE` of the module that asks for it."""
    view = empty_view()
    qtbot.addWidget(view)
    view.resize(*getattr(request.module, "SIZE", (800, 600)))
    view.show()
    qtbot.waitUntil(lambda: view.box.width() > 100)
    return view

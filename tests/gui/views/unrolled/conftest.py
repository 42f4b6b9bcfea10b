"""The unrolled network on a screen, by itself."""

import pytest

from tests.gui.views.unrolled.seen import empty_view


@pytest.fixture
def view(qtbot, request):
    """Of the `SIZE` of the module that asks for it."""
    view = qtbot.on_screen(empty_view(), *getattr(request.module, "SIZE", (800, 600)))
    qtbot.waitUntil(lambda: view.canvas.width() > 100)
    return view

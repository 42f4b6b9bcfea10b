"""Run of a known bug from its tab: lanes, verdict."""

from typing import Any

import pytest
from PySide6.QtCore import Qt

from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.views.known_bugs import KnownBugsView


@pytest.fixture
def window(shared_window: MainWindow) -> MainWindow:
    return shared_window


def tab(window: MainWindow) -> KnownBugsView:
    (view,) = [view for view in window.views if isinstance(view, KnownBugsView)]
    window.main_layout.tabs.setCurrentWidget(view)
    return view


def test_a_chosen_known_bug_is_computed_and_shown(qtbot: Any, window: MainWindow) -> None:
    view = tab(window)
    view.choose("no-h2h-bias")
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        qtbot.mouseClick(view.button, Qt.MouseButton.LeftButton)
    assert window.session.candidate == "bug:no-h2h-bias"
    assert window.verdict.state == "disagree"
    assert "hidden-to-hidden bias" in window.verdict.text
    assert window.session.config.compare.candidates == ("manual", "bug:no-h2h-bias")


def test_another_known_bug_replaces_the_first_and_undo_restores_the_config(qtbot: Any, window: MainWindow) -> None:
    before = window.session.config
    view = tab(window)
    for name in ("bug:no-i2h-bias", "bug:h2h-transposed"):
        with qtbot.waitSignal(window.runner.finished, timeout=20_000):
            view.bug_requested.emit(name)
    assert window.session.config.compare.candidates == ("manual", "bug:h2h-transposed")
    assert window.session.candidate == "bug:h2h-transposed"
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.undo()
        window.document.undo()
    assert window.session.config == before

"""Run of a known bug from its tab: lanes, verdict."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import Qt

from rnnviz.engines.registry import engines_of
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings_panel.editors import ValueEditor
from rnnviz.gui.views.known_bugs import KnownBugsView


@pytest.fixture
def window(shared_window: MainWindow) -> MainWindow:
    return shared_window


def tab(window: MainWindow) -> KnownBugsView:
    (view,) = [view for view in window.views if isinstance(view, KnownBugsView)]
    window.main_layout.tabs.setCurrentWidget(view)
    return view


@pytest.mark.slow
def test_a_chosen_known_bug_is_computed_and_shown(qtbot: Any, window: MainWindow) -> None:
    view, candidates = tab(window), engines_of(window.session.config)[1:]
    view.choose("no-h2h-bias")
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        qtbot.mouseClick(view.button, Qt.MouseButton.LeftButton)
    assert window.session.candidate == "bug:no-h2h-bias"
    assert window.verdict.state == "disagree"
    assert "hidden-to-hidden bias" in window.verdict.text
    assert window.session.config.compare.candidates == (*candidates, "bug:no-h2h-bias")


@pytest.mark.slow
def test_another_known_bug_replaces_the_first_and_undo_restores_the_config(qtbot: Any, window: MainWindow) -> None:
    before = window.session.config
    view, candidates = tab(window), engines_of(before)[1:]
    for name in ("bug:no-i2h-bias", "bug:h2h-transposed"):
        with qtbot.waitSignal(window.runner.finished, timeout=20_000):
            view.bug_requested.emit(name)
    assert window.session.config.compare.candidates == (*candidates, "bug:h2h-transposed")
    assert window.session.candidate == "bug:h2h-transposed"
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.undo()
        window.document.undo()
    assert window.session.config == before


@pytest.mark.slow
def test_gradients_are_computed_by_a_command_and_those_of_the_selected_value_by_another(
    qtbot: Any, window: MainWindow
) -> None:
    session, before = window.session, window.session.config
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.actions_["compute_gradients"].trigger()
    assert session.config.backward.enabled
    assert session.in_backward_pass
    assert session.quantity == "grad.h"
    where = session.location.moved(sample=1, unit=2)
    session.set_location(where)
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.actions_["gradient_of_value"].trigger()
    assert (session.config.backward.loss, session.config.backward.value) == ("value", where.index)
    result = session.result
    assert result is not None
    gradients = result.reference["grad.h"]
    assert gradients[where.index] == 1.0
    assert np.count_nonzero(gradients) == 1
    session.set_location(where.moved(unit=3))
    editor = window.panel.field("backward.value").editor
    assert isinstance(editor, ValueEditor)
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        editor.take.click()
    assert session.config.backward.value == where.moved(unit=3).index
    while session.config != before:
        window.document.undo()
    qtbot.waitUntil(lambda: not window.runner.busy, timeout=20_000)
    session.set_color_by("value")

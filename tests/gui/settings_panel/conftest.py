"""A panel on the screen, and what a user does with it."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.settings_panel.editors import ChoiceEditor
from tests.configs import config_of
from tests.leaks import nothing_is_left_running

__all__ = ["nothing_is_left_running"]

CONFIG = config_of("gluon", "manual", cell="rnn_relu", input_size=5, hidden_size=10, timesteps=2, batch_size=16)
ENGINES = {"gluon": None, "manual": None, "onnx": None, "torch": "The engine torch needs PyTorch."}


@pytest.fixture
def panel(qtbot):
    widget = ConfigPanel(CONFIG)
    widget.set_engines(ENGINES)
    qtbot.on_screen(widget, 240, 700)
    qtbot.waitUntil(widget.isVisible)
    return widget


@pytest.fixture
def type_into(panel):
    """Replaces a field's text by typing."""

    def type_into(key, text):
        editor = panel.field(key).editor
        editor.line.setFocus()
        editor.line.selectAll()
        if text:
            QTest.keyClicks(editor.line, text)
        else:
            QTest.keyClick(editor.line, Qt.Key.Key_Delete)

    return type_into


@pytest.fixture
def choose(panel):
    """Chooses from a list with the arrow keys."""

    def choose(key, choice):
        editor = panel.field(key).editor
        combo = editor.combo
        assert isinstance(editor, ChoiceEditor)
        steps = combo.findData(choice) - combo.currentIndex()
        for _ in range(abs(steps)):
            QTest.keyClick(combo, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)
        assert combo.currentData() == choice

    return choose

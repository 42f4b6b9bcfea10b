"""A panel on the screen, and what a user does with it."""

from collections.abc import Callable
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.config import Config
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.settings_panel.editors import ChoiceEditor, LineEditor
from tests.leaks import nothing_is_left_running

__all__ = ["nothing_is_left_running"]

CONFIG = Config.from_mapping(
    {
        "network": {"cell": "rnn_relu", "input_size": 5, "hidden_size": 10},
        "compare": {"reference": "gluon", "candidates": ["manual"]},
    }
)
ENGINES = {"gluon": None, "manual": None, "onnx": None, "torch": "The engine torch needs PyTorch."}


@pytest.fixture
def panel(qtbot) -> ConfigPanel:
    widget = ConfigPanel(CONFIG)
    qtbot.addWidget(widget)
    widget.set_engines(ENGINES)
    widget.resize(240, 700)
    with qtbot.waitExposed(widget):
        widget.show()
    return widget


@pytest.fixture
def type_into(panel) -> Callable[[str, str], None]:
    """Replaces a field's text by typing."""

    def type_into(key: str, text: str) -> None:
        editor = panel.field(key).editor
        assert isinstance(editor, LineEditor)
        editor.line.setFocus()
        editor.line.selectAll()
        if text:
            QTest.keyClicks(editor.line, text)
        else:
            QTest.keyClick(editor.line, Qt.Key.Key_Delete)

    return type_into


@pytest.fixture
def choose(panel) -> Callable[[str, Any], None]:
    """Chooses from a list with the arrow keys."""

    def choose(key: str, choice: Any) -> None:
        editor = panel.field(key).editor
        combo = editor.combo
        assert isinstance(editor, ChoiceEditor) or key == "compare.reference"
        steps = combo.findData(choice) - combo.currentIndex()
        for _ in range(abs(steps)):
            QTest.keyClick(combo, Qt.Key.Key_Down if steps > 0 else Qt.Key.Key_Up)
        assert combo.currentData() == choice

    return choose

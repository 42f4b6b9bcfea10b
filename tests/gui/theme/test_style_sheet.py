"""Sizes and focus of the controls in the style sheet."""

import pytest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.gui.views.stdout_view import StdoutView


@pytest.fixture
def controls(qapp: QApplication, qtbot):
    """A window with one control of each kind, and its theme manager."""
    window = QWidget()
    qtbot.addWidget(window)
    made = [QComboBox(), QLineEdit(), QSpinBox(), QPushButton("Run")]
    layout = QVBoxLayout(window)
    for control in made:
        layout.addWidget(control)
    manager = ThemeManager("light", window)
    manager.apply_stylesheet(window)
    window.show()
    yield made, manager
    manager.set_text_size(100)


def test_a_text_that_was_shown_takes_the_color_of_the_next_theme(qtbot, controls):
    made, manager = controls
    view = StdoutView()
    made[0].window().layout().addWidget(view)
    view.apply_theme(manager.theme)
    manager.add(view.apply_theme)
    qtbot.waitExposed(view)
    with qtbot.waitSignal(manager.theme_changed):
        manager.choose("dark")
    assert view.text.viewport().grab().toImage().pixelColor(2, 2) == manager.theme.color("base")

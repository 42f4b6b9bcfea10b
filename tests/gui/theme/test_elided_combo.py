"""A name that is chosen in a box: whole where it fits, and elided where it does not."""

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QWidget

from rnnviz.gui.theme.elided_combo import ElidedComboBox

LONG = "vs bug:final-state-at-last-timestep"


@pytest.fixture
def box(qtbot):
    row = QWidget()
    qtbot.addWidget(row)
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    found = ElidedComboBox("Candidate", "Which engine is held against the reference.", 9)
    found.addItems(["vs manual", LONG])
    layout.addWidget(found)
    layout.addStretch(1)
    with qtbot.waitExposed(row):
        row.show()
    yield found
    # qtbot holds what it closes weakly: the row has to outlive the test.
    row.close()


def in_a_row_of(box: ElidedComboBox, width: int) -> str:
    box.window().resize(width, 40)
    box.window().layout().activate()
    return box.shown_text()


def test_the_tooltip_has_the_whole_name_and_the_description(box):
    in_a_row_of(box, 150)
    for name in (LONG, "vs manual"):
        box.setCurrentText(name)
        QApplication.sendEvent(box, QHelpEvent(QHelpEvent.Type.ToolTip, QPoint(5, 5), box.mapToGlobal(QPoint(5, 5))))
        assert box.toolTip() == f"{name}\nWhich engine is held against the reference."

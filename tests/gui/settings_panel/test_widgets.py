"""The controls by themselves."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.gui.settings_panel.widgets import FieldMessage, FreeSpinBox


@pytest.fixture
def box(qtbot) -> FreeSpinBox:
    widget = FreeSpinBox(1, 1000)
    qtbot.addWidget(widget)
    widget.show()
    return widget


@pytest.mark.parametrize(
    ("typed", "key", "left"),
    [
        ("5", Qt.Key.Key_Up, "6"),
        ("5", Qt.Key.Key_Down, "4"),
        ("5", Qt.Key.Key_PageUp, "15"),
        ("5", Qt.Key.Key_PageDown, "1"),
        ("995", Qt.Key.Key_PageUp, "1000"),
        ("1", Qt.Key.Key_Down, "1"),
        ("2000", Qt.Key.Key_Down, "1000"),
        ("word", Qt.Key.Key_Up, "1"),
        ("", Qt.Key.Key_Up, "1"),
    ],
)
def test_keys_step_within_the_limits(box, typed, key, left) -> None:
    QTest.keyClicks(box, typed)
    QTest.keyClick(box, key)
    assert box.text() == left


def test_anything_can_be_typed_and_stays_when_the_field_is_left(box, qtbot) -> None:
    with qtbot.waitSignal(box.lineEdit().textEdited):
        QTest.keyClicks(box, "-3.5 apples")
    QTest.keyClick(box, Qt.Key.Key_Return)
    box.clearFocus()
    assert box.text() == "-3.5 apples"


def test_a_note_is_read_aloud_as_its_sentence(qtbot) -> None:
    note = FieldMessage()
    qtbot.addWidget(note)
    note.show_sentence("A sentence.", note.palette().text().color())
    assert note.accessibleName() == "A sentence."

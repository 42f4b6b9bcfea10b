"""A name that is chosen in a box: whole where it fits, and elided where it does not."""

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QWidget

from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.theme_manager import ThemeManager

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


def test_a_box_is_as_wide_as_its_longest_name_and_no_wider(box):
    box.setCurrentText(LONG)
    assert in_a_row_of(box, 1000) == LONG
    width = box.width()
    assert in_a_row_of(box, 2000) == LONG
    assert box.width() == width < 400
    box.removeItem(1)
    assert in_a_row_of(box, 2000) == "vs manual"
    assert box.width() < width / 2


def test_a_name_that_does_not_fit_keeps_its_start_and_its_end(box, qtbot):
    box.setCurrentText(LONG)
    shown = in_a_row_of(box, 150)
    begin, _, end = shown.partition("…")
    assert begin.startswith("vs ")
    assert LONG.startswith(begin)
    assert end
    assert LONG.endswith(end)
    assert box.fontMetrics().horizontalAdvance(shown) < box.width()
    whole = box.grab().toImage()
    box.setItemText(1, shown)
    assert box.grab().toImage() == whole, "what is painted is what fits"


def test_an_endless_name_is_no_wider_than_a_long_one(box):
    box.addItem("x" * 300)
    box.setCurrentIndex(2)
    assert "…" in in_a_row_of(box, 2000)
    assert box.width() < 500


def test_the_tooltip_has_the_whole_name_and_the_description(box):
    in_a_row_of(box, 150)
    for name in (LONG, "vs manual"):
        box.setCurrentText(name)
        QApplication.sendEvent(box, QHelpEvent(QHelpEvent.Type.ToolTip, QPoint(5, 5), box.mapToGlobal(QPoint(5, 5))))
        assert box.toolTip() == f"{name}\nWhich engine is held against the reference."


def test_the_list_that_opens_shows_every_name_whole(box, qtbot):
    in_a_row_of(box, 150)
    box.showPopup()
    assert box.view().width() > box.fontMetrics().horizontalAdvance(LONG)
    box.hidePopup()


def test_the_list_shows_every_entry_whole_and_scrolls_when_it_is_long(box):
    ThemeManager("light", box.window()).apply_stylesheet(box.window())
    box.addItems([f"{LONG} {number}" for number in range(30)])
    in_a_row_of(box, 120)
    box.showPopup()
    view = box.view()
    needed = max(view.sizeHintForIndex(view.model().index(row, 0)).width() for row in range(box.count()))
    assert view.viewport().width() >= needed
    assert view.verticalScrollBar().isVisible()
    box.hidePopup()

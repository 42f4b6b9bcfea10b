"""Texts at twice the usual size: nothing is cut off, and what is shortened says the whole in its tooltip."""

import pytest
from PySide6.QtGui import QFont
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QLineEdit, QTabBar, QWidget

from rnnviz.gui.help.panel import GuidePanel

LARGE = 2560, 1440
SLACK = 4
"""Pixels that a style may take of a margin."""


@pytest.fixture
def large_text(qapp):
    usual = QFont(qapp.font())
    large = QFont(usual)
    large.setPointSizeF(2.0 * usual.pointSizeF())
    qapp.setFont(large)
    yield
    qapp.setFont(usual)


@pytest.fixture
def large_window(large_text, make_window, qtbot):
    window = make_window(LARGE)
    with qtbot.finished(window):
        window.begin(None)
    return window


def cut(widget: QWidget) -> bool:
    """Whether a text has less space than it needs."""
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.heightForWidth(widget.width()) > widget.height() + SLACK
    if isinstance(widget, QComboBox):
        # A box may be narrower than its longest entry, but not than the one that is chosen.
        text = widget.fontMetrics().horizontalAdvance(widget.currentText())
        return widget.height() + SLACK < widget.minimumSizeHint().height() or widget.width() < text
    if isinstance(widget, QAbstractSpinBox):
        # The buttons for more and less take a part of the width.
        return widget.findChild(QLineEdit).width() < widget.fontMetrics().horizontalAdvance(widget.text())
    needed = widget.sizeHint()
    return widget.width() + SLACK < needed.width() or widget.height() + SLACK < needed.height()


def has_full_text(widget: QWidget) -> bool:
    """Whether the whole text is in a tooltip, or is reached by the arrows of a row of tabs."""
    return bool(widget.toolTip()) or (isinstance(widget, QTabBar) and widget.usesScrollButtons())


def cut_texts(window: QWidget) -> list[tuple[str, str, tuple[int, int], tuple[int, int]]]:
    found = []
    for widget in window.findChildren(QWidget):
        shows_text = (
            isinstance(widget, QLabel | QAbstractButton | QComboBox | QTabBar | QAbstractSpinBox) and widget.isVisible()
        )
        # An icon in a field has no text.
        bare = isinstance(widget.parentWidget(), QLineEdit) or (isinstance(widget, QLabel) and not widget.text())
        if bare or not shows_text or widget.window() is not window or widget.objectName().startswith(("qt_", "Scroll")):
            continue
        # Half a number in a box reads as another number, whatever the tooltip says.
        if cut(widget) and (isinstance(widget, QAbstractSpinBox) or not has_full_text(widget)):
            text = widget.text() if isinstance(widget, QLabel | QAbstractButton) else widget.accessibleName()
            hint = widget.sizeHint()
            found.append((type(widget).__name__, text[:40], widget.size().toTuple(), hint.toTuple()))
    return found


@pytest.mark.slow
def test_no_text_of_any_window_is_cut_off(large_window, qtbot):
    tabs = large_window.main_layout.tabs
    for title in tabs.titles:
        large_window.main_layout.select_tab(title)
        # Panes that got another size lay out their texts in the next turns of events.
        for _ in range(20):
            QTest.qWait(10)
        assert cut_texts(large_window) == [], title
    large_window.first_screen.show()
    QTest.qWait(0)
    assert cut_texts(large_window) == []
    guide = qtbot.on_screen(GuidePanel(), 404, 700)
    guide.open("window")
    assert cut_texts(guide) == []

"""Every control of the window and its dialogs has a name, and Tab reaches it in reading order."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QMenuBar,
    QScrollBar,
    QTabBar,
    QWidget,
)

from rnnviz.core.resources import resource_path
from rnnviz.gui.commands.model_commands import ModelDialog
from rnnviz.gui.commands.top_line import SettingsLine
from rnnviz.gui.export.figure import FigureDialog, FigureOptions
from rnnviz.gui.generate.panel import GeneratePanel
from rnnviz.gui.help.panel import GuidePanel
from rnnviz.gui.main_layout import SETTINGS, VALUE
from rnnviz.gui.recovery.crashes import BugReportDialog, CrashDialog
from rnnviz.gui.sweep.sweep_window import SweepWindow
from rnnviz.gui.tab_order import controls_in_order
from rnnviz.gui.training.panel import TrainingPanel
from rnnviz.gui.value.card import ValueCard
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.color_range import RangeDialog
from rnnviz.io.model_formats.model_file import Entry
from rnnviz.lessons.index import lesson_entries
from rnnviz.training.character_model import load_character_model, shipped_model
from rnnviz.training.task import TrainingTask
from tests.factories import make_result
from tests.gui.conftest import visible_of

pytestmark = pytest.mark.slow

TOLD = QAbstractButton | QComboBox | QAbstractSpinBox | QLineEdit | QAbstractSlider
"""Controls that have a tooltip; tables and pictures describe the hovered item instead."""
TARGET = 24
"""Least width and height of a control in pixels."""
MOST_LINKS = 24
"""Tab goes on within a text from link to link."""


@pytest.fixture
def window(qtbot, window):
    """The window once the arithmetic has arrived, too, which has its own controls."""
    card = window.findChild(ValueCard)
    qtbot.waitUntil(lambda: card.page is not None and card.complete)
    return window


def own_controls(window: QWidget) -> Iterator[QWidget]:
    """The widgets that the keyboard can reach, without parts of Qt's controls."""
    for widget in window.findChildren(QWidget):
        of_qt = isinstance(widget.parentWidget(), QAbstractSpinBox | QComboBox | QTabBar)
        of_qt = of_qt or widget.objectName() == "qt_toolbar_ext_button"
        wants = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
        if wants and not of_qt and widget.focusProxy() is None and widget.window() is window and widget.isVisible():
            yield widget


def test_no_letter_opens_two_entries_of_a_menu(window):
    for menu in window.findChildren(QMenu):
        # Also those that are filled when they open.
        menu.aboutToShow.emit()
        texts = [action.text().replace("&&", "") for action in menu.actions()]
        letters = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
        assert len(set(letters)) == len(letters), (menu.title(), letters)


def words_of(widget: QWidget) -> str:
    """The text of a control for a screen reader: its name, else its text; of a combo box the text of its label.

    On Linux, Qt gives the current entry as the name of a combo box.
    """
    if isinstance(widget, QComboBox):
        relations = QAccessible.queryAccessibleInterface(widget).relations(QAccessible.RelationFlag.Label)
        return " ".join(label.text(QAccessible.Text.Name) for label, _ in relations)
    text = widget.text() if isinstance(widget, QAbstractButton) else ""
    return (widget.accessibleName() or text).replace("&", "").strip()


def is_viewport(widget: QWidget) -> bool:
    parent = widget.parentWidget()
    return isinstance(parent, QAbstractScrollArea) and parent.viewport() is widget


def check_names(window: QWidget) -> None:
    nameless = [widget for widget in own_controls(window) if not words_of(widget) and not is_viewport(widget)]
    assert [(type(widget).__name__, type(widget.parentWidget()).__name__) for widget in nameless] == []


def check_targets(window: QWidget) -> None:
    """Check that every control is large enough to be hit: 24 by 24 pixels, by WCAG 2.2."""
    small = [
        (type(widget).__name__, words_of(widget), widget.size().toTuple())
        for widget in own_controls(window)
        if isinstance(widget, TOLD | QTabBar) and min(widget.width(), widget.height()) < TARGET
    ]
    assert small == []


def check_letters(dialog: QWidget) -> None:
    """Check that no letter with Alt leads to two controls."""
    labels = [label.text() for label in dialog.findChildren(QLabel) if label.isVisible() and label.buddy() is not None]
    buttons = [button.text() for button in dialog.findChildren(QAbstractButton) if button.isVisible()]
    keys = [QKeySequence.mnemonic(text).toString() for text in (*labels, *buttons)]
    assert [key for key, count in Counter(keys).items() if key and count > 1] == []


def check_tooltips(window: QWidget) -> None:
    silent = [
        (type(widget).__name__, words_of(widget))
        for widget in own_controls(window)
        if isinstance(widget, TOLD) and not widget.toolTip() and not isinstance(widget.window(), QDialog)
    ]
    assert silent == []
    tips = {words: widget for widget in window.findChildren(QWidget) if (words := widget.toolTip())}
    wide = [(type(tips[words]).__name__, line) for words in tips for line in words.split("\n") if len(line) > 70]
    # Only what cannot be broken may be wider, such as a path.
    assert [(name, line) for name, line in wide if " " in line] == []


def walk(first: QWidget, press: Callable[[QWidget], None]) -> list[QWidget]:
    """The controls that a key leads to, until it comes back to the first."""
    first.setFocus()
    QTest.qWait(0)
    way = [QApplication.focusWidget()]
    for _ in range(300):
        present = QApplication.focusWidget()
        for _ in range(MOST_LINKS):
            press(QApplication.focusWidget())
            if QApplication.focusWidget() is not present:
                break
        assert QApplication.focusWidget() is not present, f"{type(present).__name__} holds the keyboard"
        if QApplication.focusWidget() in way:
            break
        way.append(QApplication.focusWidget())
    return way


def tab(widget: QWidget) -> None:
    QTest.keyClick(widget, Qt.Key.Key_Tab)


def backtab(widget: QWidget) -> None:
    QTest.keyClick(widget, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)


def seen(window: QWidget) -> set[QWidget]:
    # Qt keeps the tabs of a dock that is alone above the window.
    placed = (w for w in own_controls(window) if w.mapTo(window, w.rect().bottomLeft()).y() > 0)
    return {w for w in placed if w.isVisible() and w.isEnabled() and not is_viewport(w)}


def test_every_control_of_the_window_has_a_name_and_a_tooltip(run_config, window):
    # A mismatch has more to offer than a run that agrees.
    compare = {"reference": "manual", "candidates": ["bug:no-h2h-bias"]}
    run_config({"cell": "gru", "input_size": 2, "hidden_size": 3}, compare=compare, initial_state={"source": "normal"})
    tabs = window.main_layout.tabs
    for title in tabs.titles:
        tabs.select(title)
        check_names(window)
        check_tooltips(window)
        check_targets(window)


def test_tab_reaches_every_control_in_reading_order(window, qtbot):
    # The terms of the selected value are computed after the window is seen.
    qtbot.waitUntil(lambda: any(w.accessibleName() == "Equation" and w.isVisible() for w in own_controls(window)))
    way = walk(window.top_line.run_button, tab)
    assert set(way) == seen(window)
    parts = [window.top_line, window.verdict, window.lanes, window.main_layout.tabs]
    order = [place for w in way for place, part in enumerate(parts) if part.isAncestorOf(w) or part is w]
    # The way begins in the middle of the top line, and returns to its start.
    assert sum(after < before for before, after in pairwise(order)) == 1
    back = walk(window.top_line.run_button, backtab)
    assert back == [way[0], *reversed(way[1:])]


def test_tab_reaches_late_widgets_a_lesson_and_the_first_screen(window, qtbot):
    window.guide.open(lesson_entries()[0])
    qtbot.idle(window)
    pane = window.guide.pane
    window.main_layout.docks.open(SETTINGS)
    fields = list(controls_in_order(window.panel))
    heights = [w.mapTo(window.panel.widget(), w.rect().center()).y() for w in fields]
    assert all(after > before - 15 for before, after in pairwise(heights))
    way = list(controls_in_order(window))
    assert {pane.next, pane.close_button} <= set(way)
    assert way.index(pane.next) < way.index(fields[0])
    check_names(window)
    check_tooltips(window)
    check_targets(window)
    window.first_screen.show()
    way = walk(window.top_line.run_button, tab)
    screen = window.first_screen.screen
    assert {screen.picture, *screen.doors, *screen.chapters} <= set(way)
    assert not any(window.lanes is w for w in way)
    check_names(window)
    check_tooltips(window)
    check_targets(window)


def check_reached(dialog: QWidget, *, ordered: bool) -> None:
    """Check names and tooltips of a window, and that Tab reaches each of its controls, from the top down if ordered."""
    check_names(dialog)
    check_tooltips(dialog)
    check_targets(dialog)
    check_letters(dialog)
    reachable = seen(dialog)
    first = min(reachable, key=lambda w: (w.mapTo(dialog, w.rect().topLeft()).y(), w.x()))
    way = walk(first, tab) if len(reachable) > 1 else [first]
    assert {(type(w).__name__, words_of(w)) for w in reachable - set(way)} == set(), dialog.windowTitle()
    # Controls may be beside each other.
    tops = [w.mapTo(dialog, w.rect().center()).y() for w in way]
    assert not ordered or all(after > before - 15 for before, after in pairwise(tops)) or len(way) < 3


def test_every_control_of_the_other_windows_has_a_name_and_is_reached(qtbot, window):
    window.show_result(make_result())
    guide = GuidePanel()
    qtbot.addWidget(guide)
    guide.open("window")
    entries = [
        Entry("lstm", "lstm", 3, 4, 1, False, "float32", True, ""),
        Entry("rnn", None, 3, 4, 1, False, "float32", True, "the activation is not told"),
    ]
    views = window.findChildren(ResultView)
    for dialog in (
        guide,
        ModelDialog(window, "my.pt", entries, lambda _entry, _cell: None),
        FigureDialog(window, window.session, views, FigureOptions(), lambda *_: None),
        GeneratePanel(load_character_model(shipped_model())),
        BugReportDialog(window, "versions"),
        CrashDialog(window, "what went wrong", kept=True),
        TrainingPanel(TrainingTask.from_mapping({}), []),
        SweepWindow(window),
    ):
        dialog.setStyleSheet(window.styleSheet())
        dialog.show()
        qtbot.activate(dialog)
        check_reached(dialog, ordered=False)
        dialog.close()


def test_every_control_of_the_dialogs_of_commands_has_a_name_and_is_reached(window, qtbot):
    def ask_for_range():
        RangeDialog(window.session.limit, window.lanes).open()

    commands = ("export_animation", "export_picture")
    for ask in (*(window.actions_[name].trigger for name in commands), ask_for_range):
        ask()
        dialog = qtbot.shown(window, QDialog)
        qtbot.activate(dialog)
        check_reached(dialog, ordered=True)
        dialog.close()
        qtbot.waitUntil(lambda: not visible_of(window, QDialog))
    qtbot.activate(window)


def test_f6_moves_from_part_to_part_and_back_to_the_last_focus(window):
    window.lanes.setFocus()
    parts = [part for part in window.main_layout.parts if part.isVisible() and list(controls_in_order(part))]
    value = window.main_layout.docks[VALUE]
    inside = list(controls_in_order(value))[-1]
    seen = []
    for _ in parts:
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6)
        focused = QApplication.focusWidget()
        seen.append(next(part for part in parts if part.isAncestorOf(focused) or part is focused))
    first = parts.index(seen[0])
    assert seen == [*parts[first:], *parts[:first]]
    assert QApplication.focusWidget() is window.lanes
    inside.setFocus()
    window.lanes.setFocus()
    while not value.isAncestorOf(QApplication.focusWidget()):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6)
    assert QApplication.focusWidget() is inside
    QTest.keyClick(inside, Qt.Key.Key_F6)
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
    assert QApplication.focusWidget() is inside


def visible_controls(window: QWidget) -> list[str]:
    """The names of the controls in sight. A list counts as one, and so does the line of settings."""
    whole = (QComboBox, QAbstractSpinBox, QTabBar, QAbstractItemView, QMenuBar)
    found: list[str] = []
    for widget in window.findChildren(QWidget):
        inside = [widget.parentWidget()]
        while inside[-1] is not None and inside[-1] is not window:
            inside.append(inside[-1].parentWidget())
        if widget.visibleRegion().isEmpty() or any(
            isinstance(around, (*whole, SettingsLine)) for around in inside if around is not None
        ):
            continue
        if isinstance(widget, QMenuBar):
            found += [action.text() for action in widget.actions()]
        elif isinstance(widget, QTabBar):
            found += [widget.tabText(place) for place in range(widget.count()) if widget.isTabVisible(place)]
        elif isinstance(widget, (SettingsLine, QLineEdit, QAbstractButton, QAbstractSlider, *whole)):
            found += [] if isinstance(widget, QScrollBar) else [widget.accessibleName()]
    return found


def test_the_window_has_few_controls(qtbot, window):
    with qtbot.finished(window):
        window.files.open(resource_path("models", "sample-lstm.safetensors"))
    qtbot.waitUntil(lambda: not window.runner.busy)
    assert 20 < len(visible_controls(window)) <= 35, visible_controls(window)
    window.first_screen.show()
    assert 10 < len(visible_controls(window)) <= 20, visible_controls(window)
    window.first_screen.leave()

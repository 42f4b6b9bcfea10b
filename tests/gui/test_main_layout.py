"""Layout of the main window: folded panes, the drawer of the tabs, and what a small window shows."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from rnnviz.gui.lessons.parts import open_part
from rnnviz.gui.main_layout import FoldHandle
from rnnviz.gui.theme.scaling import set_text_size

pytestmark = pytest.mark.slow

F9 = Qt.Key.Key_F9
PANES = ("settings", "side", "tabs")


@pytest.fixture
def window(window):
    yield window
    for pane in PANES:
        window.main_layout.fold(pane, folded=False)


def click(handle: FoldHandle) -> None:
    QTest.mouseClick(handle, Qt.MouseButton.LeftButton)
    QTest.qWait(0)


def test_keys_fold_panes_and_handles_bring_them_back(window):
    layout, lanes = window.main_layout, window.lanes
    size = lanes.size()
    for modifier in ("NoModifier", "ShiftModifier", "ControlModifier"):
        QTest.keyClick(lanes, F9, Qt.KeyboardModifier[modifier])
    QTest.qWait(0)
    assert [layout.is_folded(pane) for pane in PANES] == [True] * 3
    assert layout.tabs.tabBar().isVisible()
    assert lanes.width() > size.width()
    assert lanes.height() > size.height()
    for handle in layout.handles.values():
        assert handle.accessibleName()
        click(handle)
    assert not any(layout.is_folded(pane) for pane in PANES)
    assert lanes.size() == size


def test_a_request_for_a_tab_or_a_pane_unfolds_it(window):
    layout = window.main_layout
    for pane in PANES:
        layout.fold(pane, folded=True)
    QTest.mouseClick(layout.tabs.tabBar(), Qt.MouseButton.LeftButton, pos=layout.tabs.tabBar().tabRect(1).center())
    assert layout.tabs.currentIndex() == 1
    assert layout.tabs.front.isVisible()
    layout.fold("tabs", folded=True)
    layout.select_tab("Checks")
    assert layout.tabs.front.title == "Checks"
    assert layout.tabs.front.isVisible()
    for part in ("panel.network", "vector"):
        open_part(window, part)
    assert window.panel.isVisible()
    assert layout.side.isVisible()


def test_folded_panes_and_heights_are_restored_at_the_next_start(make_window):
    window = make_window()
    window.main_layout.tabs.select("Error over time")
    window.main_layout.set_tabs_height(290)
    window.main_layout.fold("side", folded=True)
    window.main_layout.fold("tabs", folded=True)
    window.close()
    layout = make_window().main_layout
    assert [layout.is_folded(pane) for pane in PANES] == [False, True, True]
    assert not layout.side.isVisible()
    layout.select_tab("Error over time")
    QTest.qWait(0)
    assert abs(layout.tabs.height() - 290) < 3


def test_text_size_applies_to_every_view_at_once_and_is_saved(window, monkeypatch, qtbot):
    usual, rows = window.font().pointSizeF(), window.views[1].fontMetrics().height()
    window.settings.text_size = 150
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(window.lanes, Qt.Key.Key_Plus, both)
    assert window.settings.text_size == 175
    # Where + needs Shift, the same keys mean Ctrl++ to Qt.
    monkeypatch.setattr(QGuiApplication, "keyboardModifiers", lambda: both)
    window.actions_["zoom_in"].trigger()
    qtbot.waitUntil(window.updatesEnabled)
    assert window.settings.text_size == 200
    assert window.font().pointSizeF() == pytest.approx(2.0 * usual)
    assert window.views[1].fontMetrics().height() > 1.8 * rows
    # The lanes keep their place: the panes without room are folded until the text is smaller.
    assert all(window.main_layout.is_folded(pane) for pane in PANES)
    window.settings.text_size = 80
    window.actions_["text_smaller"].trigger()
    assert window.settings.text_size == 80
    window.actions_["text_reset"].trigger()
    qtbot.waitUntil(window.updatesEnabled)
    assert window.font().pointSizeF() == pytest.approx(usual)
    assert not any(window.main_layout.is_folded(pane) for pane in PANES)


def test_a_saved_text_size_is_used_at_the_next_start(make_window, settings, qapp):
    usual = qapp.font().pointSizeF()
    settings.text_size = 150
    window = make_window()
    assert window.font().pointSizeF() == pytest.approx(1.5 * usual)
    settings.text_size = 97
    assert settings.text_size == 100
    set_text_size(100)
    assert qapp.font().pointSizeF() == pytest.approx(usual)

"""Layout of the main window: docks, the tabs under the lanes, and what a small window shows."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

from rnnviz.core.config import Config
from rnnviz.gui.main_layout import SETTINGS, VALUE
from rnnviz.gui.tab_order import controls_in_order
from rnnviz.gui.theme.scaling import set_text_size

pytestmark = pytest.mark.slow

F9 = Qt.Key.Key_F9
BOTH = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def click(button: QToolButton) -> None:
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    QTest.qWait(0)


def test_keys_close_panes_and_open_them_where_they_were(window):
    layout, lanes = window.main_layout, window.lanes
    for folded in (True, False):
        # They have the usual height afterwards.
        layout.fold_tabs(folded=folded)
    QTest.qWait(0)
    size = lanes.size()
    for modifier in ("ShiftModifier", "ControlModifier"):
        QTest.keyClick(lanes, F9, Qt.KeyboardModifier[modifier])
    QTest.qWait(0)
    assert layout.open_panes == ()
    assert layout.tabs.tabBar().isVisible()
    assert lanes.width() > size.width()
    assert lanes.height() > size.height()
    for modifier in ("ShiftModifier", "ControlModifier"):
        QTest.keyClick(lanes, F9, Qt.KeyboardModifier[modifier])
    QTest.qWait(0)
    assert layout.open_panes == (VALUE, "tabs")
    assert lanes.size() == size


def test_a_setting_opens_its_field_in_the_place_of_the_value(window):
    layout, line = window.main_layout, window.top_line.settings
    window.resizeDocks([layout.docks[VALUE]], [420], Qt.Orientation.Horizontal)
    QTest.qWait(0)
    size = window.lanes.size()
    (chip,) = (button for button in line.findChildren(QToolButton) if button.text().startswith("T = "))
    click(chip)
    assert layout.docks.in_front(SETTINGS)
    assert not layout.docks.in_front(VALUE)
    assert window.panel.field("sequence.timesteps").editor.widget.isAncestorOf(window.focusWidget())
    assert chip.isChecked()
    assert window.lanes.size() == size
    assert not window.lanes.canvas.linked, "no line to the covered card"
    QTest.keyClick(window.focusWidget(), F9)
    QTest.qWait(0)
    assert layout.docks.in_front(VALUE)
    assert window.lanes.canvas.linked
    assert not chip.isChecked()
    assert layout.open_panes == (VALUE, "tabs")


def test_a_request_for_a_tab_unfolds_it(window):
    layout, bar = window.main_layout, window.main_layout.tabs.tabBar()
    layout.fold_tabs(folded=True)
    QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=bar.tabRect(1).center())
    assert layout.tabs.currentIndex() == 1
    assert layout.tabs.currentWidget().isVisible()
    layout.fold_tabs(folded=True)
    layout.select_tab("Checks")
    assert layout.tabs.front.isVisible()


def test_the_tab_key_stops_at_nothing_that_is_out_of_sight(window):
    window.main_layout.fold_tabs(folded=True)
    QTest.qWait(0)
    stops = list(controls_in_order(window))
    assert window.lanes in stops
    assert [stop.accessibleName() for stop in stops if stop.visibleRegion().isEmpty()] == []


def test_a_dock_floats_and_returns(window):
    window.main_layout.docks.open(SETTINGS)
    dock = window.main_layout.docks[SETTINGS]
    floating, closing = dock.titleBarWidget().findChildren(QToolButton)
    click(floating)
    assert dock.isFloating()
    click(floating)
    assert not dock.isFloating()
    click(closing)
    assert window.main_layout.open_panes == (VALUE, "tabs")


def test_a_dock_with_a_head_of_its_content_floats_where_it_does_not_lie_over_the_lanes(window):
    dock = window.main_layout.docks[VALUE]
    (button,) = (own for own in window.value.head.findChildren(QToolButton) if own.accessibleName() == "Float Value")
    assert button.isVisible()
    assert min(button.width(), button.height()) >= 24
    assert button.toolTip()
    click(button)
    assert dock.isFloating()
    assert window.value.isVisible()
    click(button)
    assert not dock.isFloating()
    window.resize(1000, 700)
    QTest.qWait(0)
    assert not button.isVisible()
    window.resize(1280, 800)
    QTest.qWait(0)
    assert button.isVisible()


def test_panes_and_their_sizes_are_restored_at_the_next_start(make_window, qtbot):
    window = make_window()
    window.main_layout.docks.open(SETTINGS)
    window.main_layout.fold_tabs(folded=False)
    window.main_layout.set_tabs_height(290)
    qtbot.waitUntil(lambda: window.main_layout.tabs.height() == 290)
    window.close()
    layout = make_window().main_layout
    QTest.qWait(0)
    assert set(layout.open_panes) == {SETTINGS, VALUE, "tabs"}
    qtbot.waitUntil(lambda: layout.tabs.height() == 290)


def test_the_first_screen_covers_bars_and_docks(window):
    window.first_screen.show()
    layout = window.main_layout
    assert not any(part.isVisible() for part in (window.top_line, window.verdict, window.value, layout.tabs))
    assert window.menuBar().isVisible()
    window.first_screen.leave()
    assert all(part.isVisible() for part in (window.top_line, window.verdict, window.value, layout.tabs))


WRONG = {
    "network": {"cell": "gru", "input_size": 3, "hidden_size": 4},
    "parameters": {"bias": "uniform"},
    "compare": {"reference": "manual", "candidates": ["bug:no-h2h-bias"]},
}


def test_problems_open_at_the_first_run_of_a_document_that_is_wrong(qtbot, window):
    layout = window.main_layout
    layout.fold_tabs(folded=True)
    with qtbot.finished(window):
        window.document.take(Config.from_mapping(WRONG), "wrong")
        window.control.run()
    qtbot.waitUntil(lambda: not layout.folded)
    assert layout.tabs.title_in_front == "Step audit"
    assert window.session.engine == "bug:no-h2h-bias"
    assert window.session.color_by == "difference"
    layout.fold_tabs(folded=True)
    with qtbot.finished(window):
        window.control.run()
    qtbot.waitUntil(lambda: not window.runner.busy)
    assert layout.folded


def test_text_size_applies_to_every_view_at_once_and_is_saved(window, monkeypatch, qtbot):
    usual, rows = window.font().pointSizeF(), window.views[1].fontMetrics().height()
    window.settings.text_size = 150
    QTest.keyClick(window.lanes, Qt.Key.Key_Plus, BOTH)
    assert window.settings.text_size == 175
    # Where + needs Shift, the same keys mean Ctrl++ to Qt.
    monkeypatch.setattr(QGuiApplication, "keyboardModifiers", lambda: BOTH)
    window.actions_["zoom_in"].trigger()
    qtbot.waitUntil(window.updatesEnabled)
    assert window.settings.text_size == 200
    assert window.font().pointSizeF() == pytest.approx(2.0 * usual)
    assert window.views[1].fontMetrics().height() > 1.8 * rows
    assert window.lanes.width() >= window.width() // 2
    window.settings.text_size = 80
    window.actions_["text_smaller"].trigger()
    assert window.settings.text_size == 80
    window.actions_["text_reset"].trigger()
    qtbot.waitUntil(window.updatesEnabled)
    assert window.font().pointSizeF() == pytest.approx(usual)


def test_a_saved_text_size_is_used_at_the_next_start(make_window, settings, qapp):
    usual = qapp.font().pointSizeF()
    settings.text_size = 150
    window = make_window()
    assert window.font().pointSizeF() == pytest.approx(1.5 * usual)
    settings.text_size = 97
    assert settings.text_size == 100
    set_text_size(100)
    assert qapp.font().pointSizeF() == pytest.approx(usual)


def test_a_value_that_lies_over_the_lanes_does_not_cover_the_selected_one(window, qtbot):
    layout = window.main_layout
    for size in ((1000, 700), (700, 700), (560, 760)):
        window.resize(*size)
        for timestep in range(window.session.result.shape[2]):
            window.session.set_location(window.session.location.moved(timestep=timestep))
            qtbot.waitUntil(lambda: not layout.docks[VALUE].whole.geometry().intersects(layout.kept_in_view()))
            assert layout.docks[VALUE].whole.isVisible()


def test_a_dock_grows_with_what_its_pane_needs(window, qtbot):
    layout, pane = window.main_layout, QWidget()
    row = QHBoxLayout(pane)
    layout.docks.add("Pane", pane, 100)
    layout.docks.open("Pane")
    qtbot.waitUntil(pane.isVisible)
    late = QLabel()
    late.setMinimumWidth(layout.docks["Pane"].width() + 50)
    row.addWidget(late)
    qtbot.waitUntil(lambda: pane.visibleRegion().boundingRect().width() == pane.width() >= late.minimumWidth())


def test_a_dock_in_front_takes_the_keyboard_of_the_one_that_it_covers(window, qtbot):
    layout = window.main_layout
    layout.docks.open(VALUE)
    window.lanes.setFocus()
    layout.docks.open(SETTINGS)
    assert window.focusWidget() is window.lanes.canvas or window.lanes.isAncestorOf(window.focusWidget())
    layout.docks.open(VALUE)
    window.value.segments.setFocus()
    window.value.take_focus()
    layout.docks.open(SETTINGS)
    assert layout.docks[SETTINGS].isAncestorOf(window.focusWidget())
    layout.docks.close(SETTINGS)

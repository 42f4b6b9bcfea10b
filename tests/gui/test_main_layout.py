"""Layout of the main window: folded panes, the drawer of the tabs, and what a small window shows."""

from dataclasses import replace
from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QBoxLayout,
    QDialogButtonBox,
    QFormLayout,
    QGridLayout,
    QLabel,
    QLayout,
    QStatusBar,
    QToolBar,
    QToolButton,
    QWidget,
)

from rnnviz.core.config import Compare
from rnnviz.core.trace_index import Lane
from rnnviz.gui.app_state import Limit
from rnnviz.gui.commands.menus import ShortcutsDialog
from rnnviz.gui.commands.selection import GoToDialog
from rnnviz.gui.commands.table import MENUS
from rnnviz.gui.lessons.spotlight import target_of
from rnnviz.gui.main_layout import FoldHandle
from rnnviz.gui.theme.scaling import scaled, set_text_size
from rnnviz.gui.views.unrolled.color_bar import RangeDialog
from rnnviz.gui.views.unrolled.geometry import LaneRect
from rnnviz.gui.views.unrolled.header import _unit_size
from rnnviz.lessons.index import lesson_entries

F9 = Qt.Key.Key_F9


@pytest.fixture
def window(shared_window):
    yield shared_window
    for pane in ("settings", "side", "tabs"):
        shared_window.main_layout.fold(pane, folded=False)


def click(handle: FoldHandle) -> None:
    QTest.mouseClick(handle, Qt.MouseButton.LeftButton)
    QTest.qWait(0)


def test_keys_and_handles_fold_panes_and_the_lanes_take_their_space(window):
    layout, lanes = window.main_layout, window.lanes
    width, height = lanes.width(), lanes.height()
    side, panel, tabs = layout._side.width(), window.panel.width(), layout.tabs.height()
    QTest.keyClick(lanes, F9)
    QTest.keyClick(lanes, F9, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClick(lanes, F9, Qt.KeyboardModifier.ControlModifier)
    QTest.qWait(0)
    assert not window.panel.isVisible()
    assert not layout._side.isVisible()
    assert lanes.width() >= width + side + panel
    bar = layout.tabs.tabBar()
    assert bar.isVisible()
    assert not layout.tabs.currentWidget().isVisible()
    assert lanes.height() >= height + tabs - bar.height() - 2
    # The handles stay, and bring the panes back with their sizes.
    for handle in layout.handles.values():
        assert handle.isVisible()
        assert handle.accessibleName()
        assert handle.toolTip()
        click(handle)
    assert (window.panel.width(), layout._side.width(), layout.tabs.height()) == (panel, side, tabs)
    assert (lanes.width(), lanes.height()) == (width, height)


def test_the_lanes_dominate_a_small_screen(window):
    layout, lanes = window.main_layout, window.lanes
    assert (window.width(), window.height()) == (1280, 800)
    others = window.panel, layout._side, layout.tabs, window.verdict, window.toolbar
    areas = [pane.width() * pane.height() for pane in (lanes, *others)]
    assert areas[0] >= 1.5 * max(areas[1:])
    assert areas[0] >= 0.3 * window.width() * window.height()
    # Headers and colors leave most of it to the cells.
    assert lanes._canvas.box.width() >= 0.65 * lanes.width()


def test_a_request_for_a_tab_or_a_pane_unfolds_it(window):
    layout = window.main_layout
    for pane in ("settings", "side", "tabs"):
        layout.fold(pane, folded=True)
    QTest.mouseClick(layout.tabs.tabBar(), Qt.MouseButton.LeftButton, pos=layout.tabs.tabBar().tabRect(1).center())
    assert layout.tabs.currentIndex() == 1
    assert layout.tabs.currentWidget().isVisible()
    layout.fold("tabs", folded=True)
    layout.select_tab("Checks")
    assert layout.tabs.currentWidget().isVisible()
    for part in ("panel.network", "vector"):
        target_of(window, part)
    assert window.panel.isVisible()
    assert layout._side.isVisible()


def test_the_lanes_get_the_keyboard_of_a_page_that_a_command_hides(window, run_config):
    run_config({"cell": "gru", "input_size": 3, "hidden_size": 4})
    window.main_layout.select_tab("Known bugs")
    table = next(view for view in window.views if view.title == "Known bugs").table
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_E)
    assert window.main_layout.tab_in_front == "Arithmetic"
    assert window.focusWidget() is window.lanes


def test_each_tab_has_its_own_height(window):
    layout = window.main_layout
    layout.tabs.setCurrentIndex(1)
    layout._set_tabs_height(300)
    layout.tabs.setCurrentIndex(0)
    layout._set_tabs_height(220)
    layout.tabs.setCurrentIndex(1)
    assert layout.tabs.height() == 300
    layout.fold("tabs", folded=True)
    layout.tabs.setCurrentIndex(0)
    layout.fold("tabs", folded=False)
    assert layout.tabs.height() == 220


@pytest.mark.slow
def test_folded_panes_and_heights_are_restored_at_the_next_start(make_window, supervisor):
    window = make_window(supervisor)
    window.main_layout.tabs.setCurrentIndex(2)
    window.main_layout._set_tabs_height(290)
    window.main_layout.fold("side", folded=True)
    window.main_layout.fold("tabs", folded=True)
    window.close()
    layout = make_window(supervisor).main_layout
    assert [layout.is_folded(pane) for pane in ("settings", "side", "tabs")] == [False, True, True]
    assert not layout._side.isVisible()
    layout.select_tab("Error over time")
    QTest.qWait(0)
    assert abs(layout.tabs.height() - 290) < 3


def test_a_folded_settings_panel_leaves_the_lesson_and_the_column_follows_it(window, qtbot):
    layout = window.main_layout
    layout.fold("settings", folded=True)
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.guide.open(lesson_entries()[1])
    assert window.guide.pane.isVisible()
    assert layout.column.isVisible()
    window.guide.leave()
    assert not layout.column.isVisible()


def is_extended(toolbar) -> bool:
    return toolbar.findChild(QToolButton, "qt_toolbar_ext_button").isVisible()


@pytest.mark.slow
def test_a_small_window_has_every_control_and_lanes_of_a_fair_size(make_window, supervisor, qtbot):
    window = make_window(supervisor, (800, 560))
    assert window.lanes.width() > 400
    assert window.lanes.height() > 240
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.guide.open(lesson_entries()[4])
    QTest.qWait(0)
    # Two candidates need a box of their own.
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.edit(replace(window.session.config, compare=Compare("gluon", ("manual", "bug:gates-i-f-o-g"))))
        window.control.run()
    # Frameworks of the desktop scale by 150%: 1440 x 900 pixels are 960 x 600.
    for width, height in ((800, 560), (960, 600)):
        window.resize(width, height)
        QTest.qWait(0)
        assert (window.width(), window.height()) == (width, height)
        assert not is_extended(window.toolbar)
        for control in (window.toolbar.colors, window.toolbar.export, window.toolbar.sample):
            assert window.rect().contains(QRect(control.mapTo(window, QPoint()), control.size()))
        separators = [action.isSeparator() for action in window.toolbar.actions() if action.isVisible()]
        assert not any(one and next_one for one, next_one in pairwise(separators))


@pytest.mark.slow
def test_the_first_window_fits_the_screen_with_its_frame(make_window, supervisor):
    window = make_window(supervisor, None)
    room = window.screen().availableSize()
    assert window.width() < room.width()
    assert window.height() <= room.height() - 40


@pytest.mark.slow
def test_a_toolbar_with_space_has_its_labels_from_the_start(make_window, supervisor):
    window = make_window(supervisor, (1400, 700))
    labels = [label.text().strip() for label in window.toolbar.findChildren(QLabel) if label.isVisible()]
    assert {"Sample", "Color by"} <= set(labels)


@pytest.mark.slow
def test_controls_of_the_toolbar_stay_where_they_are(run_config, window):
    def places() -> list[int]:
        bar = window.toolbar
        return [widget.mapTo(bar, QPoint()).x() for widget in (bar.lesson, bar.sample, bar.transport, bar.colors)]

    # The window was small before its first paint; its lesson box has the usual width again.
    assert window.toolbar.lesson.width() > window.toolbar.fontMetrics().averageCharWidth() * 22
    before = places()
    run_config(
        {"cell": "lstm", "input_size": 2, "hidden_size": 3},
        sequence={"timesteps": 80, "batch_size": 120},
        compare={"candidates": ["onnx"]},
    )
    window.session.set_color_by("error_ratio")
    QTest.qWait(0)
    assert places() == before


@pytest.mark.slow
def test_a_presentation_shows_lanes_banner_and_caption_until_escape(window, qtbot):
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.guide.open(lesson_entries()[1])
    panels = (window.toolbar, window.menuBar(), window.statusBar(), window.main_layout.column, window.main_layout.tabs)
    before = [panel.isVisible() for panel in panels]
    QTest.keyClick(window.lanes, Qt.Key.Key_F11)
    assert window.isFullScreen()
    assert not any(panel.isVisible() for panel in panels)
    assert window.lanes.isVisible()
    assert window.verdict.isVisible()
    caption = window.presentation._caption
    assert caption.isVisible()
    first = caption.toPlainText()
    QTest.keyClick(window.lanes, Qt.Key.Key_PageDown, Qt.KeyboardModifier.ControlModifier)
    assert caption.toPlainText() != first
    # A lesson that highlights a panel does not bring it back.
    target_of(window, "vector")
    assert not window.main_layout._side.isVisible()
    qtbot.waitUntil(lambda: not window.runner.busy)
    QTest.keyClick(window.lanes, Qt.Key.Key_Escape)
    assert not window.isFullScreen()
    assert [panel.isVisible() for panel in panels] == before
    assert window.main_layout._side.isVisible()
    assert not caption.isVisible()
    window.guide.leave()


@pytest.mark.slow
def test_text_size_applies_to_every_view_at_once_and_is_saved(window, monkeypatch, qtbot):
    lanes, table = window.lanes, window.views[1]
    color_bar, axis = lanes._canvas.color_bar, lanes._canvas.axis
    usual = window.font().pointSizeF()
    row, play = table.table.rowHeight(0), window.toolbar.transport.findChild(QToolButton)
    icon = play.iconSize().width()
    bar, rows, label = color_bar.size().width(), table.fontMetrics().height(), axis.label.font().pointSizeF()
    window._settings.text_size = 150
    both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
    QTest.keyClick(lanes, Qt.Key.Key_Plus, both)
    assert window._settings.text_size == 175
    # Where + needs Shift, the same keys mean Ctrl++ to Qt.
    monkeypatch.setattr(QGuiApplication, "keyboardModifiers", lambda: both)
    window.actions_["zoom_in"].trigger()
    qtbot.waitUntil(window.updatesEnabled)
    assert window._settings.text_size == 200
    assert window.font().pointSizeF() == pytest.approx(2.0 * usual)
    # The lanes keep their place: the panes without room are folded until the text is smaller.
    assert all(window.main_layout.is_folded(pane) for pane in ("settings", "side", "tabs"))
    assert lanes.width() > 1000
    assert table.fontMetrics().height() > 1.8 * rows
    assert color_bar.size().width() > 1.8 * bar
    assert play.iconSize().width() > 1.8 * icon
    # Of low rows only the first and last have a number, which need not fit into the row.
    assert _unit_size(LaneRect(Lane(0, 0), 24, 0.0, 60.0)) > 1.8 * 9
    assert axis.label.font().pointSizeF() == pytest.approx(2.0 * label)
    window._settings.text_size = 80
    window.actions_["text_smaller"].trigger()
    assert window._settings.text_size == 80
    window.actions_["text_reset"].trigger()
    qtbot.waitUntil(window.updatesEnabled)
    assert window.font().pointSizeF() == pytest.approx(usual)
    assert color_bar.size().width() == bar
    assert (table.table.rowHeight(0), play.iconSize().width()) == (row, icon)
    assert not any(window.main_layout.is_folded(pane) for pane in ("settings", "side", "tabs"))


@pytest.mark.slow
def test_a_saved_text_size_is_used_at_the_next_start(make_window, settings, supervisor, qapp):
    usual = qapp.font().pointSizeF()
    settings.text_size = 150
    window = make_window(supervisor)
    assert window.font().pointSizeF() == pytest.approx(1.5 * usual)
    settings.text_size = 97
    assert settings.text_size == 100
    set_text_size(100)
    assert qapp.font().pointSizeF() == pytest.approx(usual)


@pytest.fixture
def large_text(window, qtbot):
    """Text of 250%."""
    window._settings.text_size = 225
    window.step_text_size(1)
    qtbot.waitUntil(window.updatesEnabled)
    # A level that was tried while the window took its size counts as what it needs.
    assert window.toolbar._needed[0] > window.toolbar.width()
    yield
    window.step_text_size(0)
    qtbot.waitUntil(window.updatesEnabled)


@pytest.mark.slow
def test_panes_that_a_large_text_folded_unfold_in_a_larger_window(window, qtbot, large_text):
    layout = window.main_layout
    assert layout.is_folded("side")
    layout.toggle("tabs")
    layout.toggle("tabs")
    window.resize(3840, 2160)
    qtbot.waitUntil(lambda: not layout.is_folded("side") and not layout.is_folded("settings"))
    # Folded by the user.
    assert layout.folded == ("tabs",)
    layout.toggle("tabs")
    window.resize(1280, 800)


@pytest.mark.slow
def test_large_text_leaves_most_of_a_lesson_and_of_a_presentation_to_the_lanes(window, qtbot, large_text):
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.guide.open(lesson_entries()[6])
    canvas, layout = window.lanes._canvas, window.main_layout
    QTest.qWait(50)
    assert (window.width(), window.height()) == (1280, 800)
    assert layout.column.width() <= 1280 * 2 // 5
    assert canvas.headers.size().width() <= canvas.width() / 3
    assert canvas.color_bar.size().width() <= canvas.width() / 4
    # Names that are elided are read in the tooltip.
    assert "layer 0" in window.lanes.description_at(canvas.headers.sceneBoundingRect().center())
    # The row of tabs has arrows instead of a scroll bar on top of it.
    assert not layout._drawer.horizontalScrollBar().isVisible()
    more = window.toolbar.findChild(QToolButton, "qt_toolbar_ext_button")
    assert more.isVisible()
    assert more.geometry().right() < window.toolbar.width()
    sizes = [splitter.sizes() for splitter in (layout._whole, layout._middle)]
    QTest.keyClick(window.lanes, Qt.Key.Key_F11)
    QTest.qWait(50)
    area = window.presentation._caption_area
    assert area.height() <= window.height() // 3
    assert area.verticalScrollBar().maximum() > 0
    assert window.presentation._leave_button.iconSize().width() == scaled(16)
    # The caption scrolls by keys once F6 has moved to it.
    QTest.keyClick(window.lanes, Qt.Key.Key_F6)
    assert window.focusWidget() is area
    QTest.keyClick(area, Qt.Key.Key_Down)
    assert area.verticalScrollBar().value() > 0
    QTest.keyClick(area, Qt.Key.Key_F11)
    # The platform of the tests leaves a window in the size of its screen.
    window.resize(1280, 800)
    QTest.qWait(50)
    assert [splitter.sizes() for splitter in (layout._whole, layout._middle)] == sizes
    window.guide.leave()


def test_a_message_has_room_beside_the_times_of_the_engines(window):
    bar, progress = window.statusBar(), window.progress
    times, message = progress.text, "Saved /home/teacher/a/rather/long/path/lesson.rnnviz: " + "a long message " * 6
    bar.showMessage(message)
    assert bar.fontMetrics().horizontalAdvance(message) + progress.sizeHint().width() <= bar.width()
    assert progress.text == times
    assert times in progress._summary.toolTip().replace("\n", " ")
    bar.clearMessage()
    assert progress._summary.text() == times


@pytest.mark.slow
def test_panes_that_a_large_text_folded_at_the_last_start_unfold_with_a_smaller_one(
    make_window, settings, supervisor, qtbot
):
    settings.text_size = 200
    first = make_window(supervisor)
    assert first.main_layout.is_folded("side")
    assert first.main_layout.folded == ()
    first.close()
    window = make_window(supervisor)
    assert window.main_layout.is_folded("side")
    window.step_text_size(0)
    qtbot.waitUntil(window.updatesEnabled)
    assert not window.main_layout.is_folded("side")


def off_grid(top: QWidget) -> list[tuple[str, int]]:
    """Margins and spacings of the layouts in a window that are no multiples of 4 pixels, or lines of 1 or 2."""
    found = []
    for layout in top.findChildren(QLayout):
        owner = layout.parentWidget()
        if isinstance(owner, QDialogButtonBox | QToolBar | QStatusBar) or not isinstance(
            layout, QBoxLayout | QGridLayout | QFormLayout
        ):
            continue
        margins = layout.contentsMargins()
        lengths = [margins.left(), margins.top(), margins.right(), margins.bottom()]
        if layout.count() > 1 and isinstance(layout, QBoxLayout):
            lengths.append(layout.spacing())
        elif layout.count() > 1:
            lengths += [layout.horizontalSpacing(), layout.verticalSpacing()]
        found += [(type(owner).__name__, length) for length in lengths if length % 4 and length > 2]
    return found


def test_margins_and_spacings_are_on_a_grid(window):
    dialogs = RangeDialog(Limit(), window), ShortcutsDialog(MENUS, window), GoToDialog(window.session, window)
    for top in (window, *dialogs):
        assert off_grid(top) == []
    for dialog in dialogs:
        dialog.deleteLater()

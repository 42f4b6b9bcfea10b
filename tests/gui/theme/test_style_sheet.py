"""Sizes and focus of the controls in the style sheet."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QStyle,
    QStyleOptionSlider,
    QStyleOptionSpinBox,
    QVBoxLayout,
    QWidget,
)

from rnnviz.gui.theme.scaling import TEXT_SIZES
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.gui.views.stdout_view import StdoutView

ROW = 24


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


def test_controls_are_rows_of_24_pixels_that_grow_with_the_text(qtbot, controls):
    made, manager = controls
    assert [control.height() for control in made] == [ROW] * len(made)
    manager.set_text_size(200)
    qtbot.waitUntil(lambda: all(abs(control.height() - 2 * ROW) <= ROW // 4 for control in made))


def test_focus_moves_nothing_in_a_control(controls):
    made, _ = controls
    for control in made:
        size = control.sizeHint()
        control.setFocus()
        QTest.qWait(0)
        assert control.sizeHint() == size


def test_scroll_bars_are_thin(qtbot, controls):
    made, _ = controls
    area = QScrollArea(made[0].window())
    extent = area.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent, None, area.verticalScrollBar())
    assert extent == 10 == area.verticalScrollBar().sizeHint().width()


def test_an_arrow_without_effect_is_grayed(controls):
    made, _ = controls
    box = made[2]
    option = QStyleOptionSpinBox()
    box.initStyleOption(option)
    below = QStyle.SubControl.SC_SpinBoxDown
    area = box.style().subControlRect(QStyle.ComplexControl.CC_SpinBox, option, below, box)

    def drawn():
        picture = box.grab(area).toImage()
        return {picture.pixel(x, y) for x in range(3, picture.width() - 3) for y in range(picture.height() - 2)}

    box.setValue(box.minimum())
    least = drawn()
    box.setValue(box.minimum() + 1)
    assert len(least) > 1
    assert least != drawn()


def test_the_style_sheet_and_what_it_resizes_come_in_later_turns(qtbot, controls):
    made, manager = controls
    window, done = made[0].window(), []
    before = window.styleSheet()
    manager.set_text_size(200, lambda: done.append(made[0].height() > ROW))
    assert (window.styleSheet(), window.updatesEnabled(), done) == (before, False, [])
    manager.choose("dark")
    with qtbot.waitSignal(manager.theme_changed):
        pass
    assert window.styleSheet() != before
    assert window.updatesEnabled()
    assert len(done) == 1


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


@pytest.mark.slow
def test_the_handle_of_a_slider_is_round_in_every_text_size(qtbot, controls):
    made, manager = controls
    slider = QSlider(Qt.Orientation.Horizontal)
    made[0].window().layout().addWidget(slider)
    option = QStyleOptionSlider()
    for percent in TEXT_SIZES:
        with qtbot.waitSignal(manager.theme_changed):
            manager.set_text_size(percent)
        slider.initStyleOption(option)
        control, part = QStyle.ComplexControl.CC_Slider, QStyle.SubControl.SC_SliderHandle
        handle = slider.style().subControlRect(control, option, part, slider)
        picture = slider.grab(handle).toImage()
        accent = manager.theme.color("accent")
        assert picture.pixelColor(picture.rect().center()) == accent, percent
        assert picture.pixelColor(picture.width() - 1, 0) != accent, percent

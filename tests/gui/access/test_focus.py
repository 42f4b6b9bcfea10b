"""Where the keyboard is can be seen: a control in use looks different from one that is not, in both themes."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea, QWidget

from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.tab_order import controls_in_order

AROUND = 4
SEEN_PIXELS = 24
SEEN_CHANGE = 40
"""Of 255, in any of the three channels."""


def picture(window: QWidget, widget: QWidget) -> NDArray[np.int16]:
    """(H, W, 3): a control and what is drawn around it."""
    place = QRect(widget.mapTo(window, QPoint()), widget.size()).adjusted(-AROUND, -AROUND, AROUND, AROUND)
    image = window.grab(place.intersected(window.rect())).toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    return pixels[..., :3].astype(np.int16)


def change(window: MainWindow, widget: QWidget) -> int:
    """The number of pixels that change with the keyboard focus."""
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.qWait(0)
    assert widget.hasFocus()
    focused = picture(window, widget)
    widget.clearFocus()
    QTest.qWait(0)
    before = picture(window, widget)
    if focused.shape != before.shape:
        return SEEN_PIXELS
    return int((np.abs(focused - before).max(axis=2) >= SEEN_CHANGE).sum())


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_kind_of_control_shows_that_it_has_the_keyboard(qtbot, run_config, window, theme):
    compare = {"reference": "manual", "candidates": ["bug:no-h2h-bias"]}
    run_config({"cell": "lstm", "input_size": 2, "hidden_size": 3}, compare=compare, initial_state={"source": "normal"})
    window.theme_manager.choose(theme)
    qtbot.waitUntil(window.updatesEnabled)
    # From here on Qt knows that the keyboard is used: it marks less for those who use the mouse.
    window.toolbar.run_button.setFocus()
    QTest.keyClick(window.toolbar.run_button, Qt.Key.Key_Tab)
    unseen = []
    kinds = set()
    tabs = window.main_layout.tabs
    for place in range(tabs.count()):
        if not tabs.isTabVisible(place):
            continue
        tabs.setCurrentIndex(place)
        QTest.qWait(0)
        for widget in controls_in_order(window):
            kind = type(widget).__name__, type(widget.parentWidget()).__name__
            if kind not in kinds:
                kinds.add(kind)
                seen = change(window, widget)
                if seen < SEEN_PIXELS:
                    unseen.append((*kind, widget.accessibleName()[:30], seen))
    assert len(kinds) > 20
    assert not unseen, unseen

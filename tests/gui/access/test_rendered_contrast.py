"""Contrast of texts, marks and highlighted entries in pictures of the window, in both themes."""

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from rnnviz.gui.main_window import MainWindow
from tests.gui.access.rendered_colors import contrast, ground, ink_contrast

TEXT, MARK = 4.5, 3.0


@pytest.fixture(params=["light", "dark"])
def window(request: pytest.FixtureRequest, qtbot, shared_window: MainWindow) -> MainWindow:
    """The window of the module in each theme."""
    shared_window._theme_manager.choose(request.param)
    qtbot.waitUntil(shared_window.updatesEnabled)
    return shared_window


def kinds_of_entries(menu: QMenu, submenus: list[QAction]) -> list[QAction]:
    """One entry of each kind: an icon, a check mark or an arrow may not be seen on another color."""
    shown = [action for action in menu.actions() if action.isEnabled() and not action.isSeparator()]
    return list({(a.icon().isNull(), a.isChecked(), a in submenus): a for a in shown}.values())


def test_the_highlighted_entry_of_every_menu_is_seen(window):
    base = window._theme_manager.theme.base
    menus = window.findChildren(QMenu)
    submenus = [menu.menuAction() for menu in menus]
    highlighted = 0
    for menu in menus:
        menu.popup(QPoint())
        for action in kinds_of_entries(menu, submenus):
            menu.setActiveAction(action)
            picture = menu.grab(menu.actionGeometry(action)).toImage()
            assert contrast(ground(picture), base) >= MARK, (menu.title(), action.text())
            assert ink_contrast(picture) >= TEXT, (menu.title(), action.text())
            highlighted += 1
        menu.close()
    assert highlighted > 20


def test_the_highlighted_menu_of_the_menu_bar_is_seen(window):
    bar = window.menuBar()
    for action in bar.actions():
        bar.setActiveAction(action)
        picture = bar.grab(bar.actionGeometry(action)).toImage()
        assert contrast(ground(picture), window._theme_manager.theme.window) >= MARK, action.text()
        assert ink_contrast(picture) >= TEXT, action.text()
    bar.setActiveAction(None)

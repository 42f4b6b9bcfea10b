"""The guide in a panel: found by F1, searched, followed, and read in both themes."""

import re

import pytest
from PySide6.QtCore import Qt, QUrl
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMenu, QMessageBox

from rnnviz.gui.help.commands import page_for
from rnnviz.gui.help.panel import GuidePanel
from rnnviz.gui.theme.palettes import DARK, LIGHT
from rnnviz.io.resources import guide_groups, guide_pages

WAY = re.compile(r"\*([^*`]+? > [^*]+?)\*")


@pytest.fixture
def guide(qtbot):
    return qtbot.on_screen(GuidePanel(), 404, 700)


@pytest.mark.slow
def test_f1_opens_the_page_of_the_focused_widget(window, press):
    assert window.focusWidget() is window.lanes
    help_ = window.help
    assert page_for(window.verdict) == "verdicts"
    window.panel.field("network.hidden_size").editor.widget.setFocus()
    QTest.keyClick(window.panel.field("network.hidden_size").editor.widget, Qt.Key.Key_F1)
    assert help_.guide.isVisible()
    assert help_.guide.view.page.name == "configs"
    press(Qt.Key.Key_F1)
    assert help_.guide.view.page.name == "window"
    assert help_.guide.view.verticalScrollBar().value() > 0
    help_.guide.window().close()


def test_f1_on_the_first_screen_opens_the_guide_next_to_it(bare_window):
    first = bare_window.first_screen
    first.show()
    QTest.keyClick(first.screen.picture, Qt.Key.Key_F1)
    assert first.shown
    assert first.screen.isVisible()
    assert bare_window.help.guide.isVisible()
    guide = bare_window.main_layout.docks[bare_window.help.guide.accessibleName()]
    assert guide in bare_window.main_layout.parts
    first.leave()
    assert bare_window.help.guide.isVisible()


@pytest.mark.slow
def test_every_way_through_the_menus_is_there(window, tmp_path):
    file = tmp_path / "mine.toml"
    file.touch()
    window.files.recent.add(file)
    menus = {plain(menu.title()): menu for menu in window.findChildren(QMenu)}
    menus["Open recent"].aboutToShow.emit()
    ways = {" ".join(way.split()) for page in guide_pages().values() for way in WAY.findall(page.text)}
    assert len(ways) > 10
    for way in ways:
        *headings, entry = way.split(" > ")
        offered = window.menuBar().actions()
        for heading in headings:
            assert menus[heading].menuAction() in offered, way
            offered = menus[heading].actions()
        assert entry.rstrip("…") in {plain(action.text()) for action in offered}, way


@pytest.mark.slow
def test_an_error_links_to_its_help_page(window, tmp_path, qtbot):
    window.files.open(tmp_path / "missing.toml")
    box = window.findChild(QMessageBox)
    [button] = [button for button in box.buttons() if "Help with this error" in plain(button.text())]
    button.click()
    assert not box.isVisible()
    assert window.help.guide.view.page.name == "configs"
    window.files.drop([tmp_path / "x.unknown"])
    qtbot.acknowledge(window)
    assert window.help.guide.view.page.name == "configs"
    window.help.guide.window().close()


def plain(text: str) -> str:
    return text.replace("&", "").rstrip("…")


def test_a_search_lists_sections_and_enter_opens_the_first_with_the_words_marked(qtbot, guide):
    guide.open("window")
    QTest.keyClicks(guide.search, "exit code")
    qtbot.waitUntil(guide.places.isVisible)
    assert "Exit codes" in guide.places.item(0).text()
    QTest.keyClick(guide.search, Qt.Key.Key_Return)
    assert guide.view.isVisible()
    assert guide.view.page.name == "command-line"
    assert guide.view.extraSelections()
    guide.search.setText("zzzz")
    qtbot.waitUntil(lambda: guide.places.isVisible() and not guide.places.item(0).flags())
    guide.search.clear()
    qtbot.waitUntil(guide.view.isVisible)


def test_keys_go_back_and_the_contents_list_every_page(guide):
    guide.open("window")
    guide.view.page_wanted.emit("verdicts", "")
    QTest.keyClick(guide.view, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert guide.view.page.name == "window"
    assert not guide.back.isEnabled()
    QTest.keyClick(guide.view, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert guide.view.page.name == "verdicts"
    guide.contents.trigger()
    assert guide.places.count() == len(guide_pages()) + len(guide_groups())
    assert guide.places.currentItem().text().strip() == guide.title
    QTest.keyClick(guide.places, Qt.Key.Key_Return)
    assert guide.view.isVisible()


def test_pictures_are_those_of_the_theme(guide):
    guide.resize(1000, 700)
    guide.open("window")
    light = guide.view.loadResource(2, QUrl("images/parts-light.png"))
    guide.apply_theme(DARK)
    dark = guide.view.loadResource(2, QUrl("images/parts-light.png"))
    assert light.pixelColor(3, 3).lightness() > 200 > 80 > dark.pixelColor(3, 3).lightness()
    assert dark.width() <= guide.view.viewport().width()
    guide.apply_theme(LIGHT)

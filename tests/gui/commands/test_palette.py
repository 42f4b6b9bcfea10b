"""The command palette: it lists, finds and runs every command, place, tab, lesson, engine and setting."""

import gc

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from rnnviz.core.trace_index import Location
from rnnviz.gui.commands.menus import ExportMenu
from rnnviz.gui.commands.palette import SYNONYMS, PaletteEntry, match, place_in
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.gui.main_layout import SETTINGS

CONTROL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def palette(qtbot, window):
    """Opens the palette by its key, and types a query."""

    def palette(query=""):
        qtbot.activate(window)
        QTest.keyClick(window, Qt.Key.Key_K, CONTROL)
        assert window.palette_.sheet.isVisible()
        QTest.keyClicks(window.palette_, query)
        return window.palette_

    yield palette
    window.palette_.close_sheet()


@pytest.fixture
def choose(qtbot, window, palette):
    """Runs the first entry of a query by Enter, and returns its key."""

    def choose(query):
        found = palette(query)
        key = found.entries[0].key
        QTest.keyClick(found, Qt.Key.Key_Return)
        assert not found.sheet.isVisible()
        # The command runs after the keyboard has returned.
        QTest.qWait(0)
        qtbot.activate(window)
        return key

    return choose


def test_matches_are_ranked_from_the_start_of_the_text_to_gaps():
    ranks = [match(query, "Next mismatch") for query in ("next", "mis", "smat", "nxm", "nxq", "nh")]
    assert ranks == [(0, 4), (1, 3), (2, 4), (3, 5), None, None]
    picture = PaletteEntry("export_picture", "Picture", "File › Export", lambda: None)
    assert picture.rank("figure") == (1, 1, 6)
    # Letters here and there match a title only, never other words.
    assert PaletteEntry("", "Padding", "Help › Lessons", lambda: None).rank("pdf") is None
    assert PaletteEntry("", "Padding", "Help › Lessons", lambda: None).rank("hlp") is None


@pytest.mark.slow
def test_every_command_is_listed_with_its_menu_key_and_state(window, palette):
    found = palette()
    listed = {entry.key: entry for entry in found.entries}
    assert {command.id for command in COMMANDS} <= set(listed)
    assert set(SYNONYMS) <= set(listed)
    for command in COMMANDS:
        action, entry = window.actions_[command.id], listed[command.id]
        assert entry.title == action.text().replace("&", "").rstrip("…")
        assert entry.enabled == action.isEnabled()
        assert bool(entry.shortcut) == bool(command.keys)
        assert entry.kind
        assert entry.why
    others = {"theme_dark", "export_report", "tab Step audit", "setting network.hidden_size", "color error ratio"}
    assert others <= set(listed)
    assert {entry.kind for entry in found.entries} >= {"Engine", "Candidate", "Setting", "Tab", "File", "View › Theme"}
    row = next(row for row, entry in enumerate(found.entries) if not entry.enabled)
    item = found.list.topLevelItem(row)
    assert not item.flags() & Qt.ItemFlag.ItemIsEnabled
    assert "Not available now." in item.data(0, Qt.ItemDataRole.AccessibleTextRole)
    assert found.accessibleName()
    assert found.list.accessibleName()
    before = window.session.state
    QTest.keyClick(found, Qt.Key.Key_Escape)
    assert not found.sheet.isVisible()
    assert QApplication.focusWidget() is window.lanes
    assert window.session.state is before
    # The menus outlive the list that named them.
    del listed, item
    gc.collect()
    QTest.qWait(0)
    window.findChild(ExportMenu).set_result_present(True)
    assert [entry.key for entry in palette().entries if entry.key.startswith("export_")]


@pytest.mark.slow
def test_an_entry_is_chosen_by_letters_and_arrows_and_comes_first_later(qtbot, window, palette, choose):
    assert choose("nxsam") == "sample_next"
    assert window.session.location.sample == 1
    assert choose("unit below") == "unit_next"
    found = palette()
    assert [entry.key for entry in found.entries[:2]] == ["unit_next", "sample_next"]
    QTest.keyClick(found, Qt.Key.Key_Down)
    assert found.list.currentIndex().row() == 1
    assert found.note.text().startswith("Select the next sample")
    QTest.keyClick(found, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.session.location.sample == 2)
    found = palette("zzzz")
    assert not found.entries
    assert found.note.text() == "No matching command"
    QTest.keyClick(found, Qt.Key.Key_Return)
    assert found.sheet.isVisible()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "key"),
    [("figure", "export_picture"), ("pdf", "export_picture"), ("pandas", "export_csv"), ("checkpoint", "open")],
)
def test_other_words_find_a_command(palette, word, key):
    assert palette(word).entries[0].key == key


@pytest.mark.slow
def test_places_tabs_settings_and_engines_are_reached(qtbot, window, palette, choose):
    choose("t 0 unit 2, sample 1")
    assert window.session.location == Location(0, 0, 0, 1, 2)
    assert place_in("u=99999", window.session).unit == window.session.result.shape[4] - 1
    assert place_in(str(Location(0, 0, 0, 2, 1)), window.session) == Location(0, 0, 0, 2, 1)
    assert place_in("t", window.session) is None
    assert choose("step audit") == "tab Step audit"
    assert window.main_layout.tabs.title_in_front == "Step audit"
    window.main_layout.docks.close(SETTINGS)
    assert choose("hidden_size") == "setting network.hidden_size"
    assert window.main_layout.docks.in_front(SETTINGS)
    assert QApplication.focusWidget() in window.panel.field("network.hidden_size").editor.controls
    candidate = window.session.candidate
    choose(f"lanes of {candidate}")
    assert window.session.engine == candidate
    # A line edit would delete up to the end of the line.
    window.panel.reveal_field("network.hidden_size")
    before = window.session.config
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_K, CONTROL)
    assert window.palette_.sheet.isVisible()
    assert window.session.config == before

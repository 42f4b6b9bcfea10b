"""A start without a file: the ways to begin, which make way for whatever one begins with."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QCheckBox, QFileDialog

from rnnviz.gui.welcome.page import StartButton
from rnnviz.lessons.index import lesson_entries

pytestmark = pytest.mark.slow


@pytest.fixture
def welcomed(bare_window):
    """A window as `rnnviz` opens it for the first time."""
    bare_window.welcome.show_on_startup()
    bare_window.begin(None)
    return bare_window


def entry_of(window, title: str) -> StartButton:
    [found] = [entry for entry in window.welcome.page.findChildren(StartButton) if title in entry.text()]
    return found


def test_an_empty_start_shows_the_entries_and_runs_nothing(welcomed, qtbot):
    assert welcomed.welcome.page.isVisible()
    assert not welcomed.lanes.isVisible()
    assert not welcomed.control.auto_run.due
    shown = [entry for entry in welcomed.welcome.page.findChildren(StartButton) if not entry.isHidden()]
    assert [e.text().split(maxsplit=1)[1] for e in shown[: len(lesson_entries())]] == [
        lesson.title for lesson in lesson_entries()
    ]
    for entry in shown:
        assert entry.accessibleName()
        assert entry.accessibleDescription()

    for title, dialog_title in (("Open a model", "Open model"), ("Open a config", "Open config")):
        entry_of(welcomed, title).click()
        dialog = qtbot.shown(welcomed, QFileDialog)
        assert dialog.windowTitle() == dialog_title
        dialog.reject()
    assert welcomed.welcome.shown

    with qtbot.finished(welcomed):
        QTest.keyClick(entry_of(welcomed, "small LSTM"), Qt.Key.Key_Return)
    assert welcomed.lanes.isVisible()
    assert not welcomed.welcome.shown
    assert welcomed.session.result.config.network.cell == "lstm"
    assert welcomed.document.origin.title == "Small LSTM"

    welcomed.actions_["welcome"].trigger()
    assert welcomed.welcome.page.isVisible()
    assert welcomed.welcome.page.back_button.isVisible()
    welcomed.welcome.page.back_button.click()
    assert welcomed.lanes.isVisible()


def test_a_recent_file_is_opened_and_the_page_stays_away_if_the_user_wishes(welcomed, settings, tmp_path, qtbot):
    file = tmp_path / "mine.toml"
    file.write_text('network = { cell = "gru", input_size = 2, hidden_size = 3 }', encoding="utf-8")
    settings.recent = (str(file),)
    welcomed.welcome.show()
    entry_of(welcomed, "mine.toml").setFocus()
    with qtbot.finished(welcomed):
        entry_of(welcomed, "mine.toml").click()
    assert welcomed.session.result.config.network.cell == "gru"
    assert welcomed.focusWidget() is welcomed.lanes
    welcomed.welcome.page.findChild(QCheckBox).click()
    assert not settings.welcome
    welcomed.welcome.show_on_startup()
    assert not welcomed.welcome.shown


def test_the_sample_model_is_included_and_runs_at_once(welcomed, qtbot):
    with qtbot.finished(welcomed):
        entry_of(welcomed, "sample model").click()
    assert welcomed.session.result.verdict == "agree"
    assert welcomed.session.result.config.parameters.path.endswith("sample-lstm.safetensors")


def test_the_page_continues_the_last_lesson_and_ticks_finished_ones(welcomed, settings, qtbot):
    page, entries = welcomed.welcome.page, lesson_entries()
    assert page.continue_button.isHidden()
    assert not any(button.done for button in page.findChildren(StartButton))
    settings.finish_lesson(entries[0].name)
    settings.last_lesson = entries[1].name
    settings.set_lesson_step(entries[1].name, 2)
    welcomed.welcome.show()
    assert page.continue_button.isVisible()
    assert "lesson 2, step 3" in page.continue_button.text()
    assert [button.text() for button in page.findChildren(StartButton) if button.done] == [f"1   {entries[0].title}"]
    # Descriptions wrap instead of being cut.
    tall = entry_of(welcomed, entries[6].title)
    assert tall.heightForWidth(220) > tall.heightForWidth(900)
    assert tall.height() >= tall.heightForWidth(tall.width())
    with qtbot.finished(welcomed):
        page.continue_button.click()
    assert welcomed.guide.pane.place.text().startswith("step 3")

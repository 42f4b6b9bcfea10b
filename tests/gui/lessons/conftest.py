"""A lesson made for a test, opened in a whole window."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnnviz.core.config import Config
from rnnviz.gui.lessons.pane import LessonPane
from rnnviz.gui.main_window import MainWindow
from rnnviz.lessons.index import LessonEntry

TEXTS = Path(__file__).with_name("texts")
"""Lessons that are made for these tests."""
LESSON = (TEXTS / "lesson.md").read_text(encoding="utf-8")


def changed(config: Config, **sequence: Any) -> Config:
    return replace(config, sequence=replace(config.sequence, **sequence))


class Read:
    def __init__(self, qtbot: Any, window: MainWindow, entry: LessonEntry) -> None:
        self.qtbot, self.window, self.entry = qtbot, window, entry

    @property
    def pane(self) -> LessonPane:
        return self.window.guide.pane

    @property
    def states(self) -> list[str]:
        return [row.state for row in self.pane.rows]

    @property
    def framed(self) -> Any:
        frame = self.window.guide.frame
        return None if frame is None else frame.target

    def finish_pending(self) -> None:
        """Wait until the requested run is shown and audited, and every statement is checked on it."""

        def settled() -> bool:
            result, control = self.window.session.result, self.window.control
            current = result is not None and result.judgment is not None and not control.edited
            guide = self.window.guide
            known = not guide.asking or guide.state.value is not None
            return current and known and not self.window.runner.busy and all(row.finding for row in self.pane.rows)

        self.qtbot.waitUntil(settled)

    def open(self) -> None:
        self.window.guide.open(self.entry)
        self.finish_pending()


@pytest.fixture
def settings(window):
    return window.settings


@pytest.fixture
def make_entry(tmp_path):
    def make(text=LESSON, number=1):
        path = tmp_path / f"test-{number}.md"
        path.write_text(text, encoding="utf-8")
        return LessonEntry(path.stem, text.partition("\n")[0].removeprefix("# "), "", path, number=number)

    return make


@pytest.fixture
def entries(make_entry, monkeypatch):
    """The lessons that there are, as far as the guide knows."""
    known = [make_entry(), make_entry(LESSON.replace("A lesson", "Another"), 2)]
    monkeypatch.setattr("rnnviz.gui.lessons.controller.lesson_entries", lambda: known)
    return known


@pytest.fixture
def open_lesson(qtbot, window):
    """Opens a lesson, and waits until its step is set up and checked."""

    def open_lesson(entry):
        reading = Read(qtbot, window, entry)
        reading.open()
        return reading

    return open_lesson


@pytest.fixture
def read(open_lesson, entries):
    return open_lesson(entries[0])

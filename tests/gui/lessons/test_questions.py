"""Predictions, tasks and quizzes in the window: hidden before the answer, compared with the run, remembered."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QAbstractTableModel, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QWidget

from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.gui.main_window import MainWindow
from rnnviz.io.config_toml import dump_config
from rnnviz.lessons.index import LessonEntry
from tests.gui.lessons.conftest import changed
from tests.gui.shown import details

pytestmark = pytest.mark.slow

LESSON = """# Questions of the tests
What it is about.

## A choice
Read this.
```step
config = "vanilla-t1"
[selection]
unit = 3
sample = 2
[look]
part = "vector"
[[statement]]
text = "There is one step."
expression = "T == 1"
[predict]
question = "How many steps are there?"
choices = ["Two.", "One."]
answer = "count(T == 1)"
hint = "Fewer than two."
reveal = "T is 1."
[try]
task = "Make it three."
check = "T == 3"
done = "There are three."
```

## A number
```step
[selection]
unit = 1
[[statement]]
text = "There is one step."
expression = "T == 1"
[predict]
question = "How large is the first value?"
answer = "T + unit"
tolerance = 0.5
hides = ["tabs"]
```
"""


@pytest.fixture
def make(settings, make_entry, open_lesson, monkeypatch):
    """Opens a lesson with no answers."""

    def begin(text=LESSON):
        entry: LessonEntry = make_entry(text, 3)
        monkeypatch.setattr("rnnviz.gui.lessons.controller.lesson_entries", lambda: [entry])
        for key in ("step", "answers", "tasks"):
            settings.set_value(f"lessons/{key}/{entry.name}", None)
        return open_lesson(entry)

    return begin


def covered(window: MainWindow) -> set[str]:
    parts = window.guide.highlighter.covers.covered
    return {getattr(part, "title", "tabs") for part in parts if part.parent() is not window}


def test_a_prediction_hides_the_parts_until_it_is_answered(make, settings):
    reading = make()
    window, pane = reading.window, reading.pane
    asked = pane.question
    assert covered(window) == {"lanes", "Selected hidden state", "Output and state", "Verdict", "tabs"}
    for part in window.guide.highlighter.covers.covered:
        assert not part.isEnabled()
    window.lanes.setFocus()
    assert QApplication.focusWidget() is pane.scroll_area
    assert window.session.location == Location(unit=3, sample=2), "the selection is made"
    assert pane.rows == []
    assert not any(part.isVisible() for part in (pane.look, pane.task, pane.counter))
    assert reading.highlighted is None
    assert not asked.answer_button.isEnabled()
    assert not asked.hint.isVisible()
    asked.hint_button.click()
    assert asked.hint.toPlainText() == "Hint: Fewer than two."
    reading.qtbot.waitUntil(asked.buttons[0].isVisible)
    before = asked.grab().toImage()
    asked.buttons[1].setFocus()
    assert asked.grab().toImage() != before, "the keyboard is seen"
    QTest.mouseClick(asked.buttons[0], Qt.MouseButton.LeftButton)
    asked.answer_button.click()
    reading.finish_pending()
    assert covered(window) == set()
    assert asked.state is False
    assert "One." in asked.outcome.text()
    assert asked.reason.toPlainText() == "T is 1."
    assert reading.marks == ["True"]
    assert reading.highlighted.title == "Selected hidden state"
    assert pane.task.isVisible()
    assert settings.lesson_answers(reading.entry.name) == {0: 0.0}
    window.guide.leave()
    reading.open()
    assert (covered(window), asked.state, asked.buttons[0].isChecked()) == (set(), False, True)


def test_an_answer_in_numbers_is_compared_with_the_run(make):
    reading = make()
    window, pane = reading.window, reading.pane
    window.guide.answer(None)
    reading.finish_pending()
    assert pane.question.state is None
    assert "One." in pane.question.outcome.text()
    window.guide.next()
    reading.finish_pending()
    assert covered(window) == {"tabs"}
    pane.question.number.setFocus()
    QTest.keyClicks(pane.question.number, "much")
    assert not pane.question.answer_button.isEnabled()
    pane.question.number.clear()
    QTest.keyClicks(pane.question.number, "2,25")
    QTest.keyClick(pane.question.number, Qt.Key.Key_Return)
    reading.finish_pending()
    reading.qtbot.waitUntil(lambda: pane.question.state is True)
    assert "2" in pane.question.outcome.text()
    window.session.set_location(Location(unit=3))
    reading.qtbot.waitUntil(lambda: pane.question.state is False)
    window.guide.back()
    reading.finish_pending()
    assert pane.question.state is None


def test_a_task_is_done_once_a_run_meets_it_and_remembered(make, settings):
    reading = make()
    window, task = reading.window, reading.pane.task
    window.guide.answer(1.0)
    reading.finish_pending()
    assert (task.state, task.outcome.text(), task.reason.isVisible()) == (None, "Not yet", False)
    window.document.edit(changed(window.session.config, timesteps=3))
    reading.finish_pending()
    assert (task.state, task.outcome.text()) == (True, "Done")
    assert task.reason.toPlainText() == "There are three."
    assert settings.tasks_done(reading.entry.name) == (0,)
    window.guide.again()
    reading.finish_pending()
    assert (task.state, task.outcome.text()) == (True, "Done in an earlier run")
    window.document.undo()
    reading.finish_pending()


QUIZ = """# A quiz of the tests
Find it.

## One
```step
config = "lstm"
[set]
"sequence.timesteps" = 4
[[statement]]
text = "The cause is found."
expression = "'forget-bias-one' in diagnosis"
[quiz]
engine = "bug:forget-bias-one"
choices = ["bug:gates-i-o-f-g", "bug:forget-bias-one"]
reveal = "It is `forget-bias-one`."
```

## Two
```step
[quiz]
engine = "bug:no-h2h-bias"
choices = ["bug:no-h2h-bias", "bug:forget-bias-one"]
```
"""
BUG = "forget-bias-one"
CAUSE = KNOWN_BUGS[BUG].cause


def texts_of(root: QWidget) -> Iterator[str]:
    """Every text that a reader or a screen reader finds in the visible widgets."""
    for widget in [root, *root.findChildren(QWidget)]:
        if not widget.isVisible():
            continue
        for name in ("text", "toPlainText", "toolTip", "accessibleName", "accessibleDescription", "copy_text"):
            read = getattr(widget, name, "")
            yield str(read() if callable(read) else read)
        if isinstance(widget, QAbstractItemView) and (model := widget.model()) is not None:
            columns = model.columnCount() if isinstance(model, QAbstractTableModel) else 1
            for place in range(columns * model.rowCount()):
                index = model.index(*divmod(place, columns))
                yield from (
                    str(index.data(role)) for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole)
                )


def naming(window: MainWindow) -> list[str]:
    """The texts that name the bug, outside the pane of the lesson and the views that list all known bugs."""
    window.verdict.toggle_details()
    parts = [window.lanes, *(view for view in window.views if view.title != "Known bugs"), window.statusBar()]
    found = [text for part in parts for text in texts_of(part)]
    found += [details(window.verdict), window.windowTitle(), dump_config(window.session.config)]
    window.verdict.toggle_details()
    return [text for text in found if BUG in text or CAUSE in text]


def test_no_view_names_the_bug_of_a_quiz_before_the_answer(make):
    reading = make(QUIZ)
    window, pane = reading.window, reading.pane
    result = window.session.result
    assert (result.verdict, result.judgment.diagnoses, pane.rows) == ("disagree", {}, [])
    for title in window.main_layout.tabs.titles:
        window.main_layout.select_tab(title)
        QApplication.processEvents()
        assert naming(window) == [], title
    pane.question.buttons[1].click()
    pane.question.answer_button.click()
    reading.finish_pending()
    assert pane.question.state is True
    assert window.session.config.compare.candidates == ("bug:forget-bias-one",)
    assert not window.isWindowModified()
    reading.qtbot.waitUntil(lambda: reading.marks == ["True"])
    assert pane.score.text() == "Score so far: 1 of 1 found, 2 in all."
    assert naming(window)
    window.guide.next()
    reading.finish_pending()
    window.guide.answer(1.0)
    reading.finish_pending()
    assert pane.score.text() == "Score: 1 of 2 bugs found."

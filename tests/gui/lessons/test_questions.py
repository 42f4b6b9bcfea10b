"""Predictions, tasks and quizzes in the window: asked numbers are masked, two tries, answers are remembered."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QAbstractTableModel, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractItemView, QApplication, QWidget

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.gui.main_window import MainWindow
from rnnviz.io.config_toml import dump_config
from rnnviz.lessons.index import LessonEntry
from tests.gui.lessons.conftest import TEXTS, changed
from tests.gui.shown import details

pytestmark = pytest.mark.slow

LESSON = (TEXTS / "questions.md").read_text(encoding="utf-8")


@pytest.fixture
def make(settings, make_entry, open_lesson, monkeypatch):
    def begin(text=LESSON):
        entry: LessonEntry = make_entry(text, 3)
        monkeypatch.setattr("rnnviz.gui.lessons.controller.lesson_entries", lambda: [entry])
        for key in ("step", "answers", "tasks"):
            settings.set_value(f"lessons/{key}/{entry.name}", None)
        return open_lesson(entry)

    return begin


def test_a_prediction_masks_the_asked_numbers_alone_and_has_two_tries(make, settings):
    reading = make()
    window, pane = reading.window, reading.pane
    asked = pane.question
    masked = Place.at("h", Location(unit=1))
    assert window.session.is_masked(masked)
    assert not window.session.is_masked(Place.at("h", Location(unit=3)))
    assert all(view.isEnabled() for view in window.views)
    assert window.session.location == Location(unit=3, sample=2), "the selection is made"
    assert reading.framed.windowTitle() == "Value"
    assert pane.rows == []
    assert not pane.task.isVisible()
    assert not window.top_line.isVisible()
    assert not window.verdict.isVisible()
    assert window.verdict.brief.isVisible()
    assert window.verdict.brief.text().endswith("hidden values.")
    assert not pane.next.isDefault()
    assert not asked.answer_button.isEnabled()
    pane.scroll_area.setFocus()
    QTest.keyClick(pane.scroll_area, Qt.Key.Key_A)
    assert asked.choices[0].isChecked()
    QTest.keyClick(asked.choices[0], Qt.Key.Key_Return)
    assert window.guide.asking
    assert asked.hint.text.toPlainText() == "That is the next lesson. Fewer than two."
    assert (asked.choices[0].mark, asked.choices[0].is_open) == ("wrong", False)
    assert window.session.is_masked(masked)
    QTest.keyClick(pane.scroll_area, Qt.Key.Key_1)
    assert not asked.choices[0].isChecked(), "an answer is tried once"
    QTest.keyClick(pane.scroll_area, Qt.Key.Key_2)
    QTest.keyClick(asked.choices[1], Qt.Key.Key_Return)
    reading.finish_pending()
    assert window.session.masked == ()
    assert (asked.look, [choice.mark for choice in asked.choices]) == ("right", ["wrong", "right"])
    assert asked.reason.toPlainText() == "T is 1."
    assert reading.states == ["true"]
    assert pane.task.isVisible()
    assert window.top_line.isVisible(), "the task changes a setting"
    assert settings.lesson_answers(reading.entry.name) == {0: (0.0, 1.0)}
    window.guide.leave()
    reading.open()
    assert (asked.look, window.session.masked) == ("right", ())


def test_a_number_is_compared_with_the_run_and_shown_after_the_second_try(make):
    reading = make()
    window, asked = reading.window, reading.pane.question
    window.guide.answer(None)
    reading.finish_pending()
    assert asked.look == "known", "an answer that is shown is neither correct nor not"
    window.guide.next()
    reading.finish_pending()
    asked.number.setFocus()
    QTest.keyClicks(asked.number, "much")
    assert not asked.answer_button.isEnabled()
    asked.number.clear()
    for text in ("7", "9,5"):
        # The second try replaces the first.
        QTest.keyClicks(asked.number, text)
        QTest.keyClick(asked.number, Qt.Key.Key_Return)
    reading.finish_pending()
    state = window.guide.state
    assert (state.asking, state.tries, state.value, state.correct) == (False, (7.0, 9.5), 2.0, False)
    for number in ("2", "7", "9.5"):
        assert number in asked.outcome.text()
    window.session.set_location(Location(unit=8))
    reading.qtbot.waitUntil(lambda: window.guide.state.correct is True)
    assert asked.look == "right"


def test_an_answer_waits_for_the_run(make):
    reading = make()
    window = reading.window
    window.guide.answer(None)
    reading.finish_pending()
    window.guide.next()
    window.document.edit(changed(window.session.config, timesteps=2))
    window.guide.state = replace(window.guide.state, value=None)
    window.guide.answer(3.0)
    assert window.guide.state.tries == ()
    window.control.run()
    reading.qtbot.waitUntil(lambda: window.guide.state.correct is True)
    reading.finish_pending()
    window.document.undo()
    reading.finish_pending()


def test_a_task_is_done_once_a_run_meets_it_and_remembered(make, settings):
    reading = make()
    window, pane = reading.window, reading.pane
    window.guide.answer(1.0)
    reading.finish_pending()
    assert (pane.task.look, pane.done.isVisible(), pane.done_mark.isVisible()) == ("open", False, False)
    bar = pane.scroll_area.verticalScrollBar()
    bar.setValue(bar.maximum())
    window.document.edit(changed(window.session.config, timesteps=3))
    reading.finish_pending()
    assert (pane.task.look, pane.done.isVisible(), pane.done_mark.isVisible()) == ("plain", True, True)
    assert pane.done.text.toPlainText() == "There are three."
    assert pane.next.isDefault()
    reading.qtbot.waitUntil(lambda: bar.value() == 0)
    assert settings.tasks_done(reading.entry.name) == (0,)
    assert reading.states == ["unchecked"]
    window.guide.again()
    reading.finish_pending()
    assert pane.done.isVisible(), "it was done in an earlier run"
    window.document.undo()
    reading.finish_pending()


def test_curves_copies_and_exports_lack_what_a_question_asks_for(make, monkeypatch):
    text = LESSON.replace('"h(0)[0][0][1]"', '"h(0)[2:4, 2, 3]", "gradient(\'h\', 0)[:2]", "difference", "verdict"')
    text = text.replace(
        'config = "vanilla-t1"', 'config = "vanilla-t1"\nset = { "sequence.timesteps" = 6, "backward.enabled" = true }'
    )
    reading = make(text)
    window = reading.window
    shown = {}
    for title in ("Units over time", "Gradient flow", "Error over time"):
        window.main_layout.select_tab(title)
        QApplication.processEvents()
        (shown[title],) = (view for view in window.views if view.title == title)
        shown[title].finish_pending()
    units, flow, errors = shown.values()
    values = units.curve("manual", 3)
    assert np.isnan(values).nonzero()[0].tolist() == [2, 3]
    assert units.asked.runs.tolist() == [[2, 3]]
    assert flow.asked.runs.tolist() == [[0, 1]]
    assert errors.copy_text() == ""
    assert "agree" not in window.verdict.copy_text()
    told = []
    monkeypatch.setattr(window.exports, "_ask", lambda *_: told.append("asked"))
    window.exports.export_report()
    assert told == []
    window.guide.answer(None)
    assert not np.isnan(units.curve("manual", 3)).any()
    assert "agree" in window.verdict.copy_text()
    reading.finish_pending()


QUIZ = (TEXTS / "quiz.md").read_text(encoding="utf-8")
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
    pane.question.choices[1].click()
    pane.question.answer_button.click()
    reading.finish_pending()
    assert window.guide.state.correct is True
    assert window.session.config.compare.candidates == ("bug:forget-bias-one",)
    assert not window.isWindowModified()
    reading.qtbot.waitUntil(lambda: reading.states == ["true"])
    assert pane.score.text() == "Score so far: 1 of 1 found, 2 in all."
    assert naming(window)
    window.guide.next()
    reading.finish_pending()
    for answer in (1.0, None):
        window.guide.answer(answer)
    reading.finish_pending()
    assert pane.score.text() == "Score: 1 of 2 bugs found."


def test_a_long_choice_breaks_into_lines_in_a_narrow_pane(make):
    reading = make(LESSON.replace('"One", ', "").replace("choices = [", f'choices = ["{"many words " * 20}", '))
    assert len(reading.pane.question.choices[0].accessibleName()) > 200
    assert reading.pane.scroll_area.horizontalScrollBar().maximum() == 0

"""Lesson controller: sets up each step, takes answers, masks asked numbers, and checks the step's statements."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.masks import NUMBERS, Mask
from rnnviz.core.words import plural
from rnnviz.engines.registry import ENGINES
from rnnviz.gui.commands.dialogs import show_error_dialog
from rnnviz.gui.kit.tasks import LatestTask
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.lessons.index import LessonEntry, lesson_entries
from rnnviz.reading.quantities import color_names
from rnnviz.text.config_diff import changed_keys

if TYPE_CHECKING:
    # These are imported when a lesson is opened, not before the window is painted.
    from rnnviz.gui.lessons.cards import StepState
    from rnnviz.gui.lessons.pane import LessonPane
    from rnnviz.gui.lessons.parts import LessonHost, PartFrame
    from rnnviz.lessons.content import GuidedLesson, LessonStep
    from rnnviz.lessons.statements import Statement, StatementResult
    from rnnviz.verify.result import RunResult


class LessonController(QObject):
    """Controls at most one open lesson. The user may change the config and selection at any time.

    Its methods are the commands of a lesson and what it does when the window changes. Another document closes it.
    """

    step_changed = Signal()
    """Another step is open, or none."""
    state_changed = Signal()
    """The reader has answered or done something in the step, or the run has its answer."""

    def __init__(self, window: "LessonHost", parent: QWidget, settings: Settings, theme_manager: ThemeManager) -> None:
        super().__init__(parent)
        self._window, self._parent = window, parent
        self._settings, self._theme_manager = settings, theme_manager
        self.pane: LessonPane | None = None
        self.frame: PartFrame | None = None
        self.presenting = False
        """Whether the step is shown without the parts that it speaks of."""
        self._entry: LessonEntry | None = None
        self.lesson: GuidedLesson | None = None
        self._config: Config | None = None
        self._arriving = False
        self._answers: dict[int, tuple[float | None, ...]] = {}
        """The answers to the questions that are answered, by step."""
        self._tries: tuple[float | None, ...] = ()
        """The incorrect answers to the open question."""
        self._pending: float | None = None
        """An answer that waits for the run."""
        self._value: float | None = None
        self._checker = LatestTask("lessons", self)
        self._checker.done.connect(self._on_findings)
        self._checked_last: tuple[object, ...] = ()

    @property
    def _at(self) -> int:
        """Number of the open step."""
        step = self._window.session.state.lesson_step
        return 0 if step is None else step[1]

    @property
    def can_go_back(self) -> bool:
        return self.lesson is not None and self._at > 0

    @property
    def step(self) -> "LessonStep | None":
        """The current step, or None without a lesson."""
        return None if self.lesson is None else self.lesson.steps[self._at]

    @property
    def state(self) -> "StepState | None":
        """The current step as its reader has it."""
        from rnnviz.gui.lessons.cards import StepState

        if self.lesson is None or self._entry is None:
            return None
        answered = self._answers.get(self._at)
        done = self._at in self._settings.tasks_done(self._entry.name)
        tries = self._tries if answered is None else answered
        return StepState(self.lesson, self._at, tries, answered is not None, self._value, done)

    @property
    def asking(self) -> bool:
        """Whether the step has a question that is not answered."""
        if self.lesson is None or self.lesson.steps[self._at].question is None:
            return False
        return self._at not in self._answers

    def bind(self) -> None:
        """Connect the controller to the window."""
        window = self._window
        window.session.on_change(self._show_changes, "config")
        window.session.on_change(self._follow, "location", "result")
        window.document.changed.connect(self._leave_with_document)
        window.control.changed.connect(self._follow)
        window.control.error_changed.connect(self._on_error)
        self._theme_manager.add(self._apply_theme)

    def open(self, entry: LessonEntry) -> None:
        """Open a lesson at the step last shown. An invalid lesson opens an error dialog and changes nothing.

        The caller asks about unsaved changes.
        """
        from rnnviz.lessons.content import read_lesson

        try:
            lesson = read_lesson(entry.path)
        except InputError as error:
            show_error_dialog(self._parent, "The lesson cannot be opened", error)
            return
        pane = self._make_pane()
        self._entry, self.lesson = entry, replace(lesson, number=entry.number)
        self._settings.open_lesson = entry.name
        self._settings.last_lesson = entry.name
        self._window.main_layout.open_lesson(pane)
        # A finished lesson begins again.
        reached = self._settings.lesson_step(entry.name)
        if reached >= len(lesson.steps):
            self._settings.set_lesson_answers(entry.name, {})
        self._answers = self._settings.lesson_answers(entry.name)
        self._enter(reached if reached < len(lesson.steps) else 0)
        pane.scroll_area.setFocus()

    def show_map(self) -> None:
        """Show the map of the course, which opens the chosen lesson."""
        from rnnviz.gui.first_screen.course_map import CourseMap, CourseMapDialog

        course = CourseMap(lesson_entries())
        course.apply_theme(self._theme_manager.theme)
        steps = {entry.name: self._settings.lesson_step(entry.name) for entry in lesson_entries()}
        dialog = CourseMapDialog(course, self._parent)
        present = self._settings.last_lesson if self._entry is None else self._entry.name
        course.show_progress(self._settings.finished_lessons, steps, present)
        course.lesson_chosen.connect(lambda entry: self._window.files.after_changes(partial(self.open, entry)))
        dialog.open()

    def export_handout(self) -> None:
        """Ask for a file and write the open lesson as a page to print."""
        if self.lesson is not None:
            self._window.exports.export_handout(self.lesson)

    def resume(self) -> None:
        """Open the lesson that was open when the window was last closed."""
        for entry in lesson_entries():
            if entry.name == self._settings.open_lesson:
                self.open(entry)

    def next(self) -> None:
        """Go to the next step, after the last one to the next lesson, and close the last lesson."""
        if self.lesson is None or self._entry is None:
            return
        if self._at + 1 < len(self.lesson.steps):
            self._enter(self._at + 1)
            return
        self._settings.set_lesson_step(self._entry.name, len(self.lesson.steps))
        self._settings.finish_lesson(self._entry.name)
        following = self._following
        if following is None:
            self._settings.last_lesson = ""
            self.leave()
        else:
            self.open(following)

    def back(self) -> None:
        if self.can_go_back:
            self.go_to(self._at - 1)

    def go_to(self, number: int) -> None:
        """Go to a step of the lesson."""
        if self.lesson is not None:
            self._enter(number)

    def again(self) -> None:
        """Apply the current step's config and selection again."""
        if self.lesson is not None:
            self._enter(self._at, again=False)

    def answer(self, answer: float | None) -> None:
        """Answer the question of the step, by the index of a choice or a number; with None its answer is shown.

        After an incorrect first answer the reader can try once more. An answer waits until the run has the value.
        """
        from rnnviz.gui.lessons.cards import TRIES
        from rnnviz.gui.lessons.parts import bars_needed

        step, pane = self.step, self.pane
        if step is None or pane is None or step.question is None or not self.asking or answer in self._tries:
            return
        question = step.question
        if answer is not None and self._value is None:
            self._pending = answer
            pane.question.show_waiting()
            return
        self._pending = None
        self._tries = (*self._tries, answer)
        correct = answer is not None and self._value is not None and question.is_correct(answer, self._value)
        if answer is not None and not correct and len(self._tries) < TRIES:
            self._mask()
            self._show_state()
            return
        assert self._entry is not None
        self._answers[self._at] = self._tries
        self._settings.set_lesson_answers(self._entry.name, self._answers)
        # The keyboard stays in the text, whose next part has appeared.
        pane.scroll_area.setFocus()
        self._mask()
        if question.engine:
            self._enter(self._at, again=False)
            return
        self._window.main_layout.show_needed(bars_needed(step, asking=False))
        self._show_state()
        self._reset_checks()
        self._arriving = True
        self._follow()

    def leave(self) -> None:
        """Close the lesson. It reopens at this step."""
        if self.lesson is None:
            return
        self.lesson = self._entry = self._config = None
        self._window.session.set_lesson_step(None)
        self._arriving = False
        self._settings.open_lesson = ""
        self._hide()
        self.step_changed.emit()

    def close(self) -> None:
        """Stop the worker thread. The settings keep the lesson as open."""
        self.unframe()
        self._checker.stop()

    def frame_part(self, part: str) -> None:
        """Show a part of the window, one of `rnnviz.lessons.index.PARTS`, in a frame."""
        from rnnviz.gui.lessons.parts import PartFrame, open_part

        self.unframe()
        if not self.presenting:
            self.frame = PartFrame(*open_part(self._window, part), self._theme_manager.theme)
            self.frame.destroyed.connect(self._lose_frame)

    def unframe(self) -> None:
        """Remove the frame."""
        if self.frame is not None:
            self.frame.destroyed.disconnect(self._lose_frame)
            self.frame.hide()
            self.frame.deleteLater()
            self.frame = None

    def _lose_frame(self) -> None:
        # It is deleted with the part that it is around.
        self.frame = None

    def _move_frame(self) -> None:
        if self.frame is not None:
            self.frame.refresh()

    def score(self) -> str:
        """The score of a quiz that has been answered, and of all at the last step; else ""."""
        assert self.lesson is not None
        quizzes, last = self.lesson.quizzes, self._at + 1 == len(self.lesson.steps)
        answered = [number for number in quizzes if number in self._answers]
        if not quizzes or self.asking or not (last or self._at in quizzes):
            return ""
        found = sum(self._answers[number][-1] == _correct(self.lesson.steps[number]) for number in answered)
        if last and len(answered) == len(quizzes):
            return f"Score: {found} of {plural(len(quizzes), 'bug')} found."
        return f"Score so far: {found} of {len(answered)} found, {len(quizzes)} in all."

    @property
    def _following(self) -> LessonEntry | None:
        entries = lesson_entries()
        return next((e for e in entries if self._entry is not None and e.number == self._entry.number + 1), None)

    def _make_pane(self) -> "LessonPane":
        if self.pane is not None:
            return self.pane
        from rnnviz.gui.lessons.pane import LessonPane

        self.pane = pane = LessonPane()
        self._window.session.on_change(self._move_frame, "location", "result")
        pane.next.clicked.connect(self.next)
        pane.back.clicked.connect(self.back)
        pane.dots.step_requested.connect(self.go_to)
        pane.again.clicked.connect(self.again)
        pane.question.answered.connect(self.answer)
        pane.part_requested.connect(self.frame_part)
        pane.close_button.clicked.connect(self.leave)
        pane.all_lessons.clicked.connect(self.show_map)
        self._apply_theme(self._theme_manager.theme)
        return pane

    def _enter(self, number: int, *, again: bool = True) -> None:
        """Show a step and apply its config. `_follow` continues when the run finishes."""
        assert self.lesson is not None
        assert self._entry is not None
        assert self.pane is not None
        from rnnviz.gui.lessons.parts import bars_needed

        window, step = self._window, self.lesson.steps[number]
        window.session.set_lesson_step((self._entry.name, number))
        self._settings.set_lesson_step(self._entry.name, number)
        if again:
            self._tries, self._pending = (), None
        plain = step.question is not None and not step.question.expression
        self._value = float(step.question.answer) if step.question is not None and plain else None
        self._config = step.config if self.asking else step.named_config
        window.main_layout.show_needed(bars_needed(step, asking=self.asking))
        self.unframe()
        self._reset_checks()
        # Until the config is set, the result may be of a network without the step's selection.
        self._arriving = False
        if window.document.origin.title != self._entry.heading:
            window.document.take(self._config, self._entry.heading)
        elif window.session.config != self._config:
            window.document.take_step(self._config)
        self._arriving = True
        self._mask()
        state = self.state
        assert state is not None
        if again:
            self.pane.show_step(state, "Finish" if self._following is None else "Next lesson")
        self._show_state()
        # Invalid fields are not a change that undo knows.
        window.panel.show_config(self._config)
        window.control.set_valid()
        self._show_changes()
        # A run that goes on may be of a config in between, and would take the place of what is shown.
        if not self._fresh or window.runner.busy:
            window.control.run()
        self._follow()
        self.step_changed.emit()

    @property
    def _fresh(self) -> bool:
        return self._window.session.result is not None and not self._window.control.outdated

    def _mask(self) -> None:
        """Mask the numbers that an open question asks for, in every view."""
        step = self.step
        question = step.question if step is not None and self.asking else None
        masks = () if question is None else question.masks
        # The numbers from which an asked value is computed come with the hint.
        self._window.session.set_masked(masks if self._tries or not masks else (*masks, Mask(NUMBERS)))

    def _hide(self) -> None:
        """Hide the pane, the frame and the masks."""
        self._reset_checks()
        self.unframe()
        self._mask()
        self._window.main_layout.close_lesson()

    def _leave_with_document(self) -> None:
        """Close the lesson once another document is open."""
        if self._entry is not None and self._window.document.origin.title != self._entry.heading:
            self.leave()

    def _follow(self) -> None:
        """After the run, apply the step's selection and check its statements."""
        step, result = self.step, self._window.session.result
        if step is None or self.pane is None:
            return
        if result is None or not self._fresh:
            self._reset_checks()
            coming = self._window.runner.busy or self._window.control.due
            self.pane.show_waiting("The run has not finished." if coming else "The config has changed since the run.")
            return
        if self._arriving:
            self._arriving = False
            self._arrive()
        self._check(step, result)

    def _check(self, step: "LessonStep", result: "RunResult") -> None:
        """Check the statement with the value of the question, those of the step, and that of its task, in a thread.

        Statements that do not use the selection stay valid when it moves.
        """
        from rnnviz.gui.lessons.statements import check_statements

        statements, where = self._of_question(step), self._window.session.location
        if not self.asking:
            statements += step.statements + (() if step.task is None else (step.task.check,))
        follows = any(statement.follows_selection for statement in statements)
        # Not the result itself, whose files would stay as long as it does.
        asked = statements, result.request_id, result.judgment is not None, where if follows else None
        if asked != self._checked_last:
            self._checked_last = asked
            self._checker.ask(lambda _check: check_statements(result, statements, where))

    def _reset_checks(self) -> None:
        self._checked_last = ()
        self._checker.cancel()

    def _of_question(self, step: "LessonStep") -> "tuple[Statement, ...]":
        return (step.question.statement,) if step.question is not None and step.question.expression else ()

    def _arrive(self) -> None:
        step, session = self.step, self._window.session
        assert step is not None
        assert session.result is not None
        session.set_location(step.location(session.location))
        if step.look.engine in session.result.traces:
            session.set_engine(str(step.look.engine))
        colors = step.look.colors
        if colors is not None and colors in color_names(session.config.network.custom):
            session.set_swiping(False)
            session.set_color_by(colors)
        if step.look.part is not None:
            self.frame_part(step.look.part)
        if step.look.line is not None:
            self._window.navigation.choose_line(step.look.line)

    def _show_state(self) -> None:
        state = self.state
        if self.pane is not None and state is not None:
            self.pane.show_state(state)
            names = () if self._config is None else self._config.compare.engines
            missing = (ENGINES[name].unavailable for name in names if name in ENGINES)
            self.pane.show_remarks(note=" ".join(filter(None, missing)), score=self.score())
            self.state_changed.emit()

    def _show_changes(self) -> None:
        if self.pane is not None and self._config is not None:
            self.pane.show_changed(changed_keys(self._config, self._window.session.config))

    def _on_findings(self, findings: "tuple[StatementResult, ...]") -> None:
        step, entry = self.step, self._entry
        if self.pane is None or step is None or entry is None:
            return
        of_question = len(self._of_question(step))
        if of_question:
            assert step.question is not None
            self._value = step.question.value_of(findings[0])
        if self.asking:
            if self._pending is not None and self._value is not None:
                self.answer(self._pending)
            return
        if step.task is not None and findings[-1].holds and self._at not in self._settings.tasks_done(entry.name):
            self._settings.finish_task(entry.name, self._at)
        self._show_state()
        self._show_changes()
        self.pane.show_findings(findings[of_question : of_question + len(step.statements)])

    def _on_error(self, sentence: str | None) -> None:
        if self.pane is not None and self.step is not None and sentence is not None:
            self.pane.show_waiting("The run failed: the verdict has the reason.")

    def _apply_theme(self, theme: Theme) -> None:
        if self.pane is not None:
            self.pane.apply_theme(theme)
        if self.frame is not None:
            self.frame.apply_theme(theme)


def _correct(step: "LessonStep") -> int | None:
    return None if step.question is None else step.question.answer

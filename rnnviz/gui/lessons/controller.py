"""Lesson controller: sets up each step, takes answers, masks asked numbers, and checks the step's statements."""

from dataclasses import replace
from functools import cached_property, partial
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

    _entry: LessonEntry
    """The open lesson, or the one that was open last."""

    def __init__(self, window: "LessonHost", parent: QWidget, settings: Settings, theme_manager: ThemeManager) -> None:
        super().__init__(parent)
        self._window, self._parent = window, parent
        self._settings, self._theme_manager = settings, theme_manager
        self.frame: PartFrame | None = None
        self.presenting = False
        """Whether the step is shown without the parts that it speaks of."""
        self.state: StepState | None = None
        """The open step as its reader has it; None without a lesson."""
        self._config: Config | None = None
        self._arriving = False
        self._pending: float | None = None
        """An answer that waits for the run."""
        self._checker = LatestTask("lessons", self)
        self._checker.done.connect(self._on_findings)
        self._checked_last: tuple[object, ...] = ()

    @cached_property
    def pane(self) -> "LessonPane":
        """The pane, made with the first lesson."""
        from rnnviz.gui.lessons.pane import LessonPane

        self._window.session.on_change(self._move_frame, "location", "result")
        pane = LessonPane()
        pane.next.clicked.connect(self.next)
        pane.back.clicked.connect(self.back)
        pane.dots.step_requested.connect(self.go_to)
        pane.again.clicked.connect(self.again)
        pane.question.answered.connect(self.answer)
        pane.part_requested.connect(self.frame_part)
        pane.close_button.clicked.connect(self.leave)
        pane.all_lessons.clicked.connect(self.show_map)
        return pane

    @property
    def lesson(self) -> "GuidedLesson | None":
        return None if self.state is None else self.state.lesson

    @property
    def step(self) -> "LessonStep | None":
        return None if self.state is None else self.state.step

    @property
    def can_go_back(self) -> bool:
        return self.state is not None and self.state.number > 0

    @property
    def asking(self) -> bool:
        """Whether the step has a question that is not answered."""
        return self.state is not None and self.state.asking

    @property
    def _answers(self) -> dict[int, tuple[float | None, ...]]:
        """The answers to the questions that are answered, by step."""
        return self._settings.lesson_answers(self._entry.name)

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
        self._entry, pane = entry, self.pane
        pane.apply_theme(self._theme_manager.theme)
        self._settings.open_lesson = entry.name
        self._settings.last_lesson = entry.name
        self._window.main_layout.open_lesson(pane)
        # A finished lesson begins again.
        reached = self._settings.lesson_step(entry.name)
        if reached >= len(lesson.steps):
            self._settings.set_lesson_answers(entry.name, {})
        self._enter(replace(lesson, number=entry.number), reached if reached < len(lesson.steps) else 0)
        pane.scroll_area.setFocus()

    def show_map(self) -> None:
        """Show the map of the course, which opens the chosen lesson."""
        from rnnviz.gui.first_screen.course_map import CourseMap, CourseMapDialog

        course = CourseMap(lesson_entries())
        course.apply_theme(self._theme_manager.theme)
        steps = {entry.name: self._settings.lesson_step(entry.name) for entry in lesson_entries()}
        dialog = CourseMapDialog(course, self._parent)
        present = self._settings.last_lesson if self.state is None else self._entry.name
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
        state = self.state
        if state is None:
            return
        if state.number + 1 < len(state.lesson.steps):
            self.go_to(state.number + 1)
            return
        self._settings.set_lesson_step(self._entry.name, len(state.lesson.steps))
        self._settings.finish_lesson(self._entry.name)
        following = self._following
        if following is None:
            self._settings.last_lesson = ""
            self.leave()
        else:
            self.open(following)

    def back(self) -> None:
        if self.state is not None and self.can_go_back:
            self.go_to(self.state.number - 1)

    def go_to(self, number: int) -> None:
        """Go to a step of the lesson."""
        if self.state is not None:
            self._enter(self.state.lesson, number)

    def again(self) -> None:
        """Apply the current step's config and selection again."""
        if self.state is not None:
            self._set_up()

    def answer(self, answer: float | None) -> None:
        """Answer the question of the step, by the index of a choice or a number; with None its answer is shown.

        After an incorrect first answer the reader can try once more. An answer waits until the run has the value.
        """
        from rnnviz.gui.lessons.cards import TRIES
        from rnnviz.gui.lessons.parts import bars_needed

        state = self.state
        if state is None or not state.asking or answer in state.tries:
            return
        if answer is not None and state.value is None:
            self._pending = answer
            self.pane.question.show_waiting()
            return
        self._pending = None
        self.state = state = replace(state, tries=(*state.tries, answer))
        if answer is not None and not state.correct and len(state.tries) < TRIES:
            self._mask()
            self._show_state()
            return
        self._settings.set_lesson_answers(self._entry.name, {**self._answers, state.number: state.tries})
        self.state = replace(state, answered=True)
        # The keyboard stays in the text, whose next part has appeared.
        self.pane.scroll_area.setFocus()
        self._mask()
        if state.step.question is not None and state.step.question.engine:
            self._set_up()
            return
        self._window.main_layout.show_needed(bars_needed(state.step, asking=False))
        self._show_state()
        self._reset_checks()
        self._arriving = True
        self._follow()

    def leave(self) -> None:
        """Close the lesson. It reopens at this step."""
        if self.state is None:
            return
        self.state = self._config = None
        self._window.session.set_lesson_step(None)
        self._arriving = False
        self._settings.open_lesson = ""
        self._reset_checks()
        self.unframe()
        self._mask()
        self._window.main_layout.close_lesson()
        self.step_changed.emit()

    def close(self) -> None:
        """Stop the worker thread. The settings keep the lesson as open."""
        self.unframe()
        self._checker.stop()

    def frame_part(self, part: str) -> None:
        """Show a part of the window, one of `rnnviz.lessons.index.PARTS`, in a frame."""
        from rnnviz.gui.lessons.parts import PartFrame, open_part, show_quantity

        self.unframe()
        if self.presenting and part == "units":
            # The page has a copy of the curves.
            show_quantity(self._window)
        elif not self.presenting:
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
        state, answers = self.state, self._answers
        assert state is not None
        steps, quizzes = state.lesson.steps, state.lesson.quizzes
        last = state.number + 1 == len(steps)
        answered = [number for number in quizzes if number in answers]
        if not quizzes or state.asking or not (last or state.number in quizzes):
            return ""
        found = sum(answers[number][-1] == _correct(steps[number]) for number in answered)
        if last and len(answered) == len(quizzes):
            return f"Score: {found} of {plural(len(quizzes), 'bug')} found."
        return f"Score so far: {found} of {len(answered)} found, {len(quizzes)} in all."

    @property
    def _following(self) -> LessonEntry | None:
        entries = lesson_entries()
        return next((e for e in entries if e.number == self._entry.number + 1), None)

    def _enter(self, lesson: "GuidedLesson", number: int) -> None:
        """Show a step from its beginning, and set it up."""
        from rnnviz.gui.lessons.cards import StepState

        name = self._entry.name
        given, done = self._answers.get(number), number in self._settings.tasks_done(name)
        self.state = StepState(lesson, number, given or (), given is not None, None, done)
        self._pending = None
        self._settings.set_lesson_step(name, number)
        self._set_up(entered=True)

    def _set_up(self, *, entered: bool = False) -> None:
        """Apply the config of the step. `_follow` continues when the run finishes."""
        from rnnviz.gui.lessons.parts import bars_needed

        window, state, entry = self._window, self.state, self._entry
        assert state is not None
        step, question = state.step, state.step.question
        known = None if question is None or question.expression else float(question.answer)
        self.state = state = replace(state, value=known)
        window.session.set_lesson_step((entry.name, state.number))
        self._config = step.config if state.asking else step.named_config
        window.main_layout.show_needed(bars_needed(step, asking=state.asking))
        self.unframe()
        self._reset_checks()
        # Until the config is set, the result may be of a network without the step's selection.
        self._arriving = False
        if window.document.origin.title != entry.heading:
            window.document.take(self._config, entry.heading)
        elif window.session.config != self._config:
            window.document.take_step(self._config)
        self._arriving = True
        self._mask()
        if entered:
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
        state = self.state
        question = state.step.question if state is not None and state.asking else None
        masks = () if question is None else question.masks
        # The numbers from which an asked value is computed come with the hint.
        hinted = not masks or (state is not None and bool(state.tries))
        self._window.session.set_masked(masks if hinted else (*masks, Mask(NUMBERS)))

    def _leave_with_document(self) -> None:
        """Close the lesson once another document is open."""
        if self.state is not None and self._window.document.origin.title != self._entry.heading:
            self.leave()

    def _follow(self) -> None:
        """After the run, apply the step's selection and check its statements."""
        step, result = self.step, self._window.session.result
        if step is None:
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
        if state is not None:
            self.pane.show_state(state)
            names = () if self._config is None else self._config.compare.engines
            missing = (ENGINES[name].unavailable for name in names if name in ENGINES)
            self.pane.show_remarks(note=" ".join(filter(None, missing)), score=self.score())
            self.state_changed.emit()

    def _show_changes(self) -> None:
        if self._config is not None:
            self.pane.show_changed(changed_keys(self._config, self._window.session.config))

    def _on_findings(self, findings: "tuple[StatementResult, ...]") -> None:
        state = self.state
        if state is None:
            return
        step, of_question = state.step, len(self._of_question(state.step))
        if of_question and step.question is not None:
            self.state = state = replace(state, value=step.question.value_of(findings[0]))
        if state.asking:
            if self._pending is not None and state.value is not None:
                self.answer(self._pending)
            return
        if step.task is not None and findings[-1].holds and not state.done:
            self._settings.finish_task(self._entry.name, state.number)
            self.state = replace(state, done=True)
        self._show_state()
        self._show_changes()
        self.pane.show_findings(findings[of_question : of_question + len(step.statements)])

    def _on_error(self, sentence: str | None) -> None:
        if self.step is not None and sentence is not None:
            self.pane.show_waiting("The run failed: the verdict has the reason.")

    def _apply_theme(self, theme: Theme) -> None:
        if self.state is not None:
            self.pane.apply_theme(theme)
        if self.frame is not None:
            self.frame.apply_theme(theme)


def _correct(step: "LessonStep") -> int | None:
    return None if step.question is None else step.question.answer

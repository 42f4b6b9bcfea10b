"""Lesson controller: applies each step's config, highlights a widget, and checks the step's statements."""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.words import plural
from rnnviz.engines.registry import ENGINES
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import show_error_dialog
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.config_edits import changed_keys
from rnnviz.gui.document import Document
from rnnviz.gui.export.exporter import ExportCommands
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.main_layout import LeftColumn, MainLayout
from rnnviz.gui.settings import Settings
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.lessons.index import LINK_SCHEME, LessonEntry, lesson_entries
from rnnviz.reading.quantities import color_names

if TYPE_CHECKING:
    # These are imported when a lesson is opened, not before the window is painted.
    from rnnviz.gui.lessons.pane import LessonPane
    from rnnviz.gui.lessons.spotlight import HighlightTarget, Spotlight
    from rnnviz.lessons.content import GuidedLesson, LessonStep
    from rnnviz.lessons.statements import Statement, StatementResult

_LAYOUT = "lesson"
_PART = re.compile(rf"\({LINK_SCHEME}:([a-z.-]+)\)")


class LessonHost(Protocol):
    """The window as lessons see it."""

    session: Session
    document: Document
    files: FileCommands
    main_layout: MainLayout
    control: RunControl
    exports: ExportCommands
    panel: ConfigPanel
    runner: Runner


class LessonController(QObject):
    """Controls at most one open lesson. The user may change the config and selection at any time.

    Its methods are the commands of a lesson and what it does when the window changes.
    """

    step_changed = Signal()
    """Another step is open, or none."""

    def __init__(self, window: "LessonHost", parent: QWidget, settings: Settings, theme_manager: ThemeManager) -> None:
        super().__init__(parent)
        self._window, self._parent = window, parent
        self._settings, self._theme_manager = settings, theme_manager
        self.pane: LessonPane | None = None
        self._entry: LessonEntry | None = None
        self.lesson: GuidedLesson | None = None
        self._config: Config | None = None
        self._arriving = False
        self._folded = False
        self._answers: dict[int, float | None] = {}

    @property
    def spotlight(self) -> "Spotlight":
        """The highlight frame. Exists once a lesson was opened."""
        return self.highlighter.spotlight

    @property
    def _at(self) -> int:
        """Number of the open step."""
        step = self._window.session.state.lesson_step
        return 0 if step is None else step[1]

    @property
    def can_go_back(self) -> bool:
        return self.lesson is not None and self._at > 0

    def bind(self, stop: QAction) -> None:
        """Connect the controller to the window, whose command `stop` has the Esc key."""
        self._stop = stop
        window = self._window
        self._column.splitterMoved.connect(self._save_layout)
        window.session.on_change(self._show_changes, "config")
        window.session.on_change(self._follow, "location", "result")
        window.document.changed.connect(self._fold)
        window.control.auto_run.changed.connect(self._follow)
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
        self._make_pane()
        assert self.pane is not None
        self._entry, self.lesson = entry, lesson
        self._settings.open_lesson = entry.name
        self._settings.last_lesson = entry.name
        self._window.main_layout.open_lesson(self.pane, self._settings.layout(_LAYOUT))
        # A finished lesson begins again.
        reached = self._settings.lesson_step(entry.name)
        if reached >= len(lesson.steps):
            self._settings.set_lesson_answers(entry.name, {})
        self._answers = self._settings.lesson_answers(entry.name)
        self._enter(reached if reached < len(lesson.steps) else 0)
        self.pane.scroll_area.setFocus()

    def show_map(self) -> None:
        """Show the map of the course, which opens the chosen lesson."""
        from rnnviz.gui.lessons.course_map import CourseMap, CourseMapDialog

        course = CourseMap(lesson_entries())
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
        self._return_and(self._go_on)

    def _go_on(self) -> None:
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
            self._return_and(partial(self._enter, self._at - 1))

    def again(self) -> None:
        """Apply the current step's config and selection again."""
        if self.lesson is not None:
            self._return_and(partial(self._enter, self._at, scroll=False))

    def answer(self, answer: float | None) -> None:
        """Answer the question of the step, by the index of a choice or a number; with None its answer is shown."""
        step = self.step
        if step is None or not self.asking:
            return
        assert self._entry is not None
        assert self.pane is not None
        self._answers[self._at] = answer
        self._settings.set_lesson_answers(self._entry.name, self._answers)
        self.pane.show_answered(step, answer)
        self.pane.show_task(step, done=self._at in self._settings.tasks_done(self._entry.name))
        # The keyboard stays in the text, whose next part has appeared.
        self.pane.scroll_area.setFocus()
        if step.question is not None and step.question.engine:
            self._enter(self._at, scroll=False)
            return
        self._cover()
        self._checker.reset()
        self._arriving = True
        self._follow()
        self.step_changed.emit()

    @property
    def asking(self) -> bool:
        """Whether the step has a question that is not answered."""
        if self.lesson is None or self.lesson.steps[self._at].question is None:
            return False
        return self._at not in self._answers

    @property
    def caption(self) -> str:
        """The text of the step in Markdown, with the question while it is open, and then with the reason."""
        step = self.step
        if step is None:
            return ""
        question = step.question
        added = "" if question is None else question.text if self.asking else question.reveal
        return "\n\n".join(filter(None, (f"**{step.title}**", step.prose, added)))

    def _score(self) -> str:
        """The score of a quiz that has been answered, and of all at the last step; else ""."""
        assert self.lesson is not None
        quizzes, last = self.lesson.quizzes, self._at + 1 == len(self.lesson.steps)
        answered = [number for number in quizzes if number in self._answers]
        if not quizzes or self.asking or not (last or self._at in quizzes):
            return ""
        found = sum(self._answers[number] == _correct(self.lesson.steps[number]) for number in answered)
        if last and len(answered) == len(quizzes):
            return f"Score: {found} of {plural(len(quizzes), 'bug')} found."
        return f"Score so far: {found} of {len(answered)} found, {len(quizzes)} in all."

    def _cover(self) -> None:
        """Cover the parts of the window that an open question is about."""
        step = self.step
        question = None if step is None or not self.asking else step.question
        focused = QApplication.focusWidget()
        self.highlighter.cover(() if question is None else question.hides)
        if self.pane is not None and focused is not None and not focused.isEnabled():
            self.pane.scroll_area.setFocus()

    def _return_and(self, move: Callable[[], None]) -> None:
        """Move within the lesson. If another document is open, ask about its changes first."""
        if self._folded:
            self._window.files.after_changes(move)
        else:
            move()

    def leave(self) -> None:
        if self.lesson is None:
            return
        self.lesson = self._entry = self._config = None
        self._window.session.set_lesson_step(None)
        self._arriving = False
        self._cover()
        self._fold()
        self._settings.open_lesson = ""
        self._checker.reset()
        self.spotlight.clear()
        self._window.main_layout.restore_tabs()
        self._window.main_layout.close_lesson()
        self.step_changed.emit()

    def close(self) -> None:
        """Stop the worker thread. The settings keep the lesson as open."""
        if self.pane is not None:
            self.spotlight.clear()
            self._checker.stop()

    @property
    def _column(self) -> LeftColumn:
        return self._window.main_layout.column

    @property
    def step(self) -> "LessonStep | None":
        """The current step, or None without a lesson or while it is folded."""
        return None if self.lesson is None or self._folded else self.lesson.steps[self._at]

    @property
    def _following(self) -> LessonEntry | None:
        entries = lesson_entries()
        return next((e for e in entries if self._entry is not None and e.number == self._entry.number + 1), None)

    def _make_pane(self) -> None:
        if self.pane is not None:
            return
        from rnnviz.gui.lessons.pane import FoldedLesson, LessonPane
        from rnnviz.gui.lessons.spotlight import Highlighter
        from rnnviz.gui.lessons.statements import StatementWorker

        self.pane = pane = LessonPane()
        # The window is complete by now, so its widgets can be highlighted.
        host = cast("HighlightTarget", self._window)
        self.highlighter = Highlighter(host, self._parent, self._stop, self._settings, pane)
        self._checker = StatementWorker(self)
        self._checker.results_ready.connect(self._on_findings)
        pane.next.clicked.connect(self.next)
        pane.back.clicked.connect(self.back)
        pane.step_requested.connect(lambda number: self._return_and(partial(self._enter, number)))
        pane.again.clicked.connect(self.again)
        self._line = FoldedLesson()
        self._line.resume.clicked.connect(self.again)
        self._line.close_button.clicked.connect(self.leave)
        self._window.main_layout.add_top_bar(self._line)
        pane.question.answered.connect(self.answer)
        pane.highlight_requested.connect(self._point)
        pane.part_requested.connect(self.highlighter.highlight)
        self.step_changed.connect(self._name_parts)
        pane.close_button.clicked.connect(self.leave)
        pane.course_map.clicked.connect(self.show_map)
        self._apply_theme(self._theme_manager.theme)

    def _enter(self, number: int, *, scroll: bool = True) -> None:
        """Show a step and apply its config. `_follow` continues when the run finishes."""
        assert self.lesson is not None
        assert self._entry is not None
        assert self.pane is not None
        self._window.session.set_lesson_step((self._entry.name, number))
        step = self.lesson.steps[number]
        self._settings.set_lesson_step(self._entry.name, number)
        self._config = step.config if self.asking else step.named_config
        named = [ENGINES[name] for name in self._config.compare.engines if name in ENGINES]
        note = " ".join(entry.unavailable for entry in named if entry.unavailable is not None)
        self.spotlight.clear()
        self._checker.reset()
        if scroll:
            last = "Finish" if self._following is None else "Next lesson"
            self.pane.show_step(self.lesson, number, note, last, asking=self.asking)
            self.pane.show_task(step, done=number in self._settings.tasks_done(self._entry.name))
            if step.question is not None and not self.asking:
                self.pane.show_answered(step, self._answers[number])
        self.pane.show_score(self._score())
        self._cover()
        window = self._window
        # Until the config is set, the result may be of a network without the step's selection.
        self._arriving = False
        if window.document.origin.title != self._entry.heading:
            window.document.take(self._config, self._entry.heading)
        elif window.session.config != self._config:
            window.document.take_step(self._config)
        self._arriving = True
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

    def _fold(self) -> None:
        """Fold the lesson to a line above the views while another document is open. Its column is given back."""
        entry, folded = self._entry, False
        if entry is not None:
            folded = self._window.document.origin.title != entry.heading
        if self.pane is None or folded == self._folded:
            return
        self._folded = folded
        self._line.setVisible(folded)
        if folded:
            assert self.lesson is not None
            self._line.title.setText(f"Lesson: {self.lesson.title}, {self.pane.place.text()}")
            self._checker.reset()
            self.spotlight.clear()
            self._cover()
            self._window.main_layout.restore_tabs()
            self._window.main_layout.close_lesson()
        elif entry is not None:
            self._window.main_layout.open_lesson(self.pane, self._settings.layout(_LAYOUT))
            self._cover()
            self._show_changes()
            self._follow()
        self.step_changed.emit()

    def _follow(self) -> None:
        """After the run, apply the step's selection and check its statements."""
        step, result = self.step, self._window.session.result
        if step is None or self.pane is None:
            return
        if result is None or not self._fresh:
            self._checker.reset()
            coming = self._window.runner.busy or self._window.control.auto_run.due
            self.pane.show_waiting("the run has not finished" if coming else "the config has changed since the run")
            return
        if self._arriving:
            self._arriving = False
            self._arrive()
        self._checker.ask(result, self._asked(step), self._window.session.location)

    def _asked(self, step: "LessonStep") -> "tuple[Statement, ...]":
        """The statements to check: that of an answer in numbers, those of the step, and that of its task."""
        if self.asking:
            return ()
        task = () if step.task is None else (step.task.check,)
        return (*self._answer_statement(step), *step.statements, *task)

    def _answer_statement(self, step: "LessonStep") -> "tuple[Statement, ...]":
        if step.question is None or not step.question.expression:
            return ()
        return (step.question.statement_of(self._answers[self._at]),)

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
        self._point()

    def _point(self) -> None:
        step = self.step
        hidden = self.asking and step is not None and step.question is not None and bool(step.question.hides)
        if step is not None and step.look.part is not None and not hidden:
            self.highlighter.highlight(step.look.part, step.look.line, step.look.colors)

    def refresh_dimming(self) -> None:
        """Dim the window around the parts of the step, or not, as the settings say."""
        if self.pane is not None:
            self.highlighter.dimmer.refresh()

    def _name_parts(self) -> None:
        step = self.step
        self.highlighter.dimmer.name_parts(() if step is None else _parts_named(step))

    def _show_changes(self) -> None:
        if self.pane is not None and self._config is not None:
            self.pane.show_changed(changed_keys(self._config, self._window.session.config))

    def _on_findings(self, findings: "tuple[StatementResult, ...]") -> None:
        step = self.step
        if self.pane is None or self._config is None or step is None or self.asking:
            return
        assert self._entry is not None
        answered = len(self._answer_statement(step))
        if answered:
            self.pane.question.show_finding(findings[0], self._answers[self._at])
        own = self._window.session.config != self._config
        self.pane.show_findings(findings[answered : answered + len(step.statements)], own=own)
        if step.task is not None:
            self.pane.task.show_finding(findings[-1])
            if findings[-1].holds and self._at not in self._settings.tasks_done(self._entry.name):
                self._settings.finish_task(self._entry.name, self._at)

    def _on_error(self, sentence: str | None) -> None:
        if self.pane is not None and self.step is not None and sentence is not None:
            self.pane.show_waiting("the run failed; the banner has the reason")

    def _apply_theme(self, theme: Theme) -> None:
        if self.pane is not None:
            self.pane.apply_theme(theme)
            self.spotlight.apply_theme(theme)
            self.highlighter.apply_theme(theme)
            self._line.close_button.setIcon(Icons(theme)["close"])

    def _save_layout(self) -> None:
        self._settings.set_layout(_LAYOUT, self._column.saveState())


def _correct(step: "LessonStep") -> int | None:
    return None if step.question is None else step.question.answer


def _parts_named(step: "LessonStep") -> list[str]:
    """Parts of the window that a step highlights or links to."""
    return [*_PART.findall(step.prose), *([step.look.part] if step.look.part is not None else [])]

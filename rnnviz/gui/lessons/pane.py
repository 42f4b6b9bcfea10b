"""Pane of a lesson: one step with its question, its task and its statements, and navigation between steps."""

from PySide6.QtCore import QEvent, QPoint, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolTip,
    QWidget,
)

from rnnviz.frozen import dataclass
from rnnviz.gui.access import announce
from rnnviz.gui.lessons.cards import NoticeCard, QuestionCard, StepState, TaskCard
from rnnviz.gui.lessons.lesson_text import LessonText, set_size, text_label
from rnnviz.gui.lessons.statements import StatementRow
from rnnviz.gui.theme.icons import IconButton, Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import Part, across, down
from rnnviz.lessons.statements import StatementResult

_MARGIN = 16
_NAMED = 3
"""Maximum number of changed keys that are listed by name."""
_SCROLLED = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
SEMIBOLD = QFont.Weight.DemiBold


class StepDots(QWidget):
    """A dot for each step, filled up to the current one, which is long. A click goes to a step; keys do by commands."""

    step_requested = Signal(int)

    def __init__(self, size: float) -> None:
        super().__init__()
        self._titles: tuple[str, ...] = ()
        self._at, self._done, self._size = 0, False, size
        self._theme = LIGHT
        self.setAccessibleName("Steps of the lesson")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_state(self, state: StepState) -> None:
        self._titles, self._at = tuple(step.title for step in state.lesson.steps), state.number
        self._done = state.task_done
        self.setAccessibleDescription(f"step {self._at + 1} of {len(self._titles)}")
        self.updateGeometry()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        # The targets are larger than the dots.
        return QSize(round(self._dot(len(self._titles)).left()), scaled(24))

    def step_at(self, position: QPoint) -> int | None:
        gap = self._unit * 0.3
        dots = (self._dot(step).adjusted(-gap, 0.0, gap, 0.0) for step in range(len(self._titles)))
        return next((step for step, dot in enumerate(dots) if dot.left() <= position.x() < dot.right()), None)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            step = self.step_at(event.pos())
            text = "" if step is None else wrapped(f"Goes to step {step + 1}: {self._titles[step]}")
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        step = self.step_at(event.position().toPoint())
        if step is not None and event.button() == Qt.MouseButton.LeftButton:
            self.step_requested.emit(step)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for step in range(len(self._titles)):
            role = "border" if step > self._at else "right" if step == self._at and self._done else "accent"
            painter.setBrush(self._theme.color(role))
            painter.drawRoundedRect(self._dot(step), self._unit / 2.0, self._unit / 2.0)
        painter.end()

    @property
    def _unit(self) -> float:
        return float(scaled(self._size))

    def _dot(self, step: int) -> QRectF:
        left = step * 1.6 * self._unit + (1.75 * self._unit if step > self._at else 0.0)
        width = 2.75 * self._unit if step == self._at else self._unit
        return QRectF(left, (scaled(24) - self._unit) / 2.0, width, self._unit)


@dataclass(frozen=True)
class TextSizes:
    """Sizes of the texts of a step, and of its dots, in pixels at a text size of 100%."""

    place: float = 12.0
    title: float = 20.0
    text: float = 14.0
    question: float = 15.0
    choice: float = 14.0
    body: float = 13.0
    """Hints and reasons."""
    done: float = 14.0
    dots: float = 8.0


class StepView(QWidget):
    """The parts of a step with what its reader has answered and done. A subclass lays them out."""

    part_requested = Signal(str)
    """Request to frame the part of a link, one of `rnnviz.lessons.index.PARTS`."""

    def __init__(self, sizes: TextSizes, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.theme = LIGHT
        self.dots, self.place = StepDots(sizes.dots), text_label(sizes.place, muted=True)
        self.place.setWordWrap(False)
        self.title = text_label(sizes.title, SEMIBOLD)
        self.prose = LessonText("Text of the step", sizes.text)
        self.question = QuestionCard(text=sizes.question, body=sizes.body, choice=sizes.choice)
        self.task = TaskCard(body=sizes.text)
        self.done = NoticeCard("Done", "right", "check", "right", sizes.done)
        self.scroll_area = QScrollArea()
        self.scroll_area.setFrameShape(QFrame.Shape.NoFrame)
        self.scroll_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll_area.setWidgetResizable(True)
        self.scroll_area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def lay_out(self, layout: QLayout) -> None:
        self.setLayout(layout)
        for text in self.findChildren(LessonText):
            text.part_requested.connect(self.part_requested)

    def show_state(self, state: StepState) -> None:
        """Show what the reader has answered and done in the step."""
        task = state.step.task
        self.place.setText(f"step {state.number + 1} of {len(state.lesson.steps)}")
        self.title.setText(state.step.title)
        for part in (self.dots, self.question, self.task):
            part.show_state(state)
        self.done.show_text(*(("Done", task.done) if task is not None and state.done else ("", "")))

    def apply_theme(self, theme: Theme) -> None:
        self.theme = theme
        for part in (self.dots, self.prose, self.question, self.task, self.done):
            part.apply_theme(theme)

    def take_key(self, event: QKeyEvent) -> bool:
        """Take a key of the question before the window's shortcuts; whether it is one."""
        return self.question.take_key(event)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.ShortcutOverride and self.take_key(event):
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self.take_key(event):
            super().keyPressEvent(event)


class LessonPane(StepView):
    """Shows a step and the results of its statements. The user's requests are signals."""

    help_page = "window#lessons"

    def __init__(self) -> None:
        super().__init__(TextSizes())
        self.setAccessibleName("Lesson")
        self.setObjectName("lesson")
        self.rows: list[StatementRow] = []
        self._shown: StepState | None = None
        self.lesson_title = QLabel()
        self.lesson_title.setProperty("muted", True)
        self.close_button = IconButton("close", "Close the lesson", "Closes the lesson. It reopens at this step.")
        self.done_mark = QPushButton("Task done")
        self.done_mark.setObjectName("done_mark")
        self.done_mark.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.done_mark.clicked.connect(self.scroll_to_top)
        set_size(self.done_mark, 13.0, SEMIBOLD)
        self.note, self.score, self.changed_note = (text_label(13.0) for _ in range(3))
        for label in (self.note, self.changed_note):
            label.setProperty("card", "hint")
        self.score.setProperty("card", "known")
        self.statements_title = text_label(14.0, SEMIBOLD)
        self.statements_title.setText("True of your network")
        self.again, self.back, self.all_lessons, self.next = map(
            QPushButton, ("Reset this step", "Back", "All lessons", "Next step")
        )
        self.again.setToolTip("Restores this step's config (Ctrl+Home).")
        self.back.setToolTip("Returns to the previous step of the lesson (Ctrl+PgUp).")
        self.all_lessons.setToolTip("Shows the course map with your progress (Ctrl+Shift+L).")
        for button in (self.again, self.all_lessons):
            button.setProperty("flat", True)
        # At the last step it says "Next lesson": the pane is wide enough for it from the start.
        self.next.setMinimumWidth(scaled(118))
        # The arrow is at the right of the text.
        self.next.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        for button in (self.again, self.back, self.all_lessons, self.next):
            # After a click, the keys that a step asks for go to the lanes, and the space bar is not this button's.
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        for button in (self.back, self.all_lessons, self.next):
            button.setMinimumHeight(scaled(32))
        margin, self._statements = scaled(_MARGIN), down(spacing=0)
        content = QWidget()
        texts = self.title, self.done, self.prose, self.note, self.question, self.score, self.task
        statements = self.statements_title, self._statements, self.changed_note, across(self.again, None)
        parts = *texts, scaled(8), *statements, None
        content.setLayout(down(*parts, margins=(margin, margin, margin, margin), spacing=scaled(8)))
        self.scroll_area.setObjectName("lesson_scroll")
        self.scroll_area.setAccessibleName("Text and statements of the step")
        self.scroll_area.setWidget(content)
        gap, above = scaled(8), scaled(12)
        head = bar(self.lesson_title, None, self.close_button, margins=(margin, scaled(10), scaled(6), 0), spacing=gap)
        marks = self.dots, self.place, None, self.done_mark
        progress = bar(*marks, margins=(margin, 0, margin, scaled(10)), spacing=gap)
        foot = bar(self.back, self.all_lessons, None, self.next, margins=(margin, above, margin, above), spacing=gap)
        self.lay_out(down(head, progress, _divider(), (self.scroll_area, 1), _divider(), foot, spacing=0))
        self.apply_theme(LIGHT)

    def show_step(self, state: StepState, last: str) -> None:
        """Show a step from its beginning; `last` labels the Next button of the last step."""
        lesson, step, number = state.lesson, state.step, state.number
        chapter = lesson.chapter or "Lessons"
        self.lesson_title.setText(f"{chapter} · lesson {lesson.number}" if lesson.number else chapter)
        self.lesson_title.setToolTip(wrapped(f"{lesson.title}\n{lesson.summary}"))
        self.prose.show_markdown(step.prose)
        self.back.setEnabled(number > 0)
        finished = number + 1 == len(lesson.steps)
        self.next.setText(last if finished else "Next step")
        self.next.setToolTip(
            wrapped("Finish this lesson." if finished else "Continues with the next step (Ctrl+PgDown).")
        )
        self._shown = None
        self.show_state(state)
        self.scroll_to_top()
        text = f"{lesson.title}, {self.place.text()}: {step.title}"
        self.setAccessibleDescription(text)
        self.scroll_area.setAccessibleDescription(f"{step.title}. {self.prose.toPlainText()}")
        focused = QApplication.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            # Read next, and by a screen reader; the commands of the buttons have keys.
            self.scroll_area.setFocus()
        announce(self, text)

    def show_state(self, state: StepState) -> None:
        before, self._shown = self._shown, state
        super().show_state(state)
        self.done_mark.setVisible(state.task_done)
        # Qt draws the main button of a view by this property.
        self.next.setDefault(state.finished)
        self._draw_next()
        statements = () if state.asking else state.step.statements
        if before is None or tuple(row.statement for row in self.rows) != statements:
            for row in self.rows:
                self._statements.removeWidget(row)
                row.hide()
                row.deleteLater()
            self.rows = [StatementRow(statement, self.theme) for statement in statements]
            self.statements_title.setVisible(bool(self.rows))
            for row in self.rows:
                self._statements.addWidget(row)
        if before is not None and state.task_done and not before.done:
            self.scroll_to_top()
            announce(self.done, f"Task done. {self.done.text.toPlainText()}")

    def show_remarks(self, *, note: str, score: str) -> None:
        """Show a remark about the engines of the step, and the score of a quiz; "" for none."""
        for label, text in ((self.note, note), (self.score, score)):
            label.setText(text)
            label.setVisible(bool(text))

    def show_changed(self, keys: tuple[str, ...]) -> None:
        """List the config keys that differ from the step, with a button that resets them."""
        named = ", ".join(keys[:_NAMED])
        further = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
        self.changed_note.setText(f"You have changed {named}{further}." if keys else "")
        self.changed_note.setToolTip(wrapped("\n".join(keys)))
        self.changed_note.setVisible(bool(keys) and self.done.isHidden())
        self.again.setVisible(bool(keys))

    def show_waiting(self, why: str) -> None:
        for row in self.rows:
            row.show_waiting(why)

    def show_findings(self, findings: tuple[StatementResult, ...]) -> None:
        """Show the results of the statements. Of a changed config, a false one is not about this network."""
        changes = "" if self.again.isHidden() else f"It is about the settings of this step. {self.changed_note.text()}"
        for row, finding in zip(self.rows, findings, strict=True):
            row.show_finding(finding, changes)

    def scroll_to_top(self) -> None:
        bar = self.scroll_area.verticalScrollBar()
        bar.setValue(0)
        # After the layout has the texts that are new.
        QTimer.singleShot(0, self, lambda: bar.setValue(0))

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        icons = Icons(theme)
        self.back.setIcon(icons["previous"])
        self.again.setIcon(icons["undo"])
        self.done_mark.setIcon(icons.colored("check", "right"))
        self._draw_next()
        for row in self.rows:
            row.apply_theme(theme)

    def _draw_next(self) -> None:
        self.next.setIcon(Icons(self.theme).colored("next", "on_accent" if self.next.isDefault() else "text"))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        lines = _SCROLLED.get(Qt.Key(event.key()))
        if lines is not None:
            bar = self.scroll_area.verticalScrollBar()
            bar.setValue(bar.value() + lines * bar.singleStep())


def bar(*parts: Part, margins: tuple[int, int, int, int], spacing: int) -> QWidget:
    """Parts from left to right on the surface of the view, which the style sheet gives its widgets."""
    made = QWidget()
    made.setLayout(across(*parts, margins=margins, spacing=spacing))
    return made


def _divider() -> QFrame:
    line = QFrame()
    line.setObjectName("divider")
    line.setFixedHeight(1)
    return line

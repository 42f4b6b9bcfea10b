"""Pane of a lesson: text and statements of one step, and navigation between steps."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QFontMetrics,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from rnnviz.gui.lessons.lesson_text import LessonText
from rnnviz.gui.lessons.questions import QuestionBox, TaskBox
from rnnviz.gui.lessons.statements import StatementCounter, StatementRow
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.verdict_bar import link_button
from rnnviz.lessons.content import GuidedLesson, LessonStep
from rnnviz.lessons.index import PARTS
from rnnviz.lessons.statements import Statement, StatementResult

_KEPT_IN_SIGHT = 36
"""Overlap in pixels of successive pages: about two lines."""
_CLIPPED = 4
"""Pixels of a widget's margin that may be hidden before it counts as below."""


class ScrollHint(QToolButton):
    """Names the hidden items. Its layout space stays reserved while it is hidden."""

    def __init__(self, area: QScrollArea) -> None:
        super().__init__()
        self._area = area
        self._text: QWidget | None = None
        self._statements: Sequence[QWidget] = ()
        self.setAutoRaise(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolTip("Scrolls down by a page. The arrow keys scroll, too.")
        # What is read must not move because there is nothing more to come.
        kept = self.sizePolicy()
        kept.setRetainSizeWhenHidden(True)
        self.setSizePolicy(kept)
        self.clicked.connect(self._read_on)
        bar = area.verticalScrollBar()
        bar.valueChanged.connect(self._count)
        bar.rangeChanged.connect(self._count)
        self.apply_theme(LIGHT)
        self._count()

    def follow(self, text: QWidget, statements: Sequence[QWidget]) -> None:
        self._text, self._statements = text, statements
        self._count()

    def apply_theme(self, theme: Theme) -> None:
        self.setStyleSheet(
            f"QToolButton {{ color: {theme.accent}; border: 1px solid {theme.window}; border-radius: 4px;"
            f" padding: 1px 5px; }} QToolButton:focus {{ border-color: {theme.accent}; }}"
        )

    def _count(self) -> None:
        bar = self._area.verticalScrollBar()
        text = self._text is not None and self._is_below(self._text)
        statements = sum(map(self._is_below, self._statements))
        words = ["more text"] if text else []
        if statements:
            words.append(f"{statements} statement{'s' if statements > 1 else ''}")
        below = " and ".join(words)
        self.setText(f"\N{DOWNWARDS ARROW} {below} below")
        self.setAccessibleName(f"More below: {below}")
        seen = bool(words) and bar.value() < bar.maximum()
        if self.hasFocus() and not seen:
            # Tab continues from here, not from the widget that Qt would focus.
            self.focusNextPrevChild(True)
        self.setVisible(seen)

    def _is_below(self, widget: QWidget) -> bool:
        bottom = widget.mapTo(self._area.widget(), QPoint(0, widget.height())).y()
        return bottom > self._area.verticalScrollBar().value() + self._area.viewport().height() + _CLIPPED

    def _read_on(self) -> None:
        bar, focused = self._area.verticalScrollBar(), self.hasFocus()
        bar.setValue(bar.value() + max(bar.pageStep() - _KEPT_IN_SIGHT, bar.singleStep()))
        if focused and not self.isVisible():
            self._area.setFocus()


_PITCH, _RADIUS = 16, 4.0


class StepDots(QWidget):
    """Filled up to the current step, which is larger. A click goes to a step; keys do so by commands."""

    step_requested = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._titles: tuple[str, ...] = ()
        self._at = 0
        self._theme = LIGHT
        self.setAccessibleName("Steps of the lesson")
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def show_steps(self, titles: tuple[str, ...], at: int) -> None:
        """Show the steps by their titles; `at` is the index of the current one."""
        self._titles, self._at = titles, at
        self.setAccessibleDescription(f"step {at + 1} of {len(titles)}")
        self.updateGeometry()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(_PITCH * len(self._titles), _PITCH)

    def step_at(self, position: QPoint) -> int | None:
        step = position.x() // _PITCH
        return step if 0 <= step < len(self._titles) else None

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
        for step in range(len(self._titles)):
            reached = step <= self._at
            painter.setPen(QPen(self._theme.color("accent" if reached else "muted"), 1.2))
            painter.setBrush(self._theme.color("accent") if reached else Qt.BrushStyle.NoBrush)
            radius = _RADIUS + (1.5 if step == self._at else 0.0)
            painter.drawEllipse(QPointF((step + 0.5) * _PITCH, _PITCH / 2), radius, radius)
        painter.end()


_MARGIN = 12
_NAMED = 3
"""Maximum number of changed keys that are listed by name."""
_SCROLLED = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}


class LessonPane(QWidget):
    """Shows a step and the results of its statements. The user's requests are signals."""

    step_requested = Signal(int)
    """Request to go to a step, by its index."""
    highlight_requested = Signal()
    """Request to highlight the widget that the step refers to."""
    part_requested = Signal(str)
    """Request to highlight the widget of a link, one of `rnnviz.lessons.index.PARTS`."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Lesson")
        self._theme = LIGHT
        self.rows: list[StatementRow] = []
        self.lesson_title = QLabel()
        self.lesson_title.setProperty("muted", True)
        # A title is never cut.
        self.lesson_title.setWordWrap(True)
        self.dots = StepDots()
        self.dots.step_requested.connect(self.step_requested)
        self.place = QLabel()
        self.place.setProperty("muted", True)
        self.course_map = link_button("Course map", "Shows all lessons with your progress (Ctrl+Shift+L).")
        self.close_button = QToolButton()
        self.close_button.setAutoRaise(True)
        self.close_button.setToolTip("Closes the lesson. It reopens at this step.")
        self.close_button.setAccessibleName("Close the lesson")
        self.step_title = QLabel()
        self.step_title.setWordWrap(True)
        self.look = link_button("", "Frames the element of the window that this step explains.")
        self.look.clicked.connect(self.highlight_requested)
        self.note = _note_label()
        self.changed_note = _note_label()
        self.again = QPushButton("Reset this step")
        self.again.setToolTip("Restores this step's config. Undo brings your changes back.")
        self.back = QPushButton("Back")
        self.back.setToolTip("Returns to the previous step of the lesson (Ctrl+PgUp).")
        self.next = QPushButton("Next")
        for button in (self.again, self.back, self.next):
            # After a click, the keys that a step asks for go to the lanes, and the space bar is not this button's.
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.counter = StatementCounter()
        self.counter.clicked.connect(self._reveal_statement)
        self.prose = LessonText()
        self.prose.part_requested.connect(self.part_requested)
        self.question, self.task = QuestionBox(), TaskBox()
        self.score = _note_label()
        for text in (*self.question.texts, *self.task.texts):
            text.part_requested.connect(self.part_requested)
        self._statements = QVBoxLayout()
        self._statements.setSpacing(8)
        self.scroll_area = self._make_scroll()
        self.more = ScrollHint(self.scroll_area)
        self._lay_out()
        self.apply_theme(LIGHT)

    def show_step(self, lesson: GuidedLesson, number: int, note: str, last: str, *, asking: bool = False) -> None:
        """Show a step by its index. `note` is a remark; `last` labels the Next button of the last step.

        While the pane is `asking` the step's question, its statements, its task and the link to its part are hidden.
        """
        step, count = lesson.steps[number], len(lesson.steps)
        self.lesson_title.setText(lesson.title)
        self.lesson_title.setToolTip(wrapped(lesson.summary))
        self.place.setText(f"step {number + 1} of {count}")
        self.dots.show_steps(tuple(each.title for each in lesson.steps), number)
        self.step_title.setText(step.title)
        self.prose.show_markdown(step.prose)
        self.question.setVisible(step.question is not None)
        if step.question is not None:
            self.question.ask(step.question)
        self.show_note(note)
        self.back.setEnabled(number > 0)
        finished = number + 1 == count
        self.next.setText(last if finished else "Next")
        self.next.setToolTip(
            wrapped("Finish this lesson." if finished else "Continues with the next step (Ctrl+PgDown).")
        )
        self._show_rest(step, asking=asking)
        self.scroll_area.verticalScrollBar().setValue(0)
        text = f"{lesson.title}, {self.place.text()}: {step.title}"
        self.setAccessibleDescription(text)
        self.scroll_area.setAccessibleDescription(f"{step.title}. {self.prose.toPlainText()}")
        focused = QApplication.focusWidget()
        if focused is not None and self.isAncestorOf(focused):
            # Read next, and by a screen reader; the commands of the buttons have keys.
            self.scroll_area.setFocus()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def show_answered(self, step: LessonStep, answer: float | None) -> None:
        """Show the answer to the question of a step, and the parts that were hidden before."""
        self.question.show_answered(answer)
        self._show_rest(step, asking=False)

    def show_task(self, step: LessonStep, *, done: bool) -> None:
        """Show the task of a step; `done` says that an earlier run met it."""
        if step.task is not None:
            self.task.show_task(step.task, done=done)

    def show_score(self, text: str) -> None:
        """Show the score of a quiz, or nothing."""
        self.score.setText(text)
        self.score.setVisible(bool(text))

    def _show_rest(self, step: LessonStep, *, asking: bool) -> None:
        part = None if asking and step.question is not None and step.question.hides else step.look.part
        self.look.setVisible(part is not None)
        if part is not None:
            self.look.setAccessibleName(f"Look at {PARTS[part]}")
            self._break_look()
        self.task.setVisible(step.task is not None and not asking)
        self._make_rows(() if asking else step.statements)
        self._count()
        self.more.follow(self.prose, self.rows)

    def show_note(self, note: str) -> None:
        self.note.setText(note)
        self.note.setVisible(bool(note))

    def show_changed(self, keys: tuple[str, ...]) -> None:
        """List the config keys that differ from the step, with a button that resets them."""
        named = ", ".join(keys[:_NAMED])
        further = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
        self.changed_note.setText(f"You have changed {named}{further}." if keys else "")
        self.changed_note.setToolTip(wrapped("\n".join(keys)))
        self.changed_note.setVisible(bool(keys))
        self.again.setVisible(bool(keys))

    def show_waiting(self, why: str) -> None:
        for row in self.rows:
            row.show_waiting(why)
        if not self.task.isHidden():
            self.task.show_waiting()
        self._count()

    def show_findings(self, findings: tuple[StatementResult, ...], *, own: bool) -> None:
        """Show the results of the statements. `own` marks results for a changed config."""
        for row, finding in zip(self.rows, findings, strict=True):
            row.show_finding(finding, own=own)
        self._count()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        icons = Icons(theme)
        self.close_button.setIcon(icons["close"])
        self.back.setIcon(icons["previous"])
        self.next.setIcon(icons["next"])
        self.again.setIcon(icons["undo"])
        self.counter.apply_theme(theme)
        self.dots.apply_theme(theme)
        self.more.apply_theme(theme)
        self.prose.apply_theme(theme)
        self.question.apply_theme(theme)
        self.task.apply_theme(theme)
        for row in self.rows:
            row.apply_theme(theme)
        # Qt centers the text with a space on either side.
        space = self.look.fontMetrics().horizontalAdvance(" ")
        plain = f"color: {theme.accent}; padding: 1px 0; margin-left: -{space}px;"
        line = f"border: none; border-bottom: 1px solid {theme.window};"
        for link in (self.look, self.course_map):
            link.setStyleSheet(
                f"QToolButton {{ {plain} {line} }} QToolButton:focus {{ border-bottom-color: {theme.accent}; }}"
            )
        self.score.setStyleSheet(
            f"background: {theme.raised}; color: {theme.text}; border-radius: 4px; padding: 6px 8px; font-weight: 600;"
        )
        for label in (self.note, self.changed_note):
            label.setStyleSheet(
                f"background: {theme.doubtful_surface}; color: {theme.doubtful}; border-radius: 4px; padding: 6px 8px;"
            )

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._break_look()

    def _break_look(self) -> None:
        """Break the text of the link where the pane is narrower, into lines of similar lengths."""
        text, metrics = self.look.accessibleName(), self.look.fontMetrics()
        # As Qt asks for it, with a space on either side.
        room = self.width() - 2 * _MARGIN - 2 * metrics.horizontalAdvance(" ")
        # A pane that opens is narrow for a moment, and the window would grow for a line of each word, and stay so.
        room = max(room, metrics.horizontalAdvance(text) // 2)
        ways = [_broken(text, metrics, share * room) for share in (1.0, 0.6, 0.7, 0.8, 0.9)]
        self.look.setText("\n".join(next(way for way in (*ways[1:], ways[0]) if len(way) == len(ways[0]))))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        lines = _SCROLLED.get(Qt.Key(event.key()))
        if lines is None:
            super().keyPressEvent(event)
            return
        bar = self.scroll_area.verticalScrollBar()
        bar.setValue(bar.value() + lines * bar.singleStep())

    def _count(self) -> None:
        self.counter.show_findings(tuple(row.finding for row in self.rows), own=any(row.own for row in self.rows))

    def _reveal_statement(self) -> None:
        """Scroll to the first statement that is false or not checked, else to the first."""
        doubtful = (row for row in self.rows if row.finding is None or not row.finding.holds)
        row = next(doubtful, self.rows[0])
        self.scroll_area.verticalScrollBar().setValue(row.mapTo(self.scroll_area.widget(), QPoint()).y())
        row.setFocus()

    def _make_rows(self, statements: tuple[Statement, ...]) -> None:
        for row in self.rows:
            self._statements.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = [StatementRow(statement, self._theme) for statement in statements]
        for row in self.rows:
            self._statements.addWidget(row)

    def _make_scroll(self) -> QScrollArea:
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(_MARGIN, 0, _MARGIN, 4)
        column.setSpacing(8)
        column.addWidget(self.prose)
        column.addWidget(self.question)
        column.addWidget(self.score)
        column.addLayout(self._statements)
        column.addWidget(self.task)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName("panel_scroll")
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidgetResizable(True)
        scroll.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        scroll.setAccessibleName("Text and statements of the step")
        scroll.setWidget(content)
        return scroll

    def _lay_out(self) -> None:
        font = self.step_title.font()
        font.setPointSizeF(font.pointSizeF() * 1.2)
        font.setWeight(font.Weight.DemiBold)
        self.step_title.setFont(font)
        header = _line(self.lesson_title, self.close_button)
        header.setStretch(0, 1)
        header.setAlignment(self.close_button, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 8)
        layout.setSpacing(8)
        layout.addLayout(header)
        layout.addLayout(_line(self.dots, self.place, None, self.course_map))
        # At the top they stay in place when the settings unfold below the pane.
        layout.addLayout(_line(self.back, None, self.counter, None, self.next))
        layout.addLayout(_line(self.step_title))
        layout.addLayout(_line(self.look, None))
        layout.addLayout(_line(self.note))
        layout.addWidget(self.scroll_area, 1)
        layout.addLayout(_line(None, self.more, None))
        layout.addLayout(_line(self.changed_note))
        layout.addLayout(_line(self.again))


class FoldedLesson(QWidget):
    """One line with the title of a lesson while another document is open, and a button that resumes the lesson."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Folded lesson")
        self.title = ElidedLabel()
        self.resume = link_button("Resume", "Opens this step again. Unsaved changes are asked about first.")
        self.close_button = QToolButton()
        self.close_button.setAutoRaise(True)
        self.close_button.setToolTip("Closes the lesson. It reopens at this step.")
        self.close_button.setAccessibleName("Close the folded lesson")
        line = _line(self.title, self.resume, self.close_button)
        line.setStretch(0, 1)
        self.setLayout(line)
        self.hide()


def _broken(text: str, metrics: QFontMetrics, room: float) -> list[str]:
    """The lines of a text that is broken between words."""
    lines = [""]
    for word in text.split():
        line = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and metrics.horizontalAdvance(line) > room:
            lines.append(word)
        else:
            lines[-1] = line
    return lines


def _line(*items: QWidget | None) -> QHBoxLayout:
    """A line with the pane's horizontal margins, which the scroll area lacks. None stretches."""
    line = QHBoxLayout()
    line.setContentsMargins(_MARGIN, 0, _MARGIN, 0)
    line.setSpacing(8)
    for item in items:
        if item is None:
            line.addStretch(1)
        else:
            line.addWidget(item)
    return line


def _note_label() -> QLabel:
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.hide()
    return label

"""Boxes of a step's question and of its task, and the covers of the parts that a prediction is about."""

from PySide6.QtCore import QEvent, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.number_format import true_minus_in
from rnnviz.gui.commands.actions import TAKES_ARROWS
from rnnviz.gui.lessons.lesson_text import LessonText, label_html, plain
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.lessons.content import Question, Task, number_of
from rnnviz.lessons.statements import StatementResult

_MARGIN = 12
_PREDICT, _QUIZ, _TRY = "Predict", "Find the bug", "Try it"
_HIDDEN = "Hidden until you answer"
_LOOKS: dict[bool | None, tuple[str, str]] = {
    True: ("right", "right_surface"),
    False: ("wrong", "wrong_surface"),
    None: ("text", "raised"),
}
"""Color and background by whether an answer is correct, or a task done; None before."""


class _Box(QWidget):
    """A framed part of the pane with a heading, a text, a hint on request, and a state with its reason."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._theme = LIGHT
        self.state: bool | None = None
        self._hint = ""
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.heading = QLabel(name)
        font = self.heading.font()
        font.setWeight(font.Weight.DemiBold)
        self.heading.setFont(font)
        self.text, self.hint, self.reason = LessonText(), LessonText(), LessonText()
        self.outcome = QLabel()
        self.outcome.setTextFormat(Qt.TextFormat.PlainText)
        self.outcome.setWordWrap(True)
        self.outcome.setFont(font)
        self.hint_button = QPushButton("Hint")
        self.hint_button.setToolTip("Shows a hint below the question.")
        self.hint_button.clicked.connect(self._show_hint)
        for text, title in ((self.text, name), (self.hint, "Hint"), (self.reason, "Reason")):
            text.setAccessibleName(title)
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        self._rows.setSpacing(8)

    @property
    def texts(self) -> tuple[LessonText, ...]:
        return self.text, self.hint, self.reason

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        for text in self.texts:
            text.apply_theme(theme)
        self._mark(self.state, self.outcome.text())

    def paintEvent(self, event: QPaintEvent) -> None:
        color, surface = _LOOKS[self.state]
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = self._theme.color("accent" if self.state is None else color)
        edge.setAlphaF(0.7)
        painter.setPen(QPen(edge, 1.0))
        painter.setBrush(self._theme.color(surface))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0), 5.0, 5.0)
        painter.end()

    def _begin(self, text: str, hint: str) -> None:
        self._hint = hint
        self.text.show_markdown(text)
        self.hint.hide()
        self.reason.hide()

    def _show_hint(self) -> None:
        self.hint.show_markdown(f"*Hint:* {self._hint}")
        self.hint.show()
        self.hint_button.hide()
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self.hint, self.hint.toPlainText()))

    def _show_reason(self, markdown: str) -> None:
        self.reason.show_markdown(markdown)
        self.reason.setVisible(bool(markdown))

    def _mark(self, state: bool | None, text: str) -> None:
        self.state = state
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))
        self.outcome.setStyleSheet(f"color: {self._theme.color(_LOOKS[state][0]).name()};")
        self.update()

    def _announce(self) -> None:
        words = " ".join(text for text in (self.outcome.text(), self.reason.toPlainText()) if text)
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))


class _ChoiceText(QLabel):
    """The text of a choice; a click chooses it."""

    def __init__(self, text: str, button: QRadioButton) -> None:
        super().__init__(label_html(text))
        self._button = button
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setWordWrap(True)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._button.isEnabled() and event.button() == Qt.MouseButton.LeftButton:
            self._button.click()


class QuestionBox(_Box):
    """Asks for a choice or a number. The answer is shown once the window has it."""

    answered = Signal(object)
    """The index of a choice or a number; None to see the answer."""

    def __init__(self) -> None:
        super().__init__(_PREDICT)
        self._question = Question("")
        self.buttons: list[QRadioButton] = []
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self._enable)
        self._choices = QVBoxLayout()
        self._choices.setSpacing(4)
        self.number = QLineEdit()
        self.number.setPlaceholderText("a number, such as 0.25")
        self.number.setAccessibleName("Your prediction")
        self.number.setToolTip("Your prediction as a number. Enter answers.")
        self.number.textChanged.connect(self._enable)
        self.number.returnPressed.connect(self._answer)
        self.answer_button = QPushButton("Answer")
        self.answer_button.setToolTip("Compares your answer with the run, and shows the reason.")
        self.answer_button.clicked.connect(self._answer)
        self.show_button = QPushButton("Show answer")
        self.show_button.setToolTip("Shows the answer and its reason, without a prediction (Ctrl+End).")
        self.show_button.clicked.connect(self.show_answer)
        self._buttons = QWidget()
        line = QHBoxLayout(self._buttons)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(8)
        for button in (self.answer_button, self.hint_button, self.show_button):
            line.addWidget(button)
        line.addStretch(1)
        above: tuple[QWidget, ...] = (self.heading, self.text)
        below: tuple[QWidget, ...] = (self.number, self.hint, self._buttons, self.outcome, self.reason)
        for widget in above:
            self._rows.addWidget(widget)
        self._rows.addLayout(self._choices)
        for widget in below:
            self._rows.addWidget(widget)
        self.apply_theme(LIGHT)

    def ask(self, question: Question) -> None:
        """Show a question without an answer."""
        self._question = question
        name = _QUIZ if question.engine else _PREDICT
        self.heading.setText(name)
        self.setAccessibleName(name)
        self._begin(question.text, question.hint)
        self._make_choices(question.choices)
        self.number.clear()
        self.number.setReadOnly(False)
        self.number.setVisible(not question.choices)
        self._buttons.show()
        self.hint_button.setVisible(bool(question.hint))
        self._mark(None, "")
        self._enable()

    def show_answer(self) -> None:
        """Ask the window for the answer."""
        self.answered.emit(None)

    def show_answered(self, answer: float | None) -> None:
        """Show the answer of a question with choices, and the reason. That of a number comes with `show_finding`."""
        question = self._question
        self._buttons.hide()
        self.hint.hide()
        self.number.setReadOnly(True)
        self._show_reason(question.reveal)
        for place, button in enumerate(self.buttons):
            button.setChecked(place == answer)
            button.setEnabled(False)
        if question.expression:
            self.number.setVisible(answer is not None and not self.buttons)
            self.number.setText("" if answer is None else true_minus_in(f"{answer:g}"))
            self._mark(None, "Waiting for the run…")
            return
        self._show_choice(question.choices[question.answer], None if answer is None else answer == question.answer)
        self._announce()

    def _show_choice(self, choice: str, correct: bool | None) -> None:
        quoted = f"\N{LEFT DOUBLE QUOTATION MARK}{plain(choice)}\N{RIGHT DOUBLE QUOTATION MARK}"
        if correct is None:
            self._mark(None, f"The answer is {quoted}")
        elif correct:
            self._mark(True, "Correct.")
        else:
            self._mark(False, f"Not correct. The answer is {quoted}")

    def show_finding(self, finding: StatementResult, answer: float | None) -> None:
        """Show the answer that the run gives, and whether the reader's is that or close enough."""
        before = self.outcome.text()
        if finding.holds is None or not finding.pairs:
            self._mark(None, f"Not checked: {finding.reason}")
        elif self.buttons:
            self._show_choice(self._question.answer_of(finding), None if answer is None else finding.holds)
        else:
            value = true_minus_in(self._question.answer_of(finding))
            within = number_format.error(self._question.tolerance) if self._question.tolerance else "0"
            if answer is None:
                self._mark(None, f"The value is {value}.")
            elif finding.holds:
                self._mark(True, f"Correct. The value is {value}.")
            else:
                self._mark(False, f"Not correct. The value is {value}; the tolerance is {within}.")
        if self.outcome.text() != before:
            self._announce()

    def _enable(self) -> None:
        given = self._group.checkedId() >= 0 if self.buttons else number_of(self.number.text()) is not None
        self.answer_button.setEnabled(given)

    def _answer(self) -> None:
        if self.buttons:
            self.answered.emit(self._group.checkedId())
        elif (number := number_of(self.number.text())) is not None and not self.number.isReadOnly():
            self.answered.emit(number)

    def _make_choices(self, choices: tuple[str, ...]) -> None:
        for button in self.buttons:
            self._group.removeButton(button)
        while self._choices.count():
            row = self._choices.takeAt(0).widget()
            row.hide()
            row.deleteLater()
        self.buttons = []
        for place, choice in enumerate(choices):
            button = QRadioButton()
            button.setAccessibleName(plain(choice))
            button.setProperty(TAKES_ARROWS, True)
            button.setToolTip(wrapped(plain(choice)))
            # The mark is next to the first line of the text.
            button.setMinimumHeight(self.fontMetrics().height())
            self._group.addButton(button, place)
            row = QWidget()
            line = QHBoxLayout(row)
            line.setContentsMargins(0, 0, 0, 0)
            line.setSpacing(4)
            line.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)
            line.addWidget(_ChoiceText(choice, button), 1)
            self._choices.addWidget(row)
            self.buttons.append(button)


class TaskBox(_Box):
    """Something to try, and whether the current run meets it."""

    def __init__(self) -> None:
        super().__init__(_TRY)
        self._task: Task | None = None
        self._before = False
        for row in (self.heading, self.text, self.hint, self.outcome, self.reason, self.hint_button):
            self._rows.addWidget(row)
        self._rows.setAlignment(self.hint_button, Qt.AlignmentFlag.AlignLeft)
        self.apply_theme(LIGHT)

    def show_task(self, task: Task, *, done: bool) -> None:
        """Show a task; `done` says that an earlier run met it."""
        self._task, self._before = task, done
        self._begin(task.text, task.hint)
        self.hint_button.setVisible(bool(task.hint))
        self.show_waiting()

    def show_waiting(self) -> None:
        """Show the task without a result."""
        self._show(None)

    def show_finding(self, finding: StatementResult) -> None:
        """Show whether the run meets the task."""
        met, before = finding.holds is True, self.outcome.text()
        self._before = self._before or met
        self._show(met)
        if met and self.outcome.text() != before:
            self._announce()

    def _show(self, met: bool | None) -> None:
        assert self._task is not None
        done = bool(met) or self._before
        self._show_reason(self._task.done if done else "")
        # A task that an earlier run has met stays done.
        self._mark(True if done else None, "Done" if met or not self._before else "Done in an earlier run")
        if not done:
            self._mark(None, "Not yet")


class PartCovers(QObject):
    """Opaque covers of parts of the window, inside the parts. A covered part takes no keyboard."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._theme = LIGHT
        self._covers: dict[QWidget, QLabel] = {}

    @property
    def covered(self) -> list[QWidget]:
        """The covered widgets."""
        return list(self._covers)

    def cover(self, parts: list[QWidget]) -> None:
        """Cover these parts and no others."""
        if self.covered == parts:
            return
        for part, cover in self._covers.items():
            part.removeEventFilter(self)
            part.setEnabled(True)
            cover.hide()
            cover.deleteLater()
        self._covers = {part: self._made(part) for part in parts}
        self.apply_theme(self._theme)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        colors = f"background: {theme.color('raised').name()}; color: {theme.color('muted').name()}; border: none;"
        for cover in self._covers.values():
            cover.setStyleSheet(colors)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.ChildAdded, QEvent.Type.LayoutRequest):
            for part, cover in self._covers.items():
                if part is watched:
                    cover.setGeometry(part.rect())
                    cover.raise_()
        return False

    def _made(self, part: QWidget) -> QLabel:
        cover = QLabel(_HIDDEN, part)
        cover.setAlignment(Qt.AlignmentFlag.AlignCenter)
        cover.setWordWrap(True)
        cover.setAutoFillBackground(True)
        # Clicks and tooltips end here.
        cover.setMouseTracking(True)
        cover.setAttribute(Qt.WidgetAttribute.WA_NoMousePropagation)
        cover.setGeometry(part.rect())
        cover.show()
        cover.raise_()
        part.setEnabled(False)
        part.installEventFilter(self)
        return cover

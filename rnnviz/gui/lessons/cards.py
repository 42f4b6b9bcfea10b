"""Cards of a step: its question with tries and answer, its task, and what was done."""

from typing import Literal, TypeAlias

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from rnnviz.core import number_format
from rnnviz.core.number_format import true_minus_in
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass
from rnnviz.gui.access import announce
from rnnviz.gui.commands.actions import TAKES_ARROWS
from rnnviz.gui.lessons.lesson_text import LessonText, label_html, plain, set_size, text_label
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import Part, across, down
from rnnviz.gui.views.verdict_bar import link_button
from rnnviz.lessons.content import LETTERS, GuidedLesson, LessonStep, Question, number_of

_SEMIBOLD = QFont.Weight.DemiBold
_ICON = 16
TRIES = 2
"""Answers to a question before its answer is shown."""

Look: TypeAlias = Literal["open", "right", "known", "hint", "plain"]
"""The colors of a card, by the name that the style sheet has for them."""


@dataclass(frozen=True)
class StepState:
    """A step of a lesson as its reader has it.

    `tries` are the answers so far, by the index of a choice or a number; a last None asked for the answer. `value` is
    the correct answer, None until a run has it. `done` is whether a run has met the task.
    """

    lesson: GuidedLesson
    number: int
    tries: tuple[float | None, ...] = ()
    answered: bool = False
    value: float | None = None
    done: bool = False

    @property
    def step(self) -> LessonStep:
        return self.lesson.steps[self.number]

    @property
    def asking(self) -> bool:
        """Whether the step has a question that is not answered."""
        return self.step.question is not None and not self.answered

    @property
    def task_done(self) -> bool:
        return self.done and self.step.task is not None

    @property
    def finished(self) -> bool:
        """Whether neither a question nor a task is left to do."""
        return not self.asking and (self.step.task is None or self.done)

    @property
    def correct(self) -> bool | None:
        """Whether the last answer is correct; None while it is not known, or if the answer was asked for."""
        question = self.step.question
        if question is None or self.value is None or not self.tries or self.tries[-1] is None:
            return None
        return question.is_correct(self.tries[-1], self.value)


class Card(QFrame):
    """A framed part of a step."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._theme = LIGHT

    def lay_out(self, *parts: Part, look: Look = "open") -> None:
        """Put the parts of the card below each other."""
        self._rows = down(*parts, spacing=scaled(8))
        self.setLayout(self._rows)
        self.set_look(look)

    def set_look(self, look: Look) -> None:
        self.look = look
        self.setProperty("card", look)
        self.style().unpolish(self)
        self.style().polish(self)
        beside, above = map(scaled, {"plain": (0, 0), "hint": (10, 8)}.get(look, (14, 12)))
        self._rows.setContentsMargins(beside, above, beside, above)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        for part in self.findChildren(QWidget):
            if isinstance(part, (LessonText, Choice, NoticeCard)):
                part.apply_theme(theme)


def _link(text: str, why: str, size: float) -> QToolButton:
    button = link_button(text, why)
    set_size(button, size)
    return button


class NoticeCard(Card):
    """A card with an icon, a heading and a text: a hint, or what a task has shown."""

    def __init__(self, name: str, look: Look, icon: str, role: str, size: float = 13.0) -> None:
        super().__init__(name)
        self._drawn = icon, role
        self._icon = QLabel()
        self._icon.setFixedWidth(scaled(_ICON))
        self.heading = text_label(size, _SEMIBOLD)
        self.heading.setObjectName(f"{look}_heading")
        self.text = LessonText(name, size)
        texts = down(self.heading, self.text, spacing=scaled(4))
        row = across(self._icon, (texts, 1), spacing=scaled(8))
        row.setAlignment(self._icon, Qt.AlignmentFlag.AlignTop)
        self.lay_out(row, look=look)
        self.hide()

    def show_text(self, heading: str, text: str) -> None:
        """Show a heading and a text in Markdown, or nothing without both."""
        self.heading.setText(heading)
        self.heading.setVisible(bool(heading))
        self.text.show_markdown(text)
        self.setVisible(bool(heading or text))

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        icon, role = self._drawn
        self._icon.setPixmap(Icons(theme).colored(icon, role).pixmap(scaled(_ICON), scaled(_ICON)))


class Choice(QAbstractButton):
    """A choice of a question with its letter; `mark` says what it is once the question is answered."""

    def __init__(self, letter: str, text: str, size: float) -> None:
        super().__init__()
        self._letter = letter
        self._theme = LIGHT
        self.mark: Literal["", "right", "wrong"] = ""
        self.setCheckable(True)
        self.setProperty(TAKES_ARROWS, True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        # A button is at least as wide as its whole text; this one breaks it into lines.
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setAccessibleName(f"{letter}: {plain(text)}")
        self.setToolTip(wrapped(f"{plain(text)} ({letter})"))
        self._text = QLabel(label_html(text))
        self._text.setWordWrap(True)
        self._text.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._row = QHBoxLayout(self)
        self._row.addWidget(self._text)
        self.set_text_size(size)

    def set_text_size(self, pixels: float) -> None:
        """Set the size of the text in pixels at a text size of 100%."""
        for part in (self, self._text):
            set_size(part, pixels)
        gap = self._circle // 3
        self._row.setContentsMargins(self._circle + 2 * gap, gap, gap, gap)

    @property
    def _circle(self) -> int:
        return round(self.fontMetrics().height() * 1.25)

    def sizeHint(self) -> QSize:
        return self._text.sizeHint() + QSize(2 * self._circle, self._circle)

    def set_open(self, is_open: bool) -> None:
        """Take clicks and keys, or not. The text stays as readable as before."""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents, not is_open)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if is_open else Qt.FocusPolicy.NoFocus)

    @property
    def is_open(self) -> bool:
        """Whether it can be chosen."""
        return self.focusPolicy() != Qt.FocusPolicy.NoFocus

    def show_mark(self, mark: Literal["", "right", "wrong"]) -> None:
        self.mark = mark
        self.setAccessibleDescription({"": "", "right": "the answer", "wrong": "your answer, not correct"}[mark])
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, checked = self._theme, self.isChecked() or bool(self.mark)
        role = self.mark or "accent"
        surface = f"{self.mark or 'accent'}_surface" if checked else "base"
        if self.is_open and not checked:
            surface = "pressed" if self.isDown() else "raised" if self.underMouse() else surface
        edge, width = (role, 1.0) if checked else ("border", 1.0)
        if self.hasFocus():
            edge, width = "accent", 2.0
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color(edge), width))
        painter.setBrush(theme.color(surface))
        inset = width / 2.0
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset), 6.0, 6.0)
        size = self._circle
        circle = QRectF(size / 3.0, (self.height() - size) / 2.0, size, size)
        painter.setPen(QPen(theme.color(role if checked else "border"), 1.0))
        painter.setBrush(theme.color(role if checked else "base"))
        painter.drawEllipse(circle)
        painter.setPen(theme.color("text" if not checked else "on_accent" if role == "accent" else "base"))
        font = QFont(self.font())
        font.setWeight(_SEMIBOLD)
        font.setPointSizeF(font.pointSizeF() * 0.85)
        painter.setFont(font)
        text = {"": self._letter, "right": "\N{CHECK MARK}", "wrong": "\N{MULTIPLICATION X}"}[self.mark]
        painter.drawText(circle, Qt.AlignmentFlag.AlignCenter, text)
        painter.end()


class QuestionCard(Card):
    """Asks for a choice or a number, in two tries with a hint between them, and then shows the answer."""

    answered = Signal(object)
    """The index of a choice or a number; None to see the answer."""

    def __init__(self, *, text: float = 15.0, body: float = 13.0, choice: float = 14.0) -> None:
        super().__init__("Question")
        self._choice_size = choice
        self._question, self._used = Question(""), 0
        self.choices: list[Choice] = []
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self._enable)
        self.kind = text_label(body, _SEMIBOLD)
        self.kind.setObjectName("question_kind")
        self.tries = text_label(body, muted=True)
        self.tries.setWordWrap(False)
        self.text = LessonText("Question", text, _SEMIBOLD)
        self.hint = NoticeCard("Hint", "hint", "bulb", "doubtful", body)
        self.number = QLineEdit()
        set_size(self.number, choice)
        self.number.setMinimumHeight(round(self.number.fontMetrics().height() * 1.7))
        self.number.setPlaceholderText("a number, such as 0.25")
        self.number.setAccessibleName("Your prediction")
        self.number.setToolTip("Your prediction as a number. Enter answers.")
        self.number.textChanged.connect(self._enable)
        self.answer_button = QPushButton("Answer")
        self.answer_button.setDefault(True)
        set_size(self.answer_button, choice, _SEMIBOLD)
        self.answer_button.setMinimumHeight(self.number.minimumHeight())
        self.answer_button.setToolTip("Compares your answer with the run (Enter).")
        self.answer_button.clicked.connect(self.answer)
        self.tolerance = text_label(body, muted=True)
        self.show_button = _link("Show answer", "Shows the answer and its reason (Ctrl+End).", body)
        self.show_button.clicked.connect(lambda: self.answered.emit(None))
        self.outcome = text_label(body, _SEMIBOLD)
        self.reason = LessonText("Reason", body)
        self._choices = down(spacing=scaled(6))
        head = across((self.kind, 1), self.tries, spacing=scaled(8))
        entry = across((self.number, 1), self.answer_button, None, spacing=scaled(8))
        foot = across((self.tolerance, 1), None, self.show_button, spacing=scaled(8))
        self.lay_out(head, self.text, self.hint, self._choices, entry, foot, self.outcome, self.reason)

    def show_state(self, state: StepState) -> None:
        """Show the question of a step with what its reader has answered; nothing without a question."""
        question = state.step.question
        self.setVisible(question is not None)
        if question is None:
            return
        if question is not self._question:
            self._ask(question)
        asking, wrong = state.asking, [answer for answer in state.tries if answer is not None]
        self._used = len(wrong)
        self._write_tries()
        for widget in (self.tries, self.answer_button, self.show_button):
            widget.setVisible(asking)
        self.number.setVisible(asking and not question.choices)
        self.tolerance.setVisible(asking and not question.choices)
        self._show_hint(question, wrong if asking else [])
        self._show_choices(state)
        text = "" if asking else _outcome(question, state)
        new = text != self.outcome.text()
        self.outcome.setText(text)
        self.outcome.setVisible(bool(text))
        self.reason.show_markdown("" if asking else question.reveal)
        self.set_look("open" if asking else "right" if state.correct else "known")
        self._enable()
        if text and new:
            announce(self, f"{text} {self.reason.toPlainText()}")

    def show_waiting(self) -> None:
        """Say that an answer is compared once the run is finished."""
        self.tolerance.setText("Waiting for the run…")
        self.tolerance.show()

    def answer(self) -> None:
        """Give the chosen answer, if there is one."""
        given = self._given()
        if given is not None and self.answer_button.isVisibleTo(self):
            self.answered.emit(given)

    def take_key(self, event: QKeyEvent) -> bool:
        """Take a key that chooses or answers: a letter or a digit of a choice, or Enter; whether it is one."""
        if self.isHidden() or self.answer_button.isHidden() or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            return False
        key, entered = event.key(), event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        places = [key - first for first in (Qt.Key.Key_A, Qt.Key.Key_1)]
        known = (place for place in places if 0 <= place < len(self.choices))
        place = next((place for place in known if self.choices[place].is_open), None)
        if place is None and not (entered and self._given() is not None):
            return False
        event.accept()
        if event.type() == QEvent.Type.KeyPress and place is not None:
            self.choices[place].setFocus()
            self.choices[place].click()
        elif event.type() == QEvent.Type.KeyPress:
            self.answer()
        return True

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._write_tries()

    def _write_tries(self) -> None:
        """Write which try it is, with a filled dot for each one that is used."""
        counts = ("\N{BLACK CIRCLE}", "doubtful", self._used), ("\N{WHITE CIRCLE}", "accent", TRIES - self._used)
        dots = (
            f'<span style="color: {getattr(self._theme, role)};">{dot * count}</span>' for dot, role, count in counts
        )
        words = f"try {self._used + 1} of {TRIES}" if self._used else f"{TRIES} tries"
        self.tries.setText(f"{words}&nbsp; {''.join(dots)}")

    def _show_hint(self, question: Question, wrong: list[float]) -> None:
        if not wrong:
            self.hint.show_text("", "")
            return
        answer = f"{wrong[-1]:g}"
        neutral = f"{LETTERS[int(wrong[-1])]} is not the answer." if question.choices else f"It is not {answer}."
        said = question.remark(wrong[-1]) or neutral
        new = self.hint.isHidden()
        self.hint.show_text("", f"**{said}** {question.hint}".strip())
        if new:
            # What is typed next replaces it.
            self.number.selectAll()
            announce(self, f"Not correct. {self.hint.text.toPlainText()}")

    def _show_choices(self, state: StepState) -> None:
        for place, choice in enumerate(self.choices):
            correct = state.answered and place == state.value
            wrong = place in state.tries and not correct
            choice.show_mark("right" if correct else "wrong" if wrong else "")
            choice.set_open(state.asking and not wrong)
            if wrong and choice.isChecked():
                self._group.setExclusive(False)
                choice.setChecked(False)
                self._group.setExclusive(True)

    def _given(self) -> float | None:
        if self._question.choices:
            return float(self._group.checkedId()) if self._group.checkedId() >= 0 else None
        return number_of(self.number.text())

    def _enable(self) -> None:
        self.answer_button.setEnabled(self._given() is not None)

    def _ask(self, question: Question) -> None:
        self._question = question
        name = "Find the bug" if question.engine else "Predict"
        self.kind.setText(name)
        self.setAccessibleName(name)
        self.text.show_markdown(question.text)
        self.number.clear()
        within = number_format.error(question.tolerance) if question.tolerance else ""
        self.tolerance.setText(f"{within} off still counts." if within else "")
        for choice in self.choices:
            self._group.removeButton(choice)
            self._choices.removeWidget(choice)
            choice.hide()
            choice.deleteLater()
        self.choices = [
            Choice(letter, text, self._choice_size) for letter, text in zip(LETTERS, question.choices, strict=False)
        ]
        for place, choice in enumerate(self.choices):
            choice.apply_theme(self._theme)
            self._group.addButton(choice, place)
            self._choices.addWidget(choice)
            # A layout would show it later, and has no height for it until then.
            choice.show()


def _outcome(question: Question, state: StepState) -> str:
    """The answer in a sentence, with the incorrect answers next to it."""
    if state.value is None:
        return "Waiting for the run…"
    given = [answer for answer in state.tries if answer is not None]
    if question.choices:
        words = [LETTERS[int(answer)] for answer in given]
        right = LETTERS[int(state.value)]
        text = f"{right} is correct." if state.correct else f"The answer is {right}."
    else:
        words = [f"{answer:g}" for answer in given]
        shown = number_format.short(state.value) if state.value % 1.0 else f"{state.value:g}"
        if 0.0 < abs(state.value) < 0.01:
            shown = number_format.error(state.value)
        text = f"Correct: the value is {shown}." if state.correct else f"The value is {shown}."
    if state.correct and len(words) > 1:
        text += f" Your first answer was {words[0]}."
    elif words and not state.correct:
        text += f" You answered {join_words(words, 'and')}."
    return true_minus_in(text)


class TaskCard(Card):
    """Something to try: a card until it is done, then a text."""

    def __init__(self, *, body: float = 14.0) -> None:
        super().__init__("Task")
        self.kind = text_label(13.0, muted=True)
        self.kind.setText("Task")
        self.text = LessonText("Task", body)
        self.hint = NoticeCard("Hint", "hint", "bulb", "doubtful")
        self.hint_button = _link("Hint", "Shows a hint below the task.", 13.0)
        self.hint_button.clicked.connect(self._show_hint)
        self._hint = ""
        self.lay_out(self.kind, self.text, self.hint, across(self.hint_button, None))

    def show_state(self, state: StepState) -> None:
        """Show the task of a step once its question is answered."""
        task = state.step.task
        self.setVisible(task is not None and not state.asking)
        if task is None:
            return
        if task.text != self.text.accessibleDescription():
            self.text.setAccessibleDescription(task.text)
            self.text.show_markdown(task.text)
            self.hint.show_text("", "")
            self._hint = task.hint
        self.hint_button.setVisible(bool(task.hint) and not state.done and self.hint.isHidden())
        self.hint.setVisible(not self.hint.isHidden() and not state.done)
        self.set_look("plain" if state.done else "open")

    def _show_hint(self) -> None:
        self.hint.show_text("", self._hint)
        self.hint_button.hide()
        announce(self, plain(self._hint))

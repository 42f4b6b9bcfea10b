"""Generate panel: the text of a character model, and the probabilities of its next character."""

from functools import partial
from time import monotonic

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QPalette, QTextCharFormat, QTextCursor
from PySide6.QtWidgets import QDoubleSpinBox, QLineEdit, QPlainTextEdit, QPushButton, QSpinBox, QWidget

from rnnviz.core.errors import InputError
from rnnviz.core.sequence import visible
from rnnviz.gui.generate.bars import ProbabilityBars, bars_of
from rnnviz.gui.kit.panel import Panel, action_button, caption, line
from rnnviz.gui.settings_panel.widgets import FieldMessage
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.markdown import mark_text
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across, down
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.training.character_model import CharacterModel, Generator, entropy, shipped_model

_FRAME_MS, _SLICE = 16, 0.006
"""Interval between the slices in which text is generated, and their seconds."""
_LONGEST_PREFIX = 2000
_LONGEST_TEXT = 5000
_FIRST_PREFIX = "The "
_LONGEST_END = 16
"""Characters at the end of a prefix that a heading shows."""


class GeneratePanel(Panel):
    """Generates text in slices of a few milliseconds, one after the other."""

    help_page = "generate"
    text_changed = Signal()
    """The text grew, or another one began."""
    place_chosen = Signal(int)
    """The number of characters before the text cursor, which the user moved."""
    model_wanted = Signal()
    sample_wanted = Signal()
    """The user asks for the model that the program ships with."""
    lanes_wanted = Signal(bool)
    """Whether the main window is to show the text."""

    def __init__(self, model: CharacterModel) -> None:
        super().__init__()
        self.setAccessibleName("Generate")
        self.generator = Generator(model)
        self.before: Generator | None = None
        """The text of the prefix before."""
        self.count: int | None = None
        """The number of characters after which the prediction is shown; None: all of them."""
        self._unread = ""
        self._missing = 0
        self._theme, self._icons = LIGHT, Icons(LIGHT)
        self._make_controls()
        self._make_actions()
        self.text = GeneratedTextView(
            "Text", "The prefix is bold and underlined. A click selects the character before the text cursor."
        )
        self.text.chosen.connect(self._choose)
        self.earlier = GeneratedTextView("Text of the previous prefix", "Text of the previous prefix, for comparison.")
        self.bars = ProbabilityBars()
        self.heading = ElidedLabel(bold=True)
        self.entropy = ElidedLabel()
        self.entropy.explain(
            "How uncertain the prediction is: 0 bits for one possible character, more for several probable ones."
        )
        self._lay_out()
        self._frames = QTimer(self, interval=_FRAME_MS)
        self._frames.timeout.connect(self._on_frame)
        self.show_model(model)
        self.setFocusProxy(self.prefix)

    def show_model(self, model: CharacterModel) -> None:
        """Begin with another model, and with the prefix as far as the model knows its characters."""
        self.model_name.setText(model.path.name)
        self.model_name.explain(str(model.path))
        self.sample_button.setVisible(model.path != shipped_model())
        prefix = self.prefix.text() if self.generator.text else _FIRST_PREFIX
        self.prefix.setText("".join(character for character in prefix if character in model.characters))
        self.before = None
        self._begin(model, self.prefix.text())

    @property
    def busy(self) -> bool:
        """Whether characters are still to be read or drawn."""
        return bool(self._unread) or self._missing > 0

    @property
    def text_so_far(self) -> str:
        """The text with the rest of the prefix, which the model is still to read."""
        return self.generator.text + self._unread

    def generate(self, length: int) -> None:
        """Add some characters, in slices."""
        room = _LONGEST_TEXT - len(self.generator.text) - len(self._unread)
        self._missing = min(length, room)
        if self._missing <= 0:
            self.show_error(f"The text has {_LONGEST_TEXT:,} characters, the limit: clear it to continue.")
            return
        self.count = None
        self._go_on()

    def stop(self) -> None:
        self._missing = 0
        self._refresh()

    def clear(self) -> None:
        """Begin again after the prefix."""
        self.before = None
        self._begin(self.generator.model, self.generator.prefix + self._unread)

    def show_place(self, count: int | None) -> None:
        """Show the prediction after the first `count` characters; None: after all of them."""
        self.count = count
        self._refresh()

    def show_in_lanes(self, shown: bool) -> None:
        """Show whether the main window shows the text."""
        self.lanes_action.setChecked(shown)

    def show_error(self, sentence: str) -> None:
        """Show an error below the fields; "" hides it."""
        self.error.setVisible(bool(sentence))
        self.error.show_sentence(sentence, self._theme.color("wrong"))

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._theme, self._icons = theme, Icons(theme)
        for part in (self.text, self.earlier, self.bars):
            part.apply_theme(theme)
        self._refresh()

    def leave(self) -> None:
        self.stop()

    def _begin(self, model: CharacterModel, prefix: str) -> None:
        self.generator = Generator(model, seed=self.seed.value(), temperature=self.temperature.value())
        self._unread, self._missing, self.count = prefix, 0, None
        self.show_error("")
        self._go_on()

    def _go_on(self) -> None:
        self._frames.start()
        # The first slice at once, so that a step answers its key.
        self._on_frame()

    def _on_frame(self) -> None:
        end = monotonic() + _SLICE
        while self.busy and monotonic() < end:
            if self._unread:
                self.generator.read(self._unread[0])
                self._unread = self._unread[1:]
            else:
                self.generator.step()
                self._missing -= 1
        self._refresh()
        self.text_changed.emit()

    def _on_prefix(self) -> None:
        prefix = self.prefix.text()
        before = self.generator
        if self._unread or prefix == before.prefix:
            return
        try:
            before.model.check(prefix)
        except InputError as error:
            self.show_error(str(error))
            return
        drawn = len(before.text) - len(before.prefix)
        self._begin(before.model, prefix)
        self.before = before
        self._missing = drawn
        self.count = len(prefix)
        self._go_on()

    def _on_setting(self) -> None:
        self.generator.temperature, self.generator.seed = self.temperature.value(), self.seed.value()
        self._refresh()

    def _choose(self, count: int) -> None:
        self.show_place(count)
        self.place_chosen.emit(count)

    def _refresh(self) -> None:
        generator, busy = self.generator, self.busy
        if not busy:
            self._frames.stop()
        self.button.setText("&Stop" if busy else "&Generate")
        self.button.setDefault(not busy)
        self.button.setIcon(self._icons.colored(*(("stop", "text") if busy else ("run", "on_accent"))))
        self.button.setToolTip((self.stop_action if busy else self.run_action).toolTip())
        self.stop_action.setEnabled(busy)
        self.step_action.setEnabled(not busy)
        self.run_action.setEnabled(not busy)
        self.clear_action.setEnabled(generator.text != generator.prefix)
        text, prefix = generator.text, len(generator.prefix)
        self.text.show_text(text, prefix)
        self.text.select(self.count)
        before = self.before
        self._earlier.setVisible(before is not None)
        if before is not None:
            self.earlier.show_text(before.text, len(before.prefix))
        count = len(text) if self.count is None else min(self.count, len(text))
        probabilities = generator.probabilities(count)
        compared = None
        if before is not None and count == prefix and not self._unread:
            before.temperature = generator.temperature
            compared = before.probabilities(len(before.prefix))
        following = text[count] if count < len(text) else generator.draw()
        drawn = count >= prefix and not self._unread
        self.bars.show_bars(bars_of(generator.model.characters, probabilities, following, drawn=drawn, before=compared))
        self.heading.setText(f"Next character after “{_end_of(text[:count])}”" if count else "First character")
        most = entropy(probabilities * 0 + 1 / len(probabilities))
        earlier = "" if compared is None else f", before {entropy(compared):.2f}"
        self.entropy.setText(f"Entropy {entropy(probabilities):.2f} bits of at most {most:.2f}{earlier}")

    def _make_controls(self) -> None:
        self.model_name = ElidedLabel(bold=True)
        self.open_button = _button(
            "&Open model…", "Open a .safetensors file of a character model, as a training writes it."
        )
        self.open_button.clicked.connect(self.model_wanted)
        self.sample_button = _button(
            "Use sa&mple model", "Return to the model that rnnviz contains, which was trained on its guide."
        )
        self.sample_button.clicked.connect(self.sample_wanted)
        self.prefix = QLineEdit()
        self.prefix.setMaxLength(_LONGEST_PREFIX)
        self.prefix.editingFinished.connect(self._on_prefix)
        self.temperature = QDoubleSpinBox(minimum=0.0, maximum=10.0, singleStep=0.1, decimals=2, value=0.5)
        self.seed = QSpinBox(minimum=0, maximum=2**31 - 1)
        self.length = QSpinBox(minimum=1, maximum=_LONGEST_TEXT, value=200)
        for field, name, why in (
            (
                self.prefix,
                "Prefix",
                "The text to continue. Enter applies it, and compares its text with the previous one.",
            ),
            (
                self.temperature,
                "Temperature",
                "The divisor of the logits. Higher values draw rarer characters; 0 takes the most probable one.",
            ),
            (self.seed, "Seed", "Seed of the drawn characters. The same seed draws the same text again."),
            (self.length, "Length", "Number of characters that Generate adds."),
        ):
            field.setAccessibleName(name)
            field.setToolTip(wrapped(why))
        self.temperature.valueChanged.connect(self._on_setting)
        self.seed.valueChanged.connect(self._on_setting)
        self.error = FieldMessage()
        self.error.hide()

    def _make_actions(self) -> None:
        make = self.make_action
        self.run_action = make(
            "&Generate",
            "run",
            "F5",
            "Adds as many characters as the length.",
            lambda: self.generate(self.length.value()),
        )
        self.stop_action = make("&Stop", "stop", "Esc", "Stops generating. The text is kept.", self.stop)
        self.step_action = make("S&tep", "next", "F10", "Adds the next character.", lambda: self.generate(1))
        self.clear_action = make("&Clear", "undo", "Ctrl+Backspace", "Removes the generated text.", self.clear)
        self.lanes_action = make(
            "Show in &lanes",
            "screen",
            "Ctrl+L",
            "Runs the text in the lanes, a time step for each character.",
            lambda: self.lanes_wanted.emit(self.lanes_action.isChecked()),
        )
        self.lanes_action.setCheckable(True)
        self.button = QPushButton()
        self.button.clicked.connect(lambda: (self.stop_action if self.busy else self.run_action).trigger())

    def _lay_out(self) -> None:
        self.setAutoFillBackground(True)
        self.setBackgroundRole(QPalette.ColorRole.Base)
        earlier = across(down(caption("Text of the previous prefix"), self.earlier, spacing=4))
        self._earlier = QWidget()
        self._earlier.setLayout(earlier)
        card = partial(down, margins=(12, 10, 12, 10))
        model = card(across((self.model_name, 1), self.sample_button, self.open_button))
        fields = (
            across(caption(box.accessibleName(), box), (box, 1)) for box in (self.temperature, self.seed, self.length)
        )
        settings = card(
            across(caption("Prefix", self.prefix), (self.prefix, 1)),
            across(*fields),
            self.error,
            across(
                self.button,
                *map(action_button, (self.step_action, self.clear_action)),
                None,
                action_button(self.lanes_action),
            ),
        )
        texts = card((self._earlier, 1), caption("Text, with the prefix underlined"), (self.text, 1), spacing=4)
        predictions = card(self.heading, self.bars, self.entropy, spacing=4)
        self.setLayout(down(model, line(), settings, line(), (texts, 1), line(), predictions, spacing=0))


def _button(text: str, why: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(wrapped(why))
    return button


def _end_of(text: str) -> str:
    """The last characters of a text on one line; the last one is visible, and so are control characters."""
    shown = visible(text[-_LONGEST_END:-1]) + visible(text[-1:])
    return shown if len(text) <= _LONGEST_END else f"…{shown}"


class GeneratedTextView(QPlainTextEdit):
    """Read-only. Appending to the text costs as much as the new characters."""

    chosen = Signal(int)
    """The number of characters before the text cursor, which the user moved."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__()
        self._text, self._prefix = "", 0
        self._count: int | None = None
        self._theme = LIGHT
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setAccessibleName(name)
        self.setToolTip(wrapped(why))
        self.setUndoRedoEnabled(False)
        self.cursorPositionChanged.connect(self._on_cursor)

    def show_text(self, text: str, prefix: int) -> None:
        """Show a text whose first `prefix` characters are the prefix."""
        if (text, prefix) == (self._text, self._prefix):
            return
        with QSignalBlocker(self):
            if prefix != self._prefix or not text.startswith(self._text):
                self.clear()
                self._text = ""
            cursor = QTextCursor(self.document())
            cursor.movePosition(QTextCursor.MoveOperation.End)
            start = len(self._text)
            for part, underlined in ((text[start:prefix], True), (text[max(start, prefix) :], False)):
                cursor.insertText(part, _format(underlined=underlined))
        self._text, self._prefix = text, prefix
        self.select(self._count)

    def select(self, count: int | None) -> None:
        """Mark the last of the first `count` characters; None marks none and shows the end."""
        self._count = count
        with QSignalBlocker(self):
            cursor = QTextCursor(self.document())
            cursor.setPosition(min(len(self._text) if count is None else count, len(self._text)))
            self.setTextCursor(cursor)
            if count is None:
                self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())
        self._mark()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._mark()

    def _mark(self) -> None:
        spans = []
        if self._count and self._count <= len(self._text):
            last = QTextCursor(self.document())
            last.setPosition(self._count - 1)
            last.setPosition(self._count, QTextCursor.MoveMode.KeepAnchor)
            spans.append(last)
        mark_text(self, spans, self._theme.color("accent"), self._theme.color("on_accent"))

    def _on_cursor(self) -> None:
        self.chosen.emit(self.textCursor().position())


def _format(*, underlined: bool) -> QTextCharFormat:
    text_format = QTextCharFormat()
    text_format.setFontUnderline(underlined)
    text_format.setFontWeight(QFont.Weight.Bold if underlined else QFont.Weight.Normal)
    return text_format

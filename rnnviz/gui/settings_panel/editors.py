"""Editors of config fields: a control with conversion between its content and the value."""

import re
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLineEdit,
    QWidget,
)

from rnnviz.core.schema import LARGEST_SIZE, FieldSpec
from rnnviz.core.sequence import LENGTHS_SOURCES
from rnnviz.gui.commands.dialogs import ALL_FILES, ask_file
from rnnviz.gui.naming import named
from rnnviz.gui.settings_panel.fields import FILE_FILTERS, UNSET_CHOICES, choice_title, label, unset_words
from rnnviz.gui.settings_panel.widgets import FreeSpinBox, LongLineEdit, NoWheelComboBox, PathLineEdit
from rnnviz.gui.theme.icons import IconButton
from rnnviz.io.config_toml import is_unpacked


class Editor(QObject):
    """Base class of the editors.

    A shown value is returned unchanged until the user edits it, even if the control cannot represent it exactly.
    `widget` is the widget in the form; `controls` are its focusable widgets, in tab order.
    """

    edited = Signal()

    tall = False
    """Whether the control has several lines, with the label next to the first."""

    def __init__(self, widget: QWidget, *controls: QWidget) -> None:
        super().__init__(widget)
        self.widget = widget
        self.controls: tuple[QWidget, ...] = controls or (widget,)
        self._shown: Any = None
        self._edited_by_user = False

    def value(self) -> Any:
        """The value for the config, not validated; None for an empty field."""
        return self._read() if self._edited_by_user else self._shown

    def show_value(self, value: Any) -> None:
        """Show a value without emitting `edited`."""
        self._shown, self._edited_by_user = value, False
        self._write(value)

    def show_fixed(self, text: str | None) -> None:
        """Show `text` in a disabled control while another field determines the value; None enables it again."""
        self.widget.setEnabled(text is None)

    @property
    def warning(self) -> str:
        """Warning about a valid value, such as an engine that is not installed; else empty."""
        return ""

    def mark_edited(self) -> None:
        self._edited_by_user = True
        self.edited.emit()

    def _read(self) -> Any:
        raise NotImplementedError

    def _write(self, value: Any) -> None:
        raise NotImplementedError


class ChoiceEditor(Editor):
    """Combo box for a choice."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        self.combo = NoWheelComboBox(parent)
        super().__init__(self.combo)
        self._unset = 0 if key in UNSET_CHOICES else -1
        if key in UNSET_CHOICES:
            self.combo.addItem(unset_words(key), None)
        for choice in config_field.choices:
            self.combo.addItem(named(choice_title(key, choice)), choice)
        self.combo.setPlaceholderText(unset_words(key))
        self.combo.activated.connect(self._on_activated)

    def refresh_names(self, key: str) -> None:
        for place in range(self.combo.count()):
            self.combo.setItemText(place, named(choice_title(key, self.combo.itemData(place))))

    def _on_activated(self, _index: int) -> None:
        self.mark_edited()

    def _read(self) -> Any:
        return self.combo.currentData()

    def _write(self, value: Any) -> None:
        self.combo.setCurrentIndex(self.combo.findData(value) if value is not None else self._unset)


class FileChoiceEditor(ChoiceEditor):
    """Combo box for a choice or a file. Its last entry opens a file dialog."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        super().__init__(key, config_field, parent)
        self._filters = f"{FILE_FILTERS[key]};;{ALL_FILES}"
        self.combo.addItem("Choose file…")

    def choose(self, path: Path) -> None:
        self._select(str(path))
        self.mark_edited()

    def _on_activated(self, index: int) -> None:
        if index < self.combo.count() - 1:
            self.mark_edited()
            return
        value = self.value()
        self._select(value)
        ask_file(self.widget, "Choose file", self._filters, lambda path: self.choose(path.absolute()))

    def value(self) -> Any:
        # Nothing is selected while the file dialog is open.
        return self._chosen

    def mark_edited(self) -> None:
        self._chosen = self.combo.currentData()
        super().mark_edited()

    def _write(self, value: Any) -> None:
        self._chosen = value
        self._select(value)

    def _select(self, value: Any) -> None:
        if isinstance(value, str) and self.combo.findData(value) < 0:
            self.combo.insertItem(self.combo.count() - 1, Path(value).name, value)
            self.combo.setItemData(self.combo.count() - 2, value, Qt.ItemDataRole.ToolTipRole)
        self.combo.setCurrentIndex(self.combo.findData(value))


class SwitchEditor(Editor):
    """Check box with its label."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        self.box = QCheckBox(label(key), parent)
        super().__init__(self.box)
        self.box.clicked.connect(self.mark_edited)

    def _read(self) -> Any:
        return self.box.isChecked()

    def _write(self, value: Any) -> None:
        self.box.setChecked(bool(value))


class LineEditor(Editor):
    """A typed value; may be empty if optional. `_parse` converts the text as TOML would."""

    def __init__(
        self,
        key: str,
        config_field: FieldSpec,
        parent: QWidget,
        line: QLineEdit | None = None,
        widget: QWidget | None = None,
        *controls: QWidget,
    ) -> None:
        """Without a `line`, one is created. `controls` come behind it."""
        self.line = LongLineEdit(parent) if line is None else line
        super().__init__(widget or self.line, self.line, *controls)
        self._optional = config_field.optional
        self._own_text: str | None = None
        self.line.setPlaceholderText(unset_words(key))
        self.line.textEdited.connect(self.mark_edited)

    def show_fixed(self, text: str | None) -> None:
        super().show_fixed(text)
        if text is not None:
            if self._own_text is None:
                self._own_text = self.line.text()
            self._set_text(text)
            # A text that is longer than the field begins in sight.
            self.line.setCursorPosition(0)
        elif self._own_text is not None:
            self._set_text(self._own_text)
            self._own_text = None

    def _read(self) -> Any:
        text = self.line.text() if self._own_text is None else self._own_text
        return self._parse(text)

    def _write(self, value: Any) -> None:
        text = "" if value is None else str(value)
        if self._own_text is None:
            self._set_text(text)
        else:
            self._own_text = text

    def _set_text(self, text: str) -> None:
        # Setting the same text would lose the text cursor and the undo history.
        if text != self.line.text():
            self.line.setText(text)

    def _parse(self, text: str) -> Any:
        raise NotImplementedError


class NumberEditor(LineEditor):
    def _parse(self, text: str) -> Any:
        return None if self._optional and not text.strip() else number_or_text(text)


class IntegerEditor(NumberEditor):
    """Spin box."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        box = FreeSpinBox(int(config_field.minimum or 0), int(config_field.maximum or LARGEST_SIZE), parent)
        super().__init__(key, config_field, parent, box.lineEdit(), box, box)
        box.stepped.connect(self.mark_edited)


class TextEditor(LineEditor):
    from_start = True
    """Whether the start of a long text is in sight, and not its end."""

    def _write(self, value: Any) -> None:
        super()._write(value)
        if self.from_start and not self.line.hasFocus():
            self.line.setCursorPosition(0)

    def _parse(self, text: str) -> Any:
        return None if self._optional and not text else text


def number_or_text(text: str) -> int | float | str:
    """Parse an integer or a float; return other text unchanged, for the validation to reject."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def absolute_path(text: str) -> str:
    """A typed path as an absolute one; empty for an empty text."""
    try:
        return str(Path(text).expanduser().absolute()) if text else ""
    except RuntimeError:  # "~name" of an unknown user: the run reports the missing file
        return text


class ListEditor(TextEditor):
    """Line edit for a list, such as "1, 0, 4, 0, 2"."""

    joint = ", "
    separator = ","
    """Regular expression of what is between two items."""
    item: Callable[[str], Any] = staticmethod(number_or_text)

    def _write(self, value: Any) -> None:
        super()._write(value if value is None or isinstance(value, str) else self.joint.join(map(str, value)))

    def _parse(self, text: str) -> Any:
        return [self.item(part.strip()) for part in re.split(self.separator, text)] if text.strip() else None


class ActivationsEditor(ListEditor):
    """Line edit for a list of activations: "hard_sigmoid(0.2, 0.5), tanh"."""

    # A comma within brackets separates two constants.
    separator = r",(?![^(]*\))"
    item: Callable[[str], Any] = str


class TextsEditor(ListEditor):
    """Line edit for a list: "first text | second text"."""

    joint, separator = " | ", r"\|"
    item: Callable[[str], Any] = str


class PathsEditor(TextsEditor):
    """Line edit for paths: "first.wav | second.wav". Paths become absolute. The last name is in sight."""

    from_start = False
    item = staticmethod(absolute_path)


class CountsEditor(ListEditor):
    """Line edit for a list of integers, such as "3, 7, 2", or the name of another source of them."""

    def _parse(self, text: str) -> Any:
        if text.strip() in LENGTHS_SOURCES:
            return text.strip()
        numbers = super()._parse(text)
        return numbers if numbers is None or all(isinstance(number, int) for number in numbers) else text


def _fill_row(widget: QWidget, line: QWidget, button: QWidget) -> None:
    """Lay out a line edit and its button."""
    row = QHBoxLayout(widget)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    row.addWidget(line, 1)
    row.addWidget(button)


class ValueEditor(ListEditor):
    """Line edit for the place of a hidden value, and a button that takes the selected one."""

    taken = Signal()
    """The selected value is to become the value."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        widget = QWidget(parent)
        line = LongLineEdit(widget)
        self.take = IconButton("target", "Use selected value", "Makes the selected hidden value the loss.", widget)
        _fill_row(widget, line, self.take)
        super().__init__(key, config_field, parent, line, widget, self.take)
        widget.setFocusProxy(line)
        self.take.clicked.connect(self.taken)


class PathEditor(LineEditor):
    """Line edit for a path: typed, dropped, or selected in a dialog. Paths become absolute.

    Of a copy that was unpacked from a session the name is shown.
    """

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        widget = QWidget(parent)
        line = PathLineEdit(widget)
        self.browse = IconButton("open", "Choose file", "Browse for the file.", widget)
        _fill_row(widget, line, self.browse)
        super().__init__(key, config_field, parent, line, widget, self.browse)
        widget.setFocusProxy(line)
        self._filters = f"{FILE_FILTERS[key]};;{ALL_FILES}" if key in FILE_FILTERS else ALL_FILES
        line.dropped.connect(self.choose)
        self.browse.clicked.connect(self._browse)

    def choose(self, path: str) -> None:
        """Set a path as an edit. The end of it stays visible."""
        self.line.setText(path)
        self.mark_edited()

    def _browse(self) -> None:
        current = self.value()
        folder = Path(current).parent if isinstance(current, str) and not is_unpacked(current) else None
        ask_file(self.widget, "Choose file", self._filters, lambda path: self.choose(str(path)), folder)

    def _write(self, value: Any) -> None:
        copied = isinstance(value, str) and is_unpacked(value)
        super()._write(PurePath(value).name if copied else value)
        if copied:
            self.line.setCursorPosition(0)

    def _parse(self, text: str) -> Any:
        shown = self._shown
        if isinstance(shown, str) and is_unpacked(shown) and text == PurePath(shown).name:
            return shown
        return absolute_path(text) or None


_EDITORS: dict[str, Callable[[str, FieldSpec, QWidget], Editor]] = {
    "choice": ChoiceEditor,
    "bool": SwitchEditor,
    "int": IntegerEditor,
    "float": NumberEditor,
    "text": TextEditor,
    "texts": TextsEditor,
    "activations": ActivationsEditor,
    "counts": CountsEditor,
    "indices": ListEditor,
    "path": PathEditor,
    "paths": PathsEditor,
}


def make_editor(key: str, config_field: FieldSpec, parent: QWidget) -> Editor:
    if config_field.suffix:
        return FileChoiceEditor(key, config_field, parent)
    return _EDITORS[config_field.kind](key, config_field, parent)

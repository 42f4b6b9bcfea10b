"""Editors of config fields: a control with conversion between its content and the value.

The editors of the engines list all engines, with unavailable ones disabled, and every name in the config, even an
unknown one, so that no entry of the user is lost. Recorded outputs are added in that of the candidates.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeAlias

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QCheckBox, QLineEdit, QPushButton, QVBoxLayout, QWidget

from rnnviz.core.engine_spec import RecordingName, display_name
from rnnviz.core.errors import InputError
from rnnviz.core.schema import LARGEST_SIZE, FieldSpec
from rnnviz.core.sequence import LENGTHS_SOURCES
from rnnviz.engines.registry import recordings_in
from rnnviz.gui.commands.dialogs import ALL_FILES, RECORDINGS, ask_file
from rnnviz.gui.naming import named
from rnnviz.gui.settings_panel.fields import FILE_FILTERS, UNSET_CHOICES, choice_title, label, unset_words
from rnnviz.gui.settings_panel.widgets import ElidedCheckBox, FreeSpinBox, LongLineEdit, NoWheelComboBox, PathLineEdit
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across
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


class TextForm(NamedTuple):
    """How a kind of values is typed: `parse` converts a text as TOML would, and `write` the other way round."""

    parse: Callable[[str], Any]
    write: Callable[[Any], str] = str
    from_start: bool = False
    """Whether the start of a long text is in sight, and not its end."""
    optional: Callable[[str], str] = str.strip
    """Empty for the text of an optional field without a value."""


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


def _listed(separator: str, joint: str, item: Callable[[str], Any], *, from_start: bool = True) -> TextForm:
    """A list with a regular expression of what is between two items; a text in place of a list is another source."""

    def parse(text: str) -> list[Any] | None:
        return [item(part.strip()) for part in re.split(separator, text)] if text.strip() else None

    return TextForm(parse, lambda value: value if isinstance(value, str) else joint.join(map(str, value)), from_start)


_INDICES = _listed(",", ", ", number_or_text)


def _counts(text: str) -> Any:
    """Integers, or the name of another source of them."""
    if text.strip() in LENGTHS_SOURCES:
        return text.strip()
    numbers = _INDICES.parse(text)
    return numbers if numbers is None or all(isinstance(number, int) for number in numbers) else text


_FORMS = {
    "int": TextForm(number_or_text),
    "float": TextForm(number_or_text),
    "text": TextForm(str, from_start=True, optional=str),
    "texts": _listed(r"\|", " | ", str),
    # A comma within brackets separates two constants: "hard_sigmoid(0.2, 0.5), tanh".
    "activations": _listed(r",(?![^(]*\))", ", ", str),
    "counts": _INDICES._replace(parse=_counts),
    "indices": _INDICES,
    "path": TextForm(absolute_path),
    "paths": _listed(r"\|", " | ", absolute_path, from_start=False),
}


class LineEditor(Editor):
    """A typed value; may be empty if optional."""

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
        self._form, self._optional = _FORMS[config_field.kind], config_field.optional
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
        return None if self._optional and not self._form.optional(text) else self._parse(text)

    def _write(self, value: Any) -> None:
        text = "" if value is None else self._form.write(value)
        if self._own_text is None:
            self._set_text(text)
        else:
            self._own_text = text
        if self._form.from_start and not self.line.hasFocus():
            self.line.setCursorPosition(0)

    def _set_text(self, text: str) -> None:
        # Setting the same text would lose the text cursor and the undo history.
        if text != self.line.text():
            self.line.setText(text)

    def _parse(self, text: str) -> Any:
        return self._form.parse(text)


class IntegerEditor(LineEditor):
    """Spin box."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        box = FreeSpinBox(int(config_field.minimum or 0), int(config_field.maximum or LARGEST_SIZE), parent)
        super().__init__(key, config_field, parent, box.lineEdit(), box, box)
        box.stepped.connect(self.mark_edited)


class ButtonLineEditor(LineEditor):
    """Line edit with a button."""

    def __init__(
        self, key: str, config_field: FieldSpec, parent: QWidget, line: QLineEdit, icon: str, name: str, why: str
    ) -> None:
        widget = QWidget(parent)
        self.button = IconButton(icon, name, why, widget)
        widget.setLayout(across((line, 1), self.button, spacing=4))
        super().__init__(key, config_field, parent, line, widget, self.button)
        widget.setFocusProxy(line)


class ValueEditor(ButtonLineEditor):
    """Line edit for the place of a hidden value, and a button that takes the selected one."""

    taken = Signal()
    """The selected value is to become the value."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        why = "Makes the selected hidden value the loss."
        super().__init__(key, config_field, parent, LongLineEdit(), "target", "Use selected value", why)
        self.button.clicked.connect(self.taken)


class PathEditor(ButtonLineEditor):
    """Line edit for a path: typed, dropped, or selected in a dialog. Paths become absolute.

    Of a copy that was unpacked from a session the name is shown.
    """

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        line = PathLineEdit()
        super().__init__(key, config_field, parent, line, "open", "Choose file", "Browse for the file.")
        self._filters = f"{FILE_FILTERS[key]};;{ALL_FILES}" if key in FILE_FILTERS else ALL_FILES
        line.dropped.connect(self.choose)
        self.button.clicked.connect(self._browse)

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
        return super()._parse(text) or None


class AddRecordingButton(QPushButton):
    """Asks for a file with recorded outputs."""

    chosen = Signal(object)
    """Tuple of engine names for the file: several if it contains outputs of several engines."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Add outputs…", parent)
        self.setAccessibleName("Comparison: add recorded outputs")
        self.setToolTip("Compare with outputs that other code saved.")
        self.setAutoDefault(False)
        self.clicked.connect(self._ask)

    def choose(self, path: str) -> None:
        """Add a file. Errors in it are reported by the run, at the field."""
        try:
            names = recordings_in(Path(path))
        except InputError:
            names = (str(RecordingName(path)),)
        self.chosen.emit(names)

    def _ask(self) -> None:
        ask_file(self, "Add recorded outputs", f"{RECORDINGS};;{ALL_FILES}", lambda path: self.choose(str(path)))


Engines: TypeAlias = Mapping[str, str | None]
"""Engine names with the reason why each is unavailable, or None."""


class ReferenceEditor(ChoiceEditor):
    """Combo box of the reference engine."""

    def __init__(self, key: str, config_field: FieldSpec, parent: QWidget) -> None:
        super().__init__(key, config_field, parent)
        self._engines: Engines = {}

    def set_engines(self, engines: Engines) -> None:
        self._engines = engines
        self._write(self.value())

    @property
    def warning(self) -> str:
        """Reason why the selected engine is unavailable."""
        return self._engines.get(self.value()) or ""

    def _write(self, value: Any) -> None:
        names = [*self._engines, *([value] if value is not None and value not in self._engines else [])]
        self.combo.clear()
        model = self.combo.model()
        assert isinstance(model, QStandardItemModel)
        for row, name in enumerate(names):
            self.combo.addItem(display_name(name), name)
            reason = self._engines.get(name)
            if reason is not None:
                self.combo.setItemData(row, reason, Qt.ItemDataRole.ToolTipRole)
                self.combo.setItemData(row, reason, Qt.ItemDataRole.AccessibleDescriptionRole)
                model.item(row).setEnabled(False)
        super()._write(value)


class CandidatesEditor(Editor):
    """A check box for each engine except the reference, and a button for recorded outputs."""

    tall = True

    recordings_added = Signal(object)
    """Tuple of engine names of added recorded outputs."""

    def __init__(self, _key: str, config_field: FieldSpec, parent: QWidget) -> None:
        self._rows = QWidget(parent)
        super().__init__(self._rows)
        self._why = config_field.why
        self._layout = QVBoxLayout(self._rows)
        self._layout.setContentsMargins(0, 2, 0, 2)
        self._layout.setSpacing(4)
        self._engines: Engines = {}
        self._reference: str | None = None
        self._chosen: list[str] = []
        self.boxes: dict[str, ElidedCheckBox] = {}
        self.add = AddRecordingButton(self._rows)
        self.add.chosen.connect(self._add)
        self._layout.addWidget(self.add, 0, Qt.AlignmentFlag.AlignLeft)

    def set_engines(self, engines: Engines) -> None:
        self._engines = engines
        self._list()

    def set_reference(self, reference: str | None) -> None:
        """Exclude the reference. If it was a candidate, the previous reference replaces it."""
        if reference == self._reference:
            return
        if reference in self._chosen and self._reference is not None and self.value() is not None:
            self._chosen = [self._reference if name == reference else name for name in self._chosen]
            self._edited_by_user = True
        self._reference = reference
        self._list()

    def show_pair(self, reference: str, candidates: tuple[str, ...] | None) -> None:
        self._reference = reference
        self.show_value(candidates)

    def show_default(self, candidates: tuple[str, ...] | None) -> None:
        """Check the default candidates while the config names none."""
        if self.value() is None:
            self._write(candidates)

    @property
    def warning(self) -> str:
        return " ".join(filter(None, (self._engines.get(name) for name in self._chosen)))

    def _read(self) -> Any:
        return tuple(self._chosen)

    def _write(self, value: Any) -> None:
        self._chosen = list(value or ())
        self._list()

    def _list(self) -> None:
        names = [name for name in dict.fromkeys((*self._engines, *self._chosen)) if name != self._reference]
        for name in set(self.boxes) - set(names):
            box = self.boxes.pop(name)
            self._layout.removeWidget(box)
            box.deleteLater()
        for position, name in enumerate(names):
            if name not in self.boxes:
                self.boxes[name] = self._new_box(name)
            self._layout.insertWidget(position, self.boxes[name])
            self._show(name)
        self.boxes = {name: self.boxes[name] for name in names}
        self.controls = (*self.boxes.values(), self.add)

    def _new_box(self, name: str) -> ElidedCheckBox:
        box = ElidedCheckBox(display_name(name), self._rows)
        box.setAccessibleName(f"Comparison: candidate {name}")
        box.clicked.connect(lambda checked: self._choose(name, checked))
        return box

    def _show(self, name: str) -> None:
        reason, box = self._engines.get(name), self.boxes[name]
        box.setChecked(name in self._chosen)
        # An unavailable engine that the config names can be deselected.
        box.setEnabled(reason is None or name in self._chosen)
        box.setToolTip(wrapped(reason or f"{name}: {self._why}"))
        box.setAccessibleDescription(reason or self._why)

    def _add(self, names: tuple[str, ...]) -> None:
        """List recorded outputs. A single one becomes a candidate at once."""
        self.recordings_added.emit(names)
        first = next((name for name in names if name in self.boxes), None)
        if first is None:
            return
        # A layout shows new widgets later, and a hidden widget cannot take focus.
        self.boxes[first].show()
        self.boxes[first].setFocus(Qt.FocusReason.OtherFocusReason)
        if len(names) == 1 and first not in self._chosen:
            self._choose(first, checked=True)

    def _choose(self, name: str, checked: bool) -> None:
        # The order of the candidates in the config is their order in every view.
        self._chosen = [*self._chosen, name] if checked else [other for other in self._chosen if other != name]
        self._show(name)
        self.mark_edited()


_SPECIAL: dict[str, Callable[[str, FieldSpec, QWidget], Editor]] = {
    "compare.reference": ReferenceEditor,
    "compare.candidates": CandidatesEditor,
    "backward.value": ValueEditor,
}
_EDITORS: dict[str, Callable[[str, FieldSpec, QWidget], Editor]] = {
    "choice": ChoiceEditor,
    "bool": SwitchEditor,
    "int": IntegerEditor,
    "path": PathEditor,
}


def make_editor(key: str, config_field: FieldSpec, parent: QWidget) -> Editor:
    make = FileChoiceEditor if config_field.suffix else _EDITORS.get(config_field.kind, LineEditor)
    return _SPECIAL.get(key, make)(key, config_field, parent)

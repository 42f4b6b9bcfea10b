"""Editors of the reference and the candidates.

Both list all engines, with unavailable ones disabled, and every name in the config, even an unknown one, so that no
entry of the user is lost. Recorded outputs are added in the second editor and listed in both.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from rnnviz.core.engine_spec import RecordingName, display_name
from rnnviz.core.errors import InputError
from rnnviz.engines.registry import recordings_in
from rnnviz.gui.commands.dialogs import ALL_FILES, ask_file
from rnnviz.gui.settings_panel.editors import Editor
from rnnviz.gui.settings_panel.widgets import ElidedCheckBox, NoWheelComboBox
from rnnviz.gui.tooltips import wrapped


class AddRecordingButton(QPushButton):
    """Asks for an `.npz` file with recorded outputs."""

    chosen = Signal(object)
    """Tuple of engine names for the file: several if it contains outputs of several engines."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Add outputs…", parent)
        self.setAccessibleName("Comparison: add recorded outputs")
        self.setToolTip("Compare with outputs that other code saved as .npz.")
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
        ask_file(
            self, "Add recorded outputs", f"Recorded outputs (*.npz);;{ALL_FILES}", lambda path: self.choose(str(path))
        )


Engines: TypeAlias = Mapping[str, str | None]
"""Engine names with the reason why each is unavailable, or None."""


class ReferenceEditor(Editor):
    """Combo box of the reference engine."""

    def __init__(self, parent: QWidget) -> None:
        self.combo = NoWheelComboBox(parent)
        super().__init__(self.combo)
        self._engines: Engines = {}
        self.combo.activated.connect(self.mark_edited)

    def set_engines(self, engines: Engines) -> None:
        self._engines = engines
        self._list(self.value())

    @property
    def warning(self) -> str:
        """Reason why the selected engine is unavailable."""
        return self._engines.get(self.value()) or ""

    def _read(self) -> Any:
        return self.combo.currentData()

    def _write(self, value: Any) -> None:
        self._list(value)

    def _list(self, chosen: Any) -> None:
        names = [*self._engines, *([chosen] if chosen is not None and chosen not in self._engines else [])]
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
        self.combo.setCurrentIndex(self.combo.findData(chosen))


class CandidatesEditor(Editor):
    """A check box for each engine except the reference, and a button for recorded outputs."""

    tall = True

    recordings_added = Signal(object)
    """Tuple of engine names of added recorded outputs."""

    def __init__(self, why: str, parent: QWidget) -> None:
        self._rows = QWidget(parent)
        super().__init__(self._rows)
        self._why = why
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

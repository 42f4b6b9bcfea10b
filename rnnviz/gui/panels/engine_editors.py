"""The two editors that name engines: one as the reference, the others held against it.

Both list every engine that there is, those that cannot run here disabled with the reason, and every name that
a config brought, even one that nothing is known about: what the user wrote is not lost for being unknown. Recordings
are added in the second one, and are listed in both from then on.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QVBoxLayout, QWidget

from rnnviz.core.config import Compare
from rnnviz.core.display_names import display_name
from rnnviz.gui.panels.add_recording_button import AddRecordingButton
from rnnviz.gui.panels.editors import Editor
from rnnviz.gui.panels.widgets import ElidedCheckBox, NoWheelComboBox

Engines: TypeAlias = Mapping[str, str | None]
"""Engine names with the reason why each cannot run here, or None if it can."""


class ReferenceEditor(Editor):
    """The engine that the others are held against."""

    def __init__(self, parent: QWidget) -> None:
        self.combo = NoWheelComboBox(parent)
        super().__init__(self.combo)
        self._engines: Engines = {}
        self.combo.activated.connect(self.mark_edited)

    def set_engines(self, engines: Engines) -> None:
        """List these engines beside the one that is chosen."""
        self._engines = engines
        self._list(self.value())

    @property
    def warning(self) -> str:
        """Why the chosen engine cannot run here, or else why the usual reference cannot, or nothing."""
        return self._engines.get(self.value()) or self._engines.get(Compare().reference) or ""

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
    """A box to check for every engine but the reference, and a button that adds recordings."""

    tall = True

    recordings_added = Signal(object)
    """The tuple of the names by which recordings are engines; they are to be listed, here and elsewhere."""

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
        """List these engines beside those that are chosen."""
        self._engines = engines
        self._list()

    def set_reference(self, reference: str | None) -> None:
        """Leave the reference out; if it was among the candidates, the former reference takes its place."""
        if reference == self._reference:
            return
        if reference in self._chosen and self._reference is not None:
            self._chosen = [self._reference if name == reference else name for name in self._chosen]
            self._edited_by_user = True
        self._reference = reference
        self._list()

    def show_pair(self, reference: str, candidates: tuple[str, ...]) -> None:
        """Show both keys of a config at once."""
        self._reference = reference
        self.show_value(candidates)

    @property
    def warning(self) -> str:
        """Why chosen engines cannot run here, or nothing."""
        return " ".join(filter(None, (self._engines.get(name) for name in self._chosen)))

    def _read(self) -> Any:
        return tuple(self._chosen)

    def _write(self, value: Any) -> None:
        self._chosen = list(value)
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
        # One that was chosen elsewhere can be given up here, although it cannot be chosen here.
        box.setEnabled(reason is None or name in self._chosen)
        box.setToolTip(reason or f"{name}: {self._why}")
        box.setAccessibleDescription(reason or self._why)

    def _add(self, names: tuple[str, ...]) -> None:
        """Let a recording be compared; of several the user says which."""
        self.recordings_added.emit(names)
        first = next((name for name in names if name in self.boxes), None)
        if first is None:
            return
        # A layout shows what is new in it later, and nothing has the focus before it is shown.
        self.boxes[first].show()
        self.boxes[first].setFocus(Qt.FocusReason.OtherFocusReason)
        if len(names) == 1 and first not in self._chosen:
            self._choose(first, checked=True)

    def _choose(self, name: str, checked: bool) -> None:
        # The order in which a config names its candidates is the order in which they are shown everywhere.
        self._chosen = [*self._chosen, name] if checked else [other for other in self._chosen if other != name]
        self._show(name)
        self.mark_edited()

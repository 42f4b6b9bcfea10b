"""Commands that move the selection through time, units, lanes and samples, and to any value."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QFormLayout, QSpinBox, QWidget

from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.gui.app_state import Session
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.scaling import space_dialog

_FIELDS = (
    ("layer", "&Layer", "Layer from the bottom."),
    ("timestep", "&Time step", "Time step of the sequence."),
    ("sample", "&Sample", "Sample of the batch."),
    ("unit", "&Unit", "Unit of the hidden state."),
)


class GoToDialog(QDialog):
    """Fields for the indices of a value, limited to the result, which starts at the selection."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        assert session.result is not None
        self.setWindowTitle("Go to value")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._session = session
        layers, directions, _, samples, units = session.result.shape
        sizes = {"layer": layers, "timestep": session.length, "sample": samples, "unit": units}
        at, form = session.location, QFormLayout(self)
        space_dialog(form)
        self.indices: dict[str, QSpinBox] = {}
        self.direction = ComboBox(self)
        self.direction.addItems(list(DIRECTIONS) if directions == 2 else [DIRECTIONS[at.backward]])
        self.direction.setCurrentIndex(at.direction)
        self.direction.setEnabled(directions == 2)
        self.direction.setAccessibleName("direction")
        self.direction.setToolTip("Direction in which the layer reads the sequence.")
        for name, label, why in _FIELDS:
            box = self.indices[name] = QSpinBox(self)
            _limit(box, sizes[name], why)
            box.setValue(getattr(at, name))
            box.setAccessibleName(label.replace("&", "").lower())
            form.addRow(label, box)
            if name == "layer":
                form.addRow("&Direction", self.direction)
        self.indices["sample"].valueChanged.connect(self._on_sample)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, self)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.indices["timestep"].setFocus()
        self.indices["timestep"].selectAll()

    def _on_sample(self, sample: int) -> None:
        """Limit the time step to the sample: padding has no values."""
        result = self._session.result
        if result is not None and sample < result.shape[3]:
            _limit(self.indices["timestep"], result.inputs.length(sample), _FIELDS[1][2])

    def accept(self) -> None:
        indices = {name: box.value() for name, box in self.indices.items()}
        self._session.set_location(self._session.location.moved(direction=self.direction.currentIndex(), **indices))
        super().accept()


def _limit(box: QSpinBox, size: int, why: str) -> None:
    box.setRange(0, size - 1)
    box.setToolTip(f"{why} 0 to {size - 1:,}.")


class SelectionCommands:
    """Moves the selection. It stops at the edges of the result."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        self._session, self._parent = session, parent

    def move(self, *, timestep: int = 0, sample: int = 0) -> None:
        here = self._session.location
        self._session.set_location(here.moved(timestep=here.timestep + timestep, sample=here.sample + sample))

    def go_to(self, timestep: int) -> None:
        self._session.set_location(self._session.location.moved(timestep=timestep))

    def go_to_end(self) -> None:
        result = self._session.result
        if result is not None:
            self.go_to(self._session.length - 1)

    def go_to_sample(self, sample: int) -> None:
        self._session.set_location(self._session.location.moved(sample=sample))

    def ask_place(self) -> None:
        if self._session.result is not None:
            GoToDialog(self._session, self._parent).open()

    def move_lane(self, steps: int) -> None:
        """Move up by `steps` lanes: from forward to backward, then to the next layer."""
        result = self._session.result
        if result is None:
            return
        layers, directions, *_ = result.shape
        here = self._session.location
        lane = min(max(here.layer * directions + here.direction + steps, 0), layers * directions - 1)
        layer, direction = divmod(lane, directions)
        self._session.set_location(here.moved(layer=layer, direction=direction))

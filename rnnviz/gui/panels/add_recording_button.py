"""Button that adds recorded outputs to the candidates."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from rnnviz.core.engine_spec import RecordingName
from rnnviz.core.errors import InputError
from rnnviz.engines.registry import recordings_in
from rnnviz.gui.commands.dialogs import ALL_FILES, ask_file


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

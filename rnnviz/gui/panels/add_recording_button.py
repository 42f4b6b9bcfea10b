"""The button by which a recording joins the engines."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from rnnviz.core.engine_spec import RecordingName
from rnnviz.core.errors import InputError
from rnnviz.engines.registry import recordings_in
from rnnviz.gui.commands.dialogs import ALL_FILES, ask_file


class AddRecordingButton(QPushButton):
    """Asks for an `.npz` file with what other code computed."""

    chosen = Signal(object)
    """The tuple of the engines' names that the file stands for: several, if it holds what several computed."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__("Add outputs…", parent)
        self.setAccessibleName("Comparison: add recorded outputs")
        self.setToolTip("Compare with outputs that other code saved as .npz.")
        self.setAutoDefault(False)
        self.clicked.connect(self._ask)

    def choose(self, path: str) -> None:
        """Take a file as if the user had chosen it; a run tells what is wrong with it, at the field."""
        try:
            names = recordings_in(Path(path))
        except InputError:
            names = (str(RecordingName(path)),)
        self.chosen.emit(names)

    def _ask(self) -> None:
        ask_file(
            self, "Add recorded outputs", f"Recorded outputs (*.npz);;{ALL_FILES}", lambda path: self.choose(str(path))
        )

"""Opening of model files: read in a subprocess, then run as a config."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QProgressDialog,
    QVBoxLayout,
    QWidget,
)

from rnnviz.cells import CELLS
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.words import capital
from rnnviz.gui.commands.dialogs import STATES, RecentFiles, ask_file, show_error_dialog
from rnnviz.gui.document import Document
from rnnviz.gui.help.commands import child_beside
from rnnviz.gui.kit.table import ROW_HEIGHT, Table, TableModel
from rnnviz.gui.kit.tasks import BackgroundTask, Progress, TaskQueue
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.scaling import scaled, space_dialog
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.results.columns import Column, Look

if TYPE_CHECKING:
    # Imported with the first model, to shorten the start.
    from rnnviz.io.model_formats.model_file import Entry

_INITIAL_STATES = {
    "unknown": "not in file",
    "zeros": "zeros",
    "stored": "in file",
    "input": "model input",
    "computed": "computed by model",
}
_CHOICES = (("Zeros", "zeros"), ("Random", "uniform"), ("File…", None))
_FILE = len(_CHOICES) - 1
_WHY_NOT = "Cannot run: "
_WIDTH, _HEIGHT_WITHOUT_ROWS, _FEWEST_ROWS, _MOST_ROWS = 880, 220, 3, 14


def _cells(entry: "Entry") -> str:
    cells = entry.cells if entry.cell is None else (entry.cell,)
    return " or ".join(CELLS[cell].title if cell in CELLS else cell for cell in cells) or "?"


def _size(read: Callable[["Entry"], int | None]) -> Callable[["Entry"], str]:
    return lambda entry: "?" if (size := read(entry)) is None else str(size)


def _look(entry: "Entry") -> Look:
    return Look() if entry.supported else Look("muted")


_COLUMNS = (
    Column(
        "Network", lambda e: e.name if e.supported else f"{e.name} (cannot run)", look=_look, grows=True, shrinks=True
    ),
    Column("Cell", _cells, look=_look),
    Column("Input", _size(lambda e: e.input_size), right=True, look=_look),
    Column("Hidden", _size(lambda e: e.hidden_size), right=True, look=_look),
    Column("Layers", _size(lambda e: e.num_layers), right=True, look=_look),
    Column("Directions", lambda e: e.directions, look=_look),
    Column("Biases", lambda e: {None: "?", True: "yes", False: "no"}[e.biases], look=_look),
    Column("Initial state", lambda e: _INITIAL_STATES[e.initial_state], look=_look),
    Column("Type", lambda e: e.dtype or "?", look=_look),
)

OnChosen: TypeAlias = Callable[["Entry", str | None, str | None], None]
AfterChanges: TypeAlias = Callable[[Callable[[], None], Config], None]
"""Calls a function after a question about unsaved changes, if the config is another one."""


class ModelDialog(QDialog):
    """Lists the networks with their properties. Asks for a cell and an initial state that the file does not contain.

    Networks that cannot run are listed with the reason.
    """

    help_page = "models"

    def __init__(self, parent: QWidget, name: str, entries: "Sequence[Entry]", chosen: OnChosen) -> None:
        """`chosen` receives the entry, the cell and the initial state; None where the file defines it."""
        super().__init__(parent)
        self._entries, self._chosen = entries, chosen
        self.setWindowTitle(f"Open {name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        networks = "one recurrent network." if len(entries) == 1 else f"{len(entries)} recurrent networks. Select one."
        says = QLabel(f"{name} contains {networks}")
        says.setTextFormat(Qt.TextFormat.PlainText)
        model = TableModel(_COLUMNS, lambda entry: "\n".join(_notes(entry)))
        model.show_rows(entries)
        self.list = Table(model, "Recurrent networks in the file")
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        themes = child_beside(parent, ThemeManager)
        if themes is not None:
            self.list.apply_theme(themes.theme)
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.note.setProperty("muted", True)
        self.cell = _choice("Cell", "The file contains only weights, not the activation.")
        self.initial_state = _choice("Initial state", "The file does not contain the model's initial state.")
        for text, source in _CHOICES:
            self.initial_state.addItem(text, source)
        self.initial_state.activated.connect(self._ask_for_file)
        self._form = QFormLayout()
        self._form.addRow("Ce&ll", self.cell)
        self._form.addRow("&Initial state", self.initial_state)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Open | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        space_dialog(layout)
        layout.addWidget(says)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.note)
        layout.addLayout(self._form)
        layout.addWidget(self.buttons)
        height = _HEIGHT_WITHOUT_ROWS + ROW_HEIGHT * min(max(len(entries), _FEWEST_ROWS), _MOST_ROWS)
        self.resize(QSize(scaled(_WIDTH), scaled(height)).boundedTo(self.screen().availableSize()))
        self.list.selectionModel().currentRowChanged.connect(self._show_choice)
        for choice in (self.cell, self.initial_state):
            choice.currentIndexChanged.connect(self._update_open)
        self.list.activated.connect(lambda _index: self.accept())
        self.list.choose(next((number for number, entry in enumerate(entries) if entry.supported), 0))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.list.fit()

    @property
    def entry(self) -> "Entry":
        return self._entries[self.list.currentIndex().row()]

    def accept(self) -> None:
        if self._complete:
            super().accept()
            self._chosen(self.entry, self.cell.currentData(), self.initial_state.currentData())

    def _show_choice(self) -> None:
        entry = self.entry
        self.note.setText("\n".join(_notes(entry)))
        self.cell.clear()
        for cell in entry.cells if entry.cell is None else ():
            self.cell.addItem(CELLS[cell].title, cell)
        # A single choice is preselected.
        self.cell.setCurrentIndex(0 if self.cell.count() == 1 else -1)
        self.initial_state.setCurrentIndex(-1)
        self._set_file(*_CHOICES[_FILE])
        self._form.setRowVisible(self.cell, self._asks_for_cell)
        self._form.setRowVisible(self.initial_state, self._asks_for_state)
        self._update_open()

    @property
    def _asks_for_cell(self) -> bool:
        return self.entry.supported and self.entry.cell is None

    @property
    def _asks_for_state(self) -> bool:
        return self.entry.supported and self.entry.leaves_initial_state_open

    @property
    def _complete(self) -> bool:
        without_cell = self._asks_for_cell and self.cell.currentData() is None
        without_state = self._asks_for_state and self.initial_state.currentData() is None
        return self.entry.supported and not without_cell and not without_state

    def _ask_for_file(self, choice: int) -> None:
        """Ask for the file of an initial state. A canceled dialog leaves the choice open."""
        if choice == _FILE:
            ask_file(self, "Open initial state", STATES, lambda path: self._set_file(path.name, str(path)))

    def _set_file(self, name: str, path: str | None) -> None:
        self.initial_state.setItemText(_FILE, name)
        self.initial_state.setItemData(_FILE, path)
        self._update_open()

    def _update_open(self) -> None:
        self.buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(self._complete)


def _choice(name: str, why: str) -> QComboBox:
    made = ComboBox(None, name, why)
    made.setPlaceholderText("Choose…")
    return made


def _notes(entry: "Entry") -> list[str]:
    """Remarks about an entry, one sentence each."""
    if not entry.supported:
        return [f"{_WHY_NOT}{entry.reason}."]
    notes = [f"{capital(entry.reason)}."] if entry.reason else []
    notes += [f"The file sets {', '.join(entry.settings)}."] if entry.settings else []
    if entry.cell is None:
        notes = [f"The file does not specify the {entry.choice}. Choose the cell below."]
    if entry.leaves_initial_state_open:
        notes.append("The file does not contain the model's initial state. Choose one below.")
    if entry.masking:
        notes.append(f"Skipped time steps: {entry.masking}.")
    return [*notes, *(f"Assumption: {clause}." for clause in entry.assumptions)]


_TITLE = "Cannot open the model"
_ADVICE = "troubleshooting#a-model-file-is-refused"
_SHOW_AFTER_MS = 500
_WAITING_WIDTH = 360


class ModelCommands(QObject):
    """Opens model files in order. An error opens a dialog and changes nothing."""

    _read = Signal(object, object)

    def __init__(self, window: QWidget, document: Document, recent: RecentFiles, after_changes: AfterChanges) -> None:
        super().__init__(window)
        self._window, self._document, self._recent = window, document, recent
        self._jobs = TaskQueue(self)
        self._waiting: QProgressDialog | None = None
        self._read.connect(after_changes, Qt.ConnectionType.QueuedConnection)
        self._jobs.failed.connect(self._on_failed)
        self._jobs.progressed.connect(self._on_progressed)
        self._jobs.busy_changed.connect(self._on_busy)

    def open(self, path: Path, asked: Config, then: Callable[[], None]) -> None:
        """Read a model file. Runs its only network, or asks which of several to run.

        The dialog also opens for a single network with assumptions, so that the user sees them. `asked` is the config
        that may be lost without a question. `then` is called when the network runs.
        """

        def work(progress: Progress) -> str:
            from rnnviz.execution.child_process import call_in_subprocess
            from rnnviz.io.model_formats.load import arrays_of, entries_of, nothing_recognized

            what = f"{path} could not be read"
            entries = call_in_subprocess(entries_of, path, what=what, notify=progress)
            if not entries:
                raise nothing_recognized(path, call_in_subprocess(arrays_of, path, what=what, notify=progress))
            self._read.emit(partial(self._choose, path, entries, then), asked)
            return ""

        self._waiting = self._waiting or self._make_waiting(path)
        self._jobs.start(BackgroundTask(f"reading {path.name}", work))

    def close(self) -> None:
        self._jobs.close()

    def _make_waiting(self, path: Path) -> QProgressDialog:
        """Create the progress dialog, shown if reading takes long."""
        dialog = QProgressDialog(f"Reading {path.name}", "Stop", 0, 0, self._window)
        dialog.setWindowTitle("Open model")
        dialog.setAccessibleName("Reading progress")
        dialog.setMinimumDuration(_SHOW_AFTER_MS)
        dialog.setMinimumWidth(_WAITING_WIDTH)
        # Closed when reading is done, not at 100%.
        dialog.setAutoReset(False)
        dialog.setAutoClose(False)
        dialog.canceled.connect(self._jobs.stop)
        return dialog

    def _on_failed(self, _title: str, error: str) -> None:
        show_error_dialog(self._window, _TITLE, error, _ADVICE, in_background=True)

    def _on_progressed(self, title: str, fraction: float) -> None:
        """Show the progress; an undetermined bar until the first fraction arrives."""
        if self._waiting is not None:
            self._waiting.setLabelText(capital(title))
            self._waiting.setMaximum(100 if fraction > 0.0 else 0)
            self._waiting.setValue(int(100 * fraction))

    def _on_busy(self, busy: bool) -> None:
        if not busy and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.canceled.disconnect(self._jobs.stop)
            waiting.close()
            waiting.deleteLater()

    def _choose(self, path: Path, entries: "Sequence[Entry]", then: Callable[[], None]) -> None:
        first = entries[0]
        asks = first.cell is None or first.leaves_initial_state_open
        if len(entries) == 1 and not (first.supported and (asks or first.reason or first.assumptions)):
            self._take(path, then, first, None, None)
            return

        ModelDialog(self._window, path.name, entries, partial(self._take, path, then)).open()

    def _take(
        self, path: Path, then: Callable[[], None], entry: "Entry", cell: str | None, initial_state: str | None
    ) -> None:
        from rnnviz.io.model_formats.load import config_of

        try:
            config = config_of(path, entry, cell, initial_state)
        except InputError as error:
            show_error_dialog(self._window, _TITLE, error, _ADVICE)
            return
        self._document.take(config, f"{path.name}: {entry.name}")
        if path.is_file():
            self._recent.add(path)
        then()

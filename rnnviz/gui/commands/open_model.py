"""Opening of model files: read in a subprocess, then run as a config."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QProgressDialog, QWidget

from rnnviz.core.errors import InputError
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.gui.commands.dialogs import show_error_dialog
from rnnviz.gui.commands.model_dialog import ModelDialog
from rnnviz.gui.commands.recent_files import RecentFiles
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.task_queue import BackgroundTask, Progress, TaskQueue
from rnnviz.io.model_formats.load import arrays_of, config_of, entries_of, nothing_recognized
from rnnviz.io.model_formats.model_file import Entry

_TITLE = "Cannot open the model"
_ADVICE = "troubleshooting#a-model-file-is-refused"
_SHOW_AFTER_MS = 500
_WIDTH = 360


class ModelCommands(QObject):
    """Opens model files in order. An error opens a dialog and changes nothing."""

    _read = Signal(object, object)

    def __init__(self, window: QWidget, document: Document, recent: RecentFiles) -> None:
        super().__init__(window)
        self._window, self._document, self._recent = window, document, recent
        self._jobs = TaskQueue(self)
        self._waiting: QProgressDialog | None = None
        self._read.connect(self._choose, Qt.ConnectionType.QueuedConnection)
        self._jobs.failed.connect(lambda title, error: show_error_dialog(self._window, _TITLE, error, _ADVICE))
        self._jobs.progressed.connect(self._on_progressed)
        self._jobs.busy_changed.connect(self._on_busy)

    def open(self, path: Path) -> None:
        """Read a model file. Runs its only network, or asks which of several to run.

        The dialog also opens for a single network with assumptions, so that the user sees them.
        """

        def work(progress: Progress) -> str:
            what = f"{path} could not be read"
            entries = call_in_subprocess(entries_of, path, what=what, notify=progress)
            if not entries:
                raise nothing_recognized(path, call_in_subprocess(arrays_of, path, what=what, notify=progress))
            self._read.emit(path, entries)
            return ""

        self._waiting = self._waiting or self._make_waiting(path)
        self._jobs.start(BackgroundTask(f"reading {path.name}", work))

    def close(self) -> None:
        """Stop reading."""
        self._jobs.close()

    def _make_waiting(self, path: Path) -> QProgressDialog:
        """Create the progress dialog, shown if reading takes long."""
        dialog = QProgressDialog(f"Reading {path.name}", "Stop", 0, 0, self._window)
        dialog.setWindowTitle("Open model")
        dialog.setAccessibleName("Reading progress")
        dialog.setMinimumDuration(_SHOW_AFTER_MS)
        dialog.setMinimumWidth(_WIDTH)
        # Closed when reading is done, not at 100%.
        dialog.setAutoReset(False)
        dialog.setAutoClose(False)
        dialog.canceled.connect(self._jobs.stop)
        return dialog

    def _on_progressed(self, title: str, fraction: float) -> None:
        """Show the progress; an undetermined bar until the first fraction arrives."""
        if self._waiting is not None:
            self._waiting.setLabelText(f"{title[:1].upper()}{title[1:]}")
            self._waiting.setMaximum(100 if fraction > 0.0 else 0)
            self._waiting.setValue(int(100 * fraction))

    def _on_busy(self, busy: bool) -> None:
        if not busy and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            waiting.canceled.disconnect(self._jobs.stop)
            waiting.close()
            waiting.deleteLater()

    def _choose(self, path: Path, entries: Sequence[Entry]) -> None:
        first = entries[0]
        asks = first.cell is None or first.leaves_initial_state_open
        if len(entries) == 1 and not (first.supported and (asks or first.reason or first.assumptions)):
            self._take(path, first, None, None)
            return

        def chosen(entry: Entry, cell: str | None, initial_state: str | None) -> None:
            self._take(path, entry, cell, initial_state)

        ModelDialog(self._window, path.name, entries, chosen).open()

    def _take(self, path: Path, entry: Entry, cell: str | None, initial_state: str | None) -> None:
        try:
            config = config_of(path, entry, cell, initial_state)
        except InputError as error:
            show_error_dialog(self._window, _TITLE, error, _ADVICE)
            return
        self._document.take(config, f"{path.name}: {entry.name}")
        if path.is_file():
            self._recent.add(path)

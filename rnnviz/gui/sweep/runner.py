"""Sweep runner: starts tasks on a worker thread and reports results as signals."""

from pathlib import Path

from PySide6.QtCore import QObject, Qt, QThread, Signal

from rnnviz.gui.sweep.worker import OpenedSweep, StopToken, SweepJob, SweepWorker
from rnnviz.sweeps.results import SweepTable


class SweepRunner(QObject):
    """Owns the worker thread. All methods and signals belong to the window's thread; only `close` blocks."""

    opened = Signal(object)
    """An `OpenedSweep`."""
    rows_received = Signal(object)
    """A list of new `SweepRow`s."""
    ended = Signal(bool)
    """The sweep ended; True if the user stopped it."""
    saved = Signal(object)
    """The `Path` of the written file."""
    failed = Signal(str, str)
    """Title and sentence of an error."""
    busy_changed = Signal(bool)

    _opening = Signal(object)
    _starting = Signal(object)
    _saving = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._halt = StopToken()
        self._busy = self._stopped = False
        self._thread = QThread(self)
        self._thread.setObjectName("sweeps")
        self._worker = worker = SweepWorker(self._halt)
        worker.moveToThread(self._thread)
        queued = Qt.ConnectionType.QueuedConnection
        self._opening.connect(worker.open, queued)
        self._starting.connect(worker.run, queued)
        self._saving.connect(worker.save, queued)
        worker.opened.connect(self.opened, queued)
        worker.rows_received.connect(self.rows_received, queued)
        worker.saved.connect(self.saved, queued)
        worker.ended.connect(self._on_ended, queued)
        worker.failed.connect(self._on_failed, queued)

    @property
    def busy(self) -> bool:
        """Whether a sweep is running."""
        return self._busy

    def open(self, path: Path) -> None:
        """Read a sweep or its results. Stops a running sweep first."""
        self.stop()
        self._begin()
        self._opening.emit(path)

    def run(self, opened: OpenedSweep, trusted: frozenset[str] = frozenset()) -> None:
        """Compute the missing rows. No effect on results without their sweep."""
        if not self._busy and opened.sweep is not None:
            self._begin()
            points = tuple(row.point for row in opened.figures.rows)
            self._halt.reset()
            self._stopped = False
            self._set_busy(True)
            self._starting.emit(SweepJob(opened.path, opened.sweep, points, trusted))

    def stop(self) -> None:
        """Stop the running sweep, if any; `ended` follows when its processes have ended."""
        if self._busy:
            self._stopped = True
            self._halt.ask()

    def save(self, table: SweepTable, path: Path) -> None:
        """Write a table. During a sweep, it is written afterwards."""
        self._begin()
        self._saving.emit(table, path)

    def close(self) -> None:
        """Stop everything and wait for threads and processes."""
        self._halt.leave()
        self._thread.quit()
        self._thread.wait()

    def _begin(self) -> None:
        if not self._thread.isRunning():
            self._thread.start()

    def _on_ended(self) -> None:
        self._set_busy(False)
        self.ended.emit(self._stopped)

    def _on_failed(self, title: str, sentence: str) -> None:
        self._set_busy(False)
        self.failed.emit(title, sentence)

    def _set_busy(self, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)

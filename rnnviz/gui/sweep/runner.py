"""Sweep runner: reads and writes files, and computes the rows of a sweep, on a worker thread."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.core.errors import EngineError, InputError
from rnnviz.engines.registry import with_fallback_reference
from rnnviz.gui.jobs.task_queue import CancelledError
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps.grid import Point, Sweep, load_sweep
from rnnviz.sweeps.results import SweepFigures, SweepRow, SweepTable

if TYPE_CHECKING:
    from rnnviz.sweeps.driver import Scheduler

_EMIT_INTERVAL = 0.1
"""Interval between signals with new rows."""


@dataclass(frozen=True)
class OpenedSweep:
    """A sweep, or results without one (`sweep` is None). `figures` belong to the window's thread."""

    path: Path
    figures: SweepFigures
    sweep: Sweep | None


@dataclass(frozen=True)
class SweepJob:
    """A sweep to run, with its points. `trusted` lists the Python files that may run."""

    path: Path
    sweep: Sweep
    points: tuple[Point, ...]
    trusted: frozenset[str] = frozenset()


class StopToken:
    """Lets the window's thread stop work on the worker thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._scheduler: Scheduler | None = None
        self._asked = self._leaving = False

    def ask(self) -> None:
        """Stop the current sweep, or one that is about to start."""
        with self._lock:
            self._asked = True
            if self._scheduler is not None:
                self._scheduler.stop()

    def watch(self, scheduler: "Scheduler | None") -> None:
        """Set the scheduler that `ask` stops."""
        with self._lock:
            self._scheduler = scheduler
            if scheduler is not None and self._asked:
                scheduler.stop()

    def leave(self) -> None:
        """Stop everything permanently, including reading of files."""
        self._leaving = True
        self.ask()

    def reset(self) -> None:
        """Clear an earlier request to stop."""
        with self._lock:
            self._asked = False

    def reading(self, points: Iterable[Point]) -> Iterator[Point]:
        """Yield the points; raises once `leave` was called."""
        for point in points:
            if self._leaving:
                raise CancelledError
            yield point

    def running(self, points: Iterable[Point]) -> Iterator[Point]:
        """Yield the points until a stop is requested."""
        for point in self.reading(points):
            if self._asked:
                return
            yield point


class SweepWorker(QObject):
    """Runs on the thread. Each task ends with exactly one of `opened`, `saved`, `ended` and `failed`."""

    opened = Signal(object)
    """An `OpenedSweep`."""
    rows_received = Signal(object)
    """A list of new `SweepRow`s."""
    ended = Signal()
    """The sweep is complete or was stopped."""
    saved = Signal(object)
    """The `Path` of the written file."""
    failed = Signal(str, str)
    """Title and sentence of an error."""

    def __init__(self, halt: StopToken) -> None:
        super().__init__()
        self._halt = halt

    @Slot(object)
    def open(self, path: Path) -> None:
        """Read a sweep with its finished rows, or a file of results."""

        def read() -> None:
            if path.suffix.lower() == ".toml":
                self.opened.emit(_open_sweep(path, self._halt))
            else:
                # This import is slow; on this thread it blocks no window.
                from rnnviz.sweeps.results_io import load_sweep_results

                self.opened.emit(OpenedSweep(path, SweepFigures(load_sweep_results(path)), None))

        self._attempt("The sweep cannot be opened", read)

    @Slot(object)
    def run(self, job: SweepJob) -> None:
        """Compute the missing rows."""
        if self._attempt("The sweep ended early", lambda: self._run(job)):
            self.ended.emit()

    @Slot(object, object)
    def save(self, table: SweepTable, path: Path) -> None:
        """Write a table as JSON or CSV, by the ending of the path."""

        def write() -> None:
            from rnnviz.sweeps.results_io import write_sweep_csv, write_sweep_json

            (write_sweep_json if path.suffix.lower() == ".json" else write_sweep_csv)(table, path)
            self.saved.emit(path)

        self._attempt("The table cannot be written", write)

    def _attempt(self, title: str, work: Callable[[], None]) -> bool:
        try:
            work()
        except (InputError, EngineError, OSError, MemoryError) as error:
            self.failed.emit(title, str(error) or "Not enough memory for this sweep.")
            return False
        except CancelledError:
            return False
        return True

    def _run(self, job: SweepJob) -> None:
        from rnnviz.sweeps.driver import Journal, LocalScheduler, Sweeping, journal_of, read_journal

        path = journal_of(job.path)
        with Journal(path) as journal:
            sweeping = Sweeping(job.sweep, self._halt.running(job.points), read_journal(path), load_inputs, job.trusted)
            self.rows_received.emit(sweeping.known)
            with LocalScheduler(sweeping.warm) as scheduler:
                self._halt.watch(scheduler)
                try:
                    self._tell(sweeping.rows(scheduler, journal))
                finally:
                    self._halt.watch(None)

    def _tell(self, rows: Iterator[SweepRow]) -> None:
        bundle: list[SweepRow] = []
        last = 0.0
        for row in rows:
            bundle.append(row)
            if monotonic() - last >= _EMIT_INTERVAL:
                self.rows_received.emit(bundle)
                bundle, last = [], monotonic()
        if bundle:
            self.rows_received.emit(bundle)


def _open_sweep(path: Path, halt: StopToken) -> OpenedSweep:
    from rnnviz.sweeps.driver import check_engines, earlier, journal_of, read_journal

    sweep = load_sweep(path, complete=lambda config: with_fallback_reference(config)[0])
    check_engines(sweep)
    rows = earlier(sweep, halt.reading(sweep.points()), read_journal(journal_of(path)))
    return OpenedSweep(path, SweepFigures(SweepTable(sweep.keys, tuple(rows))), sweep)


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

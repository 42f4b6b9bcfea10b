"""Sweep runner: reads and writes files, and computes the rows of a sweep, on threads."""

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QObject, Qt, Signal

from rnnviz.core.errors import EngineError, InputError
from rnnviz.engines.registry import with_fallback_reference
from rnnviz.frozen import dataclass
from rnnviz.gui.jobs.task_queue import Check, LatestTask
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps.grid import Point, Sweep, load_sweep
from rnnviz.sweeps.results import SweepFigures, SweepRow, SweepTable

if TYPE_CHECKING:
    from rnnviz.sweeps.driver import Scheduler

_EMIT_INTERVAL = 0.1
"""Interval between signals with new rows."""

Report: TypeAlias = Callable[[], None]
"""Reports the outcome of a task in the thread of the window."""


@dataclass(frozen=True)
class OpenedSweep:
    """A sweep, or results without one (`sweep` is None). `figures` belong to the window's thread."""

    path: Path
    figures: SweepFigures
    sweep: Sweep | None


class SweepRunner(QObject):
    """Methods and signals belong to the window's thread; only `close` blocks."""

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

    _computed, _written = Signal(object), Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.busy = False
        """Whether a sweep is running."""
        self._stopped = False
        self._scheduler: Scheduler | None = None
        self._tables = deque[tuple[SweepTable, Path]]()
        self._task, self._saving = LatestTask("sweeps", self), LatestTask("sweep tables", self)
        self._task.done.connect(self._finish)
        self._saving.done.connect(lambda report: report())
        self._computed.connect(self.rows_received, Qt.ConnectionType.QueuedConnection)
        self._written.connect(self.saved, Qt.ConnectionType.QueuedConnection)

    def open(self, path: Path) -> None:
        """Read a sweep or its results. Stops a running sweep first."""
        if self.busy:
            self.stop()
            self._finish(self._end)

        def read(check: Check) -> Report:
            return partial(self.opened.emit, _read(path, check))

        self._task.ask(partial(self._attempt, "The sweep cannot be opened", read))

    def run(self, opened: OpenedSweep, trusted: frozenset[str] = frozenset()) -> None:
        """Compute the missing rows with the trusted Python files. No effect on results without their sweep."""
        sweep, points = opened.sweep, tuple(row.point for row in opened.figures.rows)
        if self.busy or sweep is None:
            return
        self._stopped = False
        self._set_busy(True)

        def compute(check: Check) -> Report:
            self._compute(opened.path, sweep, points, trusted, check)
            return self._end

        self._task.ask(partial(self._attempt, "The sweep ended early", compute))

    def stop(self) -> None:
        """Stop the running sweep, if any; `ended` follows when its processes have ended."""
        self._stopped = True
        if self._scheduler is not None:
            self._scheduler.stop()

    def save(self, table: SweepTable, path: Path) -> None:
        """Write a table as JSON or CSV, by the ending of the path."""
        self._tables.append((table, path))
        self._saving.ask(partial(self._attempt, "The table cannot be written", self._save))

    def close(self) -> None:
        """Stop everything and wait for threads and processes."""
        self.stop()
        self._task.stop()
        self._saving.stop()

    def _finish(self, report: Report) -> None:
        self._set_busy(False)
        report()

    def _end(self) -> None:
        self.ended.emit(self._stopped)

    def _set_busy(self, busy: bool) -> None:
        if busy != self.busy:
            self.busy = busy
            self.busy_changed.emit(busy)

    # On the threads

    def _attempt(self, title: str, work: Callable[[Check], Report], check: Check) -> Report:
        try:
            return work(check)
        except (InputError, EngineError, OSError, MemoryError) as error:
            return partial(self.failed.emit, title, str(error) or "Not enough memory for this sweep.")

    def _compute(
        self, path: Path, sweep: Sweep, points: tuple[Point, ...], trusted: frozenset[str], check: Check
    ) -> None:
        from rnnviz.sweeps.driver import Journal, LocalScheduler, Sweeping, journal_of, read_journal

        def wanted() -> Iterator[Point]:
            for point in points:
                check()
                if self._stopped:
                    return
                yield point

        journal_path = journal_of(path)
        with Journal(journal_path) as journal:
            sweeping = Sweeping(sweep, wanted(), read_journal(journal_path), load_inputs, trusted)
            self._computed.emit(sweeping.known)
            with LocalScheduler(sweeping.warm) as scheduler:
                self._scheduler = scheduler
                if self._stopped:
                    scheduler.stop()
                self._tell(sweeping.rows(scheduler, journal))
        self._scheduler = None

    def _tell(self, rows: Iterator[SweepRow]) -> None:
        bundle: list[SweepRow] = []
        last = 0.0
        for row in rows:
            bundle.append(row)
            if monotonic() - last >= _EMIT_INTERVAL:
                self._computed.emit(bundle)
                bundle, last = [], monotonic()
        if bundle:
            self._computed.emit(bundle)

    def _save(self, _check: Check) -> Report:
        """Write every table that waits, so that none is lost when another one replaces the task."""
        from rnnviz.sweeps.results_io import write_sweep_csv, write_sweep_json

        while self._tables:
            table, path = self._tables.popleft()
            (write_sweep_json if path.suffix.lower() == ".json" else write_sweep_csv)(table, path)
            self._written.emit(path)
        return lambda: None


def _read(path: Path, check: Check) -> OpenedSweep:
    """Read a sweep with its finished rows, or a file of results."""
    if path.suffix.lower() != ".toml":
        # This import is slow; on this thread it blocks no window.
        from rnnviz.sweeps.results_io import load_sweep_results

        return OpenedSweep(path, SweepFigures(load_sweep_results(path)), None)
    from rnnviz.sweeps.driver import check_engines, earlier, journal_of, read_journal

    def points() -> Iterator[Point]:
        for point in sweep.points():
            check()
            yield point

    sweep = load_sweep(path, complete=lambda config: with_fallback_reference(config)[0])
    check_engines(sweep)
    rows = earlier(sweep, points(), read_journal(journal_of(path)))
    return OpenedSweep(path, SweepFigures(SweepTable(sweep.keys, tuple(rows))), sweep)

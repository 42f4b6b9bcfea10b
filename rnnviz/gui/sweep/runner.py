"""Sweep runner: reads a sweep, and computes its rows, on a thread."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

from rnnviz.frozen import dataclass
from rnnviz.gui.kit.tasks import Check, Report, StoppableTask
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


class SweepRunner(StoppableTask):
    """A stopped sweep ends when its processes have ended."""

    opened = Signal(object)
    """An `OpenedSweep`."""
    rows_received = Signal(object)
    """A list of new `SweepRow`s."""
    failed = Signal(str, str)
    """Title and sentence of an error."""

    _computed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("sweeps", parent)
        self._scheduler: Scheduler | None = None
        self._computed.connect(self.rows_received, Qt.ConnectionType.QueuedConnection)

    def open(self, path: Path) -> None:
        """Read a sweep or its results. Stops a running sweep first."""
        if self.busy:
            self.stop()
            self._set_busy(False)

        def read(check: Check) -> Report:
            return partial(self.opened.emit, _read(path, check))

        self._ask(read, partial(self.failed.emit, "The sweep cannot be opened"))

    def run(self, opened: OpenedSweep, trusted: frozenset[str] = frozenset()) -> None:
        """Compute the missing rows with the trusted Python files. No effect on results without their sweep."""
        sweep, points = opened.sweep, tuple(row.point for row in opened.figures.rows)
        if self.busy or sweep is None:
            return

        def compute(check: Check) -> Report:
            self._compute(opened.path, sweep, points, trusted, check)
            return self._end()

        self._begin(compute, partial(self.failed.emit, "The sweep ended early"))

    def stop(self) -> None:
        super().stop()
        if self._scheduler is not None:
            self._scheduler.stop()

    def close(self) -> None:
        # Without it, the processes would end their rows first.
        self.stop()
        super().close()

    # On the thread

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


def _read(path: Path, check: Check) -> OpenedSweep:
    """Read a sweep with its finished rows, or a file of results."""
    if path.suffix.lower() != ".toml":
        # This import is slow; on this thread it blocks no window.
        from rnnviz.sweeps.results import load_sweep_results

        return OpenedSweep(path, SweepFigures(load_sweep_results(path)), None)
    from rnnviz.sweeps.driver import check_engines, earlier, journal_of, read_journal

    def points() -> Iterator[Point]:
        for point in sweep.points():
            check()
            yield point

    sweep = load_sweep(path)
    check_engines(sweep)
    rows = earlier(sweep, points(), read_journal(journal_of(path)))
    return OpenedSweep(path, SweepFigures(SweepTable(sweep.keys, tuple(rows))), sweep)

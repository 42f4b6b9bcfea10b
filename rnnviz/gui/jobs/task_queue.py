"""Work that may take long and touches no widget: done one after the other on a thread beside the window's."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import TypeAlias

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.core.errors import EngineError, InputError

Progress: TypeAlias = Callable[[float], None]

_INTERNAL_ERROR = "Internal error: {kind}: {error}. Please report it (Help > Report a problem)."
_INTERVAL = 0.05
"""Seconds between two tellings of a job's progress, so that the window is not busy with them alone."""


class _CancelledError(Exception):
    """Nobody wants the work any more."""


@dataclass(frozen=True)
class Task:
    """`work` returns what to say when it is done.

    It gets a function that it calls often with the fraction that is done, and that raises when the job is to stop:
    what was begun is then to be undone.
    """

    title: str
    work: Callable[[Progress], str]


class _Worker(QObject):
    """Lives on the thread. Every job ends with exactly one of `done`, `failed` and `stopped`."""

    progressed = Signal(str, float)
    done = Signal(str)
    failed = Signal(str, str)
    stopped = Signal(str)

    @Slot(object, object)
    def do(self, job: Task, unwanted: Event) -> None:
        """Do one job to its end, or until it is unwanted."""

        told = -_INTERVAL

        def progress(fraction: float) -> None:
            nonlocal told
            if unwanted.is_set():
                raise _CancelledError
            now = monotonic()
            if now - told >= _INTERVAL:
                told = now
                self.progressed.emit(job.title, fraction)

        try:
            progress(0.0)
            self.done.emit(job.work(progress))
        except _CancelledError:
            self.stopped.emit(job.title)
        except (InputError, EngineError, OSError, MemoryError) as error:
            self.failed.emit(job.title, str(error) or "Not enough memory.")
        except Exception as error:  # noqa: BLE001 - the window must live on, and know that the job is over
            from rnnviz.execution.log import log, where

            log.error("%s in a job, at\n%s", type(error).__name__, "\n".join(where(error.__traceback__)))
            self.failed.emit(
                job.title,
                f"Internal error: {type(error).__name__}: {error}. Please report it (Help > Report a problem).",
            )


class TaskQueue(QObject):
    """Does jobs in the order in which they are asked for."""

    progressed = Signal(str, float)
    """A job's title, and the fraction of it that is done."""
    done = Signal(str)
    """What to say about it."""
    failed = Signal(str, str)
    """A job's title, and the sentence that says what is wrong."""
    stopped = Signal(str)
    """The title of a job that `stop` ended, or that it kept from beginning."""
    busy_changed = Signal(bool)

    _asked = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._unwanted = Event()
        self._open = 0
        self._thread = QThread(self)
        self._thread.setObjectName("jobs")
        self._worker = _Worker()
        self._worker.moveToThread(self._thread)
        queued = Qt.ConnectionType.QueuedConnection
        self._asked.connect(self._worker.do, queued)
        self._worker.progressed.connect(self.progressed, queued)
        for theirs, ours in (
            (self._worker.done, self.done),
            (self._worker.failed, self.failed),
            (self._worker.stopped, self.stopped),
        ):
            # What is over is no longer shown as going on when its outcome is told.
            theirs.connect(self._end, queued)
            theirs.connect(ours, queued)

    @property
    def busy(self) -> bool:
        """Whether a job goes on or waits."""
        return self._open > 0

    def start(self, job: Task) -> None:
        """Do `job` after those before it."""
        if not self._thread.isRunning():
            self._thread.start()
        self._open += 1
        self._asked.emit(job, self._unwanted)
        if self._open == 1:
            self.busy_changed.emit(True)

    def stop(self) -> None:
        """Stop what goes on and what waits; `stopped` follows for each."""
        self._unwanted.set()
        self._unwanted = Event()

    def close(self) -> None:
        """Abandon what is not done and wait for the thread to end."""
        self.stop()
        self._thread.quit()
        self._thread.wait()

    def _end(self) -> None:
        self._open -= 1
        if not self._open:
            self.busy_changed.emit(False)

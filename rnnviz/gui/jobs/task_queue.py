"""Queue of background tasks that run in order on one thread and use no widget."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import TypeAlias

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.core.errors import EngineError, InputError
from rnnviz.gui.jobs.latest_task import CancelledError

Progress: TypeAlias = Callable[[float], None]

_INTERNAL_ERROR = "Internal error: {kind}: {error}. Please report it (Help > Report a problem)."
_INTERVAL = 0.05
"""Minimum number of seconds between two progress signals."""


@dataclass(frozen=True)
class BackgroundTask:
    """A task. `work` returns the message for its end.

    It receives a function to call often with the completed fraction, which raises to cancel the task. `work` then
    undoes its changes.
    """

    title: str
    work: Callable[[Progress], str]


class _Worker(QObject):
    """Runs tasks on the thread. Each ends with exactly one of `done`, `failed` and `stopped`."""

    progressed = Signal(str, float)
    done = Signal(str)
    failed = Signal(str, str)
    stopped = Signal(str)

    @Slot(object, object)
    def do(self, job: BackgroundTask, unwanted: Event) -> None:
        """Run one task until it ends or is canceled."""

        emitted = -_INTERVAL

        def progress(fraction: float) -> None:
            nonlocal emitted
            if unwanted.is_set():
                raise CancelledError
            now = monotonic()
            if now - emitted >= _INTERVAL:
                emitted = now
                self.progressed.emit(job.title, fraction)

        try:
            progress(0.0)
            self.done.emit(job.work(progress))
        except CancelledError:
            self.stopped.emit(job.title)
        except (InputError, EngineError, OSError, MemoryError) as error:
            self.failed.emit(job.title, str(error) or "Not enough memory.")
        except Exception as error:  # noqa: BLE001 - the window must continue and learn that the task ended
            from rnnviz.execution.log import log, where

            log.error("%s in a job, at\n%s", type(error).__name__, "\n".join(where(error.__traceback__)))
            self.failed.emit(
                job.title,
                f"Internal error: {type(error).__name__}: {error}. Please report it (Help > Report a problem).",
            )


class TaskQueue(QObject):
    """Runs tasks in order."""

    progressed = Signal(str, float)
    """Title and completed fraction of a task."""
    done = Signal(str)
    """Message of a finished task."""
    failed = Signal(str, str)
    """Title and error sentence of a task."""
    stopped = Signal(str)
    """Title of a canceled task."""
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
            # `_end` first, so that the queue is not busy when the outcome is reported.
            theirs.connect(self._end, queued)
            theirs.connect(ours, queued)

    @property
    def busy(self) -> bool:
        """Whether a task runs or waits."""
        return self._open > 0

    def start(self, job: BackgroundTask) -> None:
        """Add a task."""
        if not self._thread.isRunning():
            self._thread.start()
        self._open += 1
        self._asked.emit(job, self._unwanted)
        if self._open == 1:
            self.busy_changed.emit(True)

    def stop(self) -> None:
        """Cancel all tasks; `stopped` follows for each."""
        self._unwanted.set()
        self._unwanted = Event()

    def close(self) -> None:
        """Cancel all tasks and wait for the thread."""
        self.stop()
        self._thread.quit()
        self._thread.wait()

    def _end(self) -> None:
        self._open -= 1
        if not self._open:
            self.busy_changed.emit(False)

"""Background tasks on threads: the latest one, which replaces earlier ones, one that can be stopped, and a queue.

Tasks use no widget.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any, TypeAlias

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from rnnviz.core.errors import EngineError, InputError

Check: TypeAlias = Callable[[], None]
Work: TypeAlias = Callable[[Check], Any]
"""Receives a function to call often, which raises once the task is replaced."""
Report: TypeAlias = Callable[[], object]
"""Reports the outcome of a task."""

_INTERNAL_ERROR = "Internal error: {kind}: {error}. Please report it (Help > Report a problem)."


class CancelledError(Exception):
    """The task was replaced or canceled."""


def _attempted(work: Callable[[], Report], failed: Callable[[str], object]) -> Report:
    """The report of work; that of an error calls `failed` with its sentence."""
    try:
        return work()
    except CancelledError:
        raise
    except MemoryError:
        return partial(failed, "Not enough memory: reduce a size, or close other programs.")
    except (InputError, EngineError, OSError) as error:
        return partial(failed, str(error))
    except Exception as error:  # noqa: BLE001 - the window must continue and learn that the task ended
        from rnnviz.execution.log import log
        from rnnviz.gui.recovery.log_file import where

        log.error("%s in a job, at\n%s", type(error).__name__, "\n".join(where(error.__traceback__)))
        return partial(failed, _INTERNAL_ERROR.format(kind=type(error).__name__, error=error))


@dataclass(eq=False)
class _Request:
    work: Work
    begun: bool = False


class _LatestWorker(QObject):
    """Runs tasks on the thread."""

    done = Signal(object, object)

    def __init__(self, *, finish: bool) -> None:
        super().__init__()
        self._finish = finish
        self.wanted: _Request | None = None

    @Slot()
    def do(self) -> None:
        """Run the latest task, unless it is canceled or was begun."""
        request = self.wanted
        if request is None or request.begun:
            return
        request.begun = True

        def check() -> None:
            if self.wanted is None or (self.wanted is not request and not self._finish):
                raise CancelledError

        with suppress(CancelledError):
            self.done.emit(request, request.work(check))


class LatestTask(QObject):
    """The latest task and its thread, which runs from the first task until `stop`.

    A task begins after pending paints, which would wait for the interpreter while it runs.

    A newer task cancels the running one. With `finish`, the running one ends first, and its result is reported, too.
    """

    done = Signal(object)
    """The result of a task."""

    # Without the request: a stopped thread would keep it in its queue, with the files of a run.
    _asked = Signal()

    def __init__(self, name: str, parent: QObject | None = None, *, finish: bool = False) -> None:
        super().__init__(parent)
        self._finish = finish
        self._thread = QThread(self)
        self._thread.setObjectName(name)
        self._worker = _LatestWorker(finish=finish)
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.do, Qt.ConnectionType.QueuedConnection)
        self._worker.done.connect(self._take, Qt.ConnectionType.QueuedConnection)
        self._painted = QTimer(self, interval=0, singleShot=True)
        self._painted.timeout.connect(self._begin)

    @property
    def busy(self) -> bool:
        return self._worker.wanted is not None

    def ask(self, work: Work) -> None:
        """Run a task in place of any earlier one."""
        self._worker.wanted = _Request(work)
        self._painted.start()

    def cancel(self) -> None:
        self._worker.wanted = None

    def stop(self) -> None:
        """Cancel the task and wait for the thread, at most until the task's next check."""
        self.cancel()
        self._thread.quit()
        self._thread.wait()

    def _begin(self) -> None:
        if self.busy:
            if not self._thread.isRunning():
                self._thread.start()
            self._asked.emit()

    def _take(self, request: _Request, outcome: object) -> None:
        latest = request is self._worker.wanted
        if latest:
            self._worker.wanted = None
        if latest or (self._finish and self.busy):
            self.done.emit(outcome)


class BusyObject(QObject):
    """An object with work that is in progress or not."""

    busy_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.busy = False
        """Whether the work is in progress."""

    def _set_busy(self, busy: bool) -> None:
        if busy != self.busy:
            self.busy = busy
            self.busy_changed.emit(busy)


class StoppableTask(BusyObject):
    """One task at a time on a thread, which the user may stop. Its outcome is reported in the thread of the window.

    Methods and signals belong to the window's thread; only `close` blocks.
    """

    ended = Signal(bool)
    """The task ended without an error; True if the user stopped it."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._stopped = False
        self._task = LatestTask(name, self)
        self._task.done.connect(self._finish)

    def stop(self) -> None:
        """Stop the task, if any, at the next place where it can be continued; `ended` follows."""
        self._stopped = True

    def close(self) -> None:
        """Cancel the task, and wait for its thread."""
        self._task.stop()

    def _begin(self, work: Callable[[Check], Report], failed: Callable[[str], object]) -> None:
        """Run a task, which ends soon after `_stopped` is set; arguments as of `_ask`."""
        self._stopped = False
        self._set_busy(True)
        self._ask(work, failed)

    def _ask(self, work: Callable[[Check], Report], failed: Callable[[str], object]) -> None:
        """Run `work` in place of any earlier one, then what it returns, or `failed` with the sentence of an error."""
        self._task.ask(lambda check: _attempted(partial(work, check), failed))

    def _finish(self, report: Report) -> None:
        self._set_busy(False)
        report()

    def _end(self) -> Report:
        return partial(self.ended.emit, self._stopped)


Progress: TypeAlias = Callable[[float], None]

_INTERVAL = 0.05
"""Minimum number of seconds between two progress signals."""


@dataclass(frozen=True)
class BackgroundTask:
    """A task. `work` returns the message for its end.

    It receives a function to call often with the completed fraction, which raises to cancel the task. `work` then
    undoes its changes. `writes`: whether it writes a file that the user asked for.
    """

    title: str
    work: Callable[[Progress], str]
    writes: bool = False


class _QueueWorker(QObject):
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

        def work() -> Report:
            progress(0.0)
            return partial(self.done.emit, job.work(progress))

        try:
            _attempted(work, partial(self.failed.emit, job.title))()
        except CancelledError:
            self.stopped.emit(job.title)


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
        self._open: deque[tuple[BackgroundTask, Event]] = deque()
        self._thread = QThread(self)
        self._thread.setObjectName("jobs")
        self._worker = _QueueWorker()
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
        return bool(self._open)

    @property
    def writing(self) -> list[str]:
        """Titles of the tasks that write files and are not canceled."""
        return [job.title for job, unwanted in self._open if job.writes and not unwanted.is_set()]

    def start(self, job: BackgroundTask) -> None:
        if not self._thread.isRunning():
            self._thread.start()
        self._open.append((job, self._unwanted))
        self._asked.emit(job, self._unwanted)
        if len(self._open) == 1:
            self.busy_changed.emit(True)

    def write(self, path: Path, write: Callable[[Path, Progress], str]) -> None:
        """Write a file, by a function that returns a summary of it."""

        def work(progress: Progress) -> str:
            return f"Saved {path} ({write(path, progress)})."

        self.start(BackgroundTask(f"writing {path.name}", work, writes=True))

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
        self._open.popleft()
        if not self._open:
            self.busy_changed.emit(False)

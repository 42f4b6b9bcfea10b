"""Background tasks on the threads of pools: the latest one, one that can be stopped, and a queue.

Each kind runs one task at a time. Tasks use no widget; their outcomes are reported in the thread of the window.
"""

from collections import deque
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeAlias

from PySide6.QtCore import QObject, Qt, QThreadPool, QTimer, Signal

from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.errors import EngineError, InputError
from rnnviz.frozen import dataclass
from rnnviz.gui.kit.turns import in_turn

Check: TypeAlias = Callable[[], None]
Work: TypeAlias = Callable[[Check], Any]
"""Receives a function to call often, which raises once the task is canceled."""
Report: TypeAlias = Callable[[], object]
"""Reports the outcome of a task."""
Progress: TypeAlias = Callable[[float], None]

_PROGRESS_SECONDS = 0.05
"""The shortest time between two progress signals."""
_INTERNAL_ERROR = "Internal error: {kind}: {error}. Please report it (Help > Report a problem)."


class CancelledError(Exception):
    """The task was replaced or canceled."""


class Token:
    """Whether a task is still wanted. The window cancels it; the task checks it on its thread."""

    def __init__(self) -> None:
        self.canceled = self.begun = False

    def cancel(self) -> None:
        self.canceled = True

    def check(self) -> None:
        if self.canceled:
            raise CancelledError


def one_thread(name: str, parent: QObject) -> QThreadPool:
    """A pool that runs tasks one after the other. Its thread has the name, and ends when it is idle for long."""
    pool = QThreadPool(parent, maxThreadCount=1)
    pool.setObjectName(name)
    return pool


def report_of(work: Callable[[], Report], failed: Callable[[str], object]) -> Report:
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


class LatestTask(QObject):
    """The latest task. It begins after pending paints, which would wait for the interpreter while it runs.

    A newer task cancels the running one. With `finish`, the running one ends first, and its result is reported, too.
    """

    done = Signal(object)
    """The result of a task."""

    _ended = Signal(object, object)

    def __init__(self, name: str, parent: QObject | None = None, *, finish: bool = False) -> None:
        super().__init__(parent)
        self._finish = finish
        self._pool = one_thread(name, self)
        self._tokens: list[Token] = []
        """Those of the tasks that are neither canceled nor reported: the latest one, with `finish` after others."""
        self._next: Work | None = None
        self._painted = QTimer(self, interval=0, singleShot=True)
        self._painted.timeout.connect(self._begin)
        self._ended.connect(self._take, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        return bool(self._tokens)

    def ask(self, work: Work) -> None:
        """Run a task in place of any earlier one."""
        self._cancel([token for token in self._tokens if not (self._finish and token.begun)])
        self._next = work
        self._tokens.append(Token())
        self._painted.start()

    def cancel(self) -> None:
        self._cancel(list(self._tokens))
        self._next = None

    def stop(self) -> None:
        """Cancel the task and wait for its end, at most until its next check."""
        self.cancel()
        self._pool.waitForDone()

    def _cancel(self, tokens: list[Token]) -> None:
        for token in tokens:
            token.cancel()
            self._tokens.remove(token)

    def _begin(self) -> None:
        work, self._next = self._next, None
        if work is not None:
            self._pool.start(partial(self._run, work, self._tokens[-1]))

    def _run(self, work: Work, token: Token) -> None:
        with suppress(CancelledError):
            token.begun = True
            token.check()
            self._ended.emit(token, work(token.check))

    def _take(self, token: Token, outcome: object) -> None:
        if outcome is None:
            self._report(token, outcome)
        else:
            # To show it may take most of a frame.
            in_turn(self, partial(self._report, token, outcome))

    def _report(self, token: Token, outcome: object) -> None:
        if token in self._tokens:
            self._tokens.remove(token)
            self.done.emit(outcome)


class KnownValues(QObject):
    """Numbers of one result by key. Those that take longer than a frame are computed on a thread, the latest only."""

    ready = Signal()
    """Numbers that were asked for are known."""

    def __init__(self, name: str, parent: QObject, size: Callable[[Any], int], *, finish: bool = False) -> None:
        """`size` returns the bytes of a value; `finish` as of `LatestTask`."""
        super().__init__(parent)
        self._size = size
        self._known: ByteCache[Hashable, Any] = ByteCache("series")
        self._turn = 0
        """Number of the result."""
        self._missing: list[Hashable] = []
        self._task = LatestTask(name, self, finish=finish)
        self._task.done.connect(self._take)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._known

    def get(self, key: Hashable) -> Any:
        """The value of a key; None until it is known."""
        return self._known.get(key)

    def ask(self, wanted: Mapping[Any, Work], frames: Callable[[Any], float]) -> bool:
        """Ask for values by key, in place of earlier requests. Returns whether they are known at once.

        `frames` says how much of the work of a frame each key takes.
        """
        missing = {key: work for key, work in wanted.items() if key not in self._known}
        if sum(map(frames, missing)) <= 1.0:
            self.finish(missing)
            return True
        if list(missing) != self._missing:
            self._missing, turn = list(missing), self._turn
            self._task.ask(lambda check: (turn, {key: work(check) for key, work in missing.items()}))
        return False

    def finish(self, wanted: Mapping[Any, Work]) -> None:
        """Compute values at once, however long it takes."""
        self.cancel()
        self._keep({key: work(lambda: None) for key, work in wanted.items() if key not in self._known})

    def cancel(self) -> None:
        self._missing = []
        self._task.cancel()

    def stop(self) -> None:
        """Cancel the requests, and wait for the thread."""
        self.cancel()
        self._task.stop()

    def reset(self) -> None:
        """Release the result and its values."""
        self.cancel()
        self._turn += 1
        self._known.clear()

    def _take(self, found: tuple[int, dict[Hashable, Any]]) -> None:
        turn, values = found
        if turn == self._turn:
            if list(values) == self._missing:
                self._missing = []
            self._keep(values)
            self.ready.emit()

    def _keep(self, values: Mapping[Hashable, Any]) -> None:
        for key, value in values.items():
            self._known.put(key, value, self._size(value))


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
    """One task at a time, which the user may stop."""

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
        self._task.ask(lambda check: report_of(partial(work, check), failed))

    def _finish(self, report: Report) -> None:
        self._set_busy(False)
        report()

    def _end(self) -> Report:
        return partial(self.ended.emit, self._stopped)


@dataclass(frozen=True)
class BackgroundTask:
    """A task. `work` returns the message for its end.

    It receives a function to call often with the completed fraction, which raises to cancel the task. `work` then
    undoes its changes. `writes`: whether it writes a file that the user asked for.
    """

    title: str
    work: Callable[[Progress], str]
    writes: bool = False


class TaskQueue(QObject):
    """Runs tasks in order. Each ends with exactly one of `done`, `failed` and `stopped`."""

    progressed = Signal(str, float)
    """Title and completed fraction of a task."""
    done = Signal(str)
    """Message of a finished task."""
    failed = Signal(str, str)
    """Title and error sentence of a task."""
    stopped = Signal(str)
    """Title of a canceled task."""
    busy_changed = Signal(bool)

    _ended = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._open: deque[tuple[BackgroundTask, Token]] = deque()
        self._pool = one_thread("jobs", self)
        self._ended.connect(self._end, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        return bool(self._open)

    @property
    def writing(self) -> list[str]:
        """Titles of the tasks that write files and are not canceled."""
        return [task.title for task, token in self._open if task.writes and not token.canceled]

    def start(self, task: BackgroundTask) -> None:
        token = Token()
        self._open.append((task, token))
        self._pool.start(partial(self._run, task, token))
        if len(self._open) == 1:
            self.busy_changed.emit(True)

    def write(self, path: Path, write: Callable[[Path, Progress], str]) -> None:
        """Write a file, by a function that returns a summary of it."""

        def work(progress: Progress) -> str:
            return f"Saved {path} ({write(path, progress)})."

        self.start(BackgroundTask(f"writing {path.name}", work, writes=True))

    def stop(self) -> None:
        """Cancel all tasks; `stopped` follows for each."""
        for _, token in self._open:
            token.cancel()

    def close(self) -> None:
        """Cancel all tasks and wait for their end."""
        self.stop()
        self._pool.waitForDone()

    def _run(self, task: BackgroundTask, token: Token) -> None:
        emitted = -_PROGRESS_SECONDS

        def progress(fraction: float) -> None:
            nonlocal emitted
            token.check()
            now = monotonic()
            if now - emitted >= _PROGRESS_SECONDS:
                emitted = now
                self.progressed.emit(task.title, fraction)

        def work() -> Report:
            progress(0.0)
            return partial(self.done.emit, task.work(progress))

        try:
            report = report_of(work, partial(self.failed.emit, task.title))
        except CancelledError:
            report = partial(self.stopped.emit, task.title)
        self._ended.emit(report)

    def _end(self, report: Report) -> None:
        # First, so that the queue is not busy when the outcome is reported.
        self._open.popleft()
        if not self._open:
            self.busy_changed.emit(False)
        report()

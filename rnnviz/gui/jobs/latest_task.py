"""Background task on a thread, replaced by each newer task."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

Check: TypeAlias = Callable[[], None]
Work: TypeAlias = Callable[[Check], Any]
"""Receives a function to call often, which raises once the task is replaced."""


class CancelledError(Exception):
    """The task was replaced or canceled."""


@dataclass(frozen=True, eq=False)
class _Request:
    work: Work


class _Worker(QObject):
    """Runs tasks on the thread."""

    done = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.wanted: _Request | None = None

    @Slot(object)
    def do(self, order: _Request) -> None:
        """Run the task unless it is replaced."""

        def check() -> None:
            if self.wanted is not order:
                raise CancelledError

        with suppress(CancelledError):
            check()
            self.done.emit(order, order.work(check))


class LatestTask(QObject):
    """The latest task and its thread, which runs from the first task until `stop`."""

    done = Signal(object)
    """The result of the latest task."""

    _asked = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = QThread(self)
        self._thread.setObjectName(name)
        self._worker = _Worker()
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.do, Qt.ConnectionType.QueuedConnection)
        self._worker.done.connect(self._take, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether a task is running."""
        return self._worker.wanted is not None

    def ask(self, work: Work) -> None:
        """Run a task in place of any earlier one."""
        self._worker.wanted = _Request(work)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit(self._worker.wanted)

    def cancel(self) -> None:
        """Cancel the task."""
        self._worker.wanted = None

    def stop(self) -> None:
        """Cancel the task and wait for the thread, at most until the task's next check."""
        self.cancel()
        self._thread.quit()
        self._thread.wait()

    def _take(self, order: _Request, outcome: object) -> None:
        if order is self._worker.wanted:
            self._worker.wanted = None
            self.done.emit(outcome)

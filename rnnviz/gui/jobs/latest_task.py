"""One piece of work at a time on a thread beside the window's: a newer one takes the place of the one before."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

Check: TypeAlias = Callable[[], None]
Work: TypeAlias = Callable[[Check], Any]
"""Gets a function to be called often, which raises when nobody waits for the outcome any more."""


class _CancelledError(Exception):
    """Something else is wanted by now."""


@dataclass(frozen=True, eq=False)
class _Request:
    work: Work


class _Worker(QObject):
    """Lives on the thread."""

    done = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.wanted: _Request | None = None

    @Slot(object)
    def do(self, order: _Request) -> None:
        """Do it to its end, as long as it is what is wanted."""

        def check() -> None:
            if self.wanted is not order:
                raise _CancelledError

        with suppress(_CancelledError):
            check()
            self.done.emit(order, order.work(check))


class LatestTask(QObject):
    """Its thread, of a name of its own, runs from the first work until `stop`."""

    done = Signal(object)
    """What the work that was asked for last came to."""

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
        """Whether an outcome is waited for."""
        return self._worker.wanted is not None

    def ask(self, work: Work) -> None:
        """Have this done, and nothing that was asked for before."""
        self._worker.wanted = _Request(work)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit(self._worker.wanted)

    def cancel(self) -> None:
        """Want nothing any more."""
        self._worker.wanted = None

    def stop(self) -> None:
        """Want nothing any more, and wait for the thread to end: no longer than it takes until the work checks."""
        self.cancel()
        self._thread.quit()
        self._thread.wait()

    def _take(self, order: _Request, outcome: object) -> None:
        if order is self._worker.wanted:
            self._worker.wanted = None
            self.done.emit(outcome)

"""Work that may take long and touches no widget: done one after the other on a thread beside the window's."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import TypeAlias

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.model.errors import InputError

Progress: TypeAlias = Callable[[float], None]


class _AbandonedError(Exception):
    """The window is closing; nobody wants the work any more."""


@dataclass(frozen=True)
class Job:
    """`work` gets a function to tell its progress with, and returns what to say when it is done."""

    title: str
    work: Callable[[Progress], str]


class _Doer(QObject):
    """Lives on the thread."""

    progressed = Signal(str, float)
    done = Signal(str)
    failed = Signal(str, str)

    def __init__(self, abandoned: Event) -> None:
        super().__init__()
        self._abandoned = abandoned

    @Slot(object)
    def do(self, job: Job) -> None:
        """Do one job to its end."""

        def progress(fraction: float) -> None:
            if self._abandoned.is_set():
                raise _AbandonedError
            self.progressed.emit(job.title, fraction)

        try:
            progress(0.0)
            self.done.emit(job.work(progress))
        except _AbandonedError:
            return
        except (InputError, OSError, MemoryError) as error:
            self.failed.emit(job.title, str(error) or "There is too little memory for it.")


class Jobs(QObject):
    """Does jobs in the order in which they are asked for."""

    progressed = Signal(str, float)
    """A job's title, and the fraction of it that is done."""
    done = Signal(str)
    """What to say about it."""
    failed = Signal(str, str)
    """A job's title, and the sentence that says what is wrong."""

    _asked = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._abandoned = Event()
        self._thread = QThread(self)
        self._thread.setObjectName("jobs")
        self._doer = _Doer(self._abandoned)
        self._doer.moveToThread(self._thread)
        queued = Qt.ConnectionType.QueuedConnection
        self._asked.connect(self._doer.do, queued)
        self._doer.progressed.connect(self.progressed, queued)
        self._doer.done.connect(self.done, queued)
        self._doer.failed.connect(self.failed, queued)

    def start(self, job: Job) -> None:
        """Do `job` after those before it."""
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit(job)

    def close(self) -> None:
        """Abandon what is not done and wait for the thread to end."""
        self._abandoned.set()
        self._thread.quit()
        self._thread.wait()

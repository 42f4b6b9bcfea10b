"""The thread's side of a run: it owns the supervisor of the child process and turns events into signals."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, Signal, Slot

from rnnviz.execution.events import Cancelled, Computed, Failed, Finished, Progressed
from rnnviz.execution.request import RunRequest

if TYPE_CHECKING:
    from rnnviz.execution.supervisor import Supervisor


class Worker(QObject):
    """Lives on a thread of its own, which waits there for the child process.

    Every request ends with exactly one of `finished`, `failed` and `cancelled`.
    """

    progressed = Signal(int, object, float)
    """The request's id, what is being done, the fraction that is done."""
    computed = Signal(object)
    """A `RunResult` without its judgment, which follows with `finished`."""
    finished = Signal(object)
    """A `RunResult`."""
    failed = Signal(object)
    """A `Failed`."""
    cancelled = Signal(int)

    def __init__(self, supervisor: "Supervisor") -> None:
        super().__init__()
        self._supervisor = supervisor

    @Slot()
    def warm_up(self) -> None:
        """Start the child process, which imports its engines."""
        try:
            self._supervisor.start()
        except OSError:
            # The first run meets the same error and tells it.
            return

    @Slot(object)
    def run(self, request: RunRequest) -> None:
        """Run one request to its end."""
        try:
            for event in self._supervisor.events(request):
                match event:
                    case Progressed(request_id, stage, fraction):
                        self.progressed.emit(request_id, stage, fraction)
                    case Computed(_, result):
                        self.computed.emit(result)
                    case Finished(_, result):
                        self.finished.emit(result)
                    case Failed():
                        self.failed.emit(event)
                    case Cancelled(request_id):
                        self.cancelled.emit(request_id)
        except OSError as error:
            sentence = f"The worker process did not start: {error.strerror or error}."
            self.failed.emit(Failed(request.id, "engine", sentence))

    @Slot()
    def close(self) -> None:
        """End the child process and then this thread."""
        self._supervisor.close()
        QThread.currentThread().quit()

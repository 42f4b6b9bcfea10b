"""Worker object of the run thread: turns events of the supervisor into signals."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, Signal, Slot

from rnnviz.execution.events import Cancelled, Computed, Failed, Finished, Progressed, RunRequest

if TYPE_CHECKING:
    from rnnviz.execution.supervisor import Supervisor


class Worker(QObject):
    """Waits for the worker process on a separate thread.

    Every request ends with exactly one of `finished`, `failed` and `cancelled`.
    """

    progressed = Signal(int, object, float)
    """Request id, stage, completed fraction."""
    computed = Signal(object)
    """A `RunResult` before its audit."""
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
        """Start the worker process and its imports."""
        try:
            self._supervisor.start()
        except OSError:
            # The first run reports the same error.
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
        """End the worker process, then this thread."""
        self._supervisor.close()
        QThread.currentThread().quit()

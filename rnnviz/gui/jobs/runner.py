"""Execution of runs on a thread that waits for the worker process: the latest request replaces earlier ones."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from rnnviz.core.config import Config
from rnnviz.execution.events import (
    STARTING,
    AuditMode,
    Cancelled,
    Computed,
    Failed,
    Finished,
    Progressed,
    RunRequest,
    Stage,
)
from rnnviz.gui.jobs.task_queue import BusyObject
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.execution.supervisor import Supervisor


class _Worker(QObject):
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
        try:
            self._supervisor.start()
        except OSError:
            # The first run reports the same error.
            return

    @Slot(object)
    def run(self, request: RunRequest) -> None:
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


GRACE_MS = 300
"""Grace period of a replaced run. Stopping it kills the worker process, and a new one needs a second to start."""
_CLOSE_MS = 10_000


class Runner(BusyObject):
    """Starts runs on a worker thread and reports their progress. Results of replaced runs are dropped.

    All methods and signals belong to the window's thread. Only `close` blocks.
    """

    started = Signal(object)
    """The `Config` of the run."""
    progressed = Signal(object, float)
    """Stage and completed fraction."""
    computed = Signal(object, object)
    """The `RunResult` before its audit, and the requested `Config`."""
    finished = Signal(object, object)
    """The `RunResult`, and the requested `Config`."""
    failed = Signal(object)
    """A `Failed`."""
    stopped = Signal()
    """The run was stopped by `stop`."""

    _asked = Signal(object)
    _warming = Signal()
    _closing = Signal()

    def __init__(self, supervisor: "Supervisor | None" = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._supervisor = supervisor
        self._at_work: RunRequest | None = None
        self._wanted: RunRequest | None = None
        self._computing = False
        self._closed = False
        self._grace = QTimer(self, singleShot=True, interval=GRACE_MS)
        self._grace.timeout.connect(self._stop_replaced)

        self._thread = QThread(self)
        self._thread.setObjectName("runs")
        self._worker: _Worker | None = None

    def warm_up(self) -> None:
        if self._closed:
            return
        self._set_up()
        self._warming.emit()

    def run(self, config: Config, audit: AuditMode = "auto", trusted: frozenset[str] = frozenset()) -> None:
        """Run `config` in place of an earlier run. `audit` and `trusted` as in a `RunRequest`.

        No effect after `close`.
        """
        if self._closed:
            return
        self._set_up()
        # With the formats of input files, which nothing needs before the first run.
        from rnnviz.io.inputs import load_inputs

        request = RunRequest(config, load_inputs, audit, trusted)
        self._wanted = request
        if self._at_work is None:
            self._send(request)
        else:
            self._grace.start()
        self.started.emit(config)
        self._set_busy(True)

    def stop(self) -> None:
        """Stop the current run, if any; `stopped` follows when its process has ended."""
        self._wanted = None
        self._cancel_work()

    def close(self) -> None:
        """Stop everything and wait for thread and worker process to end."""
        self._closed = True
        self._grace.stop()
        self._wanted = None
        self._cancel_work()
        if self._thread.isRunning():
            self._closing.emit()
            self._thread.wait(_CLOSE_MS)

    def _set_up(self) -> None:
        """Create the worker on first use: its imports would delay the first paint."""
        if self._worker is not None:
            return
        from rnnviz.execution.supervisor import Supervisor

        self._supervisor = Supervisor() if self._supervisor is None else self._supervisor
        self._worker = worker = _Worker(self._supervisor)
        worker.moveToThread(self._thread)
        queued = Qt.ConnectionType.QueuedConnection
        self._asked.connect(worker.run, queued)
        self._warming.connect(worker.warm_up, queued)
        self._closing.connect(worker.close, queued)
        worker.progressed.connect(self._on_progressed, queued)
        worker.computed.connect(self._on_computed, queued)
        worker.finished.connect(self._on_finished, queued)
        worker.failed.connect(self._on_failed, queued)
        worker.cancelled.connect(self._on_cancelled, queued)
        self._thread.start()

    def _cancel_work(self) -> None:
        if self._at_work is not None and self._supervisor is not None:
            self._supervisor.cancel(self._at_work.id)

    def _send(self, request: RunRequest) -> None:
        self._at_work = request
        self._computing = False
        self._asked.emit(request)

    def _stop_replaced(self) -> None:
        if self._at_work is self._wanted:
            return
        if self._computing:
            self._cancel_work()
        else:
            # The worker process still imports the engines, which the newer run needs, too.
            self._grace.start()

    def _on_progressed(self, request_id: int, stage: Stage, fraction: float) -> None:
        begins = self._at_work is not None and request_id == self._at_work.id and stage != STARTING
        if begins and not self._computing:
            self._computing = True
            if self._grace.isActive():
                # The start time of the engines does not count.
                self._grace.start()
        if self._wanted is not None and request_id == self._wanted.id:
            self.progressed.emit(stage, fraction)

    def _on_computed(self, result: RunResult) -> None:
        if self._wanted is not None and result.request_id == self._wanted.id:
            self.computed.emit(result, self._wanted.config)

    def _on_finished(self, result: RunResult) -> None:
        request = self._end(result.request_id)
        if request is not None:
            self.finished.emit(result, request.config)

    def _on_failed(self, event: Failed) -> None:
        if self._end(event.request_id) is not None:
            self.failed.emit(event)

    def _on_cancelled(self, request_id: int) -> None:
        self._end(request_id)

    def _end(self, request_id: int) -> RunRequest | None:
        """Return the finished request unless it was replaced; start the waiting one."""
        ended, self._at_work = self._at_work, None
        self._grace.stop()
        if self._wanted is None:
            self._set_busy(False)
            self.stopped.emit()
            return None
        if self._wanted.id == request_id:
            self._wanted = None
            self._set_busy(False)
            return ended
        self._send(self._wanted)
        return None

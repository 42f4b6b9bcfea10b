"""Runs as the window sees them: the newest request counts, older ones make way."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal

from rnnviz.core.config import Config
from rnnviz.execution.events import STARTING, Failed, Stage
from rnnviz.execution.request import AuditMode, RunRequest
from rnnviz.gui.jobs.worker import Worker
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.execution.supervisor import Supervisor

GRACE_MS = 300
"""How long an overtaken run may go on. Stopping it kills the child, and a new one needs a second to warm up."""
_CLOSE_MS = 10_000


class Runner(QObject):
    """Starts runs on a worker thread and tells how they go; results of overtaken runs are dropped.

    All methods and signals belong to the window's thread, and none of them waits but `close`.
    """

    started = Signal(object)
    """The `Config` that is run."""
    progressed = Signal(object, float)
    """What is being done, and the fraction of the run that is done."""
    computed = Signal(object, object)
    """The `RunResult` so far, and the `Config` as it was asked for: the audit goes on."""
    finished = Signal(object, object)
    """The `RunResult`, and the `Config` as it was asked for."""
    failed = Signal(object)
    """A `Failed`."""
    stopped = Signal()
    """The user's `stop` took effect."""
    busy_changed = Signal(bool)

    _asked = Signal(object)
    _warming = Signal()
    _closing = Signal()

    def __init__(self, supervisor: "Supervisor | None" = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._supervisor = supervisor
        self._at_work: RunRequest | None = None
        self._wanted: RunRequest | None = None
        self._computing = False
        self._busy = self._closed = False
        self._grace = QTimer(self, singleShot=True, interval=GRACE_MS)
        self._grace.timeout.connect(self._stop_overtaken)

        self._thread = QThread(self)
        self._thread.setObjectName("runs")
        self._worker: Worker | None = None

    @property
    def busy(self) -> bool:
        """Whether a run that is still wanted goes on."""
        return self._busy

    def warm_up(self) -> None:
        """Start the child process, so that the first run need not wait for its imports; nothing once it is closed."""
        if self._closed:
            return
        self._set_up()
        self._warming.emit()

    def run(self, config: Config, audit: AuditMode = "auto", trusted: frozenset[str] = frozenset()) -> None:
        """Run `config`; an earlier run that still goes on is overtaken. `audit` and `trusted` as in a `RunRequest`.

        Nothing is run any more once it is closed: a window may be closed before all that waits for it has come.
        """
        if self._closed:
            return
        from rnnviz.execution.supervisor import new_request

        self._set_up()
        request = new_request(config, load_inputs, audit, trusted)
        self._wanted = request
        if self._at_work is None:
            self._send(request)
        else:
            self._grace.start()
        self.started.emit(config)
        self._set_busy(True)

    def stop(self) -> None:
        """Stop the run that goes on, if one does; `stopped` follows when its process is gone."""
        self._wanted = None
        self._cancel_work()

    def close(self) -> None:
        """Stop everything and wait until thread and child process are gone."""
        self._closed = True
        self._grace.stop()
        self._wanted = None
        self._cancel_work()
        if self._thread.isRunning():
            self._closing.emit()
            self._thread.wait(_CLOSE_MS)

    def _set_up(self) -> None:
        """Make the worker and its thread, once: a window is seen before it needs what they import."""
        if self._worker is not None:
            return
        from rnnviz.execution.supervisor import Supervisor

        self._supervisor = Supervisor() if self._supervisor is None else self._supervisor
        self._worker = worker = Worker(self._supervisor)
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

    def _stop_overtaken(self) -> None:
        if self._at_work is self._wanted:
            return
        if self._computing:
            self._cancel_work()
        else:
            # Its process still imports the engines, which the newer run needs as well: a new process would begin anew.
            self._grace.start()

    def _on_progressed(self, request_id: int, stage: Stage, fraction: float) -> None:
        begins = self._at_work is not None and request_id == self._at_work.id and stage != STARTING
        if begins and not self._computing:
            self._computing = True
            if self._grace.isActive():
                # The time that the engines took to start is not the run's.
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
        """The request that ended, if its answer is still wanted; a newer one that waits begins."""
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

    def _set_busy(self, busy: bool) -> None:
        if busy != self._busy:
            self._busy = busy
            self.busy_changed.emit(busy)

"""Execution of runs on a thread that waits for the worker process: the latest request replaces earlier ones."""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from rnnviz.core.config import Config
from rnnviz.execution.events import (
    STARTING,
    AuditMode,
    Computed,
    Event,
    Failed,
    Finished,
    Progressed,
    RunRequest,
    Stage,
)
from rnnviz.gui.kit.tasks import BusyObject, one_thread

if TYPE_CHECKING:
    from rnnviz.execution.supervisor import Supervisor


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

    _sent = Signal(object)
    """An `Event`. Each request ends with exactly one of `Finished`, `Failed` and `Cancelled`."""

    def __init__(self, supervisor: "Supervisor | None" = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._supervisor = supervisor
        self._at_work: RunRequest | None = None
        self._wanted: RunRequest | None = None
        self._computing = False
        self._closed = False
        self._grace = QTimer(self, singleShot=True, interval=GRACE_MS)
        self._grace.timeout.connect(self._stop_replaced)
        self._pool = one_thread("runs", self)
        self._sent.connect(self._on_event, Qt.ConnectionType.QueuedConnection)

    def warm_up(self) -> None:
        if not self._closed:
            self._pool.start(partial(_start, self._made_supervisor()))

    def run(self, config: Config, audit: AuditMode = "auto", trusted: frozenset[str] = frozenset()) -> None:
        """Run `config` in place of an earlier run. `audit` and `trusted` as in a `RunRequest`.

        No effect after `close`.
        """
        if self._closed:
            return
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
        if self._supervisor is not None:
            self._supervisor.close()
        self._pool.waitForDone(_CLOSE_MS)

    def _made_supervisor(self) -> "Supervisor":
        """The supervisor, imported on first use: its imports would delay the first paint."""
        if self._supervisor is None:
            from rnnviz.execution.supervisor import Supervisor

            self._supervisor = Supervisor()
        return self._supervisor

    def _run(self, supervisor: "Supervisor", request: RunRequest) -> None:
        """Send the events of a run from the thread of the pool, which waits for the worker process."""
        try:
            for event in supervisor.events(request):
                self._sent.emit(event)
        except OSError as error:
            sentence = f"The worker process did not start: {error.strerror or error}."
            self._sent.emit(Failed(request.id, "engine", sentence))

    def _cancel_work(self) -> None:
        if self._at_work is not None and self._supervisor is not None:
            self._supervisor.cancel(self._at_work.id)

    def _send(self, request: RunRequest) -> None:
        self._at_work = request
        self._computing = False
        self._pool.start(partial(self._run, self._made_supervisor(), request))

    def _stop_replaced(self) -> None:
        if self._at_work is self._wanted:
            return
        if self._computing:
            self._cancel_work()
        else:
            # The worker process still imports the engines, which the newer run needs, too.
            self._grace.start()

    def _on_event(self, event: Event) -> None:
        match event:
            case Progressed(request_id, stage, fraction):
                self._on_progressed(request_id, stage, fraction)
            case Computed(request_id, result):
                if self._wanted is not None and request_id == self._wanted.id:
                    self.computed.emit(result, self._wanted.config)
            case Finished(request_id, result):
                if (request := self._end(request_id)) is not None:
                    self.finished.emit(result, request.config)
            case Failed():
                if self._end(event.request_id) is not None:
                    self.failed.emit(event)
            case _:
                self._end(event.request_id)

    def _on_progressed(self, request_id: int, stage: Stage, fraction: float) -> None:
        begins = self._at_work is not None and request_id == self._at_work.id and stage != STARTING
        if begins and not self._computing:
            self._computing = True
            if self._grace.isActive():
                # The start time of the engines does not count.
                self._grace.start()
        if self._wanted is not None and request_id == self._wanted.id:
            self.progressed.emit(stage, fraction)

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


def _start(supervisor: "Supervisor") -> None:
    # The first run reports the same error.
    with suppress(OSError):
        supervisor.start()

"""Worker thread that checks a step's statements, so that a large run does not block the window."""

from dataclasses import dataclass
from threading import Lock

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.core.trace_index import Location
from rnnviz.lessons.evaluate import StatementResult, check_statement
from rnnviz.lessons.statements import Statement
from rnnviz.verify.result import RunResult


@dataclass(frozen=True, eq=False)
class StatementRequest:
    """Statements about a result, with the selection."""

    result: RunResult
    statements: tuple[Statement, ...]
    where: Location


class _Worker(QObject):
    """Checks statements on the thread."""

    results_ready = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._waiting: StatementRequest | None = None

    def put(self, request: StatementRequest | None) -> None:
        """Replace the pending request. Called on the window's thread."""
        with self._lock:
            self._waiting = request

    @Slot()
    def answer(self) -> None:
        """Answer the pending request, if any."""
        with self._lock:
            request, self._waiting = self._waiting, None
        if request is not None:
            findings = tuple(_checked(request, statement) for statement in request.statements)
            self.results_ready.emit(request, findings)


def _checked(request: StatementRequest, statement: Statement) -> StatementResult:
    try:
        return check_statement(request.result, statement, request.where)
    except Exception as error:  # noqa: BLE001 - the window must survive, and report that this statement was not checked
        return StatementResult(statement, None, (), f"internal error: {type(error).__name__}: {error}")


class StatementWorker(QObject):
    """Answers the latest request. Its thread runs from the first request until `stop`."""

    results_ready = Signal(object)
    """The `StatementResult`s in the order of the statements."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._last: StatementRequest | None = None
        self._asked_last: tuple[object, ...] = ()
        self._thread = QThread(self)
        self._thread.setObjectName("lessons")
        self._worker = _Worker()
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.answer, Qt.ConnectionType.QueuedConnection)
        self._worker.results_ready.connect(self._on_answered, Qt.ConnectionType.QueuedConnection)

    def ask(self, result: RunResult, statements: tuple[Statement, ...], where: Location) -> None:
        """Request a check of statements in place of earlier requests.

        No effect for the same request as before, unless `reset` was called: statements that do not use the
        selection stay valid.
        """
        follows = any(statement.follows_selection for statement in statements)
        # Not the result itself, whose files would stay as long as it does.
        asked = statements, result.request_id, result.judgment is not None, where if follows else None
        if asked == self._asked_last:
            return
        self._asked_last = asked
        self._last = StatementRequest(result, statements, where)
        self._worker.put(self._last)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit()

    def reset(self) -> None:
        """Drop all requests, and release the result."""
        self._last, self._asked_last = None, ()
        self._worker.put(None)

    def stop(self) -> None:
        """Stop, and wait for the thread."""
        self.reset()
        self._thread.quit()
        self._thread.wait()

    def _on_answered(self, request: StatementRequest, findings: tuple[StatementResult, ...]) -> None:
        if request is self._last:
            self._last = None
            self.results_ready.emit(findings)

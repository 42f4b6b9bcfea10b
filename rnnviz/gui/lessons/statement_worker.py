"""Checks a step's statements on a separate thread, so that a large run keeps no window waiting."""

from dataclasses import dataclass
from threading import Lock

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.core.trace_index import Location
from rnnviz.lessons.statements.parser import Statement
from rnnviz.lessons.statements.result import StatementResult, check_statement
from rnnviz.verify.result import RunResult


@dataclass(frozen=True, eq=False)
class StatementRequest:
    """Some statements about a run, and where the selection is in it."""

    result: RunResult
    statements: tuple[Statement, ...]
    where: Location


class _Worker(QObject):
    """Lives on the thread."""

    answered = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._waiting: StatementRequest | None = None

    def put(self, question: StatementRequest | None) -> None:
        """Let this question wait in place of any other; called from the window's thread."""
        with self._lock:
            self._waiting = question

    @Slot()
    def answer(self) -> None:
        """Answer the question that waits, if any."""
        with self._lock:
            question, self._waiting = self._waiting, None
        if question is not None:
            findings = tuple(_checked(question, claim) for claim in question.statements)
            self.answered.emit(question, findings)


def _checked(question: StatementRequest, claim: Statement) -> StatementResult:
    try:
        return check_statement(question.result, claim, question.where)
    except Exception as error:  # noqa: BLE001 - the window must live on, and say that this claim was not answered
        return StatementResult(claim, None, (), f"This should not have happened: {type(error).__name__}: {error}.")


class Checker(QObject):
    """Answers what was asked last. Its thread runs from the first question until `rest`."""

    answered = Signal(object)
    """The `StatementResult`s in the order of the statements."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._last: StatementRequest | None = None
        self._asked_last: tuple[object, ...] = ()
        self._thread = QThread(self)
        self._thread.setObjectName("lessons")
        self._examiner = _Worker()
        self._examiner.moveToThread(self._thread)
        self._asked.connect(self._examiner.answer, Qt.ConnectionType.QueuedConnection)
        self._examiner.answered.connect(self._on_answered, Qt.ConnectionType.QueuedConnection)

    def ask(self, result: RunResult, claims: tuple[Statement, ...], where: Location) -> None:
        """Have statements checked; an earlier question is not answered any more.

        Nothing is done if the same was asked last, with nothing forgotten since: a place says nothing new of statements
        that do not follow the selection.
        """
        follows = any(claim.follows_selection for claim in claims)
        # Not the result itself, whose files would stay as long as it does.
        asked = claims, result.request_id, result.judgment is not None, where if follows else None
        if asked == self._asked_last:
            return
        self._asked_last = asked
        self._last = StatementRequest(result, claims, where)
        self._examiner.put(self._last)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit()

    def forget(self) -> None:
        """Answer nothing that was asked before, and hold on to no result."""
        self._last, self._asked_last = None, ()
        self._examiner.put(None)

    def rest(self) -> None:
        """Answer nothing more, and wait for the thread to end."""
        self.forget()
        self._thread.quit()
        self._thread.wait()

    def _on_answered(self, question: StatementRequest, findings: tuple[StatementResult, ...]) -> None:
        if question is self._last:
            self._last = None
            self.answered.emit(findings)

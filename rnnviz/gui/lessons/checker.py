"""Checks a step's claims on a thread of its own, so that a large run keeps no window waiting."""

from dataclasses import dataclass
from threading import Lock

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.analysis.claims.finding import Finding, check_claim
from rnnviz.analysis.claims.grammar import Claim
from rnnviz.analysis.result import RunResult


@dataclass(frozen=True, eq=False)
class Question:
    """Some claims about a run."""

    result: RunResult
    claims: tuple[Claim, ...]


class _Examiner(QObject):
    """Lives on the thread."""

    answered = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._waiting: Question | None = None

    def put(self, question: Question | None) -> None:
        """Let this question wait in place of any other; called from the window's thread."""
        with self._lock:
            self._waiting = question

    @Slot()
    def answer(self) -> None:
        """Answer the question that waits, if any."""
        with self._lock:
            question, self._waiting = self._waiting, None
        if question is not None:
            findings = tuple(_checked(question.result, claim) for claim in question.claims)
            self.answered.emit(question, findings)


def _checked(result: RunResult, claim: Claim) -> Finding:
    try:
        return check_claim(result, claim)
    except Exception as error:  # noqa: BLE001 - the window must live on, and say that this claim was not answered
        return Finding(claim, None, (), f"This should not have happened: {type(error).__name__}: {error}.")


class Checker(QObject):
    """Answers what was asked last. Its thread runs from the first question until `rest`."""

    answered = Signal(object)
    """The `Finding`s in the order of the claims."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._last: Question | None = None
        self._thread = QThread(self)
        self._thread.setObjectName("lessons")
        self._examiner = _Examiner()
        self._examiner.moveToThread(self._thread)
        self._asked.connect(self._examiner.answer, Qt.ConnectionType.QueuedConnection)
        self._examiner.answered.connect(self._on_answered, Qt.ConnectionType.QueuedConnection)

    def ask(self, result: RunResult, claims: tuple[Claim, ...]) -> None:
        """Have claims checked; an earlier question is not answered any more."""
        self._last = Question(result, claims)
        self._examiner.put(self._last)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit()

    def forget(self) -> None:
        """Answer nothing that was asked before, and hold on to no result."""
        self._last = None
        self._examiner.put(None)

    def rest(self) -> None:
        """Answer nothing more, and wait for the thread to end."""
        self.forget()
        self._thread.quit()
        self._thread.wait()

    def _on_answered(self, question: Question, findings: tuple[Finding, ...]) -> None:
        if question is self._last:
            self._last = None
            self.answered.emit(findings)

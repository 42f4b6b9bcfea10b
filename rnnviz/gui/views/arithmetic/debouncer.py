"""Debouncer of page requests during fast changes of the selection."""

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.gui.views.arithmetic.view_model import Page, PageRequest
from rnnviz.gui.views.arithmetic.worker import ArithmeticWorker

_LATER_MS = 8


class Debouncer(QObject):
    """Holds the latest request until it is answered or dropped."""

    answered = Signal(object)
    """A `Page` for the requested engines. It may answer an earlier request."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.question: PageRequest | None = None
        self._reckoner = ArithmeticWorker(self)
        self._reckoner.answered.connect(self._on_answer)
        # When all else that follows the cursor is painted: the two threads take turns, which would be waited for.
        self._soon = QTimer(self, singleShot=True, interval=_LATER_MS)
        self._soon.timeout.connect(self._ask)

    def ask(self, question: PageRequest) -> None:
        """Request a page from the worker, in place of an earlier request."""
        self.question = question
        # Not anew while the cursor runs: it might never come to an end.
        if not self._soon.isActive():
            self._soon.start()

    def answer_now(self, question: PageRequest) -> Page:
        """Build a page at once. This takes a few milliseconds."""
        self._soon.stop()
        self.question = question
        return self._reckoner.answer_now(question)

    def rest(self) -> None:
        """Cancel the computation; the request remains."""
        self._soon.stop()
        self._reckoner.rest()

    def forget(self) -> None:
        """Drop the request, and release the cached results."""
        self.question = None
        self._reckoner.forget()

    def _ask(self) -> None:
        if self.question is not None:
            self._reckoner.ask(self.question)

    def _on_answer(self, page: Page) -> None:
        # It may still have been on its way when another result was shown.
        asked, given = self.question, page.question
        if asked is not None and given.result is asked.result and given.candidate == asked.candidate:
            self.answered.emit(page)

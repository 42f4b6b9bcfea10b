"""Worker thread of the arithmetic view. It answers the latest request and drops earlier ones."""

from contextlib import suppress
from threading import Event, Lock

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.gui.views.arithmetic.view_model import Page, PageBuilder, PageRequest


class _CancelledError(Exception):
    """The request was replaced or dropped."""


class _Mailbox:
    """The pending request, shared by both threads. A closed mailbox drops requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.closed = Event()
        self._question: PageRequest | None = None

    def put(self, question: PageRequest | None) -> None:
        """Replace the pending request."""
        with self._lock:
            self._question = question

    def take(self) -> PageRequest | None:
        """Remove and return the pending request."""
        with self._lock:
            question, self._question = self._question, None
            return question

    def check(self) -> None:
        """Raise `_CancelledError` if a newer request is pending."""
        if self.closed.is_set():
            raise _CancelledError


class _Worker(QObject):
    """Builds pages on the thread."""

    answered = Signal(object)

    def __init__(self, desk: _Mailbox, composer: PageBuilder) -> None:
        super().__init__()
        self._desk, self._composer = desk, composer

    @Slot()
    def answer(self) -> None:
        """Answer the pending request, if any."""
        question = self._desk.take()
        if question is not None:
            with suppress(_CancelledError):
                self.answered.emit(self._composer.compose(question))


class ArithmeticWorker(QObject):
    """Owns the thread, which runs from the first request until `rest`."""

    answered = Signal(object)
    """A `Page`."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = _Mailbox()
        self._composer = PageBuilder(self._desk.check)
        self._thread = QThread(self)
        self._thread.setObjectName("arithmetic")
        self._clerk = _Worker(self._desk, self._composer)
        self._clerk.moveToThread(self._thread)
        self._asked.connect(self._clerk.answer, Qt.ConnectionType.QueuedConnection)
        self._clerk.answered.connect(self.answered, Qt.ConnectionType.QueuedConnection)

    def ask(self, question: PageRequest) -> None:
        """Request a page in place of the pending request."""
        self._desk.put(question)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit()

    def answer_now(self, question: PageRequest) -> Page:
        """Build a page at once, in a few milliseconds, and drop the pending request."""
        self.rest()
        return self._composer.compose(question)

    def rest(self) -> None:
        """Cancel, and wait for the thread, at most for one block of a long computation."""
        self._desk.put(None)
        self._desk.closed.set()
        self._thread.quit()
        self._thread.wait()
        self._desk.closed.clear()

    def forget(self) -> None:
        """Stop, and release the cached results."""
        self.rest()
        self._composer.forget()

"""Answers what was asked last, on a separate thread: an earlier question that is not begun is never answered."""

from contextlib import suppress
from threading import Event, Lock

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.gui.views.arithmetic.view_model import Page, PageBuilder, PageRequest


class _CancelledError(Exception):
    """No one waits for the answer any more."""


class _Mailbox:
    """The question that waits, shared by both threads; `closed` while none is to be answered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.closed = Event()
        self._question: PageRequest | None = None

    def put(self, question: PageRequest | None) -> None:
        """Let this one wait in place of any other."""
        with self._lock:
            self._question = question

    def take(self) -> PageRequest | None:
        """The one that waits, which then waits no more."""
        with self._lock:
            question, self._question = self._question, None
            return question

    def check(self) -> None:
        """Give up what no one waits for."""
        if self.closed.is_set():
            raise _CancelledError


class _Worker(QObject):
    """Lives on the thread."""

    answered = Signal(object)

    def __init__(self, desk: _Mailbox, composer: PageBuilder) -> None:
        super().__init__()
        self._desk, self._composer = desk, composer

    @Slot()
    def answer(self) -> None:
        """Answer the question that waits, if any."""
        question = self._desk.take()
        if question is not None:
            with suppress(_CancelledError):
                self.answered.emit(self._composer.compose(question))


class ArithmeticWorker(QObject):
    """Its thread runs from the first question until `rest`."""

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
        """Have a question answered later, in place of one that waits."""
        self._desk.put(question)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit()

    def answer_now(self, question: PageRequest) -> Page:
        """The answer at once, which takes a few milliseconds; nothing that was asked before is answered any more."""
        self.rest()
        return self._composer.compose(question)

    def rest(self) -> None:
        """Answer nothing more, and wait for the thread to end: no longer than a block of a long way takes."""
        self._desk.put(None)
        self._desk.closed.set()
        self._thread.quit()
        self._thread.wait()
        self._desk.closed.clear()

    def forget(self) -> None:
        """Rest, and hold on to no result."""
        self.rest()
        self._composer.forget()

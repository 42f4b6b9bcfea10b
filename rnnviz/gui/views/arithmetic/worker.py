"""Worker thread of the arithmetic view. It answers the latest request and drops earlier ones."""

from contextlib import suppress
from threading import Event, Lock

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.gui.jobs.latest_task import CancelledError
from rnnviz.gui.views.arithmetic.view_model import Page, PageBuilder, PageRequest


class _Mailbox:
    """The pending request, shared by both threads. A closed mailbox drops requests."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.closed = Event()
        self._request: PageRequest | None = None

    def put(self, request: PageRequest | None) -> None:
        """Replace the pending request."""
        with self._lock:
            self._request = request

    def take(self) -> PageRequest | None:
        """Remove and return the pending request."""
        with self._lock:
            request, self._request = self._request, None
            return request

    def check(self) -> None:
        """Raise `CancelledError` if a newer request is pending."""
        if self.closed.is_set():
            raise CancelledError


class _Worker(QObject):
    """Builds pages on the thread."""

    page_ready = Signal(object)

    def __init__(self, mailbox: _Mailbox, builder: PageBuilder) -> None:
        super().__init__()
        self._mailbox, self._builder = mailbox, builder

    @Slot()
    def answer(self) -> None:
        """Answer the pending request, if any."""
        request = self._mailbox.take()
        if request is not None:
            with suppress(CancelledError):
                self.page_ready.emit(self._builder.build(request))


class ArithmeticWorker(QObject):
    """Owns the thread, which runs from the first request until `stop`."""

    page_ready = Signal(object)
    """A `Page`."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mailbox = _Mailbox()
        self._builder = PageBuilder(self._mailbox.check)
        self._thread = QThread(self)
        self._thread.setObjectName("arithmetic")
        self._worker = _Worker(self._mailbox, self._builder)
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.answer, Qt.ConnectionType.QueuedConnection)
        self._worker.page_ready.connect(self.page_ready, Qt.ConnectionType.QueuedConnection)

    def ask(self, request: PageRequest) -> None:
        """Request a page in place of the pending request."""
        self._mailbox.put(request)
        if not self._thread.isRunning():
            self._thread.start()
        self._asked.emit()

    def answer_now(self, request: PageRequest) -> Page:
        """Build a page at once, in a few milliseconds, and drop the pending request."""
        self.stop()
        return self._builder.build(request)

    def stop(self) -> None:
        """Cancel, and wait for the thread, at most for one block of a long computation."""
        self._mailbox.put(None)
        self._mailbox.closed.set()
        self._thread.quit()
        self._thread.wait()
        self._mailbox.closed.clear()

    def reset(self) -> None:
        """Stop, and release the cached results."""
        self.stop()
        self._builder.reset()

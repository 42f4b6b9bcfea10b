"""Debouncer of page requests during fast changes of the selection."""

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.gui.views.arithmetic.view_model import Page, PageRequest
from rnnviz.gui.views.arithmetic.worker import ArithmeticWorker

_LATER_MS = 8


class Debouncer(QObject):
    """Holds the latest request until it is answered or dropped."""

    page_ready = Signal(object)
    """A `Page` for the requested engines. It may answer an earlier request."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.request: PageRequest | None = None
        self._worker = ArithmeticWorker(self)
        self._worker.page_ready.connect(self._on_answer)
        # After the other views of the selection are painted: the two threads share the interpreter lock.
        self._soon = QTimer(self, singleShot=True, interval=_LATER_MS)
        self._soon.timeout.connect(self._ask)

    def ask(self, request: PageRequest) -> None:
        """Request a page from the worker, in place of an earlier request."""
        self.request = request
        # Not restarted while the selection moves, or it might never fire.
        if not self._soon.isActive():
            self._soon.start()

    def answer_now(self, request: PageRequest) -> Page:
        """Build a page at once. This takes a few milliseconds."""
        self._soon.stop()
        self.request = request
        return self._worker.answer_now(request)

    def stop(self) -> None:
        """Cancel the computation; the request remains."""
        self._soon.stop()
        self._worker.stop()

    def reset(self) -> None:
        """Drop the request, and release the cached results."""
        self.request = None
        self._worker.reset()

    def _ask(self) -> None:
        if self.request is not None:
            self._worker.ask(self.request)

    def _on_answer(self, page: Page) -> None:
        # It may still have been on its way when another result was shown.
        asked, given = self.request, page.request
        if asked is not None and given.result is asked.result and given.candidate == asked.candidate:
            self.page_ready.emit(page)

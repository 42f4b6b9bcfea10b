"""Worker thread that renders tiles. NumPy releases the interpreter lock meanwhile."""

import contextlib
from collections import deque
from collections.abc import Iterable
from threading import Lock
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.gui.views.unrolled.tiles import Request, Tile, TileKey
from rnnviz.quantities.lane_reader import CancelledError

_EMIT_INTERVAL = 0.025
"""Minimum number of seconds between signals, each of which repaints the picture."""


class _Mailbox:
    """The pending requests, shared by both threads."""

    def __init__(self) -> None:
        self._lock, self._wanted = Lock(), deque[Request]()
        self._begun: TileKey | None = None
        self._go_on = True

    def replace(self, requests: Iterable[Request]) -> None:
        """Replace the pending requests. A request in progress may still finish."""
        with self._lock:
            listed = list(requests)
            self._wanted = deque(request for request in listed if request.key != self._begun)
            self._go_on = len(self._wanted) < len(listed)

    def take(self) -> Request | None:
        """Remove and return the next request, which is then in progress."""
        with self._lock:
            request = self._wanted.popleft() if self._wanted else None
            self._begun, self._go_on = None if request is None else request.key, True
            return request

    def go_on(self) -> bool:
        """Whether the request in progress is still pending."""
        return self._go_on


class _Worker(QObject):
    """Renders tiles on the thread."""

    drawn = Signal(object)

    def __init__(self, mailbox: _Mailbox) -> None:
        super().__init__()
        self._mailbox = mailbox

    @Slot()
    def draw(self) -> None:
        """Render until no request is pending."""
        done: list[tuple[TileKey, Tile]] = []
        emitted = perf_counter()
        while (request := self._mailbox.take()) is not None:
            with contextlib.suppress(CancelledError):
                done.append((request.key, request.draw(self._mailbox.go_on)))
            if done and perf_counter() - emitted >= _EMIT_INTERVAL:
                self.drawn.emit(done)
                done, emitted = [], perf_counter()
        if done:
            self.drawn.emit(done)


class TileRenderer(QObject):
    """Renders the latest requests. Its thread runs from the first request until `close`."""

    drawn = Signal(object)
    """A list of `(TileKey, Tile)`."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mailbox = _Mailbox()
        self._thread = QThread(self)
        self._thread.setObjectName("lanes")
        self._worker = _Worker(self._mailbox)
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.draw, Qt.ConnectionType.QueuedConnection)
        self._worker.drawn.connect(self.drawn, Qt.ConnectionType.QueuedConnection)

    def ask(self, requests: list[Request]) -> None:
        """Request tiles in order, in place of requests not in progress."""
        self._mailbox.replace(requests)
        if requests:
            if not self._thread.isRunning():
                self._thread.start()
            self._asked.emit()

    def close(self) -> None:
        """Stop, and wait for the thread, at most for one tile or one block of computed values."""
        self._mailbox.replace(())
        self._thread.quit()
        self._thread.wait()

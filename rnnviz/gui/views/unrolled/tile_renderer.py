"""Draws pieces of the picture beside the window, on a separate thread: numpy lets the window go on meanwhile."""

import contextlib
from collections import deque
from collections.abc import Iterable
from threading import Lock
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.gui.views.unrolled.tiles import Request, Tile, TileKey
from rnnviz.multiscale.chunked_compute import CancelledError

_TOLD_EVERY = 0.025
"""Seconds: each time something is reported, the picture is painted again."""


class _Mailbox:
    """What is wanted now, shared by both threads."""

    def __init__(self) -> None:
        self._lock, self._wanted = Lock(), deque[Request]()
        self._begun: TileKey | None = None
        self._go_on = True

    def replace(self, requests: Iterable[Request]) -> None:
        """Want these; what was wanted before is wanted no more, though what is begun may be done by then."""
        with self._lock:
            listed = list(requests)
            self._wanted = deque(request for request in listed if request.key != self._begun)
            self._go_on = len(self._wanted) < len(listed)

    def take(self) -> Request | None:
        """The next one, which is begun."""
        with self._lock:
            request = self._wanted.popleft() if self._wanted else None
            self._begun, self._go_on = None if request is None else request.key, True
            return request

    def go_on(self) -> bool:
        """Whether what is begun is still wanted."""
        return self._go_on


class _Worker(QObject):
    """Lives on the thread."""

    drawn = Signal(object)

    def __init__(self, board: _Mailbox) -> None:
        super().__init__()
        self._board = board

    @Slot()
    def draw(self) -> None:
        """Draw until nothing is wanted."""
        done: list[tuple[TileKey, Tile]] = []
        told = perf_counter()
        while (request := self._board.take()) is not None:
            with contextlib.suppress(CancelledError):
                done.append((request.key, request.draw(self._board.go_on)))
            if done and perf_counter() - told >= _TOLD_EVERY:
                self.drawn.emit(done)
                done, told = [], perf_counter()
        if done:
            self.drawn.emit(done)


class TileRenderer(QObject):
    """Draws what was asked for last; its thread runs from the first asking until `close`."""

    drawn = Signal(object)
    """A list of `(TileKey, Tile)`."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._board = _Mailbox()
        self._thread = QThread(self)
        self._thread.setObjectName("lanes")
        self._hand = _Worker(self._board)
        self._hand.moveToThread(self._thread)
        self._asked.connect(self._hand.draw, Qt.ConnectionType.QueuedConnection)
        self._hand.drawn.connect(self.drawn, Qt.ConnectionType.QueuedConnection)

    def ask(self, requests: list[Request]) -> None:
        """Draw these, in their order, and nothing else that was asked for and is not begun."""
        self._board.replace(requests)
        if requests:
            if not self._thread.isRunning():
                self._thread.start()
            self._asked.emit()

    def close(self) -> None:
        """Draw nothing more, and wait for the thread to end.

        That is no longer than one piece takes, or a part of one whose numbers are computed.
        """
        self._board.replace(())
        self._thread.quit()
        self._thread.wait()

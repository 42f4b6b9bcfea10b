"""Draws pieces of the picture beside the window, on a thread of its own: numpy lets the window go on meanwhile."""

from collections import deque
from collections.abc import Iterable
from threading import Lock
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.gui.views.unrolled.tiles import Request, Tile, TileKey

_TOLD_EVERY = 0.025
"""Seconds: each time something is told, the picture is painted again."""


class _Board:
    """What is wanted now, shared by both threads."""

    def __init__(self) -> None:
        self._lock, self._wanted = Lock(), deque[Request]()

    def replace(self, requests: Iterable[Request]) -> None:
        """Want these; what was wanted before and is not begun is wanted no more."""
        with self._lock:
            self._wanted = deque(requests)

    def take(self) -> Request | None:
        """The next one."""
        with self._lock:
            return self._wanted.popleft() if self._wanted else None


class _Hand(QObject):
    """Lives on the thread."""

    drawn = Signal(object)

    def __init__(self, board: _Board) -> None:
        super().__init__()
        self._board = board

    @Slot()
    def draw(self) -> None:
        """Draw until nothing is wanted."""
        done: list[tuple[TileKey, Tile]] = []
        told = perf_counter()
        while (request := self._board.take()) is not None:
            done.append((request.key, request.draw()))
            if perf_counter() - told >= _TOLD_EVERY:
                self.drawn.emit(done)
                done, told = [], perf_counter()
        if done:
            self.drawn.emit(done)


class Drawer(QObject):
    """Draws what was asked for last; its thread runs from the first asking until `close`."""

    drawn = Signal(object)
    """A list of `(TileKey, Tile)`."""

    _asked = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._board = _Board()
        self._thread = QThread(self)
        self._thread.setObjectName("lanes")
        self._hand = _Hand(self._board)
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
        """Draw nothing more, and wait for the thread to end: no longer than one piece takes."""
        self._board.replace(())
        self._thread.quit()
        self._thread.wait()

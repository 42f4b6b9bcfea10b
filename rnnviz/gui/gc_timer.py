"""Garbage collection on the window's thread only: other threads would delete Qt objects in use."""

import gc

from PySide6.QtCore import QObject, QTimer

_EVERY_MS = 200


class GcTimer(QObject):
    """Collects garbage from a Qt timer instead of Python's automatic collection.

    Python collects on the thread that allocates. A worker thread would delete menus, pixmaps and timers of a closed
    window, which Qt allows only on the window's thread.

    Parameters
    ----------
    parent
        Object on the window's thread that lives as long as windows may be open.
    spare
        Allocations minus deallocations after which Python collects anyway; None: never. For a host process that may
        block Qt's events for long.
    """

    def __init__(self, parent: QObject, spare: int | None = None) -> None:
        super().__init__(parent)
        self.spare = spare
        self._enabled, self._thresholds = gc.isenabled(), gc.get_threshold()
        self._old = 0
        if spare is None:
            gc.disable()
        else:
            gc.set_threshold(spare, *self._thresholds[1:])
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.collect)
        self._timer.start(_EVERY_MS)

    def collect(self) -> None:
        """Collect the generations that Python would collect."""
        counts = gc.get_count()
        newest, newer, old = (count > threshold for count, threshold in zip(counts, self._thresholds, strict=True))
        # Counting many old objects takes a frame, so they are counted only when a full collection is due.
        counting = newer and old and counts[2] % (self._thresholds[2] + 1) == 0
        # As in CPython: a full collection once the old objects have grown by a quarter.
        if counting and len(gc.get_objects(generation=2)) > 1.25 * self._old:
            gc.collect(2)
            self._old = len(gc.get_objects(generation=2))
        elif newer:
            gc.collect(1)
        elif newest:
            gc.collect(0)

    def stop(self) -> None:
        """Restore Python's automatic collection."""
        self._timer.stop()
        self.setParent(None)
        gc.set_threshold(*self._thresholds)
        if self._enabled:
            gc.enable()

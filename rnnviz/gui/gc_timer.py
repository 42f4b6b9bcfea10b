"""Python's searches for garbage on the window's thread alone: elsewhere they would delete what Qt is at work with."""

import gc

from PySide6.QtCore import QObject, QTimer

_EVERY_MS = 200


class Collector(QObject):
    """Searches for garbage while Qt's events are handled, in place of the searches that Python begins by itself.

    Python searches on whichever thread happens to make an object. What is left of a dialog or a window, found by a
    thread that draws or works something out, would be deleted there: menus, pictures and timers of the window's thread
    among it, which Qt allows on no other.

    Parameters
    ----------
    parent
        Lives on the window's thread, and as long as windows may be open.
    spare
        How many more objects than are let go may be made until Python searches by itself nevertheless; None: it never
        does. For a process that is somebody else's, in which this thread may be kept from Qt's events for long.
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
        """Search as far as Python would by itself, among the newest objects or among all."""
        counts = gc.get_count()
        newest, newer, old = (count > threshold for count, threshold in zip(counts, self._thresholds, strict=True))
        # Where much is old, counting it takes a frame: it is done once in as many searches as make it due.
        counting = newer and old and counts[2] % (self._thresholds[2] + 1) == 0
        # As Python has it: among all whenever a quarter more has grown old, so that more objects cost no more of it.
        if counting and len(gc.get_objects(generation=2)) > 1.25 * self._old:
            gc.collect(2)
            self._old = len(gc.get_objects(generation=2))
        elif newer:
            gc.collect(1)
        elif newest:
            gc.collect(0)

    def stop(self) -> None:
        """Leave the searches to Python again, as they were."""
        self._timer.stop()
        self.setParent(None)
        gc.set_threshold(*self._thresholds)
        if self._enabled:
            gc.enable()

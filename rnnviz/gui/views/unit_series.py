"""Time series of units, read from the files of a result or computed on a thread."""

from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.gui.kit.tasks import Check, LatestTask
from rnnviz.reading.arrays import SeriesKey, series_effort, unit_series
from rnnviz.reading.quantities import stored_array
from rnnviz.verify.result import RunResult

_AT_ONCE = 1 << 21
"""Maximum number of values of series that are computed within a frame."""
_PAGE, _PAGES_AT_ONCE = 4096, 1 << 12
"""Bytes of a page of a file, and the maximum number of pages that are read within a frame."""


class SeriesReader(QObject):
    """The latest time series of units of one result. Those that take longer than a frame are read on a thread."""

    ready = Signal()
    """The requested series are known."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._known: ByteCache[SeriesKey, FloatArray] = ByteCache("series")
        self._turn = 0
        """Number of the result."""
        self._missing: list[SeriesKey] = []
        # Curves appear while a key is held, too.
        self._task = LatestTask("series", self, finish=True)
        self._task.done.connect(self._take)

    def ask(self, result: RunResult, keys: Sequence[SeriesKey]) -> bool:
        """Request series in place of earlier ones. Returns whether they are known at once."""
        if result is not self._result:
            self.reset()
            self._result = result
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if sum(_frames(result, key) for key in missing) <= 1.0:
            self.cancel()
            for key in missing:
                self._keep(key, unit_series(result, key))
            return True
        if missing != self._missing:
            self._missing, turn = missing, self._turn

            def work(check: Check) -> tuple[int, dict[SeriesKey, FloatArray]]:
                return turn, {key: unit_series(result, key, check=check) for key in missing}

            self._task.ask(work)
        return False

    def finish(self, result: RunResult, keys: Sequence[SeriesKey]) -> None:
        """Read stored series at once, as before a picture is taken. It does not wait for computed ones."""
        self.cancel()
        for key in keys:
            if key not in self._known and stored_array(key.quantity, result[key.engine]) is not None:
                self._keep(key, unit_series(result, key))

    def get(self, key: SeriesKey) -> FloatArray | None:
        """A series (T,), or None until it is known."""
        return self._known.get(key)

    def cancel(self) -> None:
        self._missing = []
        self._task.cancel()

    def stop(self) -> None:
        self.cancel()
        self._task.stop()

    def reset(self) -> None:
        """Release the result and its series."""
        self.cancel()
        self._result = None
        self._turn += 1
        self._known.clear()

    def _take(self, found: tuple[int, dict[SeriesKey, FloatArray]]) -> None:
        turn, read = found
        if turn == self._turn:
            if list(read) == self._missing:
                self._missing = []
            for key, values in read.items():
                self._keep(key, values)
            self.ready.emit()

    def _keep(self, key: SeriesKey, values: FloatArray) -> None:
        self._known.put(key, values, values.nbytes)


def _frames(result: RunResult, key: SeriesKey) -> float:
    """How much of the work of a frame it is to read a series."""
    trace = result[key.engine]
    if stored_array(key.quantity, trace) is None:
        return series_effort(result, key) / _AT_ONCE
    return result.shape[2] * min(trace.hidden.strides[2], _PAGE) / (_PAGES_AT_ONCE * _PAGE)

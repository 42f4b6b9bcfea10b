"""Worker thread that computes time series of gates. A newer request replaces earlier ones."""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.gui.jobs.latest_task import CancelledError
from rnnviz.quantities.gate_lanes import SeriesKey, gate_series, series_effort
from rnnviz.verify.result import RunResult

_AT_ONCE = 1 << 21
"""Maximum number of values that are computed within a frame."""
_KEPT = 24


@dataclass(frozen=True, eq=False)
class _Request:
    result: RunResult
    keys: tuple[SeriesKey, ...]


class _Worker(QObject):
    """Computes series on the thread."""

    found = Signal(object, object, object)

    def __init__(self) -> None:
        super().__init__()
        self.wanted: _Request | None = None

    @Slot(object)
    def read(self, order: _Request) -> None:
        """Compute all series of a request until a newer one arrives."""

        def check() -> None:
            if self.wanted is not order:
                raise CancelledError

        with suppress(CancelledError):
            for key in order.keys:
                self.found.emit(order.result, key, gate_series(order.result, key, check))


class SeriesWorker(QObject):
    """Caches the latest series of one result. Its thread runs from the first long series until `stop`."""

    series_ready = Signal()
    """A requested series is available."""

    _asked = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._known: OrderedDict[SeriesKey, FloatArray] = OrderedDict()
        self._thread = QThread(self)
        self._thread.setObjectName("series")
        self._worker = _Worker()
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.read, Qt.ConnectionType.QueuedConnection)
        self._worker.found.connect(self._take, Qt.ConnectionType.QueuedConnection)

    def ask(self, result: RunResult, keys: Sequence[SeriesKey]) -> None:
        """Request series, and cancel earlier requests. Short series are available at once."""
        if result is not self._result:
            self.reset()
            self._result = result
        missing = [key for key in dict.fromkeys(keys) if key not in self._known]
        if sum(series_effort(result, key) for key in missing) <= _AT_ONCE:
            for key in missing:
                self._keep(key, gate_series(result, key, lambda: None))
            missing = []
        self._worker.wanted = _Request(result, tuple(missing)) if missing else None
        if missing:
            if not self._thread.isRunning():
                self._thread.start()
            self._asked.emit(self._worker.wanted)

    def get(self, key: SeriesKey) -> FloatArray | None:
        """A series of shape (T,), or None until it is available."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def stop(self) -> None:
        """Cancel, and wait for the thread, at most for one block."""
        self._worker.wanted = None
        self._thread.quit()
        self._thread.wait()

    def reset(self) -> None:
        """Stop, and release the result and the cached series."""
        self._worker.wanted = None
        self._result = None
        self._known.clear()

    def _take(self, result: RunResult, key: SeriesKey, values: FloatArray) -> None:
        if result is self._result:
            self._keep(key, values)
            self.series_ready.emit()

    def _keep(self, key: SeriesKey, values: FloatArray) -> None:
        self._known[key] = values
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)

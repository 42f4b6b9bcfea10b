"""How long the window does not respond: the time between two turns of Qt's event loop.

Where there is a processor for the window, the clock decides: a frame is as long whether its thread computed in it or
waited, for a disk, a lock or another process. Where other programs took the processor away for more than a tenth of the
frame, they did so with those that the window waited for, too, and no one can tell for how long: what counts then is the
processor's time of the window's thread. Linux tells how long a thread was ready to run and had no processor; where that
cannot be known the clock decides.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, thread_time

from PySide6.QtCore import QTimer

_BEAT_MS = 5
_BUSY = 0.1
_SCHEDULED = "/proc/thread-self/schedstat"


@dataclass(frozen=True)
class Frame:
    """One turn of the event loop: what was done in it, its length by the clock, and parts of that, in seconds.

    In `processor` of these it computed, and in `kept` it could have and had no processor.
    """

    doing: str
    clock: float
    processor: float
    kept: float

    @property
    def seconds(self) -> float:
        """How long the window would not have responded with a processor for itself."""
        return self.processor if self.kept > _BUSY * self.clock else self.clock


@dataclass
class Heartbeat:
    """Beats while the event loop turns; keeps the frames that took longer than `limit` seconds, and reports each."""

    limit: float
    tell: Callable[[str], None]
    frozen: list[Frame] = field(default_factory=list)
    longest: Frame = Frame("nothing", 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        self._timer = QTimer(interval=_BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._scheduled = os.open(_SCHEDULED, os.O_RDONLY) if os.path.exists(_SCHEDULED) else None
        self._doing, self._now = "nothing", self._times()

    def start(self) -> None:
        """Start to beat on the thread that made this."""
        self._now = self._times()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()
        if self._scheduled is not None:
            os.close(self._scheduled)
            self._scheduled = None

    def during(self, doing: str) -> None:
        """Name the next action: a frame that takes long is reported by this name."""
        self._doing = doing

    def worst(self, count: int) -> list[tuple[str, int, Frame]]:
        """The action that froze the window most often: its name, count and longest frame."""
        often = Counter(frame.doing for frame in self.frozen)
        return [
            (name, times, max((frame for frame in self.frozen if frame.doing == name), key=lambda one: one.seconds))
            for name, times in often.most_common(count)
        ]

    def _beat(self) -> None:
        before, self._now = self._now, self._times()
        frame = Frame(self._doing, *(now - then for now, then in zip(self._now, before, strict=True)))
        if frame.seconds > self.longest.seconds:
            self.longest = frame
        if frame.seconds > self.limit:
            self.frozen.append(frame)
            self.tell(f"{frame.doing}: {frame.seconds:.2f} s, {frame.processor:.2f} s of it computing")

    def _times(self) -> tuple[float, float, float]:
        kept = 0.0
        if self._scheduled is not None:
            kept = int(os.pread(self._scheduled, 100, 0).split()[1]) / 1e9
        return perf_counter(), thread_time(), kept

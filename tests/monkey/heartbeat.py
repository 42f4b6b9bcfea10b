"""How long the window answers nobody: the time between two turns of Qt's event loop."""

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter, thread_time

from PySide6.QtCore import QTimer

_BEAT_MS = 5


@dataclass(frozen=True)
class Frame:
    """One turn of the event loop: what was done in it, its length, and the processor's time in it; seconds."""

    doing: str
    seconds: float
    processor: float


@dataclass
class Heartbeat:
    """Beats while the event loop turns, and keeps the frames that took longer than `limit` seconds."""

    limit: float
    frozen: list[Frame] = field(default_factory=list)
    longest: Frame = Frame("nothing", 0.0, 0.0)

    def __post_init__(self) -> None:
        self._timer = QTimer(interval=_BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._at, self._used, self._doing = perf_counter(), thread_time(), "nothing"

    def start(self) -> None:
        """Beat from now on."""
        self._at, self._used = perf_counter(), thread_time()
        self._timer.start()

    def stop(self) -> None:
        """Beat no more."""
        self._timer.stop()

    def during(self, doing: str) -> None:
        """Say what is done next: a frame that takes long is told by this name."""
        self._doing = doing

    def worst(self, count: int) -> list[tuple[str, int, float]]:
        """What froze the window most often: its name, how often, and for how many seconds at most."""
        often = Counter(frame.doing for frame in self.frozen)
        most = {name: max(frame.seconds for frame in self.frozen if frame.doing == name) for name in often}
        return [(name, times, most[name]) for name, times in often.most_common(count)]

    def _beat(self) -> None:
        now, used = perf_counter(), thread_time()
        frame = Frame(self._doing, now - self._at, used - self._used)
        self._at, self._used = now, used
        if frame.seconds > self.longest.seconds:
            self.longest = frame
        if frame.seconds > self.limit:
            self.frozen.append(frame)

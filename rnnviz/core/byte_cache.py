"""Values that are kept while their bytes fit a limit. Every cache of large values has its limit in one table."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from threading import RLock
from typing import Generic, TypeVar

LIMITS = {
    "tiles": 64 << 20,  # of the picture; what is in view may take more
    "chunks": 48 << 20,  # reduced values of lanes
    "weights": 96 << 20,  # float64 rows of gates
    "bounds": 256 << 20,  # parameters of lanes with their bounds
}
"""Bytes that each kind of cache may take."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class ByteCache(Generic[Key, Value]):
    """Values by key; the least recently used go when the limit is exceeded, but for the last one.

    `dropped` is called with the key of each that goes. Any thread may use it.
    """

    def __init__(self, kind: str, dropped: Callable[[Key], object] = lambda key: None) -> None:
        self._limit, self._used, self._dropped = LIMITS[kind], 0, dropped
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = RLock()

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Key]:
        with self._lock:
            return iter(tuple(self._kept))

    def get(self, key: Key) -> Value | None:
        """The value, which is the most recently used one then; None if there is none."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Key, value: Value, nbytes: int) -> None:
        """Store a value. Another thread may have stored an equal one."""
        with self._lock:
            self._used += nbytes - self._kept.pop(key, (value, 0))[1]
            self._kept[key] = value, nbytes
            self._shrink()

    def drop(self, key: Key) -> None:
        with self._lock:
            self._used -= self._kept.pop(key)[1]
            self._dropped(key)

    def limit_to(self, nbytes: int) -> None:
        """Set another limit."""
        with self._lock:
            self._limit = nbytes
            self._shrink()

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._used = 0

    def _shrink(self) -> None:
        while self._used > self._limit and len(self._kept) > 1:
            self.drop(next(iter(self._kept)))

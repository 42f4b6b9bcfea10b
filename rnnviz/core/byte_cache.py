"""Values that are kept while their bytes fit the limit that all caches of the program share."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from itertools import count
from threading import RLock
from typing import Any, Generic, TypeVar
from weakref import WeakSet

LIMIT = 464 << 20
"""Bytes that all caches together may take, but for the last value of each."""
FLOORS = {
    "tiles": 64 << 20,  # of the picture; what is in view may take more
    "chunks": 48 << 20,  # reduced values of lanes
    "series": 32 << 20,  # computed values of units over time
    "weights": 96 << 20,  # float64 rows of gates
    "bounds": 128 << 20,  # parameters of lanes with their bounds
}
"""Bytes that each cache of a kind keeps, whatever the others take: one does not starve the picture."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

CACHES: WeakSet["ByteCache[Any, Any]"] = WeakSet()
"""Every cache of the program."""
_LOCK = RLock()
_USES = count()


class ByteCache(Generic[Key, Value]):
    """Values by key, for any thread. Beyond the limit the least recently used go, of any cache above its floor."""

    def __init__(self, kind: str) -> None:
        self.floor, self.used = FLOORS[kind], 0
        self._kept: OrderedDict[Key, tuple[Value, int, int]] = OrderedDict()
        with _LOCK:
            CACHES.add(self)

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Key]:
        with _LOCK:
            return iter(tuple(self._kept))

    def get(self, key: Key) -> Value | None:
        """The value, which is the most recently used one then; None if there is none."""
        with _LOCK:
            found = self._kept.pop(key, None)
            if found is None:
                return None
            self._kept[key] = *found[:2], next(_USES)
            return found[0]

    def put(self, key: Key, value: Value, nbytes: int) -> None:
        """Store a value. Another thread may have stored an equal one."""
        with _LOCK:
            self.drop(key)
            self._kept[key] = value, nbytes, next(_USES)
            self.used += nbytes
            _shrink()

    def drop(self, key: Key) -> None:
        """Remove a value, if it is there."""
        with _LOCK:
            found = self._kept.pop(key, None)
            self.used -= 0 if found is None else found[1]

    def clear(self) -> None:
        with _LOCK:
            self._kept.clear()
            self.used = 0

    def reserve(self, nbytes: int) -> None:
        """Set the bytes that are kept whatever the other caches take."""
        with _LOCK:
            self.floor = nbytes
            _shrink()

    @property
    def last_use(self) -> int:
        """When its least recently used value was used."""
        return next(iter(self._kept.values()))[2]


def clear_caches() -> None:
    with _LOCK:
        for cache in CACHES:
            cache.clear()


def _shrink() -> None:
    while sum(cache.used for cache in CACHES) > LIMIT:
        large = [cache for cache in CACHES if cache.used > cache.floor and len(cache) > 1]
        if not large:
            return
        oldest = min(large, key=lambda cache: cache.last_use)
        oldest.drop(next(iter(oldest)))

"""Reduced parts of lanes, kept for the next picture."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.quantities.level_of_detail import BoolArray

_BYTES = 48 << 20


@dataclass(frozen=True, eq=False)
class Tile:
    """Extremes of the values behind some pixels, (unit pixels, time pixels), and their marks (None: none)."""

    values: FloatArray
    marks: BoolArray | None

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return self.values.nbytes + (0 if self.marks is None else self.marks.nbytes)


class ChunkCache:
    """Patches by any key; the least recently used go when the budget of bytes is spent. Any thread may use it."""

    def __init__(self, budget: int = _BYTES) -> None:
        self._budget, self._used = budget, 0
        self._patches: OrderedDict[Hashable, Tile] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable) -> Tile | None:
        """The patch of that key, if it is still there."""
        with self._lock:
            patch = self._patches.get(key)
            if patch is not None:
                self._patches.move_to_end(key)
            return patch

    def put(self, key: Hashable, patch: Tile) -> None:
        """Store a patch. Another thread may have stored an equal one."""
        with self._lock:
            before = self._patches.pop(key, None)
            self._patches[key] = patch
            self._used += patch.nbytes - (0 if before is None else before.nbytes)
            while self._used > self._budget and len(self._patches) > 1:
                self._used -= self._patches.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Remove all patches."""
        with self._lock:
            self._patches.clear()
            self._used = 0

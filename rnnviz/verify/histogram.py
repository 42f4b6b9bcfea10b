"""Streaming histogram of non-negative values on a logarithmic scale. A bin is (2^k, 2^(k+1)]: one, the limit of an
error ratio, is an edge, and a number that just passes is below it. Zero and infinity have their own bins. The powers
are read from the numbers' bits, which costs less than a logarithm."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import ReadOnlyArrays
from rnnviz.core.trace_index import Location, Places
from rnnviz.frozen import dataclass
from rnnviz.verify.metrics import ComparedBlock, UlpArray

_MANTISSA = 52
_BIAS = 1023
_KEYS = 2048


@dataclass(frozen=True)
class Histogram(ReadOnlyArrays):
    """Counts of zero, of each octave from `lowest` to `highest`, and of what is infinite, in this order. `counts` (B,)
    with B = highest - lowest + 3; octave k is (2^k, 2^(k+1)], and the first and the last octave hold what lies beyond
    them, too. `first` has the location of the first number of each bin in the order of computation."""

    lowest: int
    highest: int
    counts: NDArray[np.int64]
    first: tuple[Location | None, ...]

    @property
    def total(self) -> int:
        """How many numbers were counted."""
        return int(self.counts.sum())

    def edges(self, place: int) -> tuple[float, float]:
        """The limits of a bin, the upper one inclusive; (0, 0) and (inf, inf) for the first and last."""
        if place == 0:
            return 0.0, 0.0
        if place == len(self.counts) - 1:
            return np.inf, np.inf
        octave = self.lowest + place - 1
        low = 0.0 if octave == self.lowest else 2.0**octave
        return low, np.inf if octave == self.highest else 2.0 ** (octave + 1)

    @property
    def filled(self) -> range:
        """The octaves' bins from the first to the last that is not empty; empty if all are."""
        places = np.flatnonzero(self.counts[1:-1]) + 1
        return range(int(places[0]), int(places[-1]) + 1) if len(places) else range(0)


class HistogramAccumulator:
    """Counts blocks of one comparison, which come in the order of the pass."""

    def __init__(self, lowest: int, highest: int) -> None:
        self._lowest, self._highest = lowest, highest
        self._counts = np.zeros(_KEYS, np.int64)
        self._places: dict[int, tuple[int, tuple[int, ...]]] = {}
        """By key, the place of its first number in the order of the pass, and its index in the array."""
        self._added = 0
        self._room = np.empty(0, np.int64)

    def add(self, values: NDArray[np.float64] | UlpArray, block: ComparedBlock) -> None:
        """Count numbers (B, N, H) of a block, or its distances in floats."""
        # The powers of two of distances are exact in float64. The largest of 64 bits says that there is none.
        floats = values.astype(np.float64, copy=False)
        if values.dtype == np.uint64:
            floats[values == np.uint64(2**64 - 1)] = np.inf
        if self._room.size < values.size:
            self._room = np.empty(values.size, np.int64)
        # The exponent field of the power of two that each number lies just below or at; 0 for zero. Adding the largest
        # mantissa lifts every number to the next exponent unless its own mantissa is zero.
        bits = np.ascontiguousarray(floats).view(np.int64)
        keys = np.add(bits, (1 << _MANTISSA) - 1, out=self._room[: values.size].reshape(values.shape))
        keys >>= _MANTISSA
        counts = np.bincount(keys.reshape(-1), minlength=_KEYS)
        for key in np.flatnonzero((self._counts == 0) & (counts > 0)).tolist():
            first = int((block.ordered(keys) == key).argmax())
            self._places[key] = self._added + first, block.index(block.place(first))
        self._counts += counts
        self._added += keys.size

    def histogram(self, places: Places) -> Histogram:
        """The histogram of the values added so far, which are at these places."""
        bins = self._highest - self._lowest + 3
        counts, first = np.zeros(bins, np.int64), dict[int, Location]()
        # The earliest of a bin is written last.
        for key, (_, index) in sorted(self._places.items(), key=lambda item: -item[1][0]):
            place = self._place(key)
            counts[place] += self._counts[key]
            first[place] = places.location(*index)
        return Histogram(self._lowest, self._highest, counts, tuple(map(first.get, range(bins))))

    def _place(self, key: int) -> int:
        if key == 0:
            return 0
        if key == _KEYS - 1:
            return self._highest - self._lowest + 2
        return min(max(key - 1 - _BIAS, self._lowest), self._highest) - self._lowest + 1

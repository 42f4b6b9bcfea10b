"""Errors between two arrays, element by element: absolute, relative to the tolerance, in ulp, and signed. Everything is
computed in float64, so that float32 numbers lose nothing to the comparison. Two NaNs, or two infinities of one sign,
are equal; a number that is not finite is infinitely far from any other one."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.gradients import GRADIENT
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import computed_parts, time_blocks
from rnnviz.frozen import dataclass

BoolArray: TypeAlias = NDArray[np.bool_]
UlpArray: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""Distances in floats; of 64 bits the largest number says that there is none."""


def abs_error(reference: FloatArray, candidate: FloatArray) -> NDArray[np.float64]:
    """|candidate - reference| in float64 (B, N, H). It is 0 for two NaNs or equal infinities, and infinite for other
    pairs that are not finite."""
    r, c = reference.astype(np.float64), candidate.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.subtract(c, r, out=c)
        np.abs(error, out=error)
        strange = ~np.isfinite(error)
        if strange.any():
            error[strange] = np.inf
            error[(r == candidate) | (np.isnan(r) & np.isnan(candidate))] = 0.0
    return error


def tolerance(reference: FloatArray, rtol: float, atol: float) -> NDArray[np.float64]:
    """atol + rtol · |reference| (B, N, H), always finite; atol where the reference is not."""
    magnitude = np.abs(reference.astype(np.float64))
    strange = ~np.isfinite(magnitude)
    if strange.any():
        magnitude[strange] = 0.0
    with np.errstate(over="ignore"):
        magnitude *= rtol
        magnitude += atol
    if rtol > 1.0 or atol > 1.0:
        np.minimum(magnitude, np.finfo(np.float64).max, out=magnitude)
    return magnitude


def error_ratio_of(error: FloatArray, limit: FloatArray) -> NDArray[np.float64]:
    """error / limit (B, N, H); with a limit of zero, 0 for no error and infinite for any other."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        result = error / limit
    if not (limit > 0.0).all():
        result[error == 0.0] = 0.0
    return np.asarray(result)


def error_ratio(reference: FloatArray, candidate: FloatArray, rtol: float, atol: float) -> NDArray[np.float64]:
    """|candidate - reference| / (atol + rtol · |reference|) of each pair (B, N, H); above 1, it is a mismatch."""
    return error_ratio_of(abs_error(reference, candidate), tolerance(reference, rtol, atol))


def mismatching(reference: FloatArray, candidate: FloatArray, rtol: float, atol: float) -> BoolArray:
    """Whether each pair (B, N, H) differs by more than its tolerance, or one value alone is NaN or infinite."""
    return np.asarray(~(abs_error(reference, candidate) <= tolerance(reference, rtol, atol)))


def passing_atol(error: FloatArray, relative: FloatArray, least: float = 0.0) -> float:
    """The smallest atol with which error (K,) <= atol + relative everywhere, the sum rounded as in `tolerance`."""
    # A sum beyond the largest float is infinite, and no finite error exceeds it, as intended.
    with np.errstate(over="ignore"):
        failing = error > least + relative
        if not failing.any():
            return least
        error, relative = error[failing], relative[failing]
        needed = float((error - relative).max())
        if needed == np.inf:
            return needed
        # Rounding moves the answer away from `needed` by less than two of the last places of the largest error: neither
        # the difference nor a sum is rounded by more than one.
        largest = float(error.max())
        around = 2.0 * float(np.spacing(largest))
        # The bits of floats that are not negative are in the order of the floats, so that halving the bits finds the
        # one between failing and passing.
        low, high = _bits(max(least, needed - around)), _bits(min(largest, needed + around))
        while high - low > 1:
            middle = (low + high) // 2
            failing = error > _float(middle) + relative
            if failing.any():
                low, error, relative = middle, error[failing], relative[failing]
            else:
                high = middle
        return _float(high)


def _bits(value: float) -> int:
    return int(np.float64(value).view(np.int64))


def _float(bits: int) -> float:
    return float(np.int64(bits).view(np.float64))


def ulp_distance(reference: FloatArray, candidate: FloatArray) -> UlpArray:
    """Distances in ulp (B, N, H), the number of floats between; 0 for two NaNs, the largest integer for one. Source:
    the lexicographic order of IEEE 754 numbers (Dawson, "Comparing floating point numbers")."""
    r, c = _ordered(reference), _ordered(candidate)
    # Unsigned subtraction is correct even where the signed one would overflow.
    unsigned = f"u{r.dtype.itemsize}"
    larger = np.maximum(r, c)
    smaller = np.minimum(r, c, out=r)
    distance = (larger.view(unsigned) - smaller.view(unsigned)).astype(np.uint64)
    r_nan, c_nan = np.isnan(reference), np.isnan(candidate)
    if r_nan.any() or c_nan.any():
        distance = np.where(r_nan & c_nan, np.uint64(0), np.where(r_nan | c_nan, np.uint64(2**64 - 1), distance))
    return np.asarray(distance)


def _ordered(array: FloatArray) -> NDArray[np.signedinteger[Any]]:
    """Integers as wide as the floats and in their order, +0 and -0 alike."""
    integer: Any = np.int32 if array.dtype.itemsize == 4 else np.int64
    bits = np.ascontiguousarray(array).view(integer)
    sign = bits >> (8 * array.dtype.itemsize - 1)
    ordered = bits & np.iinfo(integer).max
    # -x is ~x + 1: this negates where the sign is -1, in fewer passes than a choice between two arrays.
    ordered ^= sign
    ordered -= sign
    return np.asarray(ordered)


def signed_difference(reference: FloatArray, candidate: FloatArray) -> NDArray[np.float64]:
    """candidate - reference in float64 (B, N, H): 0 for two NaNs and for two equal infinities, NaN for one NaN."""
    r, c = np.asarray(reference, np.float64), np.asarray(candidate, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.asarray(c - r)
    strange = np.isnan(difference)
    if strange.any():
        difference[strange & ((r == c) | (np.isnan(r) & np.isnan(c)))] = 0.0
    return difference


@dataclass(frozen=True)
class BlockDifference:
    """Figures of every pair of two blocks, each (B, N, H); `ulp` perhaps as narrower integers where none needs more.
    `finite` says in which pairs both numbers are finite; None if they are in all."""

    error: NDArray[np.float64]
    error_ratio: NDArray[np.float64]
    ulp: UlpArray
    finite: BoolArray | None

    def of_samples(self, samples: NDArray[np.intp]) -> "BlockDifference":
        """The pairs of some samples."""
        finite = None if self.finite is None else self.finite[:, samples]
        return BlockDifference(self.error[:, samples], self.error_ratio[:, samples], self.ulp[:, samples], finite)


def block_difference(reference: FloatArray, candidate: FloatArray, rtol: float, atol: float) -> BlockDifference:
    """Errors of every pair of two blocks (B, N, H)."""
    error = abs_error(reference, candidate)
    ratio, ulp = error_ratio_of(error, tolerance(reference, rtol, atol)), ulp_distance(reference, candidate)
    finite = np.isfinite(reference) & np.isfinite(candidate)
    return BlockDifference(error, ratio, ulp, None if finite.all() else finite)


class BlockDifferences:
    """Differences of blocks in reused buffers: each result is valid until the next call. Finite float32 values take a
    fast path, since neither their differences nor their tolerances overflow in float64. The results equal those of
    `block_difference`."""

    def __init__(self, rtol: float, atol: float) -> None:
        self._rtol, self._atol = rtol, atol
        # With other limits the quotient of two finite numbers may not be finite.
        self._plain = 1e-200 <= atol <= 1.0 and rtol <= 1.0
        self._floats: Any = np.empty((2, 0))
        self._narrow: Any = np.empty(0, np.int32)

    def of(self, reference: FloatArray, candidate: FloatArray) -> BlockDifference:
        """Errors of every pair of two blocks (B, N, H), valid until the next call."""
        if not (self._plain and reference.dtype == candidate.dtype == np.float32):
            return block_difference(reference, candidate, self._rtol, self._atol)
        size = prod(reference.shape)
        if size > self._floats.shape[1]:
            self._floats, self._narrow = np.empty((2, size)), np.empty(size, np.int32)
        error, error_ratio = (row[:size].reshape(reference.shape) for row in self._floats)
        # To widen a block by itself is quicker than to let the arithmetic do it piece by piece.
        np.copyto(error, candidate)
        np.copyto(error_ratio, reference)
        with np.errstate(invalid="ignore"):  # of two infinities, which are left to the general way below
            np.subtract(error, error_ratio, out=error)
        np.abs(error, out=error)
        if not error.max() < np.inf:
            return block_difference(reference, candidate, self._rtol, self._atol)
        limit = np.abs(error_ratio, out=error_ratio)
        limit *= self._rtol
        limit += self._atol
        np.divide(error, limit, out=error_ratio)
        narrow = self._narrow[:size].reshape(reference.shape)
        return BlockDifference(error, error_ratio, _ulp(reference, candidate, narrow), None)


def _ulp(reference: FloatArray, candidate: FloatArray, out: NDArray[np.int32]) -> UlpArray:
    """`ulp_distance` of finite float32 numbers, written into `out` if they are as near each other as most are."""
    r, c = np.ascontiguousarray(reference).view(np.int32), np.ascontiguousarray(candidate).view(np.int32)
    if np.bitwise_xor(r, c, out=out).min() < 0:
        return ulp_distance(reference, candidate)
    # With one sign in each pair the bits are as far apart as the floats.
    np.subtract(c, r, out=out)
    return np.abs(out, out=out).view(np.uint32)


_ROWS_VALUES = 1 << 18


def blocks(array: FloatArray) -> Iterator[FloatArray]:
    """Parts (B, N, U) of an array (T, N, U) along its first axis that fit the cache."""
    length = max(1, _ROWS_VALUES // max(1, array[0].size))
    return (np.asarray(array[start : start + length]) for start in range(0, len(array), length))


def largest_magnitude(array: FloatArray) -> float:
    """The largest finite |value|, read block by block along the first axis; 0 if there is none."""
    largest = 0.0
    for block in blocks(array):
        # A NaN on the way makes both of them NaN.
        most = max(float(block.max()), -float(block.min()))
        if not most < np.inf:
            most = float(np.abs(block[np.isfinite(block)]).max(initial=0.0))
        largest = max(largest, most)
    return largest


_BLOCK_VALUES = 1 << 17
"""Number of values in a block: large enough to amortize the calls, small enough that the float64 temporaries
stay in the last-level cache."""


@dataclass(frozen=True, eq=False)
class ComparedBlock:
    """Values (B, N, U) of two engines at time steps of a lane, or rows (B, ...) of an array without time. `start` is
    the index of the first one along the axes before the block's own: layer, direction, timestep; or row. `difference`
    is None where the values are not compared; its memory is used again. `last_first` says that the last time step is
    computed first. `samples` are those that are computed, not padding; None if all are."""

    start: tuple[int, ...]
    reference: FloatArray
    candidate: FloatArray
    difference: BlockDifference | None
    last_first: bool = False
    samples: NDArray[np.intp] | None = None

    @property
    def at(self) -> tuple[Any, ...]:
        """The index of the block's rows in an array with the axes of `start`."""
        *lane, first = self.start
        return *lane, slice(first, first + len(self.reference))

    @property
    def computed(self) -> "ComparedBlock":
        """The block without its padding."""
        chosen = self.samples
        if chosen is None:
            return self
        difference = None if self.difference is None or not len(chosen) else self.difference.of_samples(chosen)
        return replace(
            self, reference=self.reference[:, chosen], candidate=self.candidate[:, chosen], difference=difference
        )

    def index(self, flat: int) -> tuple[int, ...]:
        """The index in the array of a value of the block without its padding."""
        *lane, first = self.start
        row, *rest = (int(i) for i in np.unravel_index(flat, self.reference.shape))
        if self.samples is not None:
            rest[0] = int(self.samples[rest[0]])
        return (*lane, first + row, *rest)

    def ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        """(B·N·U,): values of the block in the order of the pass."""
        return (values[::-1] if self.last_first else values).reshape(-1)

    def place(self, ordered: int) -> int:
        """The flat place in the block of the value that `ordered` has at a place."""
        if not self.last_first:
            return ordered
        width = prod(self.reference.shape[1:])
        row, rest = divmod(ordered, width)
        return (len(self.reference) - 1 - row) * width + rest

    def first(self, wanted: BoolArray) -> int:
        """The flat place of the first wanted value in the order of the pass."""
        return self.place(int(self.ordered(wanted).argmax()))


def lanes_of_pass(layers: int, directions: int, *, gradients: bool) -> list[tuple[int, int]]:
    """The layer and the direction of each lane, in the order of the forward pass, or of that which gives gradients."""
    return list(product(reversed(range(layers)) if gradients else range(layers), range(directions)))


def compared_steps(reference: Trace, candidate: Trace, layer: int, direction: int) -> range:
    """Time steps of a lane at which both traces have hidden states."""
    recorded = [trace.recorded(layer, direction) for trace in (reference, candidate)]
    start = max(part.start for part in recorded)
    return range(start, max(start, min(part.stop for part in recorded)))


def compared_blocks(
    reference: Trace, candidate: Trace, name: str, differences: BlockDifferences
) -> Iterator[ComparedBlock]:
    """Blocks of an array, each valid until the next one. Of an array with lanes, a block is compared or missing as a
    whole, and a sample computed in all of it or padding. A recording that has gradients has all of an array. An array
    without time has blocks of rows, in its own order."""
    ours, theirs = reference.in_lanes(name), candidate.in_lanes(name)
    if ours.ndim != 5:
        start = 0
        for r, c in zip(blocks(ours), blocks(theirs), strict=True):
            yield ComparedBlock((start,), r, c, differences.of(r, c))
            start += len(r)
        return
    layers, directions, timesteps, samples, units = ours.shape
    length, gradients = max(1, _BLOCK_VALUES // (samples * units)), name.startswith(GRADIENT)
    for lane in lanes_of_pass(layers, directions, gradients=gradients):
        both = range(timesteps) if gradients else compared_steps(reference, candidate, *lane)
        last_first = reference.places.backward(lane[1]) != gradients
        parts = range(both.start), both, range(both.stop, timesteps)
        for recorded in parts[:: -1 if last_first else 1]:
            for part, computed in computed_parts(reference.places.lengths, recorded, backward=last_first):
                own = computed if len(computed) < len(reference.places.lengths) else None
                for times in time_blocks(part, length, backward=last_first):
                    r, c = (np.asarray(array[lane][times]) for array in (ours, theirs))
                    difference = differences.of(r, c) if recorded is both else None
                    yield ComparedBlock((*lane, times.start), r, c, difference, last_first, own)

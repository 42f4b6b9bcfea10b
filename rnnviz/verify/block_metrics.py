"""How far two blocks of hidden values are apart, in every measure that a comparison counts."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.verify.metrics import BoolArray, UlpArray, abs_error, tolerance, ulp_distance, violation_of


@dataclass(frozen=True)
class BlockDifference:
    """Every pair of a reference's and a candidate's block, all arrays of their shape (B, N, H).

    `error`, `violation` and `ulp` are those of `rnnviz.verify.metrics`, `ulp` perhaps as narrower
    integers where no pair needs more. `finite` says in which pairs both numbers are finite; None if they are in all.
    """

    error: NDArray[np.float64]
    violation: NDArray[np.float64]
    ulp: UlpArray
    finite: BoolArray | None


def block_difference(reference: FloatArray, candidate: FloatArray, rtol: float, atol: float) -> BlockDifference:
    """The difference of any two blocks."""
    error = abs_error(reference, candidate)
    finite = np.isfinite(reference) & np.isfinite(candidate)
    return BlockDifference(
        error,
        violation_of(error, tolerance(reference, rtol, atol)),
        ulp_distance(reference, candidate),
        None if finite.all() else finite,
    )


class BlockDifferences:
    """The differences of one block after another, in memory that is used again: each is gone with the next one.

    Finite float32 numbers, which is what nearly all are, take a short way: in float64 neither their differences nor
    their limits overflow, so that nothing has to be looked at twice. What comes out is that of `block_difference`.
    """

    def __init__(self, rtol: float, atol: float) -> None:
        self._rtol, self._atol = rtol, atol
        # With other limits the quotient of two finite numbers may not be finite.
        self._plain = 1e-200 <= atol <= 1.0 and rtol <= 1.0
        self._floats: Any = np.empty((2, 0))
        self._narrow: Any = np.empty(0, np.int32)

    def of(self, reference: FloatArray, candidate: FloatArray) -> BlockDifference:
        """The difference of two blocks of one shape and dtype."""
        if not (self._plain and reference.dtype == candidate.dtype == np.float32):
            return block_difference(reference, candidate, self._rtol, self._atol)
        size = prod(reference.shape)
        if size > self._floats.shape[1]:
            self._floats, self._narrow = np.empty((2, size)), np.empty(size, np.int32)
        error, violation = (row[:size].reshape(reference.shape) for row in self._floats)
        # To widen a block by itself is quicker than to let the arithmetic do it piece by piece.
        np.copyto(error, candidate)
        np.copyto(violation, reference)
        with np.errstate(invalid="ignore"):  # of two infinities, which are left to the general way below
            np.subtract(error, violation, out=error)
        np.abs(error, out=error)
        if not error.max() < np.inf:
            return block_difference(reference, candidate, self._rtol, self._atol)
        limit = np.abs(violation, out=violation)
        limit *= self._rtol
        limit += self._atol
        np.divide(error, limit, out=violation)
        return BlockDifference(
            error, violation, _ulp(reference, candidate, self._narrow[:size].reshape(reference.shape)), None
        )


def _ulp(reference: FloatArray, candidate: FloatArray, out: NDArray[np.int32]) -> UlpArray:
    """`ulp_distance` of finite float32 numbers, written into `out` if they are as near each other as most are."""
    r, c = np.ascontiguousarray(reference).view(np.int32), np.ascontiguousarray(candidate).view(np.int32)
    if np.bitwise_xor(r, c, out=out).min() < 0:
        return ulp_distance(reference, candidate)
    # With one sign in each pair the bits are as far apart as the floats.
    np.subtract(c, r, out=out)
    return np.abs(out, out=out).view(np.uint32)

"""Values of two runs of an ONNX model that must be equal, compared along the axis in which their sizes differ."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from rnnviz.captures.onnx_operations import Operation, Operations
from rnnviz.captures.onnx_taps import Array
from rnnviz.core.config import DEFAULT_TOLERANCES

_HALF = (1e-3, 1e-3)


@dataclass(frozen=True)
class Aligned:
    """A value of two runs with the compared places first: arrays (P, ...) of one shape, or of two where the second run
    gives another number of places than it must. `ends` are those of the chunks of the second run."""

    one: Array
    other: Array
    ends: tuple[int, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A value that differs. `place` is the first one in which it does, None where all places are one; `sizes` are the
    numbers of places where these differ."""

    max_abs_difference: float
    mismatched: int
    elements: int
    place: int | None = None
    chunk: int | None = None
    sizes: tuple[int, int] | None = None


Alignments: TypeAlias = Sequence[Aligned]
"""The ways in which a value may have its places; it differs if it does so in each of them."""


def difference(ways: Alignments) -> Difference | None:
    """How a value differs, None where it does not in one of the ways."""
    found = [_difference(way) for way in ways]
    return None if None in found or not found else found[0]


def _difference(aligned: Aligned) -> Difference | None:
    one, other = aligned.one, aligned.other
    if one.shape != other.shape:
        return Difference(float("nan"), 0, 0, sizes=(len(one), len(other)))
    rtol, atol = DEFAULT_TOLERANCES.get(one.dtype.name, _HALF)
    a, b = one.astype(np.float64), other.astype(np.float64)
    with np.errstate(invalid="ignore"):
        error = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
        # Products of large values cancel: their rounding errors are as large as those of the largest one.
        largest = float(np.abs(a).max(initial=1.0, where=np.isfinite(a)))
        differs = ~(error <= atol * max(1.0, largest) + rtol * np.abs(a))
    if not differs.any():
        return None
    place = int(differs.reshape(len(differs), -1).any(axis=1).argmax())
    chunk = int(np.searchsorted(aligned.ends, place, side="right")) if aligned.ends else None
    return Difference(float(error.max()), int(differs.sum()), error.size, place, chunk)


def first_differing(
    operations: Operations, wanted: set[str], align: Callable[[str], Alignments]
) -> tuple[Operation, Difference, Alignments] | None:
    """The first operation with a value among the `wanted` ones that differs: all that it reads is the same."""
    for operation in operations.operations:
        for name in operation.outputs:
            if name in wanted and (ways := align(name)) and (found := difference(ways)) is not None:
                return operation, found, ways
    return None


def axis_of(arrays: Sequence[Array]) -> int | None:
    """The only axis in which arrays have other sizes, None if there is none or several."""
    if len({array.ndim for array in arrays}) > 1:
        return None
    axes = [
        axis for axis, sizes in enumerate(zip(*(array.shape for array in arrays), strict=True)) if len(set(sizes)) > 1
    ]
    return axes[0] if len(axes) == 1 else None


def split_axis(array: Array, axis: int, outer: int) -> Array | None:
    """The array with an axis as two, of which the first has the size `outer`; None if its size is not a multiple."""
    size = array.shape[axis]
    if outer < 2 or size % outer:
        return None
    return array.reshape(*array.shape[:axis], outer, size // outer, *array.shape[axis + 1 :])

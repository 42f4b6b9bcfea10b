"""Gradients of the parameters and of the initial states: each array's largest error, and its entries by error."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.gradients import GRADIENT, OF_PARAMETERS
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.verify.compare import ArrayComparison
from rnnviz.verify.metrics import abs_error, error_ratio_of, tolerance
from rnnviz.verify.result import RunResult

LISTED = 1000
"""Limit of the listed entries of an array."""
_BLOCK_VALUES = 1 << 20

Check: TypeAlias = Callable[[], None]


@dataclass(frozen=True)
class ArrayRow:
    """One array: `largest` is the largest magnitude by `engine`, and `comparison` None if only one engine has it."""

    name: str
    shape: tuple[int, ...]
    engine: str
    largest: float
    comparison: ArrayComparison | None

    @property
    def title(self) -> str:
        """The name of the parameter, or of the gradient of an initial state."""
        return self.name.removeprefix(OF_PARAMETERS)


@dataclass(frozen=True, eq=False)
class Entries:
    """The entries of one array with the largest errors, or else the largest magnitudes, the largest first.

    `index` (K, axes), and the others (K,); without a candidate `candidate` and `error_ratio` are None.
    """

    row: ArrayRow
    index: NDArray[np.int64]
    reference: FloatArray
    candidate: FloatArray | None = None
    error: NDArray[np.float64] | None = None
    error_ratio: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.index)


def array_rows(result: RunResult, candidate: str | None) -> list[ArrayRow]:
    """The arrays that the reference has, or else any engine: the largest error ratio first."""
    engine = next((name for name in (result.reference.engine, *result.traces) if result[name].has_gradients), None)
    if engine is None:
        return []
    compared: Mapping[str, ArrayComparison] = {} if candidate is None else result.comparison(candidate)
    over_time = result[engine].gradients_over_time()
    rows = [
        ArrayRow(name, array.shape, engine, result.extents.get(f"{engine}.{name}", 0.0), compared.get(name))
        for name, array in result[engine].items()
        if name.startswith(GRADIENT) and name not in over_time
    ]
    return sorted(rows, key=lambda row: -_rank(row.comparison))


def _rank(comparison: ArrayComparison | None) -> float:
    if comparison is None:
        return -1.0
    return np.inf if comparison.nonfinite_apart else comparison.max_error_ratio


def entries_of(result: RunResult, row: ArrayRow, check: Check) -> Entries:
    """The entries of an array with the largest errors; `check` is called between blocks, and may raise."""
    comparison = row.comparison
    reference = result[row.engine][row.name].reshape(-1)
    candidate = None if comparison is None else result[comparison.candidate][row.name].reshape(-1)
    found = np.zeros(0, np.int64)
    for start in range(0, reference.size, _BLOCK_VALUES):
        check()
        block = np.arange(start, min(start + _BLOCK_VALUES, reference.size))
        found = _largest(np.concatenate([found, block]), reference, candidate, comparison)
    index = np.stack(np.unravel_index(found, row.shape), axis=-1).astype(np.int64)
    r = np.asarray(reference[found])
    if candidate is None or comparison is None:
        return Entries(row, index, r)
    c = np.asarray(candidate[found])
    error = abs_error(r, c)
    ratio = error_ratio_of(error, tolerance(r, comparison.rtol, comparison.atol))
    return Entries(row, index, r, c, error, ratio)


def _largest(
    places: NDArray[np.int64],
    reference: FloatArray,
    candidate: FloatArray | None,
    comparison: ArrayComparison | None,
) -> NDArray[np.int64]:
    """The places of the largest error ratios, and of equal ones of the largest magnitudes, the largest first."""
    r = reference[places]
    magnitude = np.abs(r.astype(np.float64))
    if candidate is None or comparison is None:
        keys: tuple[NDArray[np.float64], ...] = (magnitude,)
    else:
        limit = tolerance(r, comparison.rtol, comparison.atol)
        keys = magnitude, error_ratio_of(abs_error(r, candidate[places]), limit)
    # NaN is the largest.
    order = np.lexsort([-np.where(np.isnan(key), np.inf, key) for key in keys])
    return np.asarray(places[order[:LISTED]])

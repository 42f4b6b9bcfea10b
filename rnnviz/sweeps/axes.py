"""A sweep's rows on two axes: one cell for each pair of values, which shows the worst of its rows."""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray

from rnnviz.quantities.plot_series import LogScale, log_scale
from rnnviz.sweeps.columns import COMPUTED_PLACES, WAITING, Dimension, SweepFigures

NO_ROW = -1


@dataclass(frozen=True)
class Cells:
    """(D, A) arrays: `down` has D values and `across` A.

    `values` is the largest number of a cell's rows, NaN where none has one or one of them is NaN, which `nan` shows
    apart; `rows` is the place of that row, else of the one with the worst verdict, `NO_ROW` without any. `verdicts` is
    the worst verdict, `counts` how many rows there are and `done` how many of them have been computed.
    """

    down: Dimension | None
    across: Dimension
    values: NDArray[np.float64]
    nan: NDArray[np.bool_]
    rows: NDArray[np.intp]
    verdicts: NDArray[np.int8]
    counts: NDArray[np.intp]
    done: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, int]:
        """(D, A)."""
        return self.values.shape[0], self.values.shape[1]


def cells(
    figures: SweepFigures,
    across: Dimension,
    down: Dimension | None,
    quantity: str,
    only: NDArray[np.bool_] | None = None,
) -> Cells:
    """Put every row into its cell, or `only` some of them (R,); without `down` there is one line of cells."""
    shape = (1 if down is None else len(down.texts), len(across.texts))
    length = shape[0] * shape[1]
    of = np.arange(len(figures.rows)) if only is None else np.flatnonzero(only)
    flat = across.codes[of] if down is None else down.codes[of] * shape[1] + across.codes[of]
    numbers, verdicts = figures.values[quantity][of], figures.verdicts[of]
    # Rows without a number come first, a NaN that was computed counts as the worst.
    computed = np.isin(verdicts, COMPUTED_PLACES)
    badness = np.where(np.isnan(numbers), np.where(computed, inf, -inf), numbers)
    worst_last = np.lexsort((-of, verdicts, badness))
    rows = np.full(length, NO_ROW, np.intp)
    rows[flat[worst_last]] = of[worst_last]
    worst = np.full(length, WAITING, np.int8)
    np.maximum.at(worst, flat, verdicts)
    values = np.full(length, np.nan)
    values[rows != NO_ROW] = figures.values[quantity][rows[rows != NO_ROW]]
    nan = np.zeros(length, bool)
    nan[flat[computed & np.isnan(numbers)]] = True
    return Cells(
        down,
        across,
        values.reshape(shape),
        nan.reshape(shape),
        rows.reshape(shape),
        worst.reshape(shape),
        np.bincount(flat, minlength=length).reshape(shape),
        np.bincount(flat[verdicts != WAITING], minlength=length).reshape(shape),
    )


@dataclass(frozen=True)
class ColorRange:
    """The scale from numbers to colors: 0 is the smallest, 1 the largest, and 0.5 the limit if there is one."""

    scale: LogScale
    limit: float | None

    def fractions(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The position of each number, logarithmic; zero is at 0, infinity at 1, NaN remains NaN."""
        scale = self.scale
        positions = scale.positions(values)
        if self.limit is None:
            return np.asarray(np.clip((positions - scale.lowest) / (scale.highest - scale.lowest), 0.0, 1.0))
        middle = np.log10(self.limit)
        below, above = max(middle - scale.lowest, 1.0), max(scale.highest - middle, 1.0)
        parts = np.where(positions < middle, (positions - middle) / below, (positions - middle) / above)
        return np.asarray(np.clip(0.5 + 0.5 * parts, 0.0, 1.0))


def color_range(values: NDArray[np.float64], limit: float | None) -> ColorRange:
    """The displayed range, which includes the limit."""
    finite = np.abs(values[~np.isnan(values)])
    return ColorRange(log_scale((finite,), *(() if limit is None else (limit,))), limit)

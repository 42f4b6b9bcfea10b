"""A sweep's rows as columns of numbers, filled in as the rows arrive, for sorting and heat maps.

On two axes there is one cell for each pair of values, which shows the worst of its rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.quantities.plot_series import LogScale, log_scale
from rnnviz.sweeps.results import COMPUTED, ROW_VERDICTS, SweepRow, SweepTable, value_text

WAITING = -1
"""The place in `ROW_VERDICTS` of a row that has not been computed."""

COMPUTED_PLACES = tuple(ROW_VERDICTS.index(name) for name in COMPUTED)
"""The places of the verdicts of rows that have numbers."""


@dataclass(frozen=True)
class SweepQuantity:
    """A figure of a row; `limit` is the largest acceptable number, or None."""

    name: str
    title: str
    why: str
    value: Callable[[SweepRow], float | None]
    limit: float | None = None


def reference_seconds(row: SweepRow) -> float | None:
    """How long the row's reference took."""
    return None if row.point.config is None else _seconds(row, row.point.config.compare.reference)


def engine_seconds(row: SweepRow) -> float | None:
    """How long the row's own engine took."""
    return _seconds(row, str(row.point.values[-1]))


def _seconds(row: SweepRow, engine: str) -> float | None:
    return None if row.finding is None else row.finding.seconds.get(engine)


QUANTITIES = (
    SweepQuantity(
        "max_error_ratio",
        "error ratio",
        "Largest error ratio: |difference| ÷ tolerance. Above 1 the engines do not agree.",
        lambda row: None if row.finding is None else row.finding.max_error_ratio,
        1.0,
    ),
    SweepQuantity(
        "max_abs_error",
        "difference",
        "Largest |difference|.",
        lambda row: None if row.finding is None else row.finding.max_abs_error,
    ),
    SweepQuantity(
        "audit_worst_ratio",
        "audit ratio",
        f"Worst step of either engine in rounding bounds. Above {ALLOWED:g} the engine is wrong.",
        lambda row: None if row.finding is None else row.finding.audit_worst_ratio,
        ALLOWED,
    ),
    SweepQuantity("reference", "reference time", "Time that the reference took.", reference_seconds),
    SweepQuantity("engine", "engine time", "Time that the candidate engine took.", engine_seconds),
)


@dataclass(frozen=True)
class Dimension:
    """One key of a sweep: its V values in the order of the rows, and which of them each row has.

    `texts` are the values as people read them, `ranks` (V,) how they are sorted, `codes` (R,) each row's place in them;
    `words` says whether the values are texts.
    """

    key: str
    texts: tuple[str, ...]
    ranks: NDArray[np.float64]
    codes: NDArray[np.intp]
    words: bool


class SweepFigures:
    """The columns of R rows.

    `verdicts` (R,) are places in `ROW_VERDICTS`, `WAITING` where a row has not been computed; `values` holds an
    array (R,) for each of `QUANTITIES` by name, NaN where a row has none, and where the number is NaN.
    """

    def __init__(self, table: SweepTable) -> None:
        self.keys = table.keys
        self.rows = list(table.rows)
        size = len(self.rows)
        self.dimensions = tuple(_dimension(key, place, self.rows) for place, key in enumerate(table.keys))
        self.verdicts = np.full(size, WAITING, np.int8)
        self.values = {quantity.name: np.full(size, nan) for quantity in QUANTITIES}
        self._places = {row.point.index: place for place, row in enumerate(self.rows)}
        for row in table.rows:
            self.put(row)

    def put(self, row: SweepRow) -> int:
        """Take a row's finding, and return the row's place."""
        place = self._places[row.point.index]
        self.rows[place] = row
        if row.finding is not None:
            self.verdicts[place] = ROW_VERDICTS.index(row.finding.verdict)
            for quantity in QUANTITIES:
                value = quantity.value(row)
                self.values[quantity.name][place] = nan if value is None else value
        return place

    @property
    def table(self) -> SweepTable:
        """The rows as they are now."""
        return SweepTable(self.keys, tuple(self.rows))

    @property
    def done(self) -> int:
        """Number of rows with a result."""
        return int(np.count_nonzero(self.verdicts != WAITING))

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by verdict."""
        found = np.bincount(self.verdicts[self.verdicts != WAITING], minlength=len(ROW_VERDICTS))
        return dict(zip(ROW_VERDICTS, found.tolist(), strict=True))


def _dimension(key: str, place: int, rows: Sequence[SweepRow]) -> Dimension:
    known: dict[Any, int] = {}
    codes = np.fromiter((known.setdefault(row.point.values[place], len(known)) for row in rows), np.intp, len(rows))
    words = any(isinstance(value, str) for value in known)
    texts = tuple(value_text(value) for value in known)
    numbers = ranks(texts) if words else np.array([float(value) for value in known])
    return Dimension(key, texts, numbers, codes, words)


def order(keys: NDArray[np.float64], *, ascending: bool) -> NDArray[np.intp]:
    """The places of `keys` (R,) sorted; those that are NaN come last, equal ones keep the order of the rows."""
    return np.argsort(keys if ascending else -keys, kind="stable")


def ranks(texts: Sequence[str]) -> NDArray[np.float64]:
    """The alphabetical rank of each text; NaN for an empty one."""
    places = {text: float(rank) for rank, text in enumerate(sorted(set(texts)))}
    places[""] = nan
    return np.array([places[text] for text in texts])


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

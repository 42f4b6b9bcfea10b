"""A sweep's rows as columns of numbers, filled in as the rows arrive, for sorting and heat maps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.sweeps.results import COMPUTED, ROW_VERDICTS, SweepRow, SweepTable
from rnnviz.sweeps.text import value_text

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

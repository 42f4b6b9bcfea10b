"""Columns of tables: what each shows of a row, in the window, in a report, and in a notebook."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from numpy.typing import NDArray

from rnnviz.core import number_format
from rnnviz.frozen import dataclass
from rnnviz.text import verdict_details


@dataclass(frozen=True)
class Look:
    """Color role, weight and icon of a cell. `note` says the same in words, for screen readers."""

    role: str = ""
    bold: bool = False
    icon: str = ""
    note: str = ""


PLAIN = Look()
Looks: TypeAlias = Callable[[Any], Look]


def plain(_row: Any) -> Look:
    return PLAIN


@dataclass(frozen=True)
class Column:
    """A column. Its functions take a row of the table.

    `text` is shown, and `full`, with every digit, is copied and explained. `heading` is the copied and spoken title,
    `why` the title's tooltip. `keys` returns the sort keys of all rows. `widest` replaces the measured widest text.
    """

    title: str
    text: Callable[[Any], str]
    full: Callable[[Any], str] | None = None
    number: bool = False
    right: bool = False
    look: Looks = plain
    heading: str = ""
    why: str = ""
    keys: Callable[[], NDArray[Any]] | None = None
    widest: str = ""
    grows: bool = False
    shrinks: bool = False
    optional: bool = False

    @property
    def name(self) -> str:
        return self.heading or self.title

    def exact(self, row: Any) -> str:
        return (self.full or self.text)(row)


def filled(columns: Iterable[Column], rows: Sequence[Any]) -> list[Column]:
    """The columns that show anything of some rows."""
    return [column for column in columns if any(column.text(row) for row in rows)]


def error_column(title: str, read: Callable[[Any], float | None]) -> Column:
    """A column of errors or tolerances in two digits; empty where a row has none."""

    def written(write: Callable[[float], str]) -> Callable[[Any], str]:
        return lambda row: "" if (value := read(row)) is None else write(value)

    return Column(title, written(number_format.error), written(number_format.full), number=True)


def pair_columns(titles: tuple[str, str], read: Callable[[Any], tuple[float, float] | None]) -> tuple[Column, Column]:
    """Two columns of values that differ, in enough digits to show it; empty where a row has none."""

    def column(k: int) -> Column:
        return Column(
            titles[k],
            lambda row: "" if (pair := read(row)) is None else number_format.format_pair(*pair)[k],
            lambda row: "" if (pair := read(row)) is None else number_format.full(pair[k]),
            number=True,
        )

    return column(0), column(1)


def count_column(title: str, read: Callable[[Any], int]) -> Column:
    """A column of counts, which is empty at 0."""
    return Column(title, lambda row: number_format.count(read(row)) if read(row) else "", number=True)


COMPARED = Column("Values compared", verdict_details.compared)
MISMATCHES = Column("Mismatches", lambda own: number_format.count(own.mismatched), number=True)
ATOL = error_column("Absolute tolerance", lambda own: own.atol)
RTOL = error_column("Relative tolerance", lambda own: own.rtol)
MAX_ERROR = error_column("Max abs difference", lambda own: own.max_abs_error)
MAX_RATIO = error_column("Max error ratio", lambda own: own.max_error_ratio)
DIFFERENCES = (
    MAX_ERROR,
    Column(
        "Position of the max",
        lambda own: own.max_abs_error_at.short if own.max_abs_error else "",
        lambda own: str(own.max_abs_error_at) if own.max_abs_error else "",
    ),
    MAX_RATIO,
    Column("Max distance (ulp)", lambda own: number_format.ulp(own.max_ulp), number=True),
)
FIRST_MISMATCH = (
    Column(
        "First mismatch",
        lambda own: "none" if own.first_mismatch is None else own.first_mismatch.where.short,
        lambda own: "" if own.first_mismatch is None else str(own.first_mismatch.where),
    ),
    *pair_columns(
        ("Reference value there", "Candidate value there"),
        lambda own: (first := own.first_mismatch) and (first.reference, first.candidate),
    ),
)
NONFINITE_APART = count_column("NaN or infinite in one engine only", lambda own: own.nonfinite_apart)
FIGURES: tuple[Column, ...] = (
    COMPARED,
    MISMATCHES,
    ATOL,
    RTOL,
    *DIFFERENCES,
    Column(
        "Smallest passing atol",
        lambda own: number_format.format_ceil(own.smallest_passing_atol),
        lambda own: number_format.full(own.smallest_passing_atol),
        number=True,
    ),
    *FIRST_MISMATCH,
    count_column("NaN or infinite in the reference", lambda own: own.nonfinite_reference),
    count_column("NaN or infinite in the candidate", lambda own: own.nonfinite_candidate),
    NONFINITE_APART,
)
"""The figures of an `ArrayComparison` of hidden values."""

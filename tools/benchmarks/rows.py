"""The rows of the table that the benchmarks print, and how a figure is compared with its target."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Op: TypeAlias = Literal["<=", ">="]


@dataclass(frozen=True)
class Row:
    """One figure: `group` is the part of the program, `what` says what was measured, `unit` is x for a ratio.

    Without a target the figure is only reported; `note` is a remark on it. A row that could
    not be measured has the figure NaN, which passes nothing.
    """

    group: str
    what: str
    figure: float
    unit: str = "x"
    target: float | None = None
    op: Op = "<="
    note: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """The key of the row in another run."""
        return self.group, self.what

    @property
    def passed(self) -> bool | None:
        """Whether the figure meets the target; None if there is none."""
        if self.target is None:
            return None
        return self.figure <= self.target if self.op == "<=" else self.figure >= self.target


@dataclass
class Table:
    """Collects what the benchmarks of one run found, in the order in which they found it."""

    rows: list[Row] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    """Details of the rows, by the name of the part: written to the file, not printed."""

    def add(self, *rows: Row) -> None:
        """Append rows; each must have a unique name, by which two runs are compared."""
        known = {row.key for row in self.rows}
        for row in rows:
            if row.key in known:
                raise ValueError(f"The row {row.group}: {row.what} is already in the table.")
            known.add(row.key)
            self.rows.append(row)

    @property
    def failed(self) -> list[Row]:
        """The rows that miss their target."""
        return [row for row in self.rows if row.passed is False]


def as_text(rows: Iterable[Row]) -> str:
    """The rows with those that have a target first: what, target, figure, and pass or fail in words."""
    rows = list(rows)
    lines = [("", "what", "target", "figure", "", "")]
    for row in sorted(rows, key=lambda row: row.target is None):
        word = {True: "pass", False: "FAIL", None: ""}[row.passed]
        target = "" if row.target is None else f"{row.op} {number(row.target)} {row.unit}".rstrip()
        lines.append((row.group, row.what, target, f"{number(row.figure)} {row.unit}".rstrip(), word, row.note))
    widths = [max(len(line[column]) for line in lines) for column in range(6)]
    return "\n".join("  ".join(_aligned(line, widths)).rstrip() for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The columns as wide as their widest, numbers at the right."""
    return [
        f"{text:>{width}}" if column in (2, 3) else f"{text:{width}}"
        for column, (text, width) in enumerate(zip(line, widths, strict=True))
    ]


def number(value: float) -> str:
    """Three significant digits, in full from a thousand on."""
    if value != value:
        return "nan"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"

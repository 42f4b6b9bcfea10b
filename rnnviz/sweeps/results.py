"""The results of a sweep: one for each of its points, in a form for JSON lines and tables, and in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Any

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.sweeps.grid import Point
from rnnviz.text.verdict_text import MARKS
from rnnviz.verify.verdict import VERDICTS

ROW_VERDICTS = ("refused", *VERDICTS, "failed")
"""From the least informative to the worst: refused values do not result in a run, a failed run was tried."""

COMPUTED = VERDICTS
"""The verdicts of rows that have numbers."""

_NAMES = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}
_NUMBERS = ("max_error_ratio", "max_abs_error", "audit_worst_ratio")


@dataclass(frozen=True)
class FirstWrong:
    """The first step that the audit found wrong, and whose it is."""

    engine: str
    where: Location

    def __str__(self) -> str:
        return f"{self.engine} at {self.where}"


@dataclass(frozen=True)
class SweepResult:
    """The result of one row.

    `max_error_ratio` and `max_abs_error` compare the candidate with the reference; `audit_worst_ratio` is the larger
    of the two engines'. All are None without numbers. `seconds` by engine; `reason` is one sentence. `assumptions` are
    the clauses that a run of a model file takes for granted.
    """

    verdict: str
    reason: str = ""
    max_error_ratio: float | None = None
    max_abs_error: float | None = None
    audit_worst_ratio: float | None = None
    first_wrong: FirstWrong | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """A mapping that JSON can hold; numbers that are not finite are "NaN", "Infinity" and "-Infinity"."""
        wrong, numbers = self.first_wrong, {name: getattr(self, name) for name in _NUMBERS}
        return {
            "verdict": self.verdict,
            **{name: None if n is None else number_format.json_number(n) for name, n in numbers.items()},
            "first_wrong": None if wrong is None else {"engine": wrong.engine, **wrong.where.to_json()},
            "seconds": dict(self.seconds),
            "reason": self.reason,
            **({"assumptions": list(self.assumptions)} if self.assumptions else {}),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "SweepResult":
        """Read the result of `to_mapping`. Raises an InputError if it is something else."""
        try:
            verdict, wrong = values["verdict"], values["first_wrong"]
            if verdict not in ROW_VERDICTS:
                raise InputError(f'verdict = "{verdict}" is not allowed: it must be one of {", ".join(ROW_VERDICTS)}.')
            return cls(
                verdict,
                str(values["reason"]),
                number(values["max_error_ratio"]),
                number(values["max_abs_error"]),
                number(values["audit_worst_ratio"]),
                None if wrong is None else FirstWrong(str(wrong["engine"]), _location(wrong)),
                {str(name): _seconds(seconds) for name, seconds in values["seconds"].items()},
                tuple(map(str, values.get("assumptions", ()))),
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"A row of the table is damaged: {type(error).__name__}: {error}.") from error


@dataclass(frozen=True)
class SweepRow:
    """One row of the table; `finding` is None while it has not been computed."""

    point: Point
    finding: SweepResult | None = None


@dataclass(frozen=True)
class SweepTable:
    """All rows of a sweep in the order of its axes; `keys` are the keys of each row's values."""

    keys: tuple[str, ...]
    rows: tuple[SweepRow, ...]


def number(value: Any) -> float | None:
    """The argument of `json_number`."""
    if value is None:
        return None
    return _NAMES[value] if isinstance(value, str) else float(value)


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not isfinite(seconds):
        raise InputError(f"{seconds} is not a time in seconds.")
    return seconds


def _location(values: Mapping[str, Any]) -> Location:
    layer, timestep, sample, unit = (int(values[name]) for name in ("layer", "timestep", "sample", "unit"))
    return Location(layer, DIRECTIONS.index(values["direction"]), timestep, sample, unit)


ROW_MARKS = {**MARKS, "refused": "–", "failed": "!"}
"""A sign for each verdict, which says it without a color."""

_MOST_LISTED = 10


def counted(counts: Mapping[str, int]) -> str:
    """Number of rows by verdict: "✔ 18 agree · ✘ 2 disagree"."""
    texts = [
        f"{mark} {number_format.count(counts[name])} {name}" for name, mark in ROW_MARKS.items() if counts.get(name)
    ]
    return " · ".join(texts) or "no row yet"


def value_text(value: Any) -> str:
    """A value of a key as people read it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else display_name(str(value))


def called(keys: Sequence[str], values: Sequence[Any]) -> str:
    """A row by its values: "cell lstm, hidden_size 16, seed 0, engine manual"."""
    return ", ".join(f"{short_key(key, keys)} {value_text(v)}" for key, v in zip(keys, values, strict=True))


def short_key(key: str, keys: Sequence[str]) -> str:
    """A dotted key without its table, where no other key of the sweep is then called the same."""
    short = key.rpartition(".")[2]
    return short if sum(other.rpartition(".")[2] == short for other in keys) == 1 else key


def report(keys: Sequence[str], rows: Sequence[SweepRow]) -> str:
    """The counts, and a line for each of the rows that are not right, the worst first; for a terminal."""
    found = [(row.point, row.finding) for row in rows if row.finding is not None]
    bad = [(point, finding) for point, finding in found if finding.verdict != "agree"]
    order = ("disagree", "failed", "refused", "drift")
    bad.sort(key=lambda pair: (order.index(pair[1].verdict), -_error_ratio(pair[1]), pair[0].index))
    lines = [counted(Counter(finding.verdict for _, finding in found))]
    for point, finding in bad[:_MOST_LISTED]:
        lines.append(f"  {ROW_MARKS[finding.verdict]} {called(keys, point.values)}: {finding.reason}")
    if len(bad) > _MOST_LISTED:
        lines.append(f"  and {number_format.count(len(bad) - _MOST_LISTED)} more")
    assumed = dict.fromkeys(clause for _, finding in found for clause in finding.assumptions)
    return "\n".join([*lines, *(f"  Assumption: {clause}." for clause in assumed)])


def _error_ratio(finding: SweepResult) -> float:
    value = finding.max_error_ratio
    if value is None:
        return 0.0
    return value if value == value else float("inf")

"""The results of a sweep: a row for each of its points; as CSV and JSON, in words, and as columns for heat maps."""

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz import __version__
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError, check_regular, in_short
from rnnviz.core.number_format import json_number
from rnnviz.core.schema import FieldSpec
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import plural, unreadable
from rnnviz.frozen import dataclass
from rnnviz.io.outputs import atomic_write, write_text
from rnnviz.sweeps.grid import Point, key_spec
from rnnviz.text.verdict_text import MARKS
from rnnviz.verify.verdict import VERDICTS

ROW_VERDICTS = ("refused", *VERDICTS, "failed")
"""From the least informative to the worst: refused values do not result in a run, a failed run was tried."""

COMPUTED = VERDICTS
"""The verdicts of rows that have numbers."""

NUMBERS = ("max_error_ratio", "max_abs_error", "audit_worst_ratio")
_PLACE = ("layer", "direction", "timestep", "sample", "unit")
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, csv.Error)
"""The errors of values that no sweep has written."""


@dataclass(frozen=True)
class FirstWrong:
    """The first step that the audit found wrong, and whose it is."""

    engine: str
    where: Location

    def __str__(self) -> str:
        return f"{self.engine} at {self.where}"


@dataclass(frozen=True)
class SweepResult:
    """The result of one row: the worse `verdict` of both passes, why in a sentence, and its numbers, None without any.

    `audit_worst_ratio` is the larger of the two engines'; `backward_verdict` is "" without gradients.
    """

    verdict: str
    reason: str = ""
    max_error_ratio: float | None = None
    max_abs_error: float | None = None
    audit_worst_ratio: float | None = None
    first_wrong: FirstWrong | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    assumptions: tuple[str, ...] = ()
    backward_verdict: str = ""

    def to_mapping(self) -> dict[str, Any]:
        """A mapping that JSON can hold; numbers that are not finite are "NaN", "Infinity" and "-Infinity"."""
        wrong, numbers = self.first_wrong, ((name, getattr(self, name)) for name in NUMBERS)
        return {
            "verdict": self.verdict,
            **{name: None if number is None else json_number(number) for name, number in numbers},
            "first_wrong": None if wrong is None else {"engine": wrong.engine, **wrong.where.to_json()},
            "seconds": dict(self.seconds),
            "reason": self.reason,
            **({"assumptions": list(self.assumptions)} if self.assumptions else {}),
            **({"backward_verdict": self.backward_verdict} if self.backward_verdict else {}),
        }

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "SweepResult":
        """Read the result of `to_mapping`, whose numbers may be texts. Raises one of `DAMAGE` if it is not one."""
        verdict, wrong = values["verdict"], values["first_wrong"]
        if verdict not in ROW_VERDICTS:
            raise ValueError(f'verdict = "{verdict}" must be one of {", ".join(ROW_VERDICTS)}')
        if wrong is not None:
            layer, direction, *others = (wrong[name] for name in _PLACE)
            where = Location(int(layer), DIRECTIONS.index(direction), *map(int, others))
            wrong = FirstWrong(str(wrong["engine"]), where)
        error_ratio, abs_error, audit_ratio = (None if values[n] is None else float(values[n]) for n in NUMBERS)
        return cls(
            verdict,
            str(values["reason"]),
            error_ratio,
            abs_error,
            audit_ratio,
            wrong,
            {str(name): _seconds(seconds) for name, seconds in values["seconds"].items()},
            tuple(map(str, values.get("assumptions") or ())),
            str(values.get("backward_verdict") or ""),
        )


def _seconds(value: Any) -> float:
    if not 0.0 <= float(value) < inf:
        raise ValueError(f"{value} is not a time in seconds")
    return float(value)


@dataclass(frozen=True)
class SweepRow:
    """One row of the table; `finding` is None while it has not been computed."""

    point: Point
    finding: SweepResult | None = None


@dataclass(frozen=True)
class SweepTable:
    """All rows of a sweep in the order of its axes, and the keys of their values."""

    keys: tuple[str, ...]
    rows: tuple[SweepRow, ...]

    def records(self) -> list[dict[str, Any]]:
        """The rows that have a finding, as JSON has them: {"values", "verdict", ..., "config"}."""
        return [
            {
                "values": dict(zip(self.keys, row.point.values, strict=True)),
                **row.finding.to_mapping(),
                "config": None if row.point.config is None else row.point.config.to_mapping(),
            }
            for row in self.rows
            if row.finding is not None
        ]


def write_sweep_json(table: SweepTable, path: Path) -> None:
    write_text(path, sweep_json(table))


def sweep_json(table: SweepTable) -> str:
    """`{"rnnviz": version, "keys": [...], "rows": [{"values", "verdict", ..., "config"}]}` as text."""
    content = {"rnnviz": __version__, "keys": list(table.keys), "rows": table.records()}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


_INNER = ("first_wrong", "seconds")
"""The keys of JSON whose inner ones are columns of CSV, with a dot."""


def write_sweep_csv(table: SweepTable, path: Path) -> None:
    """Write the rows that have a finding. Raises an InputError if the file cannot be written."""
    records = table.records()
    timed = dict.fromkeys(f"seconds.{name}" for record in records for name in record["seconds"])
    optional = [name for name in ("assumptions", "backward_verdict") if any(name in record for record in records)]
    wrong = (f"first_wrong.{name}" for name in ("engine", *_PLACE))
    columns = (*table.keys, "verdict", *NUMBERS, *wrong, *timed, "reason", *optional, "config")
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_cell(record, *_path(name, table.keys)) for name in columns] for record in records)


def _path(column: str, keys: Sequence[str]) -> tuple[str, ...]:
    """Where a record has the value of a column."""
    table, _, name = column.partition(".")
    return ("values", column) if column in keys else (table, name) if table in _INNER else (column,)


def _cell(record: Mapping[str, Any] | None, name: str, *inner: str) -> str | None:
    """A value of a record: numbers in the digits that read back, true and false as TOML writes them."""
    value = None if record is None else record.get(name, [] if name == "assumptions" else None)
    if inner:
        return _cell(value, *inner)
    if value is None:
        return None
    if isinstance(value, tuple | list | dict):
        value = json.dumps(value, ensure_ascii=False)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_LONGEST_CELL = 1 << 30
"""A config may list the lengths of many samples."""


def load_sweep_results(path: Path) -> SweepTable:
    """Read a file that a sweep has written. Raises an InputError if it cannot be read, or is something else."""
    check_regular(path)
    try:
        if path.suffix.lower() == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
            keys, records = content["keys"], content["rows"]
        else:
            keys, records = _csv_records(path)
        specs = {key: key_spec(key) for key in keys}
        return SweepTable(tuple(keys), tuple(_row(specs, index, record) for index, record in enumerate(records)))
    except OSError as error:
        raise unreadable(path, error) from error
    except DAMAGE as error:
        reason = f"{error} is missing in it" if isinstance(error, KeyError) else str(error).rstrip(".")
        raise InputError(f"{path} is not a table written by rnnviz sweep: {in_short(reason)}.") from error


def _csv_records(path: Path) -> tuple[list[str], Sequence[Mapping[str, Any]]]:
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file, strict=True)
    keys = header[: header.index("verdict")]
    return keys, [_record(keys, dict(zip(header, row, strict=True))) for row in rows]


def _record(keys: Sequence[str], cells: Mapping[str, str]) -> dict[str, Any]:
    """A row of a CSV file as JSON has it."""
    record: dict[str, Any] = {"values": {key: _value(key, cells[key]) for key in keys}, **{name: {} for name in _INNER}}
    for column, text in cells.items():
        match _path(column, keys):
            case (table, name) if table in _INNER and text:
                record[table][name] = text
            case (name,):
                record[name] = text if name == "reason" else text or None
    parsed = {name: json.loads(cells.get(name) or "null") for name in ("assumptions", "config")}
    return {**record, **parsed, "first_wrong": record["first_wrong"] or None}


def _value(key: str, text: str) -> Any:
    """A cell as the number, truth, list or text that the key holds."""
    kind = key_spec(key).kind
    is_text = kind in ("text", "choice", "path") or (kind == "counts" and not text.startswith("["))
    return text if is_text else json.loads(text)


def _row(specs: Mapping[str, FieldSpec], index: int, record: Mapping[str, Any]) -> SweepRow:
    finding, config = SweepResult.from_mapping(record), record["config"]
    values = tuple(spec.check(key, record["values"][key]) for key, spec in specs.items())
    if config is None:
        return SweepRow(Point(index, values, None, finding.reason), finding)
    return SweepRow(Point(index, values, Config.from_mapping(config)), finding)


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
    """The counts, and the rows that are not right, the worst first, for a terminal: equal sentences once."""
    found = [(row.point, row.finding) for row in rows if row.finding is not None]
    bad = [(point, finding) for point, finding in found if finding.verdict != "agree"]
    order = ("disagree", "failed", "refused", "drift")
    bad.sort(key=lambda pair: (order.index(pair[1].verdict), -_error_ratio(pair[1]), pair[0].index))
    lines = [counted(Counter(finding.verdict for _, finding in found))]
    alike: dict[tuple[str, str], list[str]] = {}
    for point, finding in bad:
        alike.setdefault((finding.verdict, finding.reason), []).append(called(keys, point.values))
    for (verdict, reason), names in list(alike.items())[:_MOST_LISTED]:
        others = f" and {plural(len(names) - 1, 'other row')}" if len(names) > 1 else ""
        lines.append(f"  {ROW_MARKS[verdict]} {names[0]}{others}: {reason}")
    left = sum(map(len, list(alike.values())[_MOST_LISTED:]))
    if left:
        lines.append(f"  and {number_format.count(left)} more")
    assumed = dict.fromkeys(clause for _, finding in found for clause in finding.assumptions)
    return "\n".join([*lines, *(f"  Assumption: {clause}." for clause in assumed)])


def _error_ratio(finding: SweepResult) -> float:
    value = finding.max_error_ratio
    return 0.0 if value is None else value if value == value else inf


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
    limit: float | None = None

    def value(self, row: SweepRow) -> float | None:
        found, config = row.finding, row.point.config
        if found is None or self.name in NUMBERS:
            return getattr(found, self.name, None)
        reference = None if config is None else config.compare.reference
        return found.seconds.get(str(reference if self.name == "reference" else row.point.values[-1]))


QUANTITIES = (
    SweepQuantity(
        "max_error_ratio",
        "error ratio",
        "Largest error ratio: |difference| ÷ tolerance. Above 1 the engines do not agree.",
        1.0,
    ),
    SweepQuantity("max_abs_error", "difference", "Largest |difference|."),
    SweepQuantity(
        "audit_worst_ratio",
        "audit ratio",
        f"Worst step of either engine in rounding bounds. Above {ALLOWED:g} the engine is wrong.",
        ALLOWED,
    ),
    SweepQuantity("reference", "reference time", "Time that the reference took."),
    SweepQuantity("engine", "engine time", "Time that the candidate engine took."),
)


@dataclass(frozen=True)
class Dimension:
    """One key of a sweep: its V values as text, `words` or not, their sort keys (V,), and rows' places there (R,)."""

    key: str
    texts: tuple[str, ...]
    ranks: NDArray[np.float64]
    codes: NDArray[np.intp]
    words: bool


class SweepFigures:
    """The columns of R rows: places in `ROW_VERDICTS` or `WAITING`, and the numbers of each of `QUANTITIES` or NaN."""

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
        return SweepTable(self.keys, tuple(self.rows))

    @property
    def done(self) -> int:
        return int(np.count_nonzero(self.verdicts != WAITING))

    @property
    def counts(self) -> dict[str, int]:
        found = np.bincount(self.verdicts[self.verdicts != WAITING], minlength=len(ROW_VERDICTS))
        return dict(zip(ROW_VERDICTS, found.tolist(), strict=True))


def _dimension(key: str, place: int, rows: Sequence[SweepRow]) -> Dimension:
    known: dict[Any, int] = {}
    codes = np.fromiter((known.setdefault(row.point.values[place], len(known)) for row in rows), np.intp, len(rows))
    words = any(isinstance(value, str) for value in known)
    texts = tuple(value_text(value) for value in known)
    numbers = ranks(texts) if words else np.array([float(value) for value in known])
    return Dimension(key, texts, numbers, codes, words)


def ranks(texts: Sequence[str]) -> NDArray[np.float64]:
    """The alphabetical rank of each text; NaN for an empty one."""
    places = {text: float(rank) for rank, text in enumerate(sorted(set(texts)))}
    places[""] = nan
    return np.array([places[text] for text in texts])


NO_ROW = -1


@dataclass(frozen=True)
class Cells:
    """(D, A) arrays by values of `down` and `across`: the worst verdict, the number of all rows and of those `done`.

    `values` is the largest number of a cell's rows, NaN where none has one or one of them is NaN, as `nan` says; `rows`
    is the place of that row, else of the one with the worst verdict, `NO_ROW` without any.
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
    of = np.arange(len(figures.rows)) if only is None else np.flatnonzero(only)
    across_at = across.codes[of]
    down_at = np.zeros_like(across_at) if down is None else down.codes[of]
    numbers, verdicts = figures.values[quantity][of], figures.verdicts[of]
    # Rows without a number come first, a NaN that was computed counts as the worst.
    computed = np.isin(verdicts, COMPUTED_PLACES)
    badness = np.where(np.isnan(numbers), np.where(computed, inf, -inf), numbers)
    worst_last = np.lexsort((-of, verdicts, badness))
    rows, worst = np.full(shape, NO_ROW, np.intp), np.full(shape, WAITING, np.int8)
    counts, done, nan = (np.zeros(shape, kind) for kind in (np.intp, np.intp, bool))
    rows[down_at[worst_last], across_at[worst_last]] = of[worst_last]
    np.maximum.at(worst, (down_at, across_at), verdicts)
    np.logical_or.at(nan, (down_at, across_at), computed & np.isnan(numbers))
    np.add.at(counts, (down_at, across_at), 1)
    np.add.at(done, (down_at, across_at), verdicts != WAITING)
    values = np.where(rows == NO_ROW, np.nan, figures.values[quantity][rows])
    return Cells(down, across, values, nan, rows, worst, counts, done)

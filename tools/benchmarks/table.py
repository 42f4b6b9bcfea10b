"""The table that the benchmarks print: its rows with their targets, its file, and the comparison of two such files.

python -m tools.benchmarks.table BEFORE.json AFTER.json compares two runs, and ends with 1 if a row that met its target
no longer does.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import psutil

from rnnviz.io.outputs import atomic_write

Op: TypeAlias = Literal["<=", ">="]
_PACKAGES = ("rnnviz", "numpy", "mxnet", "PySide6-Essentials", "pyqtgraph")


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

    @property
    def limit(self) -> str:
        return "" if self.target is None else f"{self.op} {number(self.target)} {self.unit}".rstrip()

    def __str__(self) -> str:
        return f"{number(self.figure)} {self.unit}".rstrip()


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
        return [row for row in self.rows if row.passed is False]


def number(value: float) -> str:
    """Three significant digits, in full from a thousand on."""
    if value != value:
        return "nan"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


def as_text(rows: Iterable[Row]) -> str:
    """The rows with those that have a target first: what, target, figure, and pass or fail in words."""
    words = {True: "pass", False: "FAIL", None: ""}
    ordered = sorted(rows, key=lambda row: row.target is None)
    lines = [(row.group, row.what, row.limit, str(row), words[row.passed], row.note) for row in ordered]
    return _aligned([("", "what", "target", "figure", "", ""), *lines], numbers=(2, 3))


def _aligned(lines: Sequence[Sequence[str]], numbers: Sequence[int]) -> str:
    """The columns as wide as their widest cell, numbers at the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            f"{text:>{width}}" if place in numbers else f"{text:{width}}"
            for place, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


@dataclass(frozen=True)
class Recorded:
    """The content of a file of an earlier run."""

    date: str
    commit: str
    quick: bool
    machine: dict[str, Any]
    rows: tuple[Row, ...]


def write_run(table: Table, path: Path, *, quick: bool) -> Path:
    """Write the table as JSON and return the path; a figure that is not finite becomes null."""
    rows = ({**asdict(row), "passed": row.passed} for row in table.rows)
    content = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "quick": quick,
        "machine": _machine(),
        "versions": {"python": platform.python_version(), **_versions()},
        "rows": [{**row, "figure": row["figure"] if math.isfinite(row["figure"]) else None} for row in rows],
        "details": table.details,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_run(path: Path) -> Recorded:
    content = json.loads(path.read_text(encoding="utf-8"))
    rows = ({key.name: row[key.name] for key in fields(Row)} for row in content["rows"])
    found = tuple(Row(**{**row, "figure": math.nan if row["figure"] is None else row["figure"]}) for row in rows)
    return Recorded(content["date"], content["commit"], content["quick"], content["machine"], found)


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _machine() -> dict[str, Any]:
    """The properties of the machine that the figures depend on."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(
            asked, cwd=Path(__file__).parent, check=True, capture_output=True, text=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def differences(before: tuple[Row, ...], after: tuple[Row, ...]) -> list[tuple[Row | None, Row | None]]:
    """The rows of both runs, paired by name, in the order of the second run."""
    earlier = {row.key: row for row in before}
    pairs: list[tuple[Row | None, Row | None]] = [(earlier.pop(row.key, None), row) for row in after]
    return pairs + [(row, None) for row in earlier.values()]


def crossing(before: Row | None, after: Row | None) -> str:
    """The change of the target in words: empty where both runs met it or have none."""
    if before is None or after is None:
        return "new" if before is None else "gone"
    words = {(True, False): "FAILS NOW", (False, True): "passes now", (False, False): "still fails"}
    return words.get((before.passed, after.passed), "")


def compared(before: tuple[Row, ...], after: tuple[Row, ...]) -> str:
    """A line for each row: the figures, the change, the target, and whether it was crossed."""
    lines = [("", "what", "before", "after", "change", "target", "")]
    for one, other in differences(before, after):
        row = one if other is None else other
        assert row is not None
        change = ""
        if one is not None and other is not None and one.figure and one.unit == other.unit:
            change = f"{other.figure / one.figure - 1.0:+.0%}"
        lines.append((*row.key, str(one or ""), str(other or ""), change, row.limit, crossing(one, other)))
    return _aligned(lines, numbers=(2, 3, 4, 5))


def main(arguments: list[str]) -> int:
    """Print the comparison of two files; 1 if the second fails a target that the first met."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.table", description="Compare two runs.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    paths = parser.parse_args(arguments)
    before, after = read_run(paths.before), read_run(paths.after)
    for name, run in (("before", before), ("after", after)):
        print(f"{name:6}  {run.date}  {run.commit}")
    for name in ("processor", "cores"):
        if before.machine.get(name) != after.machine.get(name):
            both = f"{before.machine.get(name)} and {after.machine.get(name)}"
            print(f"The {name} differs ({both}): compare ratios only.")
    if before.quick != after.quick:
        print("One of the two is a quick run, whose sizes are others.")
    print(compared(before.rows, after.rows))
    return 1 if any(crossing(*pair) == "FAILS NOW" for pair in differences(before.rows, after.rows)) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

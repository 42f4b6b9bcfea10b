"""Two runs of the benchmarks side by side: python -m tools.benchmarks.compare BEFORE.json AFTER.json

Ends with 1 if a row that met its target no longer does.
"""

import argparse
import sys
from pathlib import Path

from tools.benchmarks.benchmark_records import Recorded, read_run
from tools.benchmarks.rows import Row, number


def differences(before: tuple[Row, ...], after: tuple[Row, ...]) -> list[tuple[Row | None, Row | None]]:
    """The rows of both runs, paired by name, in the order of the second run."""
    earlier = {row.key: row for row in before}
    pairs: list[tuple[Row | None, Row | None]] = [(earlier.pop(row.key, None), row) for row in after]
    return pairs + [(row, None) for row in earlier.values()]


def crossing(before: Row | None, after: Row | None) -> str:
    """The change of the target in words: empty where both runs met it or have none."""
    if before is None or after is None:
        return "new" if before is None else "gone"
    match before.passed, after.passed:
        case True, False:
            return "FAILS NOW"
        case False, True:
            return "passes now"
        case False, False:
            return "still fails"
        case _:
            return ""


def as_text(before: tuple[Row, ...], after: tuple[Row, ...]) -> str:
    """A line for each row: the figures, the change, the target, and whether it was crossed."""
    lines = [("", "what", "before", "after", "change", "target", "")]
    for one, other in differences(before, after):
        row = one if other is None else other
        assert row is not None
        target = "" if row.target is None else f"{row.op} {number(row.target)} {row.unit}".rstrip()
        lines.append(
            (row.group, row.what, _figure(one), _figure(other), _change(one, other), target, crossing(one, other))
        )
    widths = [max(len(line[column]) for line in lines) for column in range(7)]
    return "\n".join(
        "  ".join(
            [f"{line[0]:{widths[0]}}", f"{line[1]:{widths[1]}}"]
            + [f"{line[column]:>{widths[column]}}" for column in range(2, 6)]
            + [line[6]]
        ).rstrip()
        for line in lines
    )


def cautions(before: Recorded, after: Recorded) -> list[str]:
    """Why the two runs cannot simply be compared."""
    found = []
    for name in ("processor", "cores"):
        if before.machine.get(name) != after.machine.get(name):
            found.append(
                f"The {name} differs ({before.machine.get(name)} and {after.machine.get(name)}): compare ratios only."
            )
    if before.quick != after.quick:
        found.append("One of the two is a quick run, whose sizes are others.")
    return found


def _figure(row: Row | None) -> str:
    return "" if row is None else f"{number(row.figure)} {row.unit}".rstrip()


def _change(before: Row | None, after: Row | None) -> str:
    if before is None or after is None or not before.figure or before.unit != after.unit:
        return ""
    return f"{after.figure / before.figure - 1.0:+.0%}"


def main(arguments: list[str]) -> int:
    """Print the comparison of two files; 1 if the second fails a target that the first met."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmarks.compare", description="Compare two runs.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    paths = parser.parse_args(arguments)
    before, after = read_run(paths.before), read_run(paths.after)
    for name, run in (("before", before), ("after", after)):
        print(f"{name:6}  {run.date}  {run.commit}")
    print("\n".join(cautions(before, after)))
    print(as_text(before.rows, after.rows))
    lost = [pair for pair in differences(before.rows, after.rows) if crossing(*pair) == "FAILS NOW"]
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Renew the tables of tests/README.md: python -m tests.tables [NAME...], or all of them.

Each is made by what `TABLES` names, tests in the numbers of the profile `deep`, and put between its marks there. One
that failed stays as it was.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.report_tables import FOLDER

ROOT = Path(__file__).parents[1]
README = ROOT / "tests" / "README.md"
# Some of them take longer than any other test may.
_TESTS = ("pytest", "-m", "slow or nightly", "-n", "0", "-q", "-o", "timeout=0", "-o", "faulthandler_timeout=0")
TABLES = {
    "mutants": ("tools.mutation", "--sample", "1000"),
    "fuzz": (*_TESTS, "tests/tools/test_fuzz.py"),
    "model-files": (*_TESTS, "tests/io/model_formats/test_damage.py"),
    "faults": (*_TESTS, "tests/gui/jobs/test_faults.py"),
    "long-run": (*_TESTS, "tests/tools/test_soak.py"),
    "walk": ("tools.monkey", "20000", "--seed", "1"),
}
"""The Python module that creates each. It writes the table into the folder that `tests.report_tables.FOLDER` names."""


def with_table(document: str, name: str, table: str) -> str:
    """The document with another table between the marks of that name. Raises a ValueError without such a place."""
    between_marks = re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)
    changed, count = between_marks.subn(lambda marks: f"{marks[1]}\n{table}\n{marks[2]}", document)
    if count != 1:
        raise ValueError(f"{README} has {count} places for the table {name}, and must have one.")
    return changed


def renew(name: str) -> bool:
    """Make a table and put it into the document; whether nothing failed."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", *TABLES[name]],
            cwd=ROOT,
            env={**os.environ, "HYPOTHESIS_PROFILE": "deep", FOLDER: folder},
            check=False,
        )
        if done.returncode == 0:
            table = Path(folder, f"{name}.md").read_text(encoding="utf-8")
            README.write_text(with_table(README.read_text(encoding="utf-8"), name, table), encoding="utf-8")
    return done.returncode == 0


def main(names: list[str]) -> int:
    """Renew the named tables; 0 if nothing failed, 2 if a name is none."""
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        print(f"{unknown[0]} is no table: it must be one of {', '.join(TABLES)}.", file=sys.stderr)
        return 2
    failed = [name for name in names or TABLES if not renew(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

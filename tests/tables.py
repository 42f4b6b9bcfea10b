"""Renew the tables of tests/README.md: python -m tests.tables [NAME...], or all of them.

Each is made by the tests that `TABLES` names, in the numbers of the profile `deep`, and put between its marks there.
One of which a test failed stays as it was.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.told_tables import FOLDER

ROOT = Path(__file__).parents[1]
README = ROOT / "tests" / "README.md"
TABLES = {
    "relations": "tests/engines/test_relations.py",
    "fuzz": "tests/fuzz/test_fuzz.py",
    "model-files": "tests/files/models/test_fuzz.py",
    "faults": "tests/gui/running/test_faults.py",
    "long-run": "tests/soak/test_long_run.py",
}
"""Where the tests of each are."""


def between_marks(name: str) -> re.Pattern[str]:
    """What stands for a table in the document, with its marks in two groups."""
    return re.compile(rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)", re.DOTALL)


def with_table(document: str, name: str, table: str) -> str:
    """The document with another table between the marks of that name.

    Raises
    ------
    ValueError
        If it has no such marks, or several.
    """
    changed, count = between_marks(name).subn(lambda marks: f"{marks[1]}\n{table}\n{marks[2]}", document)
    if count != 1:
        raise ValueError(f"{README} has {count} places for the table {name}, and must have one.")
    return changed


def renew(name: str) -> bool:
    """Run the tests of a table and put it into the document; whether none failed."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-m", "slow", "-n", "0", "-q", "-o", "timeout=0", TABLES[name]],
            cwd=ROOT,
            env={**os.environ, "HYPOTHESIS_PROFILE": "deep", FOLDER: folder},
            check=False,
        )
        if done.returncode == 0:
            table = Path(folder, f"{name}.md").read_text(encoding="utf-8")
            README.write_text(with_table(README.read_text(encoding="utf-8"), name, table), encoding="utf-8")
    return done.returncode == 0


def main(names: list[str]) -> int:
    """Renew the named tables; 0 if all of their tests passed, 2 if a name is none."""
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        print(f"{unknown[0]} is no table: it must be one of {', '.join(TABLES)}.", file=sys.stderr)
        return 2
    failed = [name for name in names or TABLES if not renew(name)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Reasons for accepted mutants, read from the TOML files in `accepted_mutants`.

Each `[[survivor]]` has `why`, and says which mutants it is of by any of `file` (a pattern as a shell has them),
`function`, `before` and `after` (the changed lines, without indentation), and `change`, a regular expression that is
searched for in "before -> after".
"""

import fnmatch
import re
import tomllib
from pathlib import Path

from tests.mutation.mutants import Mutant

FOLDER = Path(__file__).with_name("accepted_mutants")


class Reasons:
    """All that is known of survivors."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.entries = [
            entry
            for path in sorted(folder.glob("*.toml"))
            for entry in tomllib.loads(path.read_text(encoding="utf-8"))["survivor"]
        ]

    def of(self, mutant: Mutant) -> str | None:
        """The reason why this one may survive; empty if there is none."""
        return next((entry["why"] for entry in self.entries if _is_of(entry, mutant)), None)


def _is_of(entry: dict[str, str], mutant: Mutant) -> bool:
    exact = all(entry.get(key, getattr(mutant, key)) == getattr(mutant, key) for key in ("function", "before", "after"))
    changed = re.search(entry.get("change", ""), f"{mutant.before} -> {mutant.after}") is not None
    return exact and changed and fnmatch.fnmatch(mutant.file, entry.get("file", "*"))

"""Reasons for accepted mutants, read from the TOML files in `accepted_mutants`.

Each `[[survivor]]` has `why`, and says which mutants it is of by any of `file` and `function` (patterns of a shell),
`before` and `after` (the changed lines, without indentation), and `change`, a regular expression that is
searched for in "before -> after".
"""

import fnmatch
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from tools.mutation.mutants import PACKAGES, ROOT, Mutant

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

    def stale(self, mutants: Sequence[Mutant]) -> list[dict[str, str]]:
        """Reasons that fit none of all mutants of their file, or whose file does not exist. Those of several files are
        judged if every package was mutated."""
        mutated = {mutant.file for mutant in mutants}
        all_packages = {file.split("/")[1] for file in mutated} == set(PACKAGES)

        def is_judged(file: str) -> bool:
            return all_packages if "*" in file else file in mutated or not (ROOT / file).exists()

        return [
            entry
            for entry in self.entries
            if is_judged(entry.get("file", "*")) and not any(_is_of(entry, mutant) for mutant in mutants)
        ]


def _is_of(entry: dict[str, str], mutant: Mutant) -> bool:
    return (
        all(fnmatch.fnmatchcase(getattr(mutant, key), entry.get(key, "*")) for key in ("file", "function"))
        and all(entry.get(key, getattr(mutant, key)) == getattr(mutant, key) for key in ("before", "after"))
        and re.search(entry.get("change", ""), f"{mutant.before} -> {mutant.after}") is not None
    )

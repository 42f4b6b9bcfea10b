"""Compare what two checkouts write: python -m tools.equality BEFORE.json AFTER.json."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any


def differences(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[str]:
    """What each config lacks or has otherwise, as `number: entry: before -> after`."""
    found = []
    for number, entries in before.items():
        other = after.get(number, {})
        for name, old in entries.items():
            new = other.get(name, "(none)")
            if old != new:
                found.append(f"{number}: {name}: {old} -> {new}")
    return found


def added(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Counter[str]:
    """The entries that configs have only after, which are no differences, and in how many."""
    return Counter(name for number in before for name in after.get(number, {}) if name not in before[number])


def main(before: Path, after: Path) -> int:
    """Print the differences of two dumps, and how many there are of each kind."""
    old, new = (json.loads(path.read_text(encoding="utf-8")) for path in (before, after))
    found = differences(old, new)
    print(*found[:40], sep="\n")
    print(*(f"added: {name} ({count})" for name, count in added(old, new).most_common(20)), sep="\n")
    kinds = Counter(line.split(": ")[1].split(" ")[0] for line in found)
    print(f"{len(found)} differences in {sum(map(len, old.values()))} entries", *map(str, kinds.most_common(20)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))

"""What takes the space in a bundle."""

from collections import Counter
from pathlib import Path

_GROUPS = {
    "numpy.libs": "numpy",
    "h5py.libs": "h5py",
    "shiboken6": "PySide6",
    "python3.11": "Python",
    "python3.12": "Python",
    "python3.13": "Python",
    "python3.14": "Python",
    "base_library.zip": "Python",
    "rnnviz": "rnnviz",
}


def sizes(bundle: Path) -> list[tuple[str, int]]:
    """Bytes by package, the largest first; the program file, which holds all modules of Python, is "modules"."""
    counted: Counter[str] = Counter()
    for path in bundle.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        parts = path.relative_to(bundle).parts
        group = "modules of Python, compressed" if len(parts) == 1 else _GROUPS.get(parts[1], parts[1])
        if group.startswith("libpython"):
            group = "Python"
        elif group.endswith(".dist-info"):
            group = "metadata of packages"
        elif len(parts) == 2:
            group = "libraries of the system"
        counted[group] += path.stat().st_size
    return counted.most_common()


def table(found: list[tuple[str, int]], least: int = 1_000_000) -> str:
    """The list in megabytes; what is smaller than `least` bytes is one line."""
    lines = [f"{size / 1e6:8.1f} MB  {name}" for name, size in found if size >= least]
    rest = sum(size for _, size in found if size < least)
    total = sum(size for _, size in found)
    return "\n".join([*lines, f"{rest / 1e6:8.1f} MB  all others", f"{total / 1e6:8.1f} MB  together"])

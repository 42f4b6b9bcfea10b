"""Whether a file holds what a sweep has found, reported from its beginning.

Apart from what reads this kind of file, which imports polars: this is asked of every table that is dropped on the
window.
"""

from pathlib import Path

from rnnviz.core.errors import InputError
from rnnviz.core.regular_file import check_regular


def is_sweep_results(path: Path) -> bool:
    """Whether a .csv or .json file begins as one that a sweep has written."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            start = file.read(4096).decode("utf-8", "replace")
    except (OSError, InputError):
        return False
    if path.suffix.lower() == ".json":
        return '"rnnviz"' in start and '"keys"' in start
    head = start.partition("\n")[0].split(",")
    return {"verdict", "audit_worst_ratio", "reason"} <= set(head)

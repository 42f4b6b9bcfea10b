"""Detection of result files of a sweep, from their beginning.

It is separate from the reader, which imports polars: every table that is dropped on the window is checked.
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

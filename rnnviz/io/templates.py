"""Templates of a custom step: the cell's equations, to be changed."""

from pathlib import Path

from rnnviz.io.atomic import atomic_write
from rnnviz.io.resources import resource_path


def starter(cell: str) -> str:
    """The text of a custom step that computes `cell`, with the arguments and results of `step`."""
    return resource_path("recurrences", f"{cell}.py").read_text(encoding="utf-8")


def write_starter(cell: str, path: Path) -> None:
    """Write the starter for `cell`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(starter(cell), encoding="utf-8")

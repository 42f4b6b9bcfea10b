"""Notebooks run in this process, without a kernel and without MXNet: for what is quick to ask of them."""

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat


def read(path: Path) -> Any:
    """A notebook that nbformat finds valid."""
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    return notebook


def code_of(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


def prose_of(path: Path) -> str:
    return "\n\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")


def index_of(cells: list[str], text: str) -> int:
    """Which cell holds the text; exactly one does."""
    (place,) = (place for place, source in enumerate(cells) if text in source)
    return place


def run(cells: list[str]) -> tuple[dict[str, Any], str]:
    """The names that the cells define, and their printed output, without MXNet."""
    with patch.dict(sys.modules, {"mxnet": None}):
        return run_as_is(cells)


def run_as_is(cells: list[str]) -> tuple[dict[str, Any], str]:
    """The same with whatever MXNet there is."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with redirect_stdout(io.StringIO()) as printed:
        for source in cells:
            exec(compile(source, "cell", "exec"), names)
    return names, printed.getvalue()

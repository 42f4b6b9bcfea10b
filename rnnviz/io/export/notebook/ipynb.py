"""The cells of a notebook, and the JSON that Jupyter reads: version 4.5 of its format."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

_FORMAT, _MINOR = 4, 5
_MARKDOWN = re.compile(r"([\\`*_\[\]<>&#$|~!])")


@dataclass(frozen=True)
class NotebookCell:
    """Prose or code; code has not been run."""

    kind: Literal["markdown", "code"]
    source: str


def prose(*paragraphs: str) -> NotebookCell:
    """A Markdown cell. Text of files and users must be escaped by `literally` or `fenced`."""
    return NotebookCell("markdown", "\n\n".join(paragraphs))


def code(*lines: str) -> NotebookCell:
    """Python."""
    return NotebookCell("code", "\n".join(lines))


def literally(text: str) -> str:
    """A text that Markdown shows as it is, in one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def fenced(text: str, language: str = "") -> str:
    """A block that is shown as it is, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def notebook_json(cells: Iterable[NotebookCell]) -> str:
    """The notebook as Jupyter stores it."""
    content = {
        "cells": [_stored(number, cell) for number, cell in enumerate(cells)],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": _FORMAT,
        "nbformat_minor": _MINOR,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _stored(number: int, cell: NotebookCell) -> dict[str, Any]:
    common = {"cell_type": cell.kind, "id": f"cell-{number}", "metadata": {}}
    ran: dict[str, Any] = {"execution_count": None, "outputs": []} if cell.kind == "code" else {}
    return {**common, **ran, "source": cell.source.splitlines(keepends=True)}

"""The cells of a notebook, and the JSON that Jupyter reads: version 4.5 of its format."""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, Literal
from zlib import compress

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray

_FORMAT, _MINOR = 4, 5
_MARKDOWN = re.compile(r"([\\`*_\[\]<>&#$|~!])")
WRITTEN_OUT = 400
"""The largest array that is written as decimal numbers; larger arrays are packed."""
_WIDTH = 110
UNPACKED = (
    "def unpacked(text, shape, dtype):",
    '    """The array whose bytes were compressed and written as text."""',
    "    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype).reshape(shape)",
)
"""Code that reads a packed array; it needs numpy as np, base64 and zlib."""


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


def assignment(name: str, array: FloatArray) -> str:
    """The statement that gives `name` the array, with all of its digits."""
    start = f"{name} = "
    if not (array.any() or np.signbit(array).any()):
        return f"{start}np.zeros({array.shape}, {array.dtype.name!r})"
    if array.size <= WRITTEN_OUT and np.isfinite(array).all():
        return f"{start}np.array({_written_out(array, len(start) + len('np.array('))}, {array.dtype.name!r})"
    return f"{start}{_packed(array)}"


def _written_out(array: FloatArray, indent: int) -> str:
    return np.array2string(
        array, max_line_width=_WIDTH, separator=", ", prefix=" " * indent, threshold=sys.maxsize, floatmode="unique"
    )


def _packed(array: FloatArray) -> str:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    text = "\n".join(wrap(b64encode(compress(little.tobytes())).decode("ascii"), _WIDTH))
    return f"unpacked('''\n{text}\n''', {array.shape}, {little.dtype.str!r})"

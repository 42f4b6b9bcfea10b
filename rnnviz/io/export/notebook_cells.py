"""Cells of a notebook: prose, code, arrays as code, and the names that a lane's arrays have in it."""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any, Literal
from zlib import compress

import numpy as np

from rnnviz.cells.interpreters.symbols import helper_lines
from rnnviz.core.config import lane_name
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.frozen import dataclass

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
    return NotebookCell("code", "\n".join(lines))


def definition(lines: Sequence[str]) -> NotebookCell:
    """The definition of a function, below the functions that it uses besides NumPy's."""
    helpers = helper_lines(lines)
    return code(*((*helpers, "", "") if helpers else ()), *lines)


def literally(text: str) -> str:
    """A text that Markdown shows as it is, in one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def fenced(text: str, language: str = "") -> str:
    """A block that is shown as it is, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def notebook_json(cells: Iterable[NotebookCell]) -> str:
    stored = []
    for number, cell in enumerate(cells):
        ran: dict[str, Any] = {"execution_count": None, "outputs": []} if cell.kind == "code" else {}
        common = {"cell_type": cell.kind, "id": f"cell-{number}", "metadata": {}}
        stored.append({**common, **ran, "source": cell.source.splitlines(keepends=True)})
    content = {
        "cells": stored,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": _FORMAT,
        "nbformat_minor": _MINOR,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def assignment(name: str, array: FloatArray) -> str:
    """The statement that gives `name` the array, with all of its digits."""
    start = f"{name} = "
    if not (array.any() or np.signbit(array).any()):
        return f"{start}np.zeros({array.shape}, {array.dtype.name!r})"
    if array.size <= WRITTEN_OUT and np.isfinite(array).all():
        prefix = " " * len(f"{start}np.array(")
        numbers = np.array2string(
            array, max_line_width=_WIDTH, separator=", ", prefix=prefix, threshold=sys.maxsize, floatmode="unique"
        )
        return f"{start}np.array({numbers}, {array.dtype.name!r})"
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    text = "\n".join(wrap(b64encode(compress(little.tobytes())).decode("ascii"), _WIDTH))
    return f"{start}unpacked('''\n{text}\n''', {array.shape}, {little.dtype.str!r})"


class Lane:
    """A layer and a direction, under the names that the notebook gives their arrays.

    `side` begins Gluon's names of its parameters ("r1"), `row` is its index in a state, `units` the name of the number
    of units of h: "P" with a projection. `last` is the time step at which it ends, `last_of_each` that of every sample
    n, and `part_of_out` its part of out's last axis, as an index after the others. With lengths a lane ends at the last
    time step of each sample; `steps` is the number of time steps of sample 0.
    """

    def __init__(self, inputs: Inputs, layer: int, direction: int) -> None:
        network = inputs.network
        self.network, self.layer = network, layer
        self.padded, self.steps = bool(inputs.lengths), inputs.length(0)
        self.side = lane_name(layer, direction)
        self.row = layer * network.directions + direction
        self.direction, self.backward = direction, network.backward(direction)
        self.on_top = layer == network.num_layers - 1
        self._end = "lengths[0]" if self.padded else "T"
        self.last = "0" if self.backward else f"{self._end} - 1"
        self.last_of_each = self.last.replace("lengths[0]", "lengths[n]")
        self.name = f"layer {layer}, {DIRECTIONS[self.backward]}"
        self.units = network.kind.states[0].size
        self.part_of_out = "" if network.directions == 1 else f"[{self.units}:]" if direction else f"[:{self.units}]"

    @property
    def final_index(self) -> str:
        """The index of its final state in the hidden states of all samples."""
        return "[lengths - 1, np.arange(N)]" if self.padded and not self.backward else f"[{self.last}]"

    def timestep(self, step: int) -> str:
        """The time step of its first step, 0, or of a later one."""
        return f"{self._end} - {step + 1}" if self.backward else str(step)


def lanes_of(inputs: Inputs) -> list[Lane]:
    network = inputs.network
    return [Lane(inputs, k, d) for k in range(network.num_layers) for d in range(network.directions)]

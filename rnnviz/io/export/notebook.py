"""A run as a Jupyter notebook that recomputes it, with Gluon's layer and with NumPy.

The text of its cells is the template `notebook.jinja`; here are the run and the arrays as the template needs them.
"""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from pathlib import Path
from textwrap import wrap
from typing import Any
from zlib import compress

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rnnviz import __version__
from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.backward_source import backward_lines
from rnnviz.cells.interpreters.symbols import code_lines, equations_of_all_units, helper_lines
from rnnviz.core.config import Config, lane_name
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import OF_INPUT, OF_PARAMETERS, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.resources import resource_path
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, DIRECTIONS
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import as_in_session, dump_config
from rnnviz.io.outputs import write_text
from rnnviz.text import verdict_details
from rnnviz.text.config_diff import network_in_words
from rnnviz.text.verdict_text import headline, verdicts
from rnnviz.verify import compare as comparing
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

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
_MOST_BYTES = 16 << 20
"""The largest size of the numbers in a notebook, in bytes; editors and browsers cannot handle more."""
_UNCHECKED = "differences are printed but not checked"


def write_notebook(result: RunResult, path: Path) -> int:
    """Write a Jupyter notebook that recomputes the run without rnnviz, and return the number of its cells."""
    check_size(result.config, result.inputs.timesteps, result.inputs.batch_size)
    cells = notebook_cells(result)
    content = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return len(cells)


def check_size(config: Config, timesteps: int, samples: int) -> None:
    """Refuse a run whose numbers, those that it computes included, are too many."""
    network = config.network
    states = sum(prod(network.state_shape(samples, symbol)) for symbol in network.kind.state_symbols)
    count = prod(network.hidden_shape(timesteps, samples)) + network.parameter_count + states
    size = (count + timesteps * samples * network.input_size) * np.dtype(network.dtype).itemsize
    if size > _MOST_BYTES:
        raise InputError(
            f"A notebook of this run would contain {size / (1 << 20):,.0f} MiB of numbers, and at most "
            f"{_MOST_BYTES >> 20} MiB are allowed: use fewer time steps, samples, units or layers."
        )


@dataclass(frozen=True)
class Recorded:
    """One engine's trace, whether the manual recurrence and Gluon's layer must agree with it, and if not, why."""

    trace: Trace
    insists: bool
    insists_on_gluon: bool
    why: str


def recorded(result: RunResult) -> Recorded:
    """The first engine that is not known to be wrong, recordings that lack arrays last; else the reference."""
    whole = [trace for trace in result.traces.values() if not trace.partial]
    right = [trace for trace in whole if not result.wrong(trace.engine)]
    right.sort(key=lambda trace: bool(trace.missing))
    trace = (right or whole or [result.reference])[0]
    if not whole:
        return Recorded(trace, False, False, "No engine of the run has all hidden states, so none is compared here.")
    if not right:
        return Recorded(trace, False, False, f"Every engine of the run is wrong: {_UNCHECKED}.")
    # Two correct engines can diverge; a third need not agree with either.
    names = {own.engine for own in right}
    if any(c.mismatched for c in result.comparisons if {c.reference, c.candidate} <= names):
        engines = " and ".join(map(display_name, sorted(names)))
        return Recorded(trace, False, False, f"In the run {engines} differ by more than the tolerance: {_UNCHECKED}.")
    if result.wrong("gluon"):
        return Recorded(trace, True, False, "Gluon is wrong in this run: its difference is printed but not checked.")
    return Recorded(trace, True, True, "")


def tolerances(result: RunResult, trace: Trace) -> tuple[float, float]:
    """(rtol, atol): the run's, but no stricter than the trace's type allows, as a notebook rounds otherwise."""
    own = comparing.tolerances(result.config, trace)
    by_type = comparing.defaults(result.config, trace)
    return max(own[0], by_type[0]), max(own[1], by_type[1])


class Lane:
    """A layer and a direction, under the names that the notebook gives their arrays.

    `side` begins Gluon's names of its parameters ("r1"), `row` is its index in a state, `last` the time step at which
    it ends, `part_of_out` its index in out's last axis; `steps` is the number of time steps of sample 0.
    """

    def __init__(self, inputs: Inputs, layer: int, direction: int) -> None:
        network = inputs.network
        self.layer = layer
        self.padded, self.steps = bool(inputs.lengths), inputs.length(0)
        self.side = lane_name(layer, direction)
        self.row = layer * network.directions + direction
        self.direction, self.backward = direction, network.backward(direction)
        self.way = f"{DIRECTIONS[self.backward]} {ARROWS[self.backward]}"
        self.parameters = ", ".join(f"{self.side}_{name}" for name in network.kind.initializers())
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
        return f"{self._end} - {step + 1}" if self.backward else str(step)


def _gradients(result: RunResult) -> tuple[Trace | None, str]:
    """The gradients to compare with, and the function that compares; None if no engine has all of them."""
    needed = {OF_INPUT, *(gradient(f"{s}0") for s in result.inputs.network.kind.state_symbols)}
    needed |= {f"{OF_PARAMETERS}{name}" for name in result.inputs.parameters}
    # A recording may lack some.
    traces = [trace for trace in result.traces.values() if needed <= trace.keys()]
    if result.inputs.loss is None or not traces:
        return None, ""
    right = [t for t in traces if not (result.wrong(t.engine) or result.wrong(t.engine, "backward"))]
    agree = result.backward_verdict is Verdict.AGREE
    return (right or traces)[0], "compare_gradients" if right and agree else "print_difference"


def literally(text: str) -> str:
    """A text that Markdown shows as it is, in one line."""
    return _MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def fenced(text: str, language: str = "") -> str:
    """A block that is shown as it is, whatever backticks are in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


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


def _helpers(lines: Sequence[str]) -> str:
    return "\n".join([*helpers, "", "", ""]) if (helpers := helper_lines(lines)) else ""


@cache
def _environment() -> Environment:
    # Markdown and Python have other characters to escape than HTML: `literally`, `fenced` and `assignment` do.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(resource_path("notebook")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    functions = (assignment, backward_lines, code_lines, display_name, equations_of_all_units, fenced, join_words)
    environment.globals |= {own.__name__: own for own in (*functions, literally, network_in_words, repr, list)}
    environment.globals |= {"UNPACKED": UNPACKED, "helpers": _helpers, "version": __version__}
    return environment


def notebook_cells(result: RunResult) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = []

    def prose(caller: Callable[[], str]) -> str:
        return add("markdown", caller())

    def code(caller: Callable[[], str]) -> str:
        return add("code", caller(), execution_count=None, outputs=[])

    def add(kind: str, text: str, **ran: Any) -> str:
        common = {"cell_type": kind, "id": f"cell-{len(cells)}", "metadata": {}}
        cells.append({**common, **ran, "source": text.strip("\n").splitlines(keepends=True)})
        return ""

    def each(pattern: str) -> str:
        return ", ".join(pattern.format(symbol, place) for place, symbol in enumerate(states))

    inputs, network, known = result.inputs, result.config.network, recorded(result)
    kind, states = network.kind, network.kind.state_symbols
    gradients, held_gradients = _gradients(result)
    rtol, atol = tolerances(result, known.trace)
    _environment().get_template("notebook.jinja").render(
        prose=prose,
        code=code,
        each=each,
        result=result,
        inputs=inputs,
        network=network,
        kind=kind,
        states=states,
        known=known,
        trace=known.trace,
        rtol=rtol,
        atol=atol,
        gradients=gradients,
        held_gradients=held_gradients,
        lanes=[Lane(inputs, k, d) for k in range(network.num_layers) for d in range(network.directions)],
        found=[line for line in (headline(result), *map(str, verdicts(result))) if line],
        notes=[*([known.why] if known.why else []), *verdict_details.assumptions(result)],
        config=as_in_session(dump_config(result.config)),
        projected=[state.symbol for state in kind.states if state.size == "P"],
        finals={name[6:]: array for name, array in known.trace.items() if name.startswith("state.")},
        in_gluon=kind.is_fused and kind == CELLS[network.cell],
    )
    return cells

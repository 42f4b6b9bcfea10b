"""Cells of a notebook: prose, code, arrays as code, and the backward pass of each lane."""

import json
import re
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import Any, Literal
from zlib import compress

import numpy as np

from rnnviz.cells.interpreters.backward_source import backward_lines
from rnnviz.cells.interpreters.symbols import helper_lines
from rnnviz.core.config import Network, lane_name
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import OF_INPUT, OF_OUTPUT, OF_PARAMETERS, LossGradient, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, DIRECTIONS
from rnnviz.frozen import dataclass
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

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


def gradient_cells(result: RunResult) -> Iterator[NotebookCell]:
    """The backward pass of every lane, and its comparison with the gradients of an engine of the run."""
    inputs, loss = result.inputs, result.inputs.loss
    needed = {OF_INPUT, *(gradient(f"{s}0") for s in inputs.network.kind.state_symbols)}
    needed |= {f"{OF_PARAMETERS}{name}" for name in inputs.parameters}
    # A recording may lack some.
    traces = [trace for trace in result.traces.values() if needed <= trace.keys()]
    if loss is None or not traces:
        return
    known, held = _known(result, traces)
    yield from _loss(inputs, loss)
    yield from _one_step(inputs.network)
    for lane in reversed(lanes_of(inputs)):
        yield from _lane(inputs, loss, lane, known, held)
    yield prose(
        "## Gradients of the input",
        f"Compared with those of {literally(display_name(known.engine))}.",
    )
    yield code(assignment("recorded_d_x0", known[OF_INPUT]), f"{held}('gradient of the input', d_x0, recorded_d_x0)")


def _known(result: RunResult, traces: list[Trace]) -> tuple[Trace, str]:
    """The gradients to compare with, and the function that compares."""
    right = [t for t in traces if not (result.wrong(t.engine) or result.wrong(t.engine, "backward"))]
    agree = result.backward_verdict is Verdict.AGREE
    return (right or traces)[0], "compare_gradients" if right and agree else "print_difference"


def _loss(inputs: Inputs, loss: LossGradient) -> Iterator[NotebookCell]:
    network = inputs.network
    yield prose(
        "# The backward pass",
        "The loss is the sum of `d_out` times `out`, and of `d_state` times the final states: these two are its "
        "gradients, with which the backward pass begins."
        if loss.value is None
        else f"The loss is the hidden value at [layer, direction, time step, sample, unit] = {list(loss.value)}.",
    )
    states = network.kind.state_symbols
    yield code(
        "def compare_gradients(what, one, other):",
        '    """Compare as `compare` does; atol is relative to the largest magnitude, if that is more than 1."""',
        "    print_difference(what, one, other)",
        "    scale = max(1.0, np.max(np.abs(other)))",
        "    np.testing.assert_allclose(one, other, rtol=rtol, atol=atol * scale)",
        "",
        "",
        *(() if loss.out is None else (assignment("d_out", loss.out),)),
        *(assignment(f"d_final_{name}", loss.state[name]) for name in states),
    )
    if inputs.network.layout == "NTC" and loss.out is not None:
        yield prose("`d_out[t]` is the gradient of the output of every sample at $t$: time is its first axis.")


def _one_step(network: Network) -> Iterator[NotebookCell]:
    kind = network.kind
    states, parameters = ", ".join(kind.state_symbols), ", ".join(kind.initializers())
    given = ", ".join(f"d_{name}" for name in kind.state_symbols)
    returned = ["d_x", *(f"d_{name}_before" for name in kind.state_symbols), *(f"d_{n}" for n in kind.initializers())]
    yield prose(
        "## One step, backward",
        "The chain rule, line by line, from the last value of the step to the first. `d_h` is the gradient of the loss "
        "with respect to `h`: through everything that reads it later.",
    )
    step = [
        f"def backward_step(x, {states}, {parameters}, {given}):",
        f'    """Gradients of the input, the previous {states} and the parameters from those of the new {states}."""',
        *(f"    {line}" for line in backward_lines(kind)),
        f"    return {', '.join(returned)}",
    ]
    yield definition(step)


def _lane(inputs: Inputs, loss: LossGradient, lane: Lane, known: Trace, held: str) -> Iterator[NotebookCell]:
    network = inputs.network
    states, side, layer = network.kind.state_symbols, lane.side, lane.layer
    order = "T - 1" if not lane.backward else "0"
    yield prose(
        f"## Backward pass of layer {layer}, {DIRECTIONS[lane.backward]} {ARROWS[lane.backward]}",
        f"It begins at $t = {order}$, the step that the forward pass computed last.",
    )
    lines = [] if lane.direction < network.directions - 1 else [f"d_x{layer} = np.zeros_like(x{layer})"]
    lines += [*_of_output(loss, lane), f"grad_h_{side} = np.zeros_like(h_{side})"]
    lines += [f"d_{name} = d_final_{name}[{lane.row}]" for name in states]
    parameters = ", ".join(f"{side}_{name}" for name in network.kind.initializers())
    lines += [f"d_parameters_{side} = [0] * {len(network.kind.initializers())}"]
    lines += [f"for t in {'range(T)' if lane.backward else 'reversed(range(T))'}:"]
    lines += [f"    {line}" for line in _loop(loss, lane, states, parameters)]
    lines += [f"{held}('grad.{name}0 of {lane.name}', d_{name}, recorded_d_{name}0_{side})" for name in states]
    recorded = [assignment(f"recorded_d_{name}0_{side}", known[gradient(f"{name}0")][lane.row]) for name in states]
    for name, variable in ((OF_OUTPUT, f"grad_out_{side}"), (gradient("h"), f"grad_h_{side}")):
        if name in known:
            recorded.append(assignment(f"recorded_{variable}", known[name][layer, lane.direction]))
            lines.append(f"{held}('{name} of {lane.name}', {variable}, recorded_{variable})")
    for place, name in enumerate(network.kind.initializers()):
        own = f"{side}_{name}"
        recorded.append(assignment(f"recorded_d_{own}", known[f"{OF_PARAMETERS}{own}"]))
        lines.append(f"{held}('gradient of {own}', d_parameters_{side}[{place}], recorded_d_{own})")
    yield code(*recorded)
    yield code(*lines)


def _of_output(loss: LossGradient, lane: Lane) -> Iterator[str]:
    """The gradient of the output of a lane: the part of grad.h that does not come from a later step."""
    part, name = lane.part_of_out.replace("[", "[..., "), f"grad_out_{lane.side}"
    if not lane.on_top:
        yield f"{name} = d_x{lane.layer + 1}{part}"
    elif loss.out is not None:
        yield f"{name} = d_out{part}"
    else:
        yield f"{name} = np.zeros_like(h_{lane.side})"
    if loss.value is not None and loss.value[:2] == (lane.layer, lane.direction):
        *_, t, sample, unit = loss.value
        yield f"{name} = {name}.copy()"
        yield f"{name}[{t}, {sample}, {unit}] += 1"


def _loop(loss: LossGradient, lane: Lane, states: tuple[str, ...], parameters: str) -> Iterator[str]:
    """The body of the loop over the time steps of a lane."""
    reads = f"x{lane.layer}[t], *before_{lane.side}[t], {parameters}"
    yield f"d_h = d_h + grad_out_{lane.side}[t]"
    before = ", ".join(f"d_{name}" for name in states)
    if lane.padded:
        yield "computed = (t < lengths)[:, np.newaxis]"
        yield f"grad_h_{lane.side}[t] = np.where(computed, d_h, 0)"
        given = ", ".join(f"np.where(computed, d_{name}, 0)" for name in states)
        found = ", ".join(f"d_{name}_before" for name in states)
        yield f"d_x, {found}, *own = backward_step({reads}, {given})"
        kept = ", ".join(f"np.where(computed, d_{name}_before, d_{name})" for name in states)
        yield f"{before} = {kept}"
    else:
        yield f"grad_h_{lane.side}[t] = d_h"
        yield f"d_x, {before}, *own = backward_step({reads}, {before})"
    yield f"d_x{lane.layer}[t] += d_x"
    yield f"d_parameters_{lane.side} = [a + b for a, b in zip(d_parameters_{lane.side}, own)]"
    if loss.truncate is None:
        return
    # In padding the gradient of the final state waits for the last step of its sample.
    at = "t + 1" if lane.backward else "t"
    within = f"{at} < T" if lane.backward else "t > 0"
    yield f"if {within} and {'(t + 1)' if lane.backward else 't'} % {loss.truncate} == 0:  # truncated"
    cut = f"np.where(({at} < lengths)[:, np.newaxis], 0, d_{{}})" if lane.padded else "np.zeros_like(d_{})"
    yield f"    {before} = {', '.join(cut.format(name) for name in states)}"

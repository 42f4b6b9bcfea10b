"""A run as a Jupyter notebook that recomputes it, with Gluon's layer and with NumPy."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np

from rnnviz import __version__
from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.symbols import code_lines, equations_of_all_units
from rnnviz.core.config import Config, Network, lane_name
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs, Load
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import ARROWS, DIRECTIONS
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import as_in_session, dump_config
from rnnviz.io.export.notebook_lanes import (
    UNPACKED,
    Lane,
    NotebookCell,
    assignment,
    code,
    definition,
    fenced,
    gradient_cells,
    lanes_of,
    literally,
    notebook_json,
    prose,
)
from rnnviz.io.inputs import load_inputs, load_within
from rnnviz.io.outputs import write_text
from rnnviz.results.tables import headline, verdicts
from rnnviz.text import verdict_details
from rnnviz.text.config_diff import network_in_words
from rnnviz.verify import compare as comparing
from rnnviz.verify.result import RunResult

_UNCHECKED = "differences are printed but not checked"
_GLUON = "gluon"
_SPELLED_OUT = 2
"""How many steps get a separate cell: the one from the initial state, and one from a previous step."""


@dataclass(frozen=True)
class Recorded:
    """One engine's trace.

    `insists` says whether the manual recurrence must agree with it, and `insists_on_gluon` the same for Gluon's
    layer; `why` is the sentence that says why not, empty if both must;
    `gradients` whether an engine of the run has some.
    """

    trace: Trace
    insists: bool
    insists_on_gluon: bool
    why: str
    gradients: bool = False


def recorded(result: RunResult) -> Recorded:
    """The first engine that is not known to be wrong, the reference before the others; else the reference.

    A recording that lacks arrays comes after complete ones, and one that lacks hidden
    states is not chosen. Two correct engines can diverge; a third need not agree with either.
    """
    whole = [trace for trace in result.traces.values() if not trace.partial]
    right = [trace for trace in whole if not result.wrong(trace.engine)]
    right.sort(key=lambda trace: bool(trace.missing))
    trace = (right or whole or [result.reference])[0]
    if not whole:
        return Recorded(trace, False, False, "No engine of the run has all hidden states, so none is compared here.")
    if not right:
        return Recorded(trace, False, False, f"Every engine of the run is wrong: {_UNCHECKED}.")
    names = {own.engine for own in right}
    if any(c.mismatched for c in result.comparisons if {c.reference, c.candidate} <= names):
        engines = " and ".join(map(display_name, sorted(names)))
        return Recorded(trace, False, False, f"In the run {engines} differ by more than the tolerance: {_UNCHECKED}.")
    if result.wrong(_GLUON):
        return Recorded(trace, True, False, "Gluon is wrong in this run: its difference is printed but not checked.")
    return Recorded(trace, True, True, "")


def tolerances(result: RunResult, trace: Trace) -> tuple[float, float]:
    """(rtol, atol): the run's for the trace that is met, but no stricter than those of its type.

    The notebook rounds otherwise than the engines.
    """
    own = comparing.tolerances(result.config, trace)
    by_type = comparing.defaults(result.config, trace)
    return max(own[0], by_type[0]), max(own[1], by_type[1])


def lane_cells(lane: Lane, known: Recorded) -> Iterator[NotebookCell]:
    """Compute a lane with NumPy; compare it with Gluon's output, and below the top layer with the run."""
    below = "both directions" if lane.network.directions == 2 else "the hidden states"
    read = f"{below} of layer {lane.layer - 1}" if lane.layer else "`dat`"
    yield prose(
        f"## Layer {lane.layer}, {DIRECTIONS[lane.backward]} {ARROWS[lane.backward]}",
        f"It reads {read}, from $t = {lane.timestep(0).replace('lengths[0]', 'lengths[n]')}$ "
        f"to $t = {lane.last_of_each}${' of each sample n' * lane.padded}.",
    )
    for step in range(min(lane.steps, _SPELLED_OUT)):
        before = "the initial state" if step == 0 else f"the state at $t = {lane.timestep(step - 1)}$"
        yield prose(f"### $t = {lane.timestep(step)}$", f"From {before}, for sample 0.")
        yield code(*_spelled_step(lane, step))
    padding = " In padding the state is passed on as it is, and $h$ is 0." if lane.padded else ""
    yield prose("### Every step", f"The same for every sample.{padding}")
    yield code(*_every_step(lane, keeps=known.gradients))
    final = lane.network.kind.state_symbols
    yield prose(
        f"> NOTE: the final state is the last computed hidden state, at $t = {lane.last_of_each}$"
        + (", and for an LSTM its cell state." if lane.network.kind.has_cell_state else ".")
    )
    held = "compare" if known.insists_on_gluon else "print_difference"
    yield code(
        f"print(h_{lane.side}[{lane.last}][0])  # NumPy",
        f"print(state[0][{lane.row}][0])  # Gluon",
        *(
            f"{held}('final {name} of {lane.name}', "
            f"{name}_{lane.side}{lane.final_index * (name == 'h')}, state[{place}][{lane.row}])"
            for place, name in enumerate(final)
        ),
    )
    if not lane.on_top:
        yield prose("Gluon returns only the final state of a layer below the top. The run has every hidden state.")
        yield code(
            assignment(f"recorded_{lane.side}", known.trace.hidden[lane.layer, lane.direction]),
            f"{'compare' if known.insists else 'print_difference'}("
            f"'h of {lane.name}', h_{lane.side}, recorded_{lane.side})",
        )


def _spelled_step(lane: Lane, step: int) -> Iterator[str]:
    at = lane.timestep(step)
    yield f"x = x{lane.layer}[{at}][0]"
    if step == 0:
        states = lane.network.kind.state_symbols
        initial = ", ".join(f"initial_state[{place}][{lane.row}][0]" for place in range(len(states)))
        yield f"{', '.join(states)} = {initial}"
    yield from code_lines(lane.network.kind, f"{lane.side}_")
    yield "print(h)  # NumPy"
    if lane.on_top:
        index = f"[0][{at}]" if lane.network.layout == "NTC" else f"[{at}][0]"
        yield f"print(out{index}{lane.part_of_out})  # Gluon"


def _every_step(lane: Lane, *, keeps: bool) -> Iterator[str]:
    symbols = lane.network.kind.state_symbols
    states = ", ".join(symbols)
    initial = ", ".join(f"initial_state[{k}][{lane.row}]" for k in range(len(symbols)))
    parameters = ", ".join(f"{lane.side}_{kind}" for kind in lane.network.kind.initializers())
    yield f"h_{lane.side} = np.zeros((T, N, {lane.units}), {lane.network.dtype!r})"
    yield f"{states} = {initial}"
    if keeps:
        yield f"before_{lane.side} = {{}}  # the state before each step, for the backward pass"
    yield f"for t in {'reversed(range(T))' if lane.backward else 'range(T)'}:"
    if keeps:
        yield f"    before_{lane.side}[t] = {states}{',' * (len(symbols) == 1)}"
    if lane.padded:
        following = ", ".join(f"{symbol}_next" for symbol in symbols)
        yield f"    {following} = step(x{lane.layer}[t], {states}, {parameters})"
        yield "    computed = (t < lengths)[:, np.newaxis]"
        yield f"    {states} = {', '.join(f'np.where(computed, {name}_next, {name})' for name in symbols)}"
        yield f"    h_{lane.side}[t] = np.where(computed, h, 0)"
    else:
        yield f"    {states} = step(x{lane.layer}[t], {states}, {parameters})"
        yield f"    h_{lane.side}[t] = h"
    for symbol in symbols[1:]:
        yield f"{symbol}_{lane.side} = {symbol}"


def introduction(result: RunResult, known: Recorded) -> Iterator[NotebookCell]:
    """The introduction: the network, the results of the run, and the requirements."""
    found = [f"> {literally(line)}" for line in (headline(result), *map(str, verdicts(result))) if line]
    yield prose(
        f"# {network_in_words(result.config.network)}",
        "Every number of this network once more: `out` and `state` by Gluon's layer, then with NumPy, "
        "layer by layer and direction by direction. Each cell that compares fails if the two differ by more than the "
        "tolerance.",
        f"The run that rnnviz {literally(__version__)} made of it found:",
        *found,
        *([literally(known.why)] if known.why else []),
        *map(literally, verdict_details.assumptions(result)),
    )
    yield prose("Its config:", fenced(as_in_session(dump_config(result.config)), "toml"))
    rtol, atol = tolerances(result, known.trace)
    yield code(
        "import base64",
        "import zlib",
        "",
        "import numpy as np",
        "",
        "np.set_printoptions(precision=3, suppress=True)",
        f"rtol, atol = {rtol!r}, {atol!r}",
    )
    yield code(
        *UNPACKED,
        "",
        "",
        "def print_difference(what, one, other):",
        '    """Print by how much two arrays differ at most."""',
        "    with np.errstate(invalid='ignore'):",
        "        print(f'{what}: the largest difference is {np.max(np.abs(one - other)):.2g}')",
        "",
        "",
        "def compare(what, one, other):",
        '    """Print by how much two arrays differ at most, and fail if that is more than the tolerance."""',
        "    print_difference(what, one, other)",
        "    np.testing.assert_allclose(one, other, rtol=rtol, atol=atol)",
    )


def given(inputs: Inputs) -> Iterator[NotebookCell]:
    network, kind = inputs.network, inputs.network.kind
    rows = ", ".join(f"${gate.symbol}$" for gate in kind.gates)
    order = f" The rows are those of the gates {rows}, $H$ of each." if kind.gate_count > 1 else ""
    yield prose("## Inputs")
    sizes = (
        *(inputs.timesteps, inputs.batch_size),
        *(network.input_size, network.hidden_size, network.num_layers, network.directions),
    )
    yield code(f"T, N, I, H, L, D = {', '.join(map(str, sizes))}  # timesteps, samples, inputs, units, layers, ways")
    projected = [state.symbol for state in kind.states if state.size == "P"]
    if projected:
        yield code(f"P = {network.sizes(0).of('P')}  # units of {join_words(projected, 'and')}")
    yield prose(
        "The parameters under Gluon's names: `l` is forward and `r` backward, and the number is the layer's." + order
    )
    for lane in lanes_of(inputs):
        own = [name for name in inputs.parameters if name.startswith(f"{lane.side}_")]
        yield code(*(assignment(name, inputs.parameters[name]) for name in own))
    axes = "(N, T, I)" if network.layout == "NTC" else "(T, N, I)"
    states = join_words([f"${symbol}$" for symbol in kind.state_symbols], "and")
    yield prose(
        f"The input, {axes}, and the initial state: {states}, each (L·D, N, H), with the index layer·D + direction."
    )
    dat = inputs.sequence.swapaxes(0, 1) if network.layout == "NTC" else inputs.sequence
    yield code(assignment("dat", dat))
    if inputs.lengths:
        yield prose(
            "The lengths of the samples. The time steps $t$ >= `lengths[n]` of sample n are padding: it is not read, "
            "and `out` and hidden states are 0 there."
        )
        yield code(f"lengths = np.array({list(inputs.lengths)})")
    arrays = zip(kind.state_symbols, inputs.initial_state.values(), strict=True)
    yield code(
        *(assignment(f"initial_{name}", array) for name, array in arrays),
        f"initial_state = [{', '.join(f'initial_{name}' for name in kind.state_symbols)}]",
    )


def gluon_layer(result: RunResult, known: Recorded) -> Iterator[NotebookCell]:
    """Gluon's layer with these parameters, and the recorded values for machines without MXNet."""
    network = result.config.network
    trace = known.trace
    engine = literally(display_name(trace.engine))
    finals = {name.removeprefix("state."): array for name, array in trace.items() if name.startswith("state.")}
    yield prose("## Gluon's layer", f"First the recorded output and final state, computed by {engine}.")
    yield code(
        assignment("recorded_out", trace.output_in(network.layout)),
        *(assignment(f"recorded_{name}", array) for name, array in finals.items()),
        f"recorded_state = [{', '.join(f'recorded_{name}' for name in finals)}]",
    )
    if not network.kind.is_fused or network.kind != CELLS[network.cell]:
        yield prose("Gluon has no layer of this cell: the recorded arrays replace its results.")
        yield code("out, state = recorded_out, recorded_state")
        return
    yield prose("Then the layer itself. Without MXNet, the recorded arrays replace its results.")
    yield code(
        "try:",
        "    if 'bool' not in vars(np):",
        "        np.bool = np.bool_  # MXNet 1.9.1 still reads the alias that numpy 1.24 removed",
        "    import mxnet as mx",
        "    from mxnet.gluon import rnn",
        "except Exception as error:  # there is none, or one that does not fit the Python or the numpy here",
        "    mx = None",
        "    print(f'Without MXNet ({error}), out and state are those of the run.')",
    )
    held = "compare" if known.insists_on_gluon else "print_difference"
    # Gluon has no layer that reads from the end only: input and output are reversed in time.
    order = "" if not network.reverse else "[:, ::-1]" if network.layout == "NTC" else "[::-1]"
    activation = f"activation={network.kind.activations[0][1].text!r}, " if network.kind.gluon == "RNN" else ""
    lines = [
        f"model = rnn.{network.kind.gluon}(H, L, {activation}layout={network.layout!r}, input_size=I,",
        f"{' ' * 8}bidirectional={network.bidirectional}, dtype={network.dtype!r}, prefix='mdl_')",
        "model.initialize(mx.init.Zero(), ctx=mx.cpu())",
        "for name, parameter in model.params.items():",
        "    value = globals()[name.removeprefix('mdl_')]",
        "    parameter.set_data(mx.nd.array(value, dtype=value.dtype))",
    ]
    if result.inputs.lengths:
        sample = "n:n + 1, :lengths[n]" if network.layout == "NTC" else ":lengths[n], n:n + 1"
        lines += [
            "out, state = np.zeros_like(recorded_out), [np.zeros_like(array) for array in initial_state]",
            "for n in range(N):  # each sample alone: on the CPU MXNet 1.9.1 ignores use_sequence_length",
            f"    states = [mx.nd.array(array[:, n:n + 1], dtype={network.dtype!r}) for array in initial_state]",
            f"    own, final = model(mx.nd.array(dat[{sample}]{order}, dtype={network.dtype!r}), states)",
            f"    out[{sample}] = own.asnumpy(){order}",
            "    for array, own in zip(state, final):",
            "        array[:, n:n + 1] = own.asnumpy()",
        ]
    else:
        lines += [
            f"states = [mx.nd.array(array, dtype={network.dtype!r}) for array in initial_state]",
            f"out, state = model(mx.nd.array(dat{order}, dtype={network.dtype!r}), states)",
            f"out, state = out.asnumpy(){order}, [array.asnumpy() for array in state]",
        ]
    lines += [
        f"{held}('out', out, recorded_out)",
        "for name, own, other in zip('hc', state, recorded_state):",
        f"    {held}(f'final {{name}}', own, other)",
    ]
    yield code(
        "if mx is None:", "    out, state = recorded_out, recorded_state", "else:", *(f"    {line}" for line in lines)
    )


def one_step(network: Network) -> Iterator[NotebookCell]:
    yield prose(
        "## One step with NumPy",
        "With $u = W_{i2h}\\,x + b_{i2h}$ and $v = W_{h2h}\\,h_{t-1} + b_{h2h}$:",
        fenced("\n".join(equations_of_all_units(network.kind))),
    )
    states, parameters = ", ".join(network.kind.state_symbols), ", ".join(network.kind.initializers())
    step = [
        f"def step(x, {states}, {parameters}):",
        f'    """The next {states}, from a layer\'s input and its previous {states}."""',
        *(f"    {line}" for line in code_lines(network.kind)),
        f"    return {states}",
    ]
    yield definition(step)


def layer_input(network: Network, layer: int) -> Iterator[NotebookCell]:
    """The input of a layer, time first."""
    if layer == 0:
        if network.layout == "NTC":
            yield prose("Time is the first axis: `x0[t]` is the input of every sample at $t$.")
        yield code("x0 = dat.swapaxes(0, 1)" if network.layout == "NTC" else "x0 = dat")
    elif network.bidirectional:
        yield prose(
            f"## Input of layer {layer}",
            f"> NOTE: layer {layer} reads both directions of layer {layer - 1}, side by side at the same $t$.",
        )
        yield code(f"x{layer} = np.concatenate([h_l{layer - 1}, h_r{layer - 1}], axis=-1)")
    else:
        yield prose(f"## Input of layer {layer}", f"The hidden states of layer {layer - 1}.")
        yield code(f"x{layer} = h_l{layer - 1}")


def outcome(inputs: Inputs, known: Recorded) -> Iterator[NotebookCell]:
    """out with NumPy, compared with Gluon's, and the note about how out and state fit together."""
    network = inputs.network
    top = network.num_layers - 1
    batch_first = network.layout == "NTC"
    sides = [lane_name(top, direction) for direction in range(network.directions)]
    joined = f"np.concatenate([{', '.join(f'h_{side}' for side in sides)}], axis=-1)"
    held = "compare" if known.insists_on_gluon else "print_difference"
    yield prose("## `out`", "The hidden states of the top layer, concatenated if it has two directions.")
    yield code(
        f"out_numpy = {joined}{'.swapaxes(0, 1)' if batch_first else ''}",
        "print(out_numpy[0][0])  # NumPy, sample 0 at t = 0",
        "print(out[0][0])  # Gluon",
        f"{held}('out', out_numpy, out)",
    )
    at, row = "out[:, {}]" if batch_first else "out[{}]", top * network.directions
    units = network.kind.states[0].size
    last, name = at.format("T - 1"), "T - 1"
    if inputs.lengths:
        last = f"out[{'np.arange(N), lengths - 1' if batch_first else 'lengths - 1, np.arange(N)'}]"
        name = "lengths - 1"
    forward, backward = f"{last}[:, :{units}]", f"{at.format('0')}[:, {units}:]"
    if network.reverse:
        yield prose("## `state`", "> NOTE: the final state is `out` at $t = 0$, the last step that is computed.")
        yield code(f"{held}('out at 0 and state', {at.format('0')}, state[0][{row}])")
        return
    yield prose(
        "## `state`",
        f"> NOTE: the final forward state is `out` at $t = {name}$"
        + ("; the final backward state is the one at $t = 0$." if network.bidirectional else "."),
    )
    yield code(
        f"{held}('forward out at {name} and state', {forward}, state[0][{row}])",
        *([f"{held}('backward out at 0 and state', {backward}, state[0][{row + 1}])"] if network.bidirectional else []),
    )


def custom_code(result: RunResult) -> Iterator[NotebookCell]:
    """The custom steps and the custom cell of the run, as text that the notebook does not run."""
    if result.sources:
        yield prose("## Custom code", "The Python files of the run. The notebook does not run them.")
    for path, text in result.sources.items():
        yield prose(
            f"`{display_name(path)}`" if "`" not in path else literally(display_name(path)), fenced(text, "python")
        )


_MOST_BYTES = 16 << 20
"""The largest size of the numbers in a notebook, in bytes; editors and browsers cannot handle more."""


def write_notebook(result: RunResult, path: Path) -> int:
    """Write a Jupyter notebook that recomputes the run with Gluon's layer and with the manual recurrence.

    The file contains the parameters, the input, the initial state and the expected values of one engine without
    detected errors. It needs NumPy, and MXNet for Gluon's layer, but not rnnviz. Returns the number of cells.
    """
    _check_size(result.config, result.inputs.timesteps, result.inputs.batch_size)
    known = replace(recorded(result), gradients=any(trace.has_gradients for trace in result.traces.values()))
    cells = list(notebook_cells(result, known))
    write_text(path, notebook_json(cells))
    return len(cells)


def load_for_notebook(config: Config, load: Load = load_inputs) -> Inputs:
    return load_within(config, load, _check_size)


def _check_size(config: Config, timesteps: int, samples: int) -> None:
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


def notebook_cells(result: RunResult, known: Recorded) -> Iterator[NotebookCell]:
    """The notebook from its title to the last comparison."""
    network = result.config.network
    yield from introduction(result, known)
    yield from given(result.inputs)
    yield from gluon_layer(result, known)
    yield from one_step(network)
    for lane in lanes_of(result.inputs):
        if lane.direction == 0:
            yield from layer_input(network, lane.layer)
        yield from lane_cells(lane, known)
    yield from outcome(result.inputs, known)
    yield from gradient_cells(result)
    yield from custom_code(result)

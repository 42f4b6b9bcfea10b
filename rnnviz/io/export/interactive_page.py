"""A run as an HTML page that needs no network: lanes, arithmetic and playback in any browser.

The page has the numbers of the run as they are, in base64, and whatever of the arithmetic its script cannot repeat to
the last digit: the results of activations, and slopes that do not follow from these. Its script multiplies and adds."""

import json
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from rnnviz import __version__
from rnnviz.cells.interpreters.graph import Node
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core import number_format
from rnnviz.core.axis_labels import feature_index, visible
from rnnviz.core.config import Config, Network
from rnnviz.core.engine_spec import display_name, distinct_names
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import OF_INPUT, gradient
from rnnviz.core.inputs import Inputs, Load
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.naming import names_of_file, with_parameters
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain.backward_blocks import GradientBlocks
from rnnviz.explain.explanation import (
    DIVERGENCE,
    LIKELY_CAUSE,
    STEP_READS,
    WRONG,
    ExplanationCache,
    engines_without_terms,
)
from rnnviz.explain.forward import PRODUCT_OPS
from rnnviz.explain.page_parts import (
    across_nodes,
    activation_nodes,
    backward_lines,
    forward_lines,
    lane_arithmetic,
    lane_gradients,
    product_nodes,
    slope_nodes,
    sum_of,
    values_behind,
)
from rnnviz.io.config_toml import as_in_session, dump_config
from rnnviz.io.export.report import html_environment, run_title
from rnnviz.io.inputs import load_inputs, load_within
from rnnviz.io.outputs import write_text
from rnnviz.io.resources import resource_path
from rnnviz.reading.arrays import ResultReader
from rnnviz.reading.quantities import (
    GATES,
    GRADIENTS,
    STATES,
    choices_of,
    gradients_of,
    is_bounded,
    is_gradient,
    is_recomputed,
)
from rnnviz.results.tables import figures_html, headline, verdict_html, verdicts, whole_html
from rnnviz.steps.inputs import followed
from rnnviz.text.verdict_details import assumptions
from rnnviz.text.verdict_text import likely_cause
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult

LARGEST = 5_000_000
"""Maximum size of a page in bytes."""
_REST = 200_000
"""Bytes of a page that are left for its script, the config and the verdict."""

_TOO_LARGE = (
    "An interactive page has at most {limit} MB, but this run needs {size} MB for {sample}: "
    "use fewer time steps, units, layers or engines."
)
_LEFT_OUT = "This page has {kept} of the {all} samples: {samples}. The others would make it larger than {limit} MB."
_NO_ROLE = ("change", "norm")
"""Quantities that the lanes of a page do not offer, besides pre-activations, which the arithmetic shows."""


def write_page(result: RunResult, path: Path, start: Location | None = None) -> int:
    """Write a run as an interactive page, and return the size of the file in bytes.

    Raises InputError if one sample of the run is larger than a page may be.
    """
    return write_text(path, page_html(result, datetime.now(UTC), start))


def page_html(
    result: RunResult,
    written: datetime,
    start: Location | None = None,
    *,
    framed: bool = False,
    limit: int | None = None,
) -> str:
    """The page as text; its script and its style are allowed by their hashes alone.

    With `framed`, it is the part for a frame of a notebook, without verdict and config. It has at most `limit` bytes,
    by default `LARGEST`.
    """
    engine, first = _first_mismatch(result)
    start = first if start is None else start
    samples = samples_of_page(result, start, limit)
    script, style = (resource_path("page", f"page.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    names = names_of_file(result.config.parameters.path)
    data = json.dumps(_data(result, samples, engine, start), allow_nan=False, separators=(",", ":"))
    data = with_parameters(data, names)
    return (
        html_environment("page")
        .get_template("page.html")
        .render(
            title=run_title(result),
            verdict=result.overall_verdict,
            headline=headline(result),
            verdicts=[(str(words), words) for words in verdicts(result)],
            assumptions=[line.strip() for line in assumptions(result)],
            reference=display_name(result.reference.engine),
            candidates=[display_name(comparison.candidate) for comparison in result.comparisons],
            equations=[with_parameters(line, names) for line in equations_of_all_units(result.config.network.kind)],
            left_out=_left_out(result, samples, limit),
            framed=framed,
            config=as_in_session(dump_config(result.config)),
            version=__version__,
            written=written,
            script=script,
            style=style,
            script_hash=_hash(script),
            style_hash=_hash(style),
            # Nothing in the data ends the element that has it.
            data=data.replace("<", "\\u003c"),
        )
    )


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()


def _first_mismatch(result: RunResult) -> tuple[int, Location]:
    """The number of the first engine with a mismatch and the first one, else the reference and the first value."""
    for engine, name in enumerate(result.traces):
        if name != result.reference.engine and (first := result.comparison(name).first_mismatch) is not None:
            return engine, first.where
    return 0, Location()


def first_selected(result: RunResult) -> Location:
    """The value that a page selects first: the first mismatch, else the first value."""
    return _first_mismatch(result)[1]


def _left_out(result: RunResult, samples: list[int], limit: int | None) -> str:
    count = result.inputs.batch_size
    if len(samples) == count:
        return ""
    listed, megabytes = ", ".join(map(str, samples)), (limit or LARGEST) // 10**6
    return _LEFT_OUT.format(kept=len(samples), all=count, samples=listed, limit=megabytes)


def samples_of_page(result: RunResult, start: Location | None = None, limit: int | None = None) -> list[int]:
    """As many samples as fit: the one that is selected first, and then the first ones.

    Raises an InputError if one is too large.
    """
    start = first_selected(result) if start is None else start
    count = result.inputs.batch_size
    each, room = _checked(result.config, *_bytes(result), count, limit)
    others = [sample for sample in range(count) if sample != start.sample]
    return sorted([start.sample, *others[: max(0, int(room // each) - 1)]])


def _checked(config: Config, fixed: float, each: float, count: int, limit: int | None = None) -> tuple[float, float]:
    """The bytes of a sample, and of the room for samples in a page, by the bytes of its arrays; they must fit."""
    fixed, each, limit = fixed * 4 / 3, each * 4 / 3, limit or LARGEST
    room = limit - _REST - len(dump_config(config)) - fixed
    if each > room:
        megabytes = number_format.error((fixed + each + _REST) / 10**6)
        sample = "one sample" if count > 1 else "its sample"
        raise InputError(_TOO_LARGE.format(limit=limit // 10**6, size=megabytes, sample=sample))
    return each, room


def load_for_page(config: Config, load: Load = load_inputs) -> Inputs:
    return load_within(config, load, _check_page_size)


def _check_page_size(config: Config, timesteps: int, samples: int) -> None:
    """Refuse a run whose page would be too large, by what a page needs of any engine;"""
    network, item = config.network, np.dtype(config.network.dtype).itemsize
    layers, directions, _, _, units = network.hidden_shape(timesteps, samples)
    quantities = sum(1 for _ in _quantities(network, ()))
    step = units * item * quantities + _step_bytes(network, units)
    engines = len(config.compare.engines) + (config.compare.candidates is None)
    each = timesteps * (item * network.input_size + engines * layers * directions * step)
    _checked(config, item * network.parameter_count, each, samples)


def _step_bytes(network: Network, units: int) -> int:
    """The bytes of one step's activations, and of what its arithmetic sums over units."""
    across = sum(network.sizes(0).of(node.shape[0]) for node in across_nodes(network.kind, network.graph))
    return 8 * (units * len(activation_nodes(network.kind, network.graph)) + across)


def _bytes(result: RunResult) -> tuple[float, float]:
    """The bytes of the arrays that do not depend on the number of samples, and those of one sample."""
    inputs, network, graph = result.inputs, result.config.network, result.config.network.graph
    layers, directions, timesteps, _, units = result.shape
    item = inputs.sequence.itemsize
    fixed = sum(array.nbytes for array in inputs.parameters.values())
    products = sum(network.sizes(0).of(node.shape[0]) for node in product_nodes(graph))
    step = _step_bytes(network, units)
    each = item * timesteps * network.input_size
    for trace in result.traces.values():
        shown = _shown_arrays(result, trace)
        values = item * (len(shown) + len(_judged(trace, shown))) + 8 * len(_carried(result, trace))
        lanes = units * values + step
        each += layers * directions * timesteps * lanes
        each += item * timesteps * network.input_size * (OF_INPUT in trace)
        if trace.engine in result.gradient_engines:
            carried = sum(gradient(symbol) not in trace for symbol in network.kind.state_symbols)
            each += layers * directions * timesteps * 8 * (units * (carried + len(slope_nodes(graph))) + products)
    if inputs.loss is not None:
        each += item * layers * directions * units * (timesteps + len(network.kind.states))
    return float(fixed), float(each)


def _quantities_of(result: RunResult) -> Iterator[dict[str, Any]]:
    return _quantities(result.config.network, gradients_of(result.traces.values(), result.config.network.kind))


def _quantities(network: Network, gradients: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The quantities of the lanes in their order, with the fixed ends of their color scales."""
    cell = network.kind
    yield {
        "name": "h",
        "title": "h  hidden state",
        "group": "Values",
        "bounded": is_bounded(network.graph),
    }
    for own in choices_of(cell, gradients):
        if own.group in (GATES, STATES, GRADIENTS) and own.name not in _NO_ROLE:
            yield {"name": own.name, "title": own.text, "group": own.group, "low": own.low, "high": own.high}


def _shown_arrays(result: RunResult, trace: Trace) -> list[str]:
    """The arrays (L, D, T, N, U) of an engine in a page: the quantities that it has, and the lines that it returned."""
    names = [quantity["name"] for quantity in _quantities_of(result)]
    return [
        *(name for name in names if not is_gradient(name) or name in trace),
        *(f"line.{name}" for name in trace.lines),
    ]


def _carried(result: RunResult, trace: Trace) -> list[str]:
    """The states with the units of h whose previous values the engine does not give, by symbol."""
    first, *others = result.config.network.kind.states
    return [state.symbol for state in others if state.size == first.size and state.symbol not in trace]


def _data(result: RunResult, samples: list[int], engine: int, start: Location) -> dict[str, Any]:
    inputs, network = result.inputs, result.config.network
    cell, graph = network.kind, network.graph
    layers, directions, timesteps, _, units = result.shape
    numbers = {node: place for place, node in enumerate(graph.nodes)}
    names = [inputs.names.of_sample(sample) for sample in samples] if inputs.names.samples else [inputs.names]
    gates, cache = ResultReader(result), ExplanationCache(result)
    backward = cache.blocks
    without = engines_without_terms(result, cache) if backward else {}
    chosen = np.asarray(samples, np.intp)
    return {
        "cell": {
            "gates": [[gate.symbol, gate.name] for gate in cell.gates],
            "states": cell.state_symbols,
            "nodes": [_node(network, node, numbers) for node in graph.nodes],
            "names": {name: numbers[node] for name, node in graph.values.items()},
            "lines": forward_lines(network, numbers),
            "behind": [[name, numbers[node]] for name, node in values_behind(cell, graph).items()],
        },
        "layers": layers,
        "directions": directions,
        "reverse": network.reverse,
        "timesteps": timesteps,
        "units": units,
        "features": network.input_size,
        "samples": samples,
        "lengths": [inputs.length(sample) for sample in samples],
        "timestepNames": [[visible(own.timestep(t)) for t in range(timesteps)] for own in names],
        "featureNames": [feature_index(names[0], feature) for feature in range(network.input_size)],
        "engines": [
            {
                "title": title,
                **_engine(result, result[name], samples, gates, None if name in without else backward.get(name)),
                "withoutTerms": without.get(name, ""),
                "cause": "" if result.judgment is None else likely_cause(result.judgment, name),
            }
            for name, title in distinct_names(result.traces).items()
        ],
        "backward": _backward_pass(result, samples, numbers) if backward else None,
        "allowed": ALLOWED,
        "sentences": {step or "none": template for step, template in DIVERGENCE.items()}
        | {"wrong": WRONG.replace("{read}", STEP_READS), "cause": LIKELY_CAUSE},
        "quantities": list(_quantities_of(result)),
        "parameters": [
            {name: _packed(array) for name, array in vars(inputs.parameters.layer(layer, direction)).items()}
            for layer in range(layers)
            for direction in range(directions)
        ],
        "initial": {name: _packed(array[:, chosen]) for name, array in inputs.initial_state.items()},
        "x": _packed(inputs.sequence[:, chosen]),
        "startEngine": engine,
        "start": [start.layer, start.direction, start.timestep, samples.index(start.sample), start.unit],
    }


def _node(network: Network, node: Node, numbers: Mapping[Node, int]) -> dict[str, Any]:
    return {
        "activation": "" if node.activation is None else node.activation.name,
        "op": node.op,
        "args": [numbers[arg] for arg in node.args],
        "name": node.name,
        "number": node.number,
        **({"sum": sum_of(network, node, numbers)} if node.op in PRODUCT_OPS else {}),
    }


def _tolerances(result: RunResult, comparison: Comparison) -> Iterator[tuple[str, tuple[float, float]]]:
    """By which relative and absolute tolerance each quantity is compared, and the input's gradient, if they are."""
    trace = result[comparison.candidate]
    for name in (*(quantity["name"] for quantity in _quantities_of(result)), OF_INPUT):
        stored = trace.stored(name) or name
        own = comparison.of(stored)
        if own.name == stored:
            yield name, (own.rtol, own.atol)


def _engine(
    result: RunResult, trace: Trace, samples: list[int], gates: ResultReader, blocks: GradientBlocks | None
) -> dict[str, Any]:
    """One engine's arrays (L, D, T, N, U): what the lanes show, and what its arithmetic and its gradients read."""
    inputs, network = result.inputs, result.config.network
    lanes = [(layer, direction) for layer in range(result.shape[0]) for direction in range(result.shape[1])]
    shown = {name: _lanes(result, trace, name, samples, gates) for name in _shown_arrays(result, trace)}
    if OF_INPUT in trace:
        shown[OF_INPUT] = trace[OF_INPUT][:, np.asarray(samples, np.intp)]
    arrays = shown | _stacked(result.shape, [_of_steps(result, trace, lane, samples, shown) for lane in lanes])
    if blocks is not None:
        arrays |= _stacked(result.shape, [_of_gradients(blocks, lane, samples) for lane in lanes])
    return {
        "tolerances": {} if trace is result.reference else dict(_tolerances(result, result.comparison(trace.engine))),
        "arrays": {name: _packed(array) for name, array in arrays.items()},
        "backward": blocks is not None,
        "recomputed": [name for name in shown if is_recomputed(name, trace, network.kind)],
        "own": [symbol for symbol in network.kind.state_symbols if symbol in trace and symbol in shown],
        "recorded": [_ends(trace.recorded(*lane)) for lane in lanes],
        "followed": [_ends(followed(inputs, trace, *lane)) for lane in lanes],
    }


def _backward_pass(result: RunResult, samples: list[int], numbers: Mapping[Node, int]) -> dict[str, Any]:
    """The lines of the gradients, which all engines share, and the gradients of the loss."""
    inputs, network, loss = result.inputs, result.config.network, result.inputs.loss
    assert loss is not None
    layers, directions, timesteps, _, _ = result.shape
    chosen, every = np.asarray(samples, np.intp), range(timesteps)
    lanes = [(layer, direction) for layer in range(layers) for direction in range(directions)]
    direct = [loss.direct(network, *lane, every, inputs.batch_size) for lane in lanes]
    return {
        **backward_lines(network, numbers),
        "direct": [None if array is None else _packed(array[:, chosen]) for array in direct],
        "final": {symbol: _packed(array[:, chosen]) for symbol, array in loss.state.items()},
        "directTime": None if loss.value is None else loss.value[2],
        "cuts": [loss.cuts(t) for t in every],
    }


def _of_steps(
    result: RunResult, trace: Trace, lane: tuple[int, int], samples: list[int], shown: Collection[str]
) -> dict[str, FloatArray]:
    """(T, N, U): what the arithmetic of a lane reads besides the engine's own numbers."""
    graph, worked = result.config.network.graph, lane_arithmetic(result.inputs, trace, *lane, samples)
    numbers, kind = {node: k for k, node in enumerate(graph.nodes)}, trace.hidden.dtype
    return {
        **{f"before.{symbol}": worked.before[symbol] for symbol in _carried(result, trace)},
        **{f"activation.{numbers[node]}": worked.activations[node] for node in activation_nodes(graph.cell, graph)},
        **{f"across.{numbers[node]}": worked.across[node] for node in across_nodes(graph.cell, graph)},
        **{f"bound.{name}": worked.bounds[name].astype(kind) for name in _judged(trace, shown)},
    }


def _of_gradients(blocks: GradientBlocks, lane: tuple[int, int], samples: list[int]) -> dict[str, FloatArray]:
    """(T, N, U): what the gradients of a lane need besides its forward pass and the engine's own gradients."""
    graph, worked = blocks.inputs.network.graph, lane_gradients(blocks, *lane, samples)
    numbers = {node: k for k, node in enumerate(graph.nodes)}
    return {
        **{f"own.{symbol}": array for symbol, array in worked.own.items()},
        **{f"slope.{numbers[node]}": worked.slopes[node] for node in slope_nodes(graph)},
        **{f"contribution.{numbers[node]}": worked.products[node] for node in product_nodes(graph)},
    }


def _stacked(shape: tuple[int, ...], lanes: Sequence[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
    """(L, D, T, N, U): the arrays of all lanes by name."""
    each = {name: np.stack([lane[name] for lane in lanes]) for name in lanes[0]}
    return {name: array.reshape(*shape[:2], *array.shape[1:]) for name, array in each.items()}


def _judged(trace: Trace, arrays: Collection[str]) -> list[str]:
    """The values of an engine that its arithmetic gives, too: h, c where the engine gives it, and returned lines."""
    return [*(name for name in ("h", "c") if name in trace and name in arrays), *trace.lines]


def _ends(times: range) -> tuple[int, int]:
    return times.start, times.stop


def _lanes(result: RunResult, trace: Trace, name: str, samples: list[int], gates: ResultReader) -> FloatArray:
    """(L, D, T, N, U): a quantity of the samples, 0 in padding."""
    layers, directions, timesteps, _, units = result.shape
    stored = trace.stored(name)
    if stored is not None:
        return trace[stored][:, :, :, np.asarray(samples, np.intp)]
    every = slice(0, timesteps), slice(0, units)
    read = [
        gates.read(trace.engine, layer, direction, sample, name, *every)
        for layer in range(layers)
        for direction in range(directions)
        for sample in samples
    ]
    return np.stack(read).reshape(layers, directions, len(samples), timesteps, units).swapaxes(2, 3)


def _packed(array: FloatArray) -> dict[str, Any]:
    """An array as JSON: its type, its shape, and its numbers in base64, little-endian."""
    kind = "float64" if array.dtype.itemsize > 4 else "float32"
    numbers = np.ascontiguousarray(array, f"<f{8 if kind == 'float64' else 4}")
    return {"type": kind, "shape": array.shape, "data": b64encode(numbers.tobytes()).decode("ascii")}


LARGEST_DISPLAY = 1_000_000
"""Maximum size in bytes of the page in the display of a run, which the notebook's file has for each cell."""

_TOO_LARGE_TO_SHOW = (
    "The interactive page of this run is larger than {limit} MB. These lines show it here, or write it to a file:"
)
_CALLS = 'rnnviz.view(run)\nrnnviz.write_page(run, "run.html")'
_FRAME = (
    '<iframe title="{title}" sandbox="allow-scripts" onload="{script}" srcdoc="{page}" '
    'style="{style}" width="100%" height="680"></iframe>'
)
_STYLE = (
    "display: block; box-sizing: border-box; max-height: 90vh; margin: 8px 0; "
    "border: 1px solid rgba(128, 128, 128, 0.35); border-radius: 6px"
)


def run_html(result: RunResult) -> str:
    """The verdict of a run, its interactive page if that is small, and a table of figures."""
    return whole_html([verdict_html(result), _page(result), figures_html(result.comparisons)])


def view_html(result: RunResult, start: Location) -> str:
    """The verdict of a run and its interactive page; raises an InputError if it is too large for one."""
    return whole_html([verdict_html(result), _frame(result, start)])


def _page(result: RunResult) -> str:
    try:
        return _frame(result, None, LARGEST_DISPLAY)
    except InputError:
        try:
            samples_of_page(result)
        except InputError as error:
            return f"<p>{escape(str(error))}</p>"
        return f"<p>{_TOO_LARGE_TO_SHOW.format(limit=LARGEST_DISPLAY // 10**6)}</p><pre>{escape(_CALLS)}</pre>"


def _frame(result: RunResult, start: Location | None, limit: int | None = None) -> str:
    page = page_html(result, datetime.now(UTC), start, framed=True, limit=limit)
    script = resource_path("page", "frame.js").read_text(encoding="utf-8").strip()
    return _FRAME.format(title=_TITLE, script=escape(f"({script})(this)"), page=escape(page), style=_STYLE)


_TITLE = "Values of the run"

"""A run as an HTML page that needs no network: lanes, arithmetic and playback in any browser.

The page has the numbers of the run in base64, and the results of activations; its script multiplies and adds.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rnnviz import __version__
from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core import number_format
from rnnviz.core.config import Config, Network
from rnnviz.core.engine_spec import display_name, distinct_names
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import OF_INPUT
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.naming import names_of_file, with_parameters
from rnnviz.core.resources import resource_path
from rnnviz.core.sequence import feature_index, visible
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.explain import explanation, page_parts
from rnnviz.io.config_toml import as_in_session, dump_config
from rnnviz.io.export.report import html_environment, run_title
from rnnviz.io.outputs import write_text
from rnnviz.reading import quantities as kinds
from rnnviz.reading.arrays import ResultReader
from rnnviz.steps.inputs import followed
from rnnviz.text.verdict_details import assumptions
from rnnviz.text.verdict_text import headline, likely_cause, verdicts
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult

LARGEST = 5_000_000
"""Maximum size of a page in bytes."""
_REST = 200_000
"""Bytes of a page that are left for its script, the config and the verdict."""


def write_page(result: RunResult, path: Path, start: Location | None = None) -> int:
    """Write a run as an interactive page, and return its size in bytes; InputError if a sample is too large for it."""
    return write_text(path, page_html(result, datetime.now(UTC), start))


def page_html(
    result: RunResult,
    written: datetime,
    start: Location | None = None,
    *,
    framed: bool = False,
    limit: int | None = None,
) -> str:
    """The page as text of at most `limit` bytes; with `framed`, the part for a frame of a notebook, without verdict."""
    engine, first = _first_mismatch(result)
    start = first if start is None else start
    samples = samples_of_page(result, start, limit)
    script, style = (resource_path("page", f"page.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    names = names_of_file(result.config.parameters.path)
    data = json.dumps(_PageData(result, samples).data(engine, start), allow_nan=False, separators=(",", ":"))
    data = with_parameters(data, names)
    count, left_out = result.inputs.batch_size, ""
    if len(samples) < count:
        kept = f"This page has {len(samples)} of the {count} samples: {', '.join(map(str, samples))}"
        left_out = f"{kept}. The others would make it larger than {(limit or LARGEST) // 10**6} MB."
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
            left_out=left_out,
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


def samples_of_page(result: RunResult, start: Location | None = None, limit: int | None = None) -> list[int]:
    """As many samples as fit: the one that is selected first, then the first ones; InputError if one is too large."""
    first, inputs = (first_selected(result) if start is None else start).sample, result.inputs
    count = inputs.batch_size
    check_size(result.config, inputs.timesteps, count)
    data = _PageData(result, [first])
    parameters = _characters(data.parameters(data.inputs))
    each = _characters(data.of_samples())
    room = _room(result.config, parameters, each, count, limit)
    others = [sample for sample in range(count) if sample != first]
    return sorted([first, *others[: max(0, int(room // each) - 1)]])


def _characters(data: Any) -> float:
    """The characters of the numbers in data, of which base64 needs four for three bytes."""
    if isinstance(data, dict):
        if "data" in data:
            return prod(data["shape"]) * (8 if data["type"] == "float64" else 4) * 4 / 3
        return sum(map(_characters, data.values()))
    return sum(map(_characters, data)) if isinstance(data, list) else 0


def _room(config: Config, fixed: float, each: float, count: int, limit: int | None = None) -> float:
    """The room in a page for the arrays of its samples, of which one must fit."""
    limit = limit or LARGEST
    room = limit - _REST - len(dump_config(config)) - fixed
    if each > room:
        megabytes = number_format.error((fixed + each + _REST) / 10**6)
        sample = "one sample" if count > 1 else "its sample"
        raise InputError(
            f"An interactive page has at most {limit // 10**6} MB, but this run needs {megabytes} MB for {sample}: "
            "use fewer time steps, units, layers or engines."
        )
    return room


def check_size(config: Config, timesteps: int, samples: int) -> None:
    """Refuse a run whose page would be too large, by what a page needs of any engine."""
    network, item = config.network, np.dtype(config.network.dtype).itemsize
    layers, directions, _, _, units = network.hidden_shape(timesteps, samples)
    quantities = sum(1 for _ in _quantities(network, ()))
    across = sum(network.sizes(0).of(node.shape[0]) for node in page_parts.across_nodes(network.graph))
    step = units * (item * quantities + 8 * len(page_parts.activation_nodes(network.graph))) + 8 * across
    engines = len(config.compare.engines) + (config.compare.candidates is None)
    each = timesteps * (item * network.input_size + engines * layers * directions * step)
    _room(config, item * network.parameter_count * 4 / 3, each * 4 / 3, samples)


def _quantities(network: Network, gradients: Sequence[str]) -> Iterator[dict[str, Any]]:
    cell = network.kind
    yield {"name": "h", "title": "h  hidden state", "group": "Values", "bounded": kinds.is_bounded(network.graph)}
    for own in kinds.choices_of(cell, gradients):
        if own.group in (kinds.GATES, kinds.STATES, kinds.GRADIENTS) and own.name not in ("change", "norm"):
            yield {"name": own.name, "title": own.text, "group": own.group, "low": own.low, "high": own.high}


class _PageData:
    """The data of a page for some samples; arrays are (L, D, T, N, U)."""

    def __init__(self, result: RunResult, samples: list[int]) -> None:
        self.result, self.samples, self.inputs = result, samples, result.inputs
        self.network = result.config.network
        self.graph, self.cell = self.network.graph, self.network.kind
        self.shape = result.shape
        self.lanes = list(product(range(self.shape[0]), range(self.shape[1])))
        self.chosen = np.asarray(samples, np.intp)
        self.gates, cache = ResultReader(result), explanation.ExplanationCache(result)
        self.blocks = cache.blocks
        self.without = explanation.engines_without_terms(result, cache) if self.blocks else {}
        self.quantities = list(_quantities(self.network, kinds.gradients_of(result.traces.values(), self.cell)))

    def data(self, engine: int, start: Location) -> dict[str, Any]:
        inputs = self.inputs
        layers, directions, timesteps, _, units = self.shape
        given = dict.fromkeys(name for trace in self.result.traces.values() for name in (*trace.lines, *trace))
        names = [inputs.names.of_sample(n) for n in self.samples] if inputs.names.samples else [inputs.names]
        return {
            "cell": page_parts.cell_data(self.network, given),
            "layers": layers,
            "directions": directions,
            "reverse": self.network.reverse,
            "timesteps": timesteps,
            "units": units,
            "features": self.network.input_size,
            "samples": self.samples,
            "lengths": [inputs.length(sample) for sample in self.samples],
            "timestepNames": [[visible(own.timestep(t)) for t in range(timesteps)] for own in names],
            "featureNames": [feature_index(names[0], feature) for feature in range(self.network.input_size)],
            "allowed": ALLOWED,
            "sentences": {step or "none": template for step, template in explanation.DIVERGENCE.items()}
            | {"wrong": explanation.WRONG.replace("{read}", explanation.STEP_READS), "cause": explanation.LIKELY_CAUSE},
            "quantities": self.quantities,
            "parameters": self.parameters(self.inputs),
            **self.of_samples(),
            "startEngine": engine,
            "start": [start.layer, start.direction, start.timestep, self.samples.index(start.sample), start.unit],
        }

    def parameters(self, inputs: Inputs) -> list[dict[str, Any]]:
        layers = [vars(inputs.parameters.layer(*lane)) for lane in self.lanes]
        return [{name: _packed(array) for name, array in layer.items()} for layer in layers]

    def of_samples(self) -> dict[str, Any]:
        """The data that grow with the number of samples."""
        titles = distinct_names(self.result.traces)
        return {
            "engines": [self._engine(self.result[name], title) for name, title in titles.items()],
            "backward": self._backward_pass() if self.blocks else None,
            "initial": {name: _packed(array[:, self.chosen]) for name, array in self.inputs.initial_state.items()},
            "x": _packed(self.inputs.sequence[:, self.chosen]),
        }

    def _engine(self, trace: Trace, title: str) -> dict[str, Any]:
        engine, result = trace.engine, self.result
        names = [own["name"] for own in self.quantities if not kinds.is_gradient(own["name"]) or own["name"] in trace]
        shown = {name: self._lanes(trace, name) for name in (*names, *(f"line.{name}" for name in trace.lines))}
        if OF_INPUT in trace:
            shown[OF_INPUT] = trace[OF_INPUT][:, self.chosen]
        arrays = shown | self._stacked(
            page_parts.lane_arithmetic(self.inputs, trace, *lane, self.samples) for lane in self.lanes
        )
        blocks = None if engine in self.without else self.blocks.get(engine)
        if blocks is not None:
            arrays |= self._stacked(page_parts.lane_gradients(blocks, *lane, self.samples) for lane in self.lanes)
        followed_times = [followed(self.inputs, trace, *lane) for lane in self.lanes]
        return {
            "title": title,
            "parameters": self.parameters(self.inputs.of_engine(engine)) if engine in self.inputs.weights else None,
            "tolerances": {} if trace is result.reference else dict(self._tolerances(result.comparison(engine))),
            "arrays": {name: _packed(array) for name, array in arrays.items()},
            "backward": blocks is not None,
            "recomputed": [name for name in shown if kinds.is_recomputed(name, trace, self.cell)],
            "own": [symbol for symbol in self.cell.state_symbols if symbol in trace and symbol in shown],
            "recorded": [(own.start, own.stop) for own in (trace.recorded(*lane) for lane in self.lanes)],
            "followed": [(own.start, own.stop) for own in followed_times],
            "withoutTerms": self.without.get(engine, ""),
            "cause": "" if result.judgment is None else likely_cause(result.judgment, engine),
        }

    def _tolerances(self, comparison: Comparison) -> Iterator[tuple[str, tuple[float, float]]]:
        trace = self.result[comparison.candidate]
        for name in (*(quantity["name"] for quantity in self.quantities), OF_INPUT):
            stored = trace.stored(name) or name
            own = comparison.of(stored)
            if own.name == stored:
                yield name, (own.rtol, own.atol)

    def _backward_pass(self) -> dict[str, Any]:
        """The lines of the gradients, which all engines share, and the gradients of the loss."""
        loss, every = self.inputs.loss, range(self.shape[2])
        assert loss is not None
        direct = [loss.direct(self.network, *lane, every, self.inputs.batch_size) for lane in self.lanes]
        return {
            **page_parts.backward_lines(self.graph),
            "direct": [None if array is None else _packed(array[:, self.chosen]) for array in direct],
            "final": {symbol: _packed(array[:, self.chosen]) for symbol, array in loss.state.items()},
            "directTime": None if loss.value is None else loss.value[2],
            "cuts": [loss.cuts(t) for t in every],
        }

    def _stacked(self, lanes: Iterable[Mapping[str, FloatArray]]) -> dict[str, FloatArray]:
        lanes = list(lanes)
        each = {name: np.stack([lane[name] for lane in lanes]) for name in lanes[0]}
        return {name: array.reshape(*self.shape[:2], *array.shape[1:]) for name, array in each.items()}

    def _lanes(self, trace: Trace, name: str) -> FloatArray:
        stored = trace.stored(name)
        if stored is not None:
            return trace[stored][:, :, :, self.chosen]
        layers, directions, timesteps, _, units = self.shape
        every, pairs = (slice(0, timesteps), slice(0, units)), product(self.lanes, self.samples)
        read = [self.gates.read(trace.engine, *lane, sample, name, *every) for lane, sample in pairs]
        return np.stack(read).reshape(layers, directions, len(self.samples), timesteps, units).swapaxes(2, 3)


def _packed(array: FloatArray) -> dict[str, Any]:
    """An array as JSON: its type, its shape, and its numbers in base64, little-endian."""
    kind = "float64" if array.dtype.itemsize > 4 else "float32"
    numbers = np.ascontiguousarray(array, f"<f{8 if kind == 'float64' else 4}")
    return {"type": kind, "shape": array.shape, "data": b64encode(numbers.tobytes()).decode("ascii")}

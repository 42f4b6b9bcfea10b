"""Synthetic results of any size on disk, for measurements of the window."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnviz.core.config import Config, Network
from rnnviz.core.gradients import GRADIENT, draw_loss, gradient, gradient_names
from rnnviz.core.inputs import Inputs, draw_initial_state
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.multiscale import open_pyramids
from rnnviz.core.parameters import Parameters
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace, create_trace, open_trace
from rnnviz.core.trace_index import Location, Places
from rnnviz.reading.arrays import gradient_extents
from rnnviz.reading.level_of_detail import ComparedPyramids, build_values, needs_pyramid
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison, compare_all
from rnnviz.verify.consistency_checks import consistency_checks
from rnnviz.verify.result import Judgment, PassJudgment, RunResult
from tests.configs import config_of

_BLOCK = 1 << 12
_MISMATCHES = 50
"""The number of time steps of each lane at which one value differs."""


@contextmanager
def large_result(
    timesteps: int, units: int, layers: int, directions: int, samples: int = 2, *, gradients: bool = False
) -> Iterator[RunResult]:
    """Two engines with smooth noise as their values, of which a few differ, and a second candidate like the first.

    Both have gradients, if there are to be any: those of all gates are the same numbers, which are on disk once.
    """
    network = {"cell": "gru", "input_size": 16, "hidden_size": units, "num_layers": layers}
    sizes = {"bidirectional": directions == 2, "timesteps": timesteps, "batch_size": samples}
    config = config_of("one", "other", "third", **network, **sizes, enabled=gradients)
    inputs = _inputs(config)
    with tempfile.TemporaryDirectory(prefix="rnnviz-window-") as name:
        folder = Path(name)
        (folder / "inputs").mkdir()
        build_values(folder / "inputs", "x", inputs.sequence[None, None])
        inputs = replace(inputs, pyramids=open_pyramids(folder / "inputs"))
        for engine in ("one", "other"):
            _write(folder / engine, engine, config)
        comparison = _compare(folder, config)
        if gradients:
            comparison = _with_other_gates(folder, config.network, comparison)
        one, other = (open_trace(folder / engine) for engine in ("one", "other"))
        # A second candidate needs no second folder: it has the numbers of the first under another name.
        traces = {"one": one, "other": other, "third": replace(other, engine="third")}
        others_of_third = {name: replace(own, candidate="third") for name, own in comparison.others.items()}
        extents = {
            f"{name}.{array}": end for name, trace in traces.items() for array, end in gradient_extents(trace).items()
        }
        backward = PassJudgment({name: _audit(trace, "grad.h") for name, trace in traces.items()})
        yield RunResult(
            request_id=1,
            inputs=inputs,
            traces=traces,
            comparisons=(comparison, replace(comparison, candidate="third", others=others_of_third)),
            checks=tuple(check for trace in traces.values() for check in consistency_checks(trace, *config.tolerances)),
            seconds=dict.fromkeys(traces, 1.0),
            versions=dict.fromkeys(traces, "1.0"),
            extents=dict.fromkeys(traces, 1.0) | {"input": float(np.abs(inputs.sequence).max())} | extents,
            folder=folder,
            judgment=Judgment(
                {name: _audit(trace) for name, trace in traces.items()}, backward=backward if gradients else None
            ),
        )


def _compare(folder: Path, config: Config) -> Comparison:
    """The comparison of the two engines, which leaves the pyramids of both."""
    one, other = (open_trace(folder / engine) for engine in ("one", "other"))

    def pyramids(name: str) -> list[ComparedPyramids]:
        return [ComparedPyramids(one, other, name, first=True)] if needs_pyramid(other, name) else []

    return compare_all(one, other, *config.tolerances, accumulators=pyramids)


def _with_other_gates(folder: Path, network: Network, comparison: Comparison) -> Comparison:
    """Give each engine the other gradients over time: further names of the files of its last one."""
    *_, last = _written_gradients(network)
    others = [name for name in gradient_names(network) if name not in _written_gradients(network)]
    for path in folder.glob(f"*/{last}.*"):
        for name in others:
            os.link(path, path.with_name(path.name.replace(last, name, 1)))
    found = {name: replace(comparison.others[last], name=name) for name in others}
    return replace(comparison, others={**comparison.others, **found})


def _written_gradients(network: Network) -> tuple[str, ...]:
    """The gradients over time that are written: of h, and of one gate."""
    return gradient("h"), gradient(network.kind.gate_symbols[0])


def _inputs(config: Config) -> Inputs:
    # In float32 at once: drawn as a run draws them, the parameters of a large network would take minutes.
    generator = np.random.default_rng(2)
    shapes = config.network.parameter_shapes()
    arrays = {name: generator.random(shape, np.float32) * 0.1 - 0.05 for name, shape in shapes.items()}
    sequence, samples = config.sequence, config.sequence.batch_size
    drawn = generator.standard_normal((sequence.timesteps, samples, config.network.input_size), np.float32)
    state = draw_initial_state(config.network, config.initial_state, samples)
    return Inputs(config, drawn, Parameters(config.network, arrays), state, loss=draw_loss(config, (), None))


def _write(folder: Path, engine: str, config: Config) -> None:
    """Fill a trace block by block; its blocks repeat."""
    network, timesteps, samples = config.network, config.sequence.timesteps, config.sequence.batch_size
    gradients = _written_gradients(network) if config.backward.enabled else ()
    trace = create_trace(folder, engine, network, Places.of(network, timesteps, samples), ("h", *gradients))
    layers, directions, _, _, units = trace.shape
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((min(_BLOCK, timesteps), samples, units), np.float32)
    block = np.tanh(np.cumsum(noise, axis=0) * 0.05)
    for turn, name in enumerate(("h", *gradients)):
        for layer in range(layers):
            for direction in range(directions):
                turned = np.roll(block, 7 * (layer * directions + direction) + turn, axis=-1)
                _fill(trace[name][layer, direction], turned)
                if engine != "one":
                    trace[name][layer, direction, :: max(timesteps // _MISMATCHES, 1), 0, 3] += 0.01
    for name in trace:
        if name.startswith(GRADIENT) and name not in gradients:
            _fill(trace[name].reshape(-1), block.reshape(-1))
    trace.output[:] = np.moveaxis(trace.hidden[-1], 0, 2).reshape(trace.output.shape)
    for layer in range(layers):
        trace.state_h[layer * directions] = trace.hidden[layer, 0, -1]
        if directions == 2:
            trace.state_h[layer * directions + 1] = trace.hidden[layer, 1, 0]


def _fill(array: FloatArray, block: FloatArray) -> None:
    for start in range(0, len(array), len(block)):
        array[start : start + len(block)] = block[: len(array) - start]


def _audit(trace: Trace, array: str = "h") -> Audit:
    """A full audit of correct hidden states, or of correct gradients."""
    audited = [trace[name] for name in trace if name.startswith(GRADIENT)] if array != "h" else [trace.hidden]
    elements, ratio = sum(own.size for own in audited), np.full(trace.shape[:3], 0.7)
    return Audit(trace.engine, 0.7, Place.at(array, Location()), 0, None, elements, elements, ratio, ratio * 6e-8)

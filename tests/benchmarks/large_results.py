"""Synthetic results of any size on disk, for measurements of the window."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs, draw_initial_state
from rnnviz.core.multiscale import open_pyramids
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace, create_trace, open_trace
from rnnviz.core.trace_index import Location
from rnnviz.quantities.level_of_detail import ComparedPyramids, build_values, needs_pyramid
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import compare
from rnnviz.verify.invariants import consistency_checks
from rnnviz.verify.result import Judgment, RunResult

_BLOCK = 1 << 12
_MISMATCHES = 50
"""The number of time steps of each lane at which one value differs."""


@contextmanager
def large_result(timesteps: int, units: int, layers: int, directions: int, samples: int = 2) -> Iterator[RunResult]:
    """Two engines with smooth noise as their values, of which a few differ, and a second candidate like the first."""
    config = _config(timesteps, units, layers, directions, samples)
    inputs = _inputs(config)
    with tempfile.TemporaryDirectory(prefix="rnnviz-window-") as name:
        folder = Path(name)
        (folder / "inputs").mkdir()
        build_values(folder / "inputs", "x", inputs.sequence[None, None])
        inputs = replace(inputs, pyramids=open_pyramids(folder / "inputs"))
        for engine in ("one", "other"):
            _write(folder / engine, engine, config)
        one, other = (open_trace(folder / engine) for engine in ("one", "other"))
        tolerances = config.tolerances
        if needs_pyramid(other):
            pyramids = ComparedPyramids(one, other, first=True)
            comparison = compare(one, other, *tolerances, watch=pyramids.add)
            pyramids.finish()
            one, other = (open_trace(folder / engine) for engine in ("one", "other"))
        else:
            comparison = compare(one, other, *tolerances)
        # A second candidate needs no second folder: it has the numbers of the first under another name.
        traces = {"one": one, "other": other, "third": replace(other, engine="third")}
        yield RunResult(
            request_id=1,
            inputs=inputs,
            traces=traces,
            comparisons=(comparison, replace(comparison, candidate="third")),
            checks=tuple(check for trace in traces.values() for check in consistency_checks(trace, *tolerances)),
            seconds=dict.fromkeys(traces, 1.0),
            versions=dict.fromkeys(traces, "1.0"),
            extents=dict.fromkeys(traces, 1.0) | {"input": float(np.abs(inputs.sequence).max())},
            folder=folder,
            judgment=Judgment({name: _audit(trace) for name, trace in traces.items()}, {}, (), None),
        )


def _config(timesteps: int, units: int, layers: int, directions: int, samples: int) -> Config:
    return Config.from_mapping(
        {
            "network": {
                "cell": "gru",
                "input_size": 16,
                "hidden_size": units,
                "num_layers": layers,
                "bidirectional": directions == 2,
            },
            "sequence": {"timesteps": timesteps, "batch_size": samples},
            "compare": {"reference": "one", "candidates": ["other", "third"]},
        }
    )


def _inputs(config: Config) -> Inputs:
    # In float32 at once: drawn as a run draws them, the parameters of a large network would take minutes.
    generator = np.random.default_rng(2)
    shapes = config.network.parameter_shapes()
    arrays = {name: generator.random(shape, np.float32) * 0.1 - 0.05 for name, shape in shapes.items()}
    sequence, samples = config.sequence, config.sequence.batch_size
    drawn = generator.standard_normal((sequence.timesteps, samples, config.network.input_size), np.float32)
    state = draw_initial_state(config.network, config.initial_state, samples)
    return Inputs(config, drawn, Parameters(config.network, arrays), state)


def _write(folder: Path, engine: str, config: Config) -> None:
    """Fill a trace block by block; its blocks repeat."""
    timesteps, samples = config.sequence.timesteps, config.sequence.batch_size
    trace = create_trace(folder, engine, config.network, timesteps, samples)
    layers, directions, _, _, units = trace.shape
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((min(_BLOCK, timesteps), samples, units), np.float32)
    block = np.tanh(np.cumsum(noise, axis=0) * 0.05)
    for layer in range(layers):
        for direction in range(directions):
            turned = np.roll(block, 7 * (layer * directions + direction), axis=-1)
            for start in range(0, timesteps, len(block)):
                stop = min(start + len(block), timesteps)
                trace.hidden[layer, direction, start:stop] = turned[: stop - start]
            if engine != "one":
                trace.hidden[layer, direction, :: max(timesteps // _MISMATCHES, 1), 0, 3] += 0.01
    trace.output[:] = np.moveaxis(trace.hidden[-1], 0, 2).reshape(trace.output.shape)
    for layer in range(layers):
        trace.state_h[layer * directions] = trace.hidden[layer, 0, -1]
        if directions == 2:
            trace.state_h[layer * directions + 1] = trace.hidden[layer, 1, 0]


def _audit(trace: Trace) -> Audit:
    """A full audit of a correct engine."""
    ratio = np.full(trace.shape[:3], 0.7)
    elements = trace.hidden.size
    return Audit(trace.engine, 0.7, Location(), 0, None, elements, elements, ratio, ratio * 6e-8)

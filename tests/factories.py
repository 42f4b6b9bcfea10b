"""Factories of results and judgments with chosen values, computed in this process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import rnnviz.notebooks  # noqa: F401 (gives results their representations)
from rnnviz.core.config import Config
from rnnviz.core.gradients import GRADIENT, gradient_names
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.engine import KnownBugEngine
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PREFIX
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.reading.arrays import gradient_extents
from rnnviz.verify.audit import Audit, audit
from rnnviz.verify.compare import compare_all
from rnnviz.verify.consistency_checks import consistency_checks
from rnnviz.verify.metrics import largest_magnitude
from rnnviz.verify.result import Judgment, PassJudgment, RunResult

Edit = Callable[[Trace], None]
Diagnosis = tuple[tuple[str, ...], ...]


def setting(index: tuple[int, ...], value: float) -> Edit:

    def edit(trace: Trace) -> None:
        trace.hidden[index] = value

    return edit


def adding(amount: object, *index: object, array: str = "h") -> Edit:
    """Adds to a value, or to a part, of an array."""

    def edit(trace: Trace) -> None:
        trace[array][index] += amount

    return edit


def make_result(
    engines: tuple[str, ...] = ("gluon", "manual"),
    *,
    edits: Mapping[str, Edit] | None = None,
    timesteps: int = 5,
    batch_size: int = 2,
    lengths: Sequence[int] | None = None,
    seams: Sequence[int] | None = None,
    compare_with: Mapping[str, Any] | None = None,
    gradients: Sequence[str] = (),
    **network: Any,
) -> RunResult:
    """A result in which every engine has the values of `manual`, except for its edit.

    Engines called bug:NAME simulate that known bug. The engines of `gradients` have random gradients, all the same.
    """
    tables = {
        "network": {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4, **network},
        "sequence": {"timesteps": timesteps, "batch_size": batch_size}
        | ({} if lengths is None else {"lengths": list(lengths)})
        | ({} if seams is None else {"seams": list(seams)}),
        "initial_state": {"source": "normal"},
        "compare": {"reference": engines[0], "candidates": list(engines[1:]), **(compare_with or {})},
        "backward": {"enabled": bool(gradients)},
    }
    config = Config.from_mapping(tables)
    # A copy: results of the same inputs are of one run.
    inputs = replace(_inputs(config))
    traces = {name: _trace(config, name, gradients=name in gradients) for name in engines}
    for name, edit in (edits or {}).items():
        edit(traces[name])
    return result_of(inputs, traces)


def result_of(inputs: Inputs, traces: Mapping[str, Trace]) -> RunResult:
    """A result of these traces, the reference first."""
    engines = tuple(traces)
    rtol, atol = inputs.config.tolerances
    reference = traces[engines[0]]
    return RunResult(
        request_id=1,
        inputs=inputs,
        traces=traces,
        comparisons=tuple(compare_all(reference, traces[name], rtol, atol) for name in engines[1:]),
        checks=tuple(check for trace in traces.values() for check in consistency_checks(trace, rtol, atol)),
        seconds=dict.fromkeys(engines, 0.01) | {f"{engines[0]}.fused": 0.002},
        versions={name: f"{name} 1.0" for name in engines},
        extents=dict.fromkeys(engines, 1.0)
        | {"input": largest_magnitude(inputs.sequence)}
        | {f"{engine}.{name}": end for engine in engines for name, end in gradient_extents(traces[engine]).items()},
        folder=Path(),
    )


def gradient_audit(result: RunResult, engine: str) -> Audit:
    """An audit of every gradient of an engine that found none outside its bound."""
    trace = result.traces[engine]
    elements = sum(array.size for name, array in trace.items() if name.startswith(GRADIENT))
    place, zeros = Place.at("grad.h", Location()), np.zeros(result.shape[:3])
    return Audit(engine, 0.0, place, 0, None, elements, elements, zeros, zeros, way="backward")


def with_judgment(
    result: RunResult,
    *,
    coverage: float = 1.0,
    diagnoses: Mapping[str, Diagnosis] | None = None,
    ambiguous: Mapping[str, int] | None = None,
    blind: tuple[str, ...] = (),
    remedy: Config | None = None,
) -> RunResult:
    """The result with every step audited; `coverage` is only reported."""
    audits = {
        name: audit(result.inputs, trace, result.comparisons, traces=result.traces, full=True)
        for name, trace in result.traces.items()
    }
    audits = {name: replace(found, audited=max(1, round(coverage * found.elements))) for name, found in audits.items()}
    causes = {name: bug.cause for name, bug in KNOWN_BUGS.items()}
    backward = PassJudgment({engine: gradient_audit(result, engine) for engine in result.gradient_engines})
    judgment = Judgment(audits, diagnoses or {}, blind, causes, ambiguous=ambiguous or {}, remedy=remedy)
    return replace(result, judgment=replace(judgment, backward=backward if result.has_gradients else None))


@lru_cache(maxsize=16)
def _inputs(config: Config) -> Inputs:
    return load_inputs(config)


def _trace(config: Config, name: str, *, gradients: bool = False) -> Trace:
    """The trace of an engine: the values of `manual`, or of a known bug."""
    inputs = _inputs(config)
    computed = _computed(config, name if name.startswith(PREFIX) else "manual", gradients)
    arrays = {key: array.copy() for key, array in computed.items()}
    random = np.random.default_rng(7)
    for array in (array for key, array in arrays.items() if key.startswith(GRADIENT)):
        array[...] = random.normal(size=array.shape)
    trace = Trace(name, arrays, inputs.places)
    trace.clear_padding()
    return trace


@lru_cache(maxsize=16)
def _computed(config: Config, name: str, gradients: bool) -> Mapping[str, FloatArray]:
    """The arrays that an engine fills; each trace has copies of them."""
    inputs = _inputs(config)
    names = (*inputs.network.kind.state_symbols, *(gradient_names(inputs.network) if gradients else ()))
    trace = trace_in_memory(name, inputs.network, inputs.places, names)
    engine = KnownBugEngine(name) if name.startswith(PREFIX) else ManualEngine()
    engine.run(inputs, trace, lambda _: None)
    return trace

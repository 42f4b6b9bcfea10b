"""A plain engine whose steps a test may spoil, and the verdict on it compared with a correct one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import LayerTask, Progress, run_stack
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare_all, tolerances
from rnnviz.verify.result import Judgment, RunResult
from tests import factories
from tests.oracles.computed import empty_trace

Spoil = Callable[[int, FloatArray, FloatArray], FloatArray]
"""spoil(t, before, h): what the engine has for its new hidden values h (N, H), those before being `before`."""


def unspoiled(t: int, before: FloatArray, h: FloatArray) -> FloatArray:
    return h


def sigmoid(v: FloatArray) -> FloatArray:
    return (1 + np.tanh(v / 2)) / 2


def plain_trace(inputs: Inputs, spoil: Spoil = unspoiled, *, cell: bool = False, engine: str = "engine") -> Trace:
    """A plain NumPy trace in the network's dtype, one matrix product for each sum; `cell` requests the cell states."""
    trace = empty_trace(inputs, cell=cell, engine=engine)
    with np.errstate(all="ignore"):
        run_stack(inputs, trace, lambda task, progress: _layer(task, progress, spoil), lambda done: None)
    return trace


def _layer(task: LayerTask, _: Progress, spoil: Spoil) -> dict[str, FloatArray]:
    p, hidden = task.parameters, task.series["h"]
    h, c = task.state["h"], task.state.get("c")
    for t in task.timesteps:
        u, v = task.x[t] @ p.i2h_weight.T + p.i2h_bias, h @ p.h2h_weight.T + p.h2h_bias
        h = spoil(t, h, _step(task, u, v, h, c))
        if c is not None:
            i, f, g, _o = np.split(u + v, 4, axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            if "c" in task.series:
                task.series["c"][t] = c
        hidden[t] = h
        h = hidden[t]
    return {"h": h} if c is None else {"h": h, "c": c}


def _step(task: LayerTask, u: FloatArray, v: FloatArray, h: FloatArray, c: FloatArray | None) -> FloatArray:
    if c is not None:
        i, f, g, o = np.split(u + v, 4, axis=-1)
        return sigmoid(o) * np.tanh(sigmoid(f) * c + sigmoid(i) * np.tanh(g))
    if task.cell.name == "gru":
        (u_r, u_z, u_n), (v_r, v_z, v_n) = np.split(u, 3, axis=-1), np.split(v, 3, axis=-1)
        z, n = sigmoid(u_z + v_z), np.tanh(u_n + sigmoid(u_r + v_r) * v_n)
        return (1 - z) * n + z * h
    return np.tanh(u + v) if task.cell.name == "rnn_tanh" else np.maximum(u + v, 0)


def result_of(inputs: Inputs, reference: Trace, candidate: Trace) -> RunResult:
    """Two traces compared and audited as a run does it, without checks of what else the engines return."""
    compared = replace(inputs.config.compare, reference=reference.engine, candidates=(candidate.engine,))
    inputs = replace(inputs, config=replace(inputs.config, compare=compared))
    traces = {trace.engine: trace for trace in (reference, candidate)}
    comparison = compare_all(reference, candidate, *tolerances(inputs.config, *traces.values()))
    audits = {name: audit(inputs, trace, [comparison], traces=traces) for name, trace in traces.items()}
    result = factories.result_of(inputs, traces)
    return replace(result, comparisons=(comparison,), checks=(), judgment=Judgment(audits))


def permuted_gates(order: tuple[int, ...]) -> Callable[[str, FloatArray], FloatArray]:
    """A change of parameters that exchanges the gates' rows."""

    def change(name: str, array: FloatArray) -> FloatArray:
        gates = np.split(array, len(order))
        return np.concatenate([gates[gate] for gate in order])

    return change


def without(part: str) -> Callable[[str, FloatArray], FloatArray]:
    """A change of parameters that leaves out those with `part` in their names."""
    return lambda name, array: np.zeros_like(array) if part in name else array


def one_step(t: int, change: Callable[[FloatArray, FloatArray], NDArray[np.floating]]) -> Spoil:
    """Spoils one time step: `change` gets the previous and the new hidden values."""
    return lambda at, before, h: np.asarray(change(before, h), h.dtype) if at == t else h

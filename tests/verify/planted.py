"""Bugs that are planted at a place of a network, in a plain loop that shares no code with the diagnosis."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import LayerTask, Progress, run_stack
from tests.oracles.cell_loops import cell_values
from tests.oracles.computed import empty_trace
from tests.verify.audit_helpers import inputs_of

Arrays = dict[str, FloatArray]


def _same(values: Any, *_: Any) -> Any:
    return values


@dataclass(frozen=True)
class Planted:
    """A bug of some lanes, by the name that the diagnosis gives it.

    `parameters` changes those of a lane, `state` what a step reads, from the states after each step, the initial ones
    first, `x` the layer input (S, N, I) in the order of computation, `start` the initial states, and `activations` the
    functions by role. It holds from the
    step `first` on, or at every `every`-th one, in `samples`.
    """

    name: str
    lanes: frozenset[tuple[int, int]]
    gates: tuple[str, ...] = ()
    parameters: Callable[[Arrays], Arrays] = _same
    state: Callable[[list[Arrays]], Arrays] = field(default=lambda states: states[-1])
    x: Callable[[FloatArray], FloatArray] = _same
    start: Callable[[Arrays], Arrays] = _same
    activations: Mapping[str, Any] | None = None
    first: int = 0
    every: int = 1
    samples: tuple[int, ...] = ()


def planted_trace(inputs: Inputs, bug: Planted) -> Trace:
    """The hidden values of the network with the bug, computed in float64 and stored in the network's type."""
    trace = empty_trace(inputs, cell=False, engine="planted")

    def run_layer(task: LayerTask, _: Progress) -> Mapping[str, FloatArray]:
        here = task.lane in bug.lanes
        own = {name: np.asarray(array, np.float64) for name, array in vars(task.parameters).items()}
        changed = bug.parameters({name: array.copy() for name, array in own.items()}) if here else own
        x = np.asarray(task.x[::-1] if task.backward else task.x, np.float64)
        other_x = bug.x(x) if here else x
        initial = {name: np.asarray(array, np.float64) for name, array in task.state.items()}
        states = [bug.start(dict(initial)) if here else initial]
        samples = list(bug.samples) or slice(None)
        for s, t in enumerate(task.timesteps):
            made = cell_values(task.cell.name, own, x[s : s + 1], states[-1])
            if here and s >= bug.first and (s - bug.first) % bug.every == 0:
                other = cell_values(task.cell.name, changed, other_x[s : s + 1], bug.state(states), bug.activations)
                for name in states[-1]:
                    made[name][..., samples, :] = other[name][..., samples, :]
            new = {name: made[name].reshape(states[-1][name].shape).astype(task.x.dtype) for name in states[-1]}
            task.series["h"][t] = new["h"]
            states.append({name: array.astype(np.float64) for name, array in new.items()})
        return {name: array.astype(task.x.dtype) for name, array in states[-1].items()}

    with np.errstate(all="ignore"):
        run_stack(inputs, trace, run_layer, lambda _: None)
    return trace


def small_inputs(timesteps: int = 12, batch_size: int = 3, **network: Any) -> Inputs:
    given = {"cell": "lstm", "input_size": 4, "hidden_size": 5, "num_layers": 2, "bidirectional": True, **network}
    sequence = {"timesteps": timesteps, "batch_size": batch_size}
    return inputs_of(sequence, {"bias": "uniform", "scale": 0.6}, **given)


def column_major(p: Arrays) -> Arrays:
    return p | {"h2h_weight": p["h2h_weight"].T.reshape(p["h2h_weight"].shape)}


def zeros(state: Arrays) -> Arrays:
    return {name: np.zeros_like(array) for name, array in state.items()}


PARTS: dict[str, dict[str, Any]] = {
    "no-h2h-bias": {"parameters": lambda p: p | {"h2h_bias": 0.0 * p["h2h_bias"]}},
    "no-bias": {"parameters": lambda p: p | {"h2h_bias": 0.0 * p["h2h_bias"], "i2h_bias": 0.0 * p["i2h_bias"]}},
    "biases-exchanged": {"parameters": lambda p: p | {"h2h_bias": p["i2h_bias"], "i2h_bias": p["h2h_bias"]}},
    "i2h-bias-twice": {"parameters": lambda p: p | {"h2h_bias": p["i2h_bias"]}},
    "h2h-weight-column-major": {"parameters": column_major},
    "h2h-weight-not-loaded": {"parameters": lambda p: p | {"h2h_weight": 0.0 * p["h2h_weight"]}},
    "weights-rounded-to-4-bits": {"parameters": lambda p: p | {"h2h_weight": np.round(p["h2h_weight"] * 16) / 16}},
    "state-not-carried": {"state": lambda states: zeros(states[-1])},
    "state-two-before": {"state": lambda states: states[max(0, len(states) - 2)]},
    "state-of-next-sample": {"state": lambda states: {k: np.roll(a, -1, 0) for k, a in states[-1].items()}},
    "input-of-step-before": {"x": lambda x: np.concatenate([x[:1], x[:-1]])},
    "input-of-next-sample": {"x": lambda x: np.roll(x, -1, axis=1)},
    "initial-state-ignored": {"start": zeros},
}
"""What a planted bug changes, by the name of the cause."""

AT_STEPS = [name for name in PARTS if name != "initial-state-ignored"]


@st.composite
def plants(draw: st.DrawFn) -> tuple[Inputs, Planted]:
    cell = draw(st.sampled_from(["lstm", "gru", "rnn_tanh", "gru_reset_before", "lstm_peephole"]))
    layers, ways = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    inputs = small_inputs(
        draw(st.integers(6, 12)),
        draw(st.integers(3, 4)),
        cell=cell,
        num_layers=layers,
        bidirectional=ways == 2,
        hidden_size=draw(st.integers(3, 6)),
    )
    every = [(k, d) for k in range(layers) for d in range(ways)]
    lanes = draw(st.sampled_from([frozenset({lane}) for lane in every]))
    name = draw(st.sampled_from(sorted(PARTS)))
    first = draw(st.integers(0, inputs.timesteps - 3)) if name in AT_STEPS else 0
    return inputs, Planted(name, lanes, first=first, **PARTS[name])

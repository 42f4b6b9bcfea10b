"""Bugs that are planted at a place of a network, in a plain loop that shares no code with the diagnosis."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from tests.oracles.cell_loops import Function, Loop, cell_values, defaults_of, function
from tests.oracles.computed import empty_trace
from tests.verify.audit_helpers import inputs_of

Arrays = dict[str, FloatArray]

SEEN = {"float32": 1e-5, "float64": 1e-12}
"""By how much a bug has to move a value that is surely found to be wrong."""


def _same(values: Any, *_: Any) -> Any:
    return values


@dataclass(frozen=True)
class Planted:
    """A bug of some lanes, by the name that the diagnosis gives it; `gates` and `kinds` are the gates and parameters
    that it has to name, None where it may name any.

    `parameters` changes those of a lane, `state` the states that a step reads, from the states after each step, the
    initial ones first, `x` the layer input (S, N, I) in the order of computation, `start` the initial states,
    `activations` the functions by role or gate, and `loop` the lines of the step. With `again` a step first computes
    the step before it once more. It holds at the steps from `first` to `last`, or at every `every`-th one of these, in
    `samples` and `units`; () is all. `forward` reads a backward lane from its first time step on, `misplaced` leaves
    its values in the order of computation, and with `joined` a sample begins with the last state of the one before.
    """

    name: str
    lanes: frozenset[tuple[int, int]]
    gates: tuple[str, ...] | None = None
    kinds: tuple[str, ...] | None = None
    parameters: Callable[[Arrays], Arrays] = _same
    state: Callable[[list[Arrays]], Arrays] = field(default=lambda states: states[-1])
    x: Callable[[FloatArray], FloatArray] = _same
    start: Callable[[Arrays], Arrays] = _same
    activations: Mapping[str, Function] | None = None
    loop: Loop | None = None
    again: bool = False
    first: int = 0
    last: int | None = None
    every: int = 1
    samples: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    forward: bool = False
    misplaced: bool = False
    joined: bool = False

    def at(self, step: int) -> bool:
        """Whether it holds at a step."""
        return self.first <= step and (self.last is None or step <= self.last) and not (step - self.first) % self.every


def functions_of(inputs: Inputs) -> dict[str, Function]:
    """The activations of a network by role."""
    network, found = inputs.network, defaults_of(inputs.network.kind.name)
    if network.activations is not None:
        found |= dict(zip(dict(network.kind.activations), map(_activation, network.activations), strict=True))
    if network.clip is None:
        return found

    def cut(own: Function, limit: float) -> Function:
        return lambda v: own(min(max(v, -limit), limit))

    return {role: own if role == "output" else cut(own, network.clip) for role, own in found.items()}


def _activation(name: str) -> Function:
    return function(name, *{"hard_sigmoid": (0.2, 0.5), "elu": (1.0,)}.get(name, ()))


@dataclass(frozen=True, eq=False)
class Made:
    """The trace of a network with a bug, and by lane which values (S, N, P) the bug would move at each step, from the
    states of that step."""

    trace: Trace
    moved: dict[tuple[int, int], NDArray[np.bool_]]


def planted_trace(inputs: Inputs, bug: Planted) -> Trace:
    return planted(inputs, bug).trace


def planted(inputs: Inputs, bug: Planted) -> Made:
    """The values of the network with the bug, computed in float64 and stored in the network's type."""
    trace = empty_trace(inputs, cell=False, engine="planted")
    network, moved = inputs.network, dict[tuple[int, int], NDArray[np.bool_]]()
    x = np.asarray(inputs.sequence)
    with np.errstate(all="ignore"):
        for layer in range(network.num_layers):
            for direction in range(network.directions):
                moved[layer, direction] = _run_lane(inputs, trace, bug, (layer, direction), x)
            x = np.concatenate([*trace.hidden[layer]], axis=-1)
    trace.output[...] = x
    return Made(trace, moved)


def _run_lane(
    inputs: Inputs, trace: Trace, bug: Planted, lane: tuple[int, int], given: FloatArray
) -> NDArray[np.bool_]:
    network, here, index = inputs.network, lane in bug.lanes, lane[0] * inputs.network.directions + lane[1]
    lengths, backward = np.array(inputs.places.every_length), network.backward(lane[1])
    samples = np.arange(len(lengths))
    steps = np.arange(inputs.timesteps)[:, np.newaxis]
    computed = steps < lengths
    ordered = np.minimum(steps, lengths - 1)
    turned = lengths - 1 - ordered
    reads, stores = (turned, turned) if backward else (ordered, ordered)
    if here and bug.forward:
        reads = stores = ordered
    if here and bug.misplaced:
        stores = ordered
    own = {n: np.asarray(a, np.float64) for n, a in vars(inputs.parameters.layer(*lane)).items()}
    changed = bug.parameters({name: array.copy() for name, array in own.items()}) if here else own
    x = np.asarray(given[reads, samples], np.float64)
    other_x = bug.x(x) if here else x
    initial = {s: np.asarray(a[index], np.float64) for s, a in inputs.initial_state.items()}
    states = [bug.start(dict(initial)) if here else initial]
    cell, functions = network.kind.name, functions_of(inputs)
    moved = np.zeros((*computed.shape, trace.hidden.shape[-1]), np.bool_)
    some = np.isin(samples, bug.samples) if bug.samples else np.ones(len(samples), np.bool_)

    def values(p: Arrays, x: FloatArray, state: Arrays, f: Mapping[str, Function], loop: Loop | None) -> Arrays:
        made = cell_values(cell, p, x[np.newaxis], state, f, loop=loop)
        return {name: made[name][0] for name in initial}

    def rounded(new: Arrays) -> Arrays:
        return {name: array.astype(network.dtype).astype(np.float64) for name, array in new.items()}

    def run(s: int, active: NDArray[np.bool_]) -> None:
        made = values(own, x[s], states[-1], functions, None)
        if here:
            read = bug.state(states)
            if bug.again and s:
                read = rounded(values(own, x[s - 1], states[-1], functions, None))
            other = values(changed, other_x[s], read, functions | dict(bug.activations or {}), bug.loop)
            moved[s] = np.abs(other["h"] - made["h"]) > SEEN[network.dtype]
            if bug.at(s):
                units = np.isin(np.arange(other["h"].shape[-1]), bug.units) if bug.units else True
                for name in made:
                    made[name] = np.where(some[:, np.newaxis] & units, other[name], made[name])
        new = rounded(made)
        kept = {name: np.where(active[:, np.newaxis], new[name], states[-1][name]) for name in new}
        states.append(kept)
        trace.hidden[lane][stores[s][active], samples[active]] = new["h"][active]

    if here and bug.joined:
        for n in samples:
            for s in range(lengths[n]):
                run(s, samples == n)
            after = {name: array.copy() for name, array in states[-1].items()}
            for array in after.values():
                array[n + 1 : n + 2] = array[n]
            states.append(after)
        moved[0, 1:] = True
    else:
        for s in range(inputs.timesteps):
            run(s, computed[s])
    for name, array in states[-1].items():
        trace[f"state.{name}"][index] = array
    return moved & computed[..., np.newaxis]


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

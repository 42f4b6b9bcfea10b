"""Bugs that are planted at a place of a network, in a plain loop that shares no code with the diagnosis."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import LayerTask, Progress, run_stack
from tests.oracles.cell_loops import cell_values
from tests.oracles.computed import empty_trace

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

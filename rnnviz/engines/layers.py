"""Stacked layers in one or both directions, around any implementation of one layer.

Index k = layer·D + direction; the next layer reads concat(forward, backward) on the feature axis at the same t.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from rnnviz.cells import CellSpec
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.core.trace import Trace
from rnnviz.engines.base import Progress


@dataclass(frozen=True, eq=False)
class LayerTask:
    """One layer in one direction, and the arrays for its values.

    `x` is the layer's input (T, N, I), `state` the state before the first step, (N, H) by name. `series` has an array
    (T, N, H) to fill for each state that is kept. The h of a projection has P units in place of H. A backward layer
    starts at t = T-1, so its final state is the one at t = 0.
    """

    cell: CellSpec
    parameters: LayerParameters
    x: FloatArray
    state: Mapping[str, FloatArray]
    series: Mapping[str, FloatArray]
    backward: bool

    @property
    def timesteps(self) -> range:
        """Every t in the order of computation."""
        return range(len(self.x))[:: -1 if self.backward else 1]


RunLayer: TypeAlias = Callable[[LayerTask, Progress], Mapping[str, FloatArray]]
"""How one layer is computed in one direction: fills the task's series, returns the final state by name."""


class Join(Protocol):
    """How the directions of a layer (D, T, N, H) become the input (T, N, D·H) of the next one; see `layer_output`."""

    def __call__(self, hidden: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Return the joined array, written into `out` if there is one."""


def layer_output(hidden: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """concat(forward, backward) on the feature axis at the same t: (D, T, N, H) gives (T, N, D·H)."""
    if len(hidden) == 1 and out is None:
        only: FloatArray = hidden[0]
        return only
    return np.concatenate(list(hidden), axis=-1, out=out)


def run_stack(inputs: Inputs, trace: Trace, run_layer: RunLayer, progress: Progress, join: Join = layer_output) -> None:
    """Fill the trace's hidden states, cell states, out and final states."""
    network = inputs.network
    states = dict(zip(network.kind.state_symbols, inputs.initial_state.arrays, strict=True))
    lanes = network.num_layers * network.directions
    x = inputs.sequence
    for layer in range(network.num_layers):
        for direction in range(network.directions):
            k = layer * network.directions + direction

            def lane_progress(done: float, k: int = k) -> None:
                progress((k + done) / lanes)

            task = LayerTask(
                cell=network.kind,
                parameters=inputs.parameters.layer(layer, direction),
                x=x,
                state={name: array[k] for name, array in states.items()},
                series={name: trace[name][layer, direction] for name in states if name in trace},
                backward=network.backward(direction),
            )
            for name, array in run_layer(task, lane_progress).items():
                trace[f"state.{name}"][k] = array
        # Two directions are joined where out will stand in the end: a copy in memory would grow with the sequence.
        last = layer == network.num_layers - 1
        x = join(trace.hidden[layer], trace.output if last or network.directions == 2 else None)

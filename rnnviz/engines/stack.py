"""Layers on layers, in one or both directions: what surrounds a recurrence, whoever computes it.

Index k = layer·D + direction; the next layer reads concat(forward, backward) on the feature axis at the same t.
"""

from typing import Protocol

import numpy as np

from rnnviz.engines.base import Progress
from rnnviz.model.arrays import FloatArray
from rnnviz.model.inputs import Inputs
from rnnviz.model.parameters import LayerParameters
from rnnviz.model.trace import Trace


class RunLayer(Protocol):
    """How one layer is computed in one direction; see `engines.manual.run_layer`."""

    def __call__(
        self,
        cell: str,
        p: LayerParameters,
        x: FloatArray,
        h0: FloatArray,
        c0: FloatArray | None,
        hidden: FloatArray,
        cells: FloatArray | None,
        *,
        backward: bool,
        progress: Progress,
    ) -> tuple[FloatArray, FloatArray | None]:
        """Fill `hidden` and `cells`, each (T, N, H), from x (T, N, I), and return the final (h, c), each (N, H)."""


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
    """Fill the trace's hidden vectors, cell states, out and final states."""
    network, h0, c0 = inputs.network, inputs.initial_state.h, inputs.initial_state.c
    lanes = network.num_layers * network.directions
    x = inputs.sequence
    for layer in range(network.num_layers):
        for direction in range(network.directions):
            k = layer * network.directions + direction

            def lane_progress(done: float, k: int = k) -> None:
                progress((k + done) / lanes)

            h, c = run_layer(
                network.cell,
                inputs.parameters.layer(layer, direction),
                x,
                h0[k],
                None if c0 is None else c0[k],
                trace.hidden[layer, direction],
                None if trace.cell is None else trace.cell[layer, direction],
                backward=direction == 1,
                progress=lane_progress,
            )
            trace.state_h[k] = h
            if c is not None and trace.state_c is not None:
                trace.state_c[k] = c
        x = join(trace.hidden[layer], trace.output if layer == network.num_layers - 1 else None)

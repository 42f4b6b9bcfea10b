"""A stack computed layer by layer with another library's single layers."""

from collections.abc import Sequence

import numpy as np

from rnnviz.core.initial_state import State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace


def layer_rows(layer: int, directions: int) -> slice:
    """The rows layer·D to layer·D + D of a state (L·D, N, H)."""
    return slice(layer * directions, (layer + 1) * directions)


def initial_states(state: State, layer: int, directions: int) -> list[FloatArray]:
    """h0, and c0 of an LSTM, of one layer, each (D, N, H)."""
    return [np.ascontiguousarray(array[layer_rows(layer, directions)]) for array in state.arrays]


def fill_layer(trace: Trace, layer: int, out: FloatArray, finals: Sequence[FloatArray]) -> None:
    """Write a layer's out (T, N, D·H) and final states, each (D, N, H), into the trace; P for H if h is projected."""
    layers, directions, _, _, size = trace.shape
    for direction in range(directions):
        trace.hidden[layer, direction] = out[..., direction * size : (direction + 1) * size]
    rows = layer_rows(layer, directions)
    for name, final in zip("hc", finals, strict=False):
        trace[f"state.{name}"][rows] = final
    if layer == layers - 1:
        trace.output[:] = out

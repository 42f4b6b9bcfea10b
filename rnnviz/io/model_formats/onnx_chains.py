"""Which recurrent nodes of an ONNX graph are the layers of one network.

The input X of the upper node must be the whole output Y of the lower one, element by element. Initial states must be of
one kind, not depend on a layer below, and be rows in the order of the layers; and both nodes skip the same time steps.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.io.model_formats.layered_file import UnreadableError
from rnnviz.io.model_formats.onnx_constants import Constants, Origin, Values, layout_of
from rnnviz.io.model_formats.onnx_graph import GraphScope, PlacedNode, recurrent_ancestors
from rnnviz.io.model_formats.onnx_nodes import RecurrentNode


def fed_by(layers: Sequence[RecurrentNode], constants: Constants) -> dict[int, int]:
    """For each of `layers` that is the upper one of two in a network: the numbers of both."""
    places = {layer.placed.key: number for number, layer in enumerate(layers)}
    below: dict[int, int] = {}
    for number, layer in enumerate(layers):
        lower = _lower(layer.placed, places, constants)
        if (
            lower is not None
            and layers[lower].lengths == layer.lengths
            and _in_order(layers[lower], layer)
            and not (layer.state.kind == "computed" and _depends_on(layer, [layers[k] for k in _chain(lower, below)]))
        ):
            below[number] = lower
    return below


def _lower(placed: PlacedNode, places: Mapping[tuple[GraphScope, str], int], constants: Constants) -> int | None:
    """The number of the node whose whole output is this node's X."""
    try:
        variants = constants.variants(placed.scope, placed.input("X"))
        origins = set().union(*(value.origins for _, value in variants))
        if len(origins) != 1:
            return None
        scope, name = origins.pop()
        lower = places.get((scope, name))
        if lower is None or scope.producers[name].output[0] != name:
            return None
        for values, value in variants:
            x = value.read()
            x = x.swapaxes(0, 1) if layout_of(placed.scope, placed.node) else x
            if not _is_whole_output(x, values, (scope, name)):
                return None
        return lower
    except (UnreadableError, MemoryError):
        # Layers whose outputs are too large to be followed are read one by one.
        return None


def _is_whole_output(x: NDArray[Any], values: Values, origin: Origin) -> bool:
    """Whether x (T, N, D·H) holds the index of every element of an output Y, as the next layer reads them."""
    scope, name = origin
    shape = values.find(scope, name).shape
    if layout_of(scope, scope.producers[name]):
        n, t, d, h = shape
        step, indices = d * h, (np.arange(n) * t * d * h)[:, None] + np.arange(d * h)
    else:
        t, d, n, h = shape
        step, indices = d * n * h, np.arange(d * n * h).reshape(d, n, h).swapaxes(0, 1).reshape(n, d * h)
    base = values.base(origin)
    # One time step after the other: all of them at once would take the memory of a trace.
    return x.shape == (t, n, d * h) and all(np.array_equal(x[k], base + k * step + indices) for k in range(t))


def _in_order(lower: RecurrentNode, upper: RecurrentNode) -> bool:
    """Whether the layers' states from one input of the model are its rows from the bottom up."""
    return all(
        below < above
        for a, b in zip(lower.state.rows, upper.state.rows, strict=False)
        for (origin, below), (other, above) in product(a, b)
        if origin == other
    )


def _chain(top: int, below: Mapping[int, int]) -> list[int]:
    """The layers from `top` down."""
    chain = [top]
    while (lower := below.get(chain[-1])) is not None and lower not in chain:
        chain.append(lower)
    return chain


def _depends_on(upper: RecurrentNode, layers: Sequence[RecurrentNode]) -> bool:
    """Whether the initial state of a layer follows from the outputs of layers below."""
    names = [name for name in map(upper.placed.input, ("initial_h", "initial_c")) if name]
    ancestors = recurrent_ancestors(upper.placed.scope, names)
    return any(layer.placed.key in ancestors for layer in layers)

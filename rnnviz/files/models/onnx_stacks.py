"""Which recurrent nodes of an ONNX graph are the layers of one network.

The input X of the upper node must be the whole output Y of the lower one, element by element. Initial states must be of
one kind, not depend on a layer below, and be rows in the order of the layers; and both nodes skip the same time steps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.files.models.onnx_constants import Constants, Values, layout_of
from rnnviz.files.models.onnx_graph import PlacedNode, Scope, recurrent_ancestors
from rnnviz.files.models.onnx_nodes import RecurrentNode
from rnnviz.files.models.stored_layers import UnreadableError


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


def _lower(placed: PlacedNode, places: Mapping[tuple[Scope, str], int], constants: Constants) -> int | None:
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
        by_batch = layout_of(placed.scope, placed.node)
        for values, value in variants:
            whole = _output(values, PlacedNode(scope.producers[name], scope))
            if not np.array_equal(value.read(), whole.swapaxes(0, 1) if by_batch else whole):
                return None
        return lower
    except (UnreadableError, MemoryError):
        # Layers whose outputs are too large to be followed are read one by one.
        return None


def _output(values: Values, placed: PlacedNode) -> NDArray[Any]:
    """The elements of Y as the next layer reads them, (T, N, D·H)."""
    y = values.find(placed.scope, placed.node.output[0]).read()
    y = y.swapaxes(0, 1) if layout_of(placed.scope, placed.node) else y.swapaxes(1, 2)
    return y.reshape(*y.shape[:2], -1)


def _in_order(lower: RecurrentNode, upper: RecurrentNode) -> bool:
    """Whether the layers' states from one input of the model are its rows from the bottom up."""
    return all(
        max(a, default=0) < min(b, default=0) or not _same_input(a, b)
        for a, b in zip(lower.state.rows, upper.state.rows, strict=False)
    )


def _same_input(a: Sequence[int], b: Sequence[int]) -> bool:
    return bool({index >> 32 for index in a} & {index >> 32 for index in b})


def _chain(top: int, below: Mapping[int, int]) -> list[int]:
    """The layers from `top` down."""
    chain = [top]
    while (lower := below.get(chain[-1])) is not None and lower not in chain:
        chain.append(lower)
    return chain


def _depends_on(upper: RecurrentNode, layers: Sequence[RecurrentNode]) -> bool:
    """Whether the initial state of a layer follows from what layers below it put out."""
    names = [name for name in map(upper.placed.input, ("initial_h", "initial_c")) if name]
    ancestors = recurrent_ancestors(upper.placed.scope, names)
    return any(layer.placed.key in ancestors for layer in layers)

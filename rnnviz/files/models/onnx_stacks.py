"""Which recurrent nodes of an ONNX graph feed each other, as the layers of one network do.

What stands between two of them must hand on the whole output: from Y (T, D, N, H) to the next X (T, N, D·H), or with
the batch first. The axes are followed by name, so that no other arrangement passes for it.
"""

from collections.abc import Mapping, Sequence

from onnx import NodeProto

from rnnviz.files.models.onnx_constants import Constants
from rnnviz.files.models.onnx_graph import PlacedNode
from rnnviz.files.models.onnx_nodes import has_second_direction
from rnnviz.files.models.onnx_tensors import FLOATS
from rnnviz.files.models.stored_layers import UnreadableError

_LONGEST_WAY = 32
_PASSED = frozenset({"Identity", "Dropout", "Cast", "Transpose", "Squeeze", "Reshape"})


def fed_by(layers: Sequence[PlacedNode], constants: Constants) -> dict[int, int]:
    """For each of `layers` whose X is the whole output of another one: the numbers of both."""
    places = {(id(placed.scope), placed.node.output[0]): k for k, placed in enumerate(layers) if placed.node.output}
    below = {}
    for number, placed in enumerate(layers):
        lower, way = _way_down(placed, places)
        if lower is not None and lower != number and _hands_on(layers[lower], way, placed, constants):
            below[number] = lower
    return below


def _way_down(placed: PlacedNode, places: Mapping[tuple[int, str], int]) -> tuple[int | None, list[NodeProto]]:
    """The layer whose Y is behind the node's X, if any, and the nodes between them from below."""
    way: list[NodeProto] = []
    name = placed.node.input[0] if placed.node.input else ""
    while len(way) <= _LONGEST_WAY:
        found = places.get((id(placed.scope), name))
        if found is not None:
            return found, way[::-1]
        node = placed.scope.producers.get(name)
        if node is None or node.op_type not in _PASSED or not node.input or node.output[0] != name:
            return None, []
        way.append(node)
        name = node.input[0]
    return None, []


def _hands_on(lower: PlacedNode, way: Sequence[NodeProto], upper: PlacedNode, constants: Constants) -> bool:
    axes = ["N", "T", "D", "H"] if _layout(lower) else ["T", "D", "N", "H"]
    directions = 2 if has_second_direction(lower) else 1
    size = _hidden_size(lower, constants)
    for node in way:
        try:
            after = _after(node, axes, directions, size, upper, constants)
        except (UnreadableError, KeyError, IndexError, ValueError):
            return False
        if after is None:
            return False
        axes = after
    return axes == (["N", "T", "DH"] if _layout(upper) else ["T", "N", "DH"])


def _after(
    node: NodeProto, axes: list[str], directions: int, size: int, upper: PlacedNode, constants: Constants
) -> list[str] | None:
    """The axes after `node`, or None if it does more than arrange them."""
    attributes = upper.scope.attributes_of(node)

    def integers(name: str) -> list[int] | None:
        if len(node.input) > 1 and node.input[1]:
            return constants.integers(upper.scope, node.input[1])
        return list(attributes[name].ints) if name in attributes else None

    match node.op_type:
        case "Identity":
            return axes
        case "Dropout":
            # In training it would not hand on what it gets.
            return axes if len(node.input) < 3 or not node.input[2] else None
        case "Cast":
            weights = constants.find(upper.scope, upper.node.input[1]).dtype.name
            return axes if FLOATS.get(attributes["to"].i) == weights else None
        case "Transpose":
            order = list(attributes["perm"].ints) if "perm" in attributes else list(range(len(axes)))[::-1]
            return [axes[k] for k in order] if sorted(order) == list(range(len(axes))) else None
        case "Squeeze":
            removed = integers("axes")
            if removed is None or directions != 1 or [axes[k] for k in removed] != ["D"]:
                return None
            return ["DH" if axis == "H" else axis for axis in axes if axis != "D"]
        case "Reshape":
            copies = not ("allowzero" in attributes and attributes["allowzero"].i)
            return _reshaped(axes, integers("shape"), directions, size) if copies else None
    return None


def _reshaped(axes: list[str], shape: list[int] | None, directions: int, size: int) -> list[str] | None:
    """D and H as one axis, where they stand beside each other; D of size 1 may stand anywhere."""
    if shape is None or len(shape) != 3 or len(axes) != 4 or axes[3] != "H":
        return None
    if directions != 1 and axes[2] != "D":
        return None
    kept = [axis for axis in axes if axis in ("T", "N")]
    # A 0 keeps the axis at its place; of two lengths that are not known only one can follow from the others.
    known = [shape[k] == 0 and axes[k] == kept[k] for k in range(2)]
    last = shape[2] == directions * size
    if known == [True, True] and (last or shape[2] == -1):
        return [*kept, "DH"]
    if last and shape[:2].count(-1) == 1 and known[1 - shape[:2].index(-1)]:
        return [*kept, "DH"]
    return None


def _layout(placed: PlacedNode) -> int:
    return next((a.i for a in placed.node.attribute if a.name == "layout"), 0)


def _hidden_size(placed: PlacedNode, constants: Constants) -> int:
    shape = constants.find(placed.scope, placed.node.input[2]).shape
    return shape[-1] if shape else 0

"""One RNN, LSTM or GRU node of an ONNX graph as a layer.

ONNX orders the gates i, o, f, c and z, r, h, and keeps both biases in one tensor, [Wb, Rb]. Its GRU is Gluon's with
linear_before_reset = 1. Source: the operators' definitions in ONNX.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import AttributeProto

from rnnviz.files.models.entry import DTYPES, Entry
from rnnviz.files.models.onnx_constants import Constant, Constants
from rnnviz.files.models.onnx_graph import Attributes, PlacedNode
from rnnviz.files.models.stored_layers import (
    BACKWARD_ALONE,
    Arrays,
    StoredLayer,
    UnreadableError,
    gate_rows,
    unsupported,
)
from rnnviz.files.models.weights import widened
from rnnviz.model.cells import CELLS

GATE_ORDER = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2), "rnn_tanh": (0,), "rnn_relu": (0,)}
"""Which of ONNX's gates stands at each of Gluon's places."""

OPERATORS = {("", "RNN"): "rnn_tanh", ("", "LSTM"): "lstm", ("", "GRU"): "gru"}
"""The operators that are read, each with its cell unless an attribute says otherwise."""

REFUSED = {
    ("com.microsoft", "DynamicQuantizeLSTM"): "lstm",
    ("com.microsoft", "AttnLSTM"): "lstm",
}
"""Operators that are known and not read."""

_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_ACTIVATIONS = {"lstm": ("sigmoid", "tanh", "tanh"), "gru": ("sigmoid", "tanh"), "rnn_tanh": ("tanh",)}
_SIDES = {"forward": "l", "reverse": "l", "bidirectional": "lr"}
_KNOWN_ATTRIBUTES = {
    "hidden_size": AttributeProto.INT,
    "direction": AttributeProto.STRING,
    "activations": AttributeProto.STRINGS,
    "activation_alpha": AttributeProto.FLOATS,
    "activation_beta": AttributeProto.FLOATS,
    "clip": AttributeProto.FLOAT,
    "input_forget": AttributeProto.INT,
    "linear_before_reset": AttributeProto.INT,
    "layout": AttributeProto.INT,
    "output_sequence": AttributeProto.INT,
}


def layer_of(placed: PlacedNode, constants: Constants) -> StoredLayer:
    """The node as a layer: unsupported if it computes what Gluon cannot, or its weights are not read."""
    if placed.operator in REFUSED:
        return _refused(placed, REFUSED[placed.operator], f"{placed.node.op_type} is not read: its weights are its own")
    cell = OPERATORS[placed.operator]
    try:
        attributes = placed.scope.attributes_of(placed.node)
        _check_types(attributes)
        cell = _cell(placed, cell, attributes)
        _check_computed(placed, cell, attributes)
        if _is_constant(placed, "sequence_lens", constants):
            raise UnreadableError(
                "its input sequence_lens is a constant, which gives each sequence a length of its own"
            )
        return _layer(placed, cell, attributes, constants)
    except UnreadableError as error:
        return _refused(placed, cell, str(error), constants)


def has_second_direction(placed: PlacedNode) -> bool:
    """Whether the node says that it computes both directions."""
    return any(a.name == "direction" and a.s == b"bidirectional" for a in placed.node.attribute)


def _refused(placed: PlacedNode, cell: str, reason: str, constants: Constants | None = None) -> StoredLayer:
    """An unsupported entry, with the sizes as far as they can be told."""
    attributes = {a.name: a for a in placed.node.attribute}
    hidden = max(0, attributes["hidden_size"].i) if "hidden_size" in attributes else 0
    features, dtype = 0, None
    if constants is not None:
        try:
            weight = _constant(placed, "W", constants)
            dtype = weight.dtype.name
            if len(weight.shape) == 3:
                features = weight.shape[2]
                hidden = hidden or weight.shape[1] // CELLS[cell].gate_count
        except UnreadableError:
            pass
    both = has_second_direction(placed)
    return unsupported(Entry(placed.name, cell, features or None, hidden or None, 1, both, dtype), reason)


def _check_types(attributes: Attributes) -> None:
    for name, attribute in attributes.items():
        if name not in _KNOWN_ATTRIBUTES:
            raise UnreadableError(f"its attribute {name} is not known")
        if attribute.type != _KNOWN_ATTRIBUTES[name]:
            raise UnreadableError(f"its attribute {name} is of a wrong type")


def _cell(placed: PlacedNode, cell: str, attributes: Attributes) -> str:
    """The cell by its activations, which must be those that Gluon's cell has."""
    given = [_text(name) for name in attributes["activations"].strings] if "activations" in attributes else []
    if not given:
        return cell
    count = 2 if has_second_direction(placed) else 1
    names = tuple(name.lower() for name in given)
    if cell == "rnn_tanh" and names in (("tanh",) * count, ("relu",) * count, ("tanh", "tanh"), ("relu", "relu")):
        return f"rnn_{names[0]}"
    expected = _ACTIVATIONS[cell]
    if names != expected * count:
        allowed = "tanh or relu in every direction" if cell == "rnn_tanh" else ", ".join(expected)
        raise UnreadableError(f"its activations are {', '.join(given)}: they must be {allowed}")
    return cell


def _check_computed(placed: PlacedNode, cell: str, attributes: Attributes) -> None:
    """Refuse, by name, what the cells of Gluon do not do."""
    direction = _direction(attributes)
    if direction not in _SIDES:
        raise UnreadableError(f'its direction is "{direction}": it must be forward, reverse or bidirectional')
    if "clip" in attributes:
        raise UnreadableError(f"clip = {attributes['clip'].f:g} limits the gates' arguments, which Gluon does not")
    for name in ("activation_alpha", "activation_beta"):
        if name in attributes and attributes[name].floats:
            raise UnreadableError(f"{name} changes the activations, which Gluon's have no parameter for")
    if _whole(attributes, "input_forget"):
        raise UnreadableError("input_forget = 1 couples the input and the forget gate, which Gluon does not")
    if _whole(attributes, "layout") not in (0, 1):
        raise UnreadableError(f"its layout is {_whole(attributes, 'layout')}: it must be 0 or 1")
    if cell == "gru" and _whole(attributes, "linear_before_reset") != 1:
        raise UnreadableError(
            "linear_before_reset = 0 applies the reset gate before the product, and Gluon's GRU after it"
        )
    if _given(placed, "P"):
        raise UnreadableError("its input P holds peepholes, which Gluon's LSTM does not have")


@dataclass(frozen=True)
class _Weights:
    """W (D, G·H, I), R (D, G·H, H) and B (D, 2·G·H), which may be missing."""

    w: Constant
    r: Constant
    b: Constant | None


def _layer(placed: PlacedNode, cell: str, attributes: Attributes, constants: Constants) -> StoredLayer:
    direction = _direction(attributes)
    sides = _SIDES[direction]
    weights = _Weights(
        _constant(placed, "W", constants),
        _constant(placed, "R", constants),
        _constant(placed, "B", constants) if _given(placed, "B") else None,
    )
    gates, r = CELLS[cell].gate_count, weights.r.shape
    hidden = _whole(attributes, "hidden_size") or (r[2] if len(r) == 3 else 0)
    features = weights.w.shape[2] if len(weights.w.shape) == 3 else 0
    if hidden < 1 or features < 1:
        raise UnreadableError(f"W has the shape {list(weights.w.shape)} and R {list(r)}: both must be (D, G·H, …)")
    rows = gates * hidden
    shapes = {"W": (len(sides), rows, features), "R": (len(sides), rows, hidden), "B": (len(sides), 2 * rows)}
    for (name, shape), constant in zip(shapes.items(), (weights.w, weights.r, weights.b), strict=True):
        if constant is None:
            continue
        if constant.shape != shape:
            raise UnreadableError(f"{name} has the shape {list(constant.shape)}, and the node needs {list(shape)}")
        if constant.dtype != weights.w.dtype or constant.dtype.name not in DTYPES:
            raise UnreadableError(f"{name} holds {constant.dtype.name}: all weights must be of one type of floats")
    told = BACKWARD_ALONE if direction == "reverse" else ""
    entry = Entry(placed.name, cell, features, hidden, 1, len(sides) == 2, weights.w.dtype.name, reason=told)
    return StoredLayer(entry, lambda: _parameters(weights, cell, sides))


def _parameters(weights: _Weights, cell: str, sides: str) -> Arrays:
    """One array of the file after the other, so that no more of them are in memory than are needed."""
    found: Arrays = {}
    for kind, constant in (("i2h_weight", weights.w), ("h2h_weight", weights.r)):
        for side, array in zip(sides, _stored(constant), strict=True):
            found[f"{side}0_{kind}"] = gate_rows(array, GATE_ORDER[cell])
    rows, dtype = weights.r.shape[1], found["l0_h2h_weight"].dtype
    both = [np.zeros(2 * rows, dtype)] * len(sides) if weights.b is None else _stored(weights.b)
    for side, array in zip(sides, both, strict=True):
        for kind, bias in (("i2h_bias", array[:rows]), ("h2h_bias", array[rows:])):
            found[f"{side}0_{kind}"] = gate_rows(bias, GATE_ORDER[cell])
    return found


def _stored(constant: Constant) -> list[Any]:
    """A constant's numbers, widened, one array for each direction."""
    stored = constant.read()
    bits = stored.view(np.uint16) if stored.dtype.name == "bfloat16" else stored
    return list(widened(bits, stored.dtype.name))


def _given(placed: PlacedNode, name: str) -> str:
    """What the node's input is called in the graph; empty if there is none."""
    place = _INPUTS.index(name)
    return placed.node.input[place] if place < len(placed.node.input) else ""


def _constant(placed: PlacedNode, name: str, constants: Constants) -> Constant:
    given = _given(placed, name)
    if not given:
        raise UnreadableError(f"it has no input {name}")
    try:
        return constants.find(placed.scope, given)
    except UnreadableError as error:
        raise UnreadableError(f"its input {name} {error}") from error


def _is_constant(placed: PlacedNode, name: str, constants: Constants) -> bool:
    try:
        _constant(placed, name, constants)
    except UnreadableError:
        return False
    return True


def _direction(attributes: Attributes) -> str:
    return _text(attributes["direction"].s) if "direction" in attributes else "forward"


def _whole(attributes: Attributes, name: str) -> int:
    return attributes[name].i if name in attributes else 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")[:60]

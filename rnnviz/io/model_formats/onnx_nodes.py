"""One RNN, LSTM or GRU node of an ONNX graph as a layer.

ONNX orders the gates i, o, f, c and z, r, h, and keeps both biases in one tensor, [Wb, Rb]. Its GRU is Gluon's with
linear_before_reset = 1. Source: the operators' definitions in ONNX.
"""

from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto

from rnnviz.cells import CELLS
from rnnviz.cells.arrays import reordered_rows
from rnnviz.io.model_formats.layered_file import (
    Arrays,
    StoredLayer,
    UnreadableError,
    unsupported,
)
from rnnviz.io.model_formats.onnx_constants import Constants, Value, widened_numbers
from rnnviz.io.model_formats.onnx_graph import RECURRENT, Attributes, PlacedNode
from rnnviz.io.model_formats.onnx_states import EVERY_STEP, InitialState, initial_state, lengths
from rnnviz.io.model_formats.rnn_entry import DTYPES, Entry

OPERATORS = {("", "RNN"): "rnn_tanh", ("", "LSTM"): "lstm", ("", "GRU"): "gru"}
"""The operators that are read, each with its cell unless an attribute says otherwise."""

FOREIGN = {
    "DynamicQuantizeLSTM": "it computes with weights of 8 bits: only the model before its quantization can be run",
    "AttnLSTM": "it computes attention within each time step, which no cell here has",
}
"""Operators of other domains, and why they are not read."""

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


@dataclass(frozen=True)
class RecurrentNode:
    """A node, the layer that it is, where its initial state comes from, and a key of its sequences' lengths."""

    placed: PlacedNode
    layer: StoredLayer
    state: InitialState
    lengths: object = None


def is_recurrent(placed: PlacedNode) -> bool:
    """Whether a node is a recurrent layer: an operator of ONNX, or by its name one that the file does not define."""
    if placed.operator in OPERATORS:
        return True
    return placed.operator[0] != "" and not placed.defined and any(name in placed.node.op_type for name in RECURRENT)


def recurrent_node(placed: PlacedNode, constants: Constants) -> RecurrentNode:
    """The node as a layer: unsupported if it computes more than Gluon's cells do, or its weights are not read."""
    if placed.operator not in OPERATORS:
        operator = placed.node.op_type
        cell = next(cell for (_, name), cell in OPERATORS.items() if name in operator)
        domain = placed.operator[0]
        meaning = FOREIGN.get(operator, "the file does not say what that computes")
        return _unread(placed, _refused(placed, cell, f"it is the operator {operator} of {domain}: {meaning}"))
    cell = OPERATORS[placed.operator]
    try:
        attributes = placed.scope.attributes_of(placed.node)
        _check_types(attributes)
        cell = _cell(placed, cell, attributes)
        _check_computed(placed, cell, attributes, constants)
        for values in constants.both:
            # From the bottom up each layer's shape takes a few nodes; from the top it would take all of them at once.
            values.sequence_shape(placed.scope, placed.node)
        return _node(placed, cell, attributes, constants)
    except UnreadableError as error:
        return _unread(placed, _refused(placed, cell, str(error), constants))


_UNROLLED = (
    "it is unrolled into single time steps: open the weights that it was exported from, or in PyTorch export it "
    "with dynamo=False, and nn.RNN, nn.LSTM or nn.GRU in place of a loop of cells"
)
_SINGLE_STEP = (
    "it is the first time step alone, as Keras exports a model whose number of time steps is open: open the weights "
    "that it was exported from, such as the .keras file"
)


def unrolled_layer(placed: PlacedNode, *, single: bool) -> StoredLayer:
    """A network of which the file holds single time steps, or only the first one, by the first product in them."""
    reason = _SINGLE_STEP if single else _UNROLLED
    return unsupported(Entry(placed.name, None, None, None, None, None, None), reason)


def has_second_direction(placed: PlacedNode) -> bool:
    """Whether the node says that it computes both directions."""
    return any(a.name == "direction" and a.s == b"bidirectional" for a in placed.node.attribute)


def _unread(placed: PlacedNode, layer: StoredLayer) -> RecurrentNode:
    return RecurrentNode(placed, layer, InitialState("unknown"))


def _refused(placed: PlacedNode, cell: str, reason: str, constants: Constants | None = None) -> StoredLayer:
    """An unsupported entry, with its sizes as far as they are known."""
    attributes = {a.name: a for a in placed.node.attribute}
    hidden = max(0, attributes["hidden_size"].i) if "hidden_size" in attributes else 0
    features, dtype = 0, None
    if constants is not None:
        try:
            weight = _constant(placed, "W", constants)
            dtype = weight.dtype.name
            if len(weight.shape) == 3:
                features = weight.shape[2]
                hidden = hidden or weight.shape[1] // len(CELLS[cell].gates)
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
    expected = tuple(activation.text for _, activation in CELLS[cell].activations)
    if names != expected * count:
        allowed = "tanh or relu" if cell == "rnn_tanh" else ", ".join(expected)
        raise UnreadableError(f"its activations are {', '.join(given)}: each direction must have {allowed}")
    return cell


def _check_computed(placed: PlacedNode, cell: str, attributes: Attributes, constants: Constants) -> None:
    """Refuse operators that Gluon's cells lack, by name."""
    direction = _direction(attributes)
    if direction not in _SIDES:
        raise UnreadableError(f'its direction is "{direction}": it must be forward, reverse or bidirectional')
    # The largest float, which some exporters write, limits nothing.
    if "clip" in attributes and attributes["clip"].f < np.finfo(np.float32).max:
        raise UnreadableError(f"clip = {attributes['clip'].f:g} limits the pre-activations, which no cell here does")
    if _whole(attributes, "input_forget"):
        raise UnreadableError("input_forget = 1 couples the input and the forget gate, which no cell here does")
    if _whole(attributes, "layout") not in (0, 1):
        raise UnreadableError(f"its layout is {_whole(attributes, 'layout')}: it must be 0 or 1")
    if cell == "gru" and _whole(attributes, "linear_before_reset") != 1:
        raise UnreadableError(
            "linear_before_reset = 0 applies the reset gate before the recurrent product, "
            "and the GRU of Gluon, PyTorch and this program after it"
        )
    if placed.input("P") and not _is_zeros(placed, "P", constants):
        raise UnreadableError("its input P holds peepholes, which no cell here has")


@dataclass(frozen=True)
class _Weights:
    """W (D, G·H, I), R (D, G·H, H) and B (D, 2·G·H), which may be missing."""

    w: Value
    r: Value
    b: Value | None


def _node(placed: PlacedNode, cell: str, attributes: Attributes, constants: Constants) -> RecurrentNode:
    direction = _direction(attributes)
    sides = _SIDES[direction]
    weights = _Weights(
        _constant(placed, "W", constants),
        _constant(placed, "R", constants),
        _constant(placed, "B", constants) if placed.input("B") else None,
    )
    gates, r = len(CELLS[cell].gates), weights.r.shape
    hidden = _whole(attributes, "hidden_size") or (r[2] if len(r) == 3 else 0)
    features = weights.w.shape[2] if len(weights.w.shape) == 3 else 0
    if hidden < 1 or features < 1:
        raise UnreadableError(
            f"W has the shape {list(weights.w.shape)} and R {list(r)}: they must be (D, G·H, I) and (D, G·H, H)"
        )
    rows = gates * hidden
    shapes = {"W": (len(sides), rows, features), "R": (len(sides), rows, hidden), "B": (len(sides), 2 * rows)}
    for (name, shape), constant in zip(shapes.items(), (weights.w, weights.r, weights.b), strict=True):
        if constant is None:
            continue
        if constant.shape != shape:
            raise UnreadableError(f"{name} has the shape {list(constant.shape)}, and the node needs {list(shape)}")
        if constant.dtype != weights.w.dtype or constant.dtype.name not in DTYPES:
            raise UnreadableError(f"{name} holds {constant.dtype.name}: all weights must be of one type of floats")
    state = initial_state(placed, constants, (len(sides), hidden), weights.w.dtype.name)
    key, skipped = lengths(placed, constants)
    entry = Entry(
        placed.name,
        cell,
        features,
        hidden,
        1,
        len(sides) == 2,
        weights.w.dtype.name,
        biases=weights.b is not None,
        initial_state=state.kind,
        masking=skipped,
        assumptions=(*state.assumptions, *[EVERY_STEP] * bool(skipped)),
        reverse=direction == "reverse",
    )
    return RecurrentNode(placed, StoredLayer(entry, lambda: _parameters(weights, cell, sides), state.read), state, key)


def _parameters(weights: _Weights, cell: str, sides: str) -> Arrays:
    """One array of the file after the other, so that no more of them are in memory than are needed."""
    found: Arrays = {}
    orders = CELLS[cell].gate_order("onnx"), CELLS[cell].gate_symbols
    for kind, constant in (("i2h_weight", weights.w), ("h2h_weight", weights.r)):
        for side, array in zip(sides, widened_numbers(constant), strict=True):
            found[f"{side}0_{kind}"] = reordered_rows(array, *orders)
    rows, dtype = weights.r.shape[1], found["l0_h2h_weight"].dtype
    both = np.zeros((len(sides), 2 * rows), dtype) if weights.b is None else widened_numbers(weights.b)
    for side, array in zip(sides, both, strict=True):
        for kind, bias in (("i2h_bias", array[:rows]), ("h2h_bias", array[rows:])):
            found[f"{side}0_{kind}"] = reordered_rows(bias, *orders)
    return found


def _constant(placed: PlacedNode, name: str, constants: Constants) -> Value:
    given = placed.input(name)
    if not given:
        raise UnreadableError(f"it has no input {name}")
    try:
        return constants.find(placed.scope, given)
    except UnreadableError as error:
        raise UnreadableError(f"its input {name} {error}") from error


def _is_zeros(placed: PlacedNode, name: str, constants: Constants) -> bool:
    try:
        return not _constant(placed, name, constants).read().any()
    except UnreadableError:
        return False


def _direction(attributes: Attributes) -> str:
    return _text(attributes["direction"].s) if "direction" in attributes else "forward"


def _whole(attributes: Attributes, name: str) -> int:
    return attributes[name].i if name in attributes else 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")[:60]

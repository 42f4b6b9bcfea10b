"""One RNN, LSTM or GRU node of an ONNX graph as a layer.

ONNX orders the gates i, o, f, c and z, r, h, and keeps both biases in one tensor, [Wb, Rb], and the three peepholes in
another, P. Its GRU is Gluon's with linear_before_reset = 1. Source: the operators' definitions in ONNX.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from onnx import AttributeProto

from rnnviz.cells import ACTIVATIONS, CELLS, Activation, affine, elu, hard_sigmoid, leaky_relu, linear
from rnnviz.cells.activations import ONNX_NAMES, onnx_activation
from rnnviz.cells.interpreters.arrays import reordered_rows
from rnnviz.core.onnx_layer import operator
from rnnviz.core.words import join_words
from rnnviz.io.model_formats.layered_file import (
    Arrays,
    StoredLayer,
    UnreadableError,
    unsupported,
)
from rnnviz.io.model_formats.onnx_constants import Constants, Value, widened_numbers
from rnnviz.io.model_formats.onnx_graph import RECURRENT, Attributes, PlacedNode
from rnnviz.io.model_formats.onnx_states import EVERY_STEP, InitialState, initial_state, lengths
from rnnviz.io.model_formats.rnn_entry import DTYPES, Entry, named_activations

OPERATORS = {("", cell.onnx.name): name for name, cell in CELLS.items() if cell.onnx and cell.is_fused}
"""The operators that are read, each with its cell unless an attribute says otherwise: rnn_tanh, lstm and gru."""

FOREIGN = {
    "DynamicQuantizeLSTM": "it computes with weights of 8 bits: only the model before its quantization can be run",
    "AttnLSTM": "it computes attention within each time step, which no cell here has",
}
"""Operators of other domains, and why they are not read."""

_ACTIVATIONS = {theirs.lower(): ACTIVATIONS[name] for name, theirs in ONNX_NAMES.items() if name != "linear"}

_SIDES = {"forward": "l", "reverse": "l", "bidirectional": "lr"}
_KNOWN_ATTRIBUTES = {
    "hidden_size": AttributeProto.INT,
    "direction": AttributeProto.STRING,
    "activations": AttributeProto.STRINGS,
    "activation_alpha": AttributeProto.FLOATS,
    "activation_beta": AttributeProto.FLOATS,
    "clip": AttributeProto.FLOAT,
    "layout": AttributeProto.INT,
    "output_sequence": AttributeProto.INT,
    **{name: AttributeProto.INT for cell in CELLS.values() if cell.onnx for name, _ in cell.onnx.attributes},
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
    """The node as a layer: unsupported if no cell here computes it, or its weights are not read."""
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
        cell = _cell(placed, attributes, constants)
        _check_layout(attributes)
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
                hidden = hidden or weight.shape[1] // len(operator(CELLS[cell]).gates)
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


def _cell(placed: PlacedNode, attributes: Attributes, constants: Constants) -> str:
    """The cell that the operator computes with these attributes and inputs."""
    cells = [cell for cell in CELLS.values() if cell.onnx and cell.onnx.name == placed.node.op_type]
    keys = dict.fromkeys(key for cell in cells for key, _ in operator(cell).attributes)
    given = {key: 1 for key in keys if _whole(attributes, key)}
    peepholes = any(operator(cell).peepholes for cell in cells) and bool(placed.input("P"))
    peepholes = peepholes and not _is_zeros(placed, "P", constants)
    fitting = [c for c in cells if dict(operator(c).attributes) == given and bool(operator(c).peepholes) == peepholes]
    if not fitting:
        found = ["peepholes (P)"] * peepholes + [f"{key} = {value}" for key, value in given.items()]
        raise UnreadableError(f"it has {join_words(found, 'and')}, and no cell here has both")
    names = {_text(name).lower() for name in attributes["activations"].strings} if "activations" in attributes else ()
    # Of cells that differ in their activations alone, the last is that of any others.
    own = [c for c in fitting if {named[0].lower() for _, f in c.activations if (named := onnx_activation(f))} == names]
    return (own or fitting)[-1].name


def _activations(placed: PlacedNode, cell: str, attributes: Attributes) -> tuple[str, ...] | None:
    """The activations of the cell's roles, which both directions must share; None if they are the cell's own."""
    names = [_text(name) for name in attributes["activations"].strings] if "activations" in attributes else []
    roles, directions = len(CELLS[cell].activations), 2 if has_second_direction(placed) else 1
    # An RNN's own two activations are those of both directions, in a node of one, too.
    if not names or (placed.node.op_type == "RNN" and len(names) == 2 and names[0].lower() == names[1].lower()):
        names = names[:1] * directions
    if not names:
        return None
    if len(names) != roles * directions:
        raise UnreadableError(
            f"its activations are {', '.join(names)}: it must have {roles} for each of {directions} directions"
        )
    constants = [iter(attributes[name].floats if name in attributes else ()) for name in _CONSTANTS]
    found = [_activation(name, *constants) for name in names]
    if found[:roles] != found[-roles:]:
        raise UnreadableError("its directions have different activations: all directions of a network have the same")
    return named_activations(cell, found[:roles])


_CONSTANTS = ("activation_alpha", "activation_beta")


def _activation(name: str, alphas: Iterator[float], betas: Iterator[float]) -> Activation:
    """An activation with the next constants of the node, if it has some and the node still has them."""
    activation = _ACTIVATIONS.get(name.lower())
    if activation is None:
        raise UnreadableError(
            f"its activation is {name}: it must be one of {', '.join(dict.fromkeys(ONNX_NAMES.values()))}"
        )
    taken = [next(source, None) for source, _ in zip((alphas, betas), range(activation.constants), strict=False)]
    if None in taken and activation not in (leaky_relu, hard_sigmoid, elu):
        raise UnreadableError(
            f"its activation {name} lacks {' or '.join(_CONSTANTS[: activation.constants])}, "
            "whose default in ONNX Runtime is not that of ONNX"
        )
    # The shortest number that is the same float32, so that 0.1 stays 0.1.
    made = activation.with_constants(*(None if value is None else float(str(np.float32(value))) for value in taken))
    known = next((one for one in ACTIVATIONS.values() if one.in_float32() == made.in_float32()), made)
    return linear if known == affine else known


def _clip(attributes: Attributes) -> float | None:
    limit = attributes["clip"].f if "clip" in attributes else np.inf
    # The largest float, which some exporters write, limits nothing.
    if limit >= np.finfo(np.float32).max:
        return None
    if not limit > 0.0:
        raise UnreadableError(f"clip is {limit:g}: it must be above 0")
    return float(str(np.float32(limit)))


def _check_layout(attributes: Attributes) -> None:
    direction, layout = _direction(attributes), _whole(attributes, "layout")
    if direction not in _SIDES:
        raise UnreadableError(f'its direction is "{direction}": it must be forward, reverse or bidirectional')
    if layout not in (0, 1):
        raise UnreadableError(f"its layout is {layout}: it must be 0 or 1")


@dataclass(frozen=True)
class _Weights:
    """W (D, G·H, I), R (D, G·H, H), and B (D, 2·G·H) and P (D, 3·H), which may be missing."""

    w: Value
    r: Value
    b: Value | None
    p: Value | None


def _node(placed: PlacedNode, cell: str, attributes: Attributes, constants: Constants) -> RecurrentNode:
    direction = _direction(attributes)
    sides = _SIDES[direction]
    weights = _Weights(
        _constant(placed, "W", constants),
        _constant(placed, "R", constants),
        _constant(placed, "B", constants) if placed.input("B") else None,
        _constant(placed, "P", constants) if operator(CELLS[cell]).peepholes else None,
    )
    gates, r = len(operator(CELLS[cell]).gates), weights.r.shape
    hidden = _whole(attributes, "hidden_size") or (r[2] if len(r) == 3 else 0)
    features = weights.w.shape[2] if len(weights.w.shape) == 3 else 0
    if hidden < 1 or features < 1:
        raise UnreadableError(
            f"W has the shape {list(weights.w.shape)} and R {list(r)}: they must be (D, G·H, I) and (D, G·H, H)"
        )
    rows = gates * hidden
    shapes = {"W": (rows, features), "R": (rows, hidden), "B": (2 * rows,), "P": (3 * hidden,)}
    for (name, of_side), constant in zip(shapes.items(), (weights.w, weights.r, weights.b, weights.p), strict=True):
        shape = (len(sides), *of_side)
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
        clip=_clip(attributes),
        activations=_activations(placed, cell, attributes),
    )
    return RecurrentNode(placed, StoredLayer(entry, lambda: _parameters(weights, cell, sides), state.read), state, key)


def _parameters(weights: _Weights, cell: str, sides: str) -> Arrays:
    """One array of the file after the other, so that no more of them are in memory than are needed."""
    found: Arrays = {}
    orders = operator(CELLS[cell]).gates, CELLS[cell].gate_symbols
    for kind, constant in (("i2h_weight", weights.w), ("h2h_weight", weights.r)):
        for side, array in zip(sides, widened_numbers(constant), strict=True):
            found[f"{side}0_{kind}"] = reordered_rows(array, *orders)
    rows, dtype = weights.r.shape[1], found["l0_h2h_weight"].dtype
    both = np.zeros((len(sides), 2 * rows), dtype) if weights.b is None else widened_numbers(weights.b)
    for side, array in zip(sides, both, strict=True):
        for kind, bias in (("i2h_bias", array[:rows]), ("h2h_bias", array[rows:])):
            found[f"{side}0_{kind}"] = reordered_rows(bias, *orders)
    if weights.p is not None:
        peepholes = operator(CELLS[cell]).peepholes
        for side, array in zip(sides, widened_numbers(weights.p), strict=True):
            for own, peephole in zip(peepholes, np.split(array, len(peepholes)), strict=True):
                if own is not None:
                    found[f"{side}0_{own}"] = peephole
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

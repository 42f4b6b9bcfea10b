"""One RNN, LSTM or GRU node of an ONNX graph as a layer, with its initial states and the lengths of its sequences.

ONNX orders the gates i, o, f, c and z, r, h, and keeps both biases in one tensor, [Wb, Rb], and the three peepholes in
another, P. Its GRU is Gluon's with linear_before_reset = 1. Source: the operators' definitions in ONNX.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from math import prod

import numpy as np
from onnx import AttributeProto, NodeProto

from rnnviz.cells import CELLS
from rnnviz.cells.activations import ACTIVATIONS, Activation, affine, elu, hard_sigmoid, leaky_relu, linear
from rnnviz.cells.interpreters.arrays import reordered_rows
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.words import join_words
from rnnviz.engines.onnx_layer import ONNX_NAMES, onnx_activation, operator
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats import model_file
from rnnviz.io.model_formats.model_file import Arrays, Entry, StoredLayer, UnreadableError
from rnnviz.io.model_formats.onnx_constants import Constants, Origin, Value, Values, layout_of, widened_numbers
from rnnviz.io.model_formats.onnx_graph import Attributes, PlacedNode, recurrent_ancestors, whole

_, _ZEROS, _STORED, _INPUT, _COMPUTED = model_file.INITIAL_STATES
_LONGEST_LIST = 8
_LARGEST_STATE = 1 << 24
_SKIPPED = "those after the length of each sequence, which the model"
OPERATORS = {("", cell.onnx.name): name for name, cell in CELLS.items() if cell.onnx and cell.is_fused}
"""The operators that are read, each with its cell unless an attribute says otherwise: rnn_tanh, lstm and gru."""
_ACTIVATIONS = {theirs.lower(): ACTIVATIONS[name] for name, theirs in ONNX_NAMES.items() if name != "linear"}
_CELL_ATTRIBUTES = tuple(
    dict.fromkeys(name for cell in CELLS.values() if cell.onnx for name, _ in cell.onnx.attributes)
)
"""The attributes that decide on the cell: input_forget and linear_before_reset."""
_SIDES = {"forward": "l", "reverse": "l", "bidirectional": "lr"}
_CONSTANTS = ("activation_alpha", "activation_beta")
_KNOWN_ATTRIBUTES = {
    **dict.fromkeys(("hidden_size", "layout", "output_sequence", *_CELL_ATTRIBUTES), AttributeProto.INT),
    **dict.fromkeys(_CONSTANTS, AttributeProto.FLOATS),
    "direction": AttributeProto.STRING,
    "activations": AttributeProto.STRINGS,
    "clip": AttributeProto.FLOAT,
}


@dataclass(frozen=True)
class InitialState:
    """One of a node's initial states, or all of them: of INITIAL_STATES, with the numbers (D, N, H) of constant ones.

    `rows` are, for each state, the inputs of the model that hold the first element of each direction, and its index.
    """

    kind: str
    assumptions: tuple[str, ...] = ()
    numbers: tuple[tuple[str, FloatArray], ...] = ()
    rows: tuple[tuple[tuple[Origin, int], ...], ...] = ()

    def read(self) -> Arrays:
        """The stored numbers, all for the same number of samples."""
        samples = max((array.shape[1] for _, array in self.numbers), default=1)
        return {name: np.repeat(a, samples // a.shape[1], axis=1) for name, a in self.numbers}


def initial_state(placed: PlacedNode, constants: Constants, size: tuple[int, int], dtype: str) -> InitialState:
    """The initial state of a node, whose states have the `size` (D, H) and the type of its weights."""
    inputs = {"h": "initial_h", "c": "initial_c"} if placed.node.op_type == "LSTM" else {"h": "initial_h"}
    states = [_state(placed, name, key, constants, size, dtype) for key, name in inputs.items()]
    kind = max((state.kind for state in states), key=model_file.INITIAL_STATES.index)
    texts = dict.fromkeys(text for state in states for text in state.assumptions)
    if kind in (_INPUT, _COMPUTED):
        for name, state in zip(inputs.values(), states, strict=True):
            if state.kind in (_ZEROS, _STORED):
                start = "zeros" if state.kind == _ZEROS else "numbers in the file"
                texts[f"the model starts {name} from {start}"] = None
    return InitialState(
        kind,
        tuple(texts),
        tuple(number for state in states for number in state.numbers) if kind == _STORED else (),
        tuple(row for state in states for row in state.rows),
    )


def lengths(placed: PlacedNode, constants: Constants) -> tuple[object, str, tuple[int, ...]]:
    """A key of the lengths, how the model skips time steps, "" if not, and the lengths in the file, () if none are."""
    name = placed.input("sequence_lens")
    if not name:
        return None, "", ()
    scope = placed.scope
    try:
        found = [(values, values.find(scope, name)) for values in constants.both]
        origins = [source for _, source in found[0][0].among(found[0][1])]
        read = [value.read() for _, value in found]
    except UnreadableError:
        return scope.find(name)[:2], f"{_SKIPPED} computes as {name}", ()
    if origins:
        given = " and ".join(f'"{source}"' for source in origins)
        return read[0].tobytes(), f"{_SKIPPED} gets as {given}", ()
    steps = [values.sequence_shape(scope, placed.node)[0] for values, _ in found]
    if all((array == step).all() for array, step in zip(read, steps, strict=True)):
        return None, "", ()
    listed = [str(length) for length in read[0].reshape(-1)[:_LONGEST_LIST]]
    more = ", ..." if read[0].size > _LONGEST_LIST else ""
    # Lengths that follow from N are not in the file, and a run has no empty samples.
    held = np.array_equal(read[0], read[-1]) and read[0].ndim == 1 and bool((read[0] > 0).all())
    text = f"{_SKIPPED} sets to {', '.join(listed)}{more}"
    return read[0].tobytes(), text, tuple(map(int, read[0])) if held else ()


def _state(
    placed: PlacedNode, name: str, key: str, constants: Constants, size: tuple[int, int], dtype: str
) -> InitialState:
    given = placed.input(name)
    if not given:
        zeros: FloatArray = np.zeros((size[0], 1, size[1]), np.float64 if dtype == "float64" else np.float32)
        return InitialState(_ZEROS, numbers=((key, zeros),))
    try:
        variants = constants.variants(placed.scope, given)
    except UnreadableError:
        return _computed(placed, given)
    values, value = variants[0]
    if any(isinstance(scope.find(source)[2], NodeProto) for scope, source in value.origins):
        return _computed(placed, given, values.among(value))
    if value.origins:
        names = " and ".join(f'"{source}"' for _, source in values.among(value))
        text = f"the caller of the model gives {name} of this network as {names}"
        return InitialState(_INPUT, (text,), rows=(_rows(values, value, placed),))
    arrays = [_constant_state(placed, name, variant, size, dtype) for _, variant in variants]
    # Where the number of samples is open, the state is read if it is one for all of them.
    many = any(variant.open_size and a.shape[1] > 1 for (_, variant), a in zip(variants, arrays, strict=True))
    if many or any(not np.array_equal(array, arrays[0], equal_nan=True) for array in arrays):
        return _computed(placed, given)
    return InitialState(_STORED if arrays[0].any() else _ZEROS, numbers=((key, arrays[0]),))


def _constant_state(placed: PlacedNode, name: str, value: Value, size: tuple[int, int], dtype: str) -> FloatArray:
    """A constant state (D, N, H), with N = 1 where all samples have the same."""
    d, h = size
    shape = value.shape
    by_batch = layout_of(placed.scope, placed.node)
    if len(shape) != 3 or (shape[1 if by_batch else 0], shape[2]) != (d, h):
        needed = f"[N, {d}, {h}]" if by_batch else f"[{d}, N, {h}]"
        raise UnreadableError(f"{name} has the shape {list(shape)}, and the node needs {needed}")
    if prod(shape) > _LARGEST_STATE:
        raise UnreadableError(f"{name} has the shape {list(shape)}, which is too large to be read")
    if value.dtype.name != dtype:
        raise UnreadableError(f"{name} holds {value.dtype.name}, and the weights are {dtype}")
    array = widened_numbers(value)
    array = array.swapaxes(0, 1) if by_batch else array
    alike = np.array_equal(array, np.broadcast_to(array[:, :1], array.shape), equal_nan=True)
    return np.array(array[:, :1] if alike else array)


def _rows(values: Values, value: Value, placed: PlacedNode) -> tuple[tuple[Origin, int], ...]:
    """Where the state of each direction begins in the inputs of the model."""
    if not value.shape:
        return tuple((origin, values.base(origin)) for origin in value.origins)
    try:
        indices = value.read()
    except UnreadableError:
        return ()
    first = indices[0] if layout_of(placed.scope, placed.node) else indices[:, 0] if indices.ndim == 3 else indices
    first = first.reshape(len(first), -1)[:, 0]
    return tuple(zip(values.origins_of(first), first.tolist(), strict=True))


def _computed(placed: PlacedNode, name: str, origins: Sequence[Origin] = ()) -> InitialState:
    """A state that another part of the model computes, and that part's name."""
    # Y_h or Y_c of a node, and not its Y.
    final = [
        isinstance(scope.find(name)[2], NodeProto) and name != scope.producers[name].output[0]
        for scope, name in origins
    ]
    if origins and all(final):
        nodes = dict.fromkeys(f'"{PlacedNode(scope.producers[name], scope).name}"' for scope, name in origins)
        source = f"the final state of {' and '.join(nodes)}"
    elif ancestors := recurrent_ancestors(placed.scope, [name]):
        names = [f'"{ancestor.name}"' for ancestor in ancestors.values()]
        source = f"values that it computes from {' and '.join(names[:_LONGEST_LIST])}"
    else:
        scope, name, made = placed.scope.find(name)
        by = f' (by its node "{PlacedNode(made, scope).name}", {made.op_type})' if isinstance(made, NodeProto) else ""
        source = f'"{name}", which it computes{by}'
    return InitialState(_COMPUTED, (f"the model starts this network from {source}",))


@dataclass(frozen=True)
class RecurrentNode:
    """A node, the layer that it is, where its initial state comes from, and a key of its sequences' lengths."""

    placed: PlacedNode
    layer: StoredLayer
    state: InitialState
    lengths: object = None


def recurrent_node(placed: PlacedNode, constants: Constants) -> RecurrentNode:
    """The node as a layer: unsupported if no cell here computes it, or its weights are not read."""
    cell = OPERATORS[placed.operator]
    try:
        attributes = placed.scope.attributes_of(placed.node)
        cell = _cell(placed, attributes, constants)
        direction = _direction(attributes)
        for values in constants.both:
            # From the bottom up each layer's shape takes a few nodes; from the top it would take all of them at once.
            values.sequence_shape(placed.scope, placed.node)
        return _node(placed, cell, direction, attributes, constants)
    except UnreadableError as error:
        return _refused(placed, cell, str(error), constants)


def _has_second_direction(placed: PlacedNode) -> bool:
    return any(a.name == "direction" and a.s == b"bidirectional" for a in placed.node.attribute)


def _refused(placed: PlacedNode, cell: str, reason: str, constants: Constants) -> RecurrentNode:
    hidden = max(0, whole({a.name: a for a in placed.node.attribute}, "hidden_size"))
    features, dtype = 0, None
    with suppress(UnreadableError):
        weight = _constant(placed, "W", constants)
        dtype = weight.dtype.name
        if len(weight.shape) == 3:
            features = weight.shape[2]
            hidden = hidden or weight.shape[1] // len(operator(CELLS[cell]).gates)
    entry = Entry(placed.name, cell, features or None, hidden or None, 1, _has_second_direction(placed), dtype)
    return RecurrentNode(placed, model_file.unsupported(entry, reason), InitialState("unknown"))


def _direction(attributes: Attributes) -> str:
    """The direction of a node; raises an UnreadableError where an attribute is not known."""
    for name, attribute in attributes.items():
        if attribute.type != _KNOWN_ATTRIBUTES.get(name):
            raise UnreadableError(f"its attribute {name} is not known, or of a wrong type")
    direction = _text(attributes["direction"].s) if "direction" in attributes else "forward"
    layout = whole(attributes, "layout")
    if direction not in _SIDES or layout not in (0, 1):
        raise UnreadableError(f'its direction "{direction}" or its layout {layout} is not one of ONNX')
    return direction


def _cell(placed: PlacedNode, attributes: Attributes, constants: Constants) -> str:
    cells = [cell for cell in CELLS.values() if cell.onnx and cell.onnx.name == placed.node.op_type]
    given = {key: 1 for key in _CELL_ATTRIBUTES if whole(attributes, key)}
    peepholes = any(operator(cell).peepholes for cell in cells) and bool(placed.input("P"))
    if peepholes:
        with suppress(UnreadableError):
            peepholes = bool(_constant(placed, "P", constants).read().any())
    fitting = [c for c in cells if dict(operator(c).attributes) == given and bool(operator(c).peepholes) == peepholes]
    if not fitting:
        settings = [*(f"{key} = 1" for key in given), *["peepholes (P)"] * peepholes] or ["its attributes"]
        raise UnreadableError(f"no cell here has {join_words(settings, 'and')}")
    names = {_text(name).lower() for name in attributes["activations"].strings} if "activations" in attributes else ()
    # Of cells that differ in their activations alone, the last is that of any others.
    own = [c for c in fitting if {named[0].lower() for _, f in c.activations if (named := onnx_activation(f))} == names]
    return (own or fitting)[-1].name


def _activations(placed: PlacedNode, cell: str, attributes: Attributes) -> tuple[str, ...] | None:
    """The activations of the cell's roles, which both directions must share; None if they are the cell's own."""
    names = [_text(name) for name in attributes["activations"].strings] if "activations" in attributes else []
    roles, directions = len(CELLS[cell].activations), 2 if _has_second_direction(placed) else 1
    # An RNN's own two activations are those of both directions, in a node of one, too.
    if not names or (placed.node.op_type == "RNN" and len(names) == 2 and names[0].lower() == names[1].lower()):
        names = names[:1] * directions
    if not names:
        return None
    if len(names) != roles * directions:
        raise UnreadableError(f"its activations are {', '.join(names)}: it must have {roles} for each direction")
    constants = [iter(attributes[name].floats if name in attributes else ()) for name in _CONSTANTS]
    found = [_activation(name, *constants) for name in names]
    if found[:roles] != found[-roles:]:
        raise UnreadableError("its directions have different activations: all directions of a network have the same")
    return model_file.named_activations(cell, found[:roles])


def _activation(name: str, alphas: Iterator[float], betas: Iterator[float]) -> Activation:
    """An activation with the next constants of the node, as far as both have some."""
    activation = _ACTIVATIONS.get(name.lower())
    if activation is None:
        raise UnreadableError(
            f"its activation is {name}: it must be one of {', '.join(dict.fromkeys(ONNX_NAMES.values()))}"
        )
    taken = [next(source, None) for source, _ in zip((alphas, betas), range(activation.constants), strict=False)]
    if None in taken and activation not in (leaky_relu, hard_sigmoid, elu):
        raise UnreadableError(f"its activation {name} lacks {' or '.join(_CONSTANTS[: activation.constants])}")
    # The shortest number that is the same float32, so that 0.1 stays 0.1.
    made = activation.with_constants(*(None if value is None else float(str(np.float32(value))) for value in taken))
    known = next((one for one in ACTIVATIONS.values() if one.in_float32() == made.in_float32()), made)
    return linear if known == affine else known


def _clip(attributes: Attributes) -> float | None:
    limit = attributes["clip"].f if "clip" in attributes else np.inf
    # The largest float, which some exporters write, limits nothing.
    if limit >= float(np.finfo(np.float32).max):
        return None
    if not limit > 0.0:
        raise UnreadableError(f"clip is {limit:g}: it must be above 0")
    return float(str(np.float32(limit)))


def _node(placed: PlacedNode, cell: str, direction: str, attributes: Attributes, constants: Constants) -> RecurrentNode:
    sides = _SIDES[direction]
    names = ["W", "R", *["B"] * bool(placed.input("B")), *["P"] * bool(operator(CELLS[cell]).peepholes)]
    weights = {name: _constant(placed, name, constants) for name in names}
    w, r, dtype = weights["W"].shape, weights["R"].shape, weights["W"].dtype
    hidden = whole(attributes, "hidden_size") or (r[2] if len(r) == 3 else 0)
    features = w[2] if len(w) == 3 else 0
    if hidden < 1 or features < 1:
        raise UnreadableError(f"W has the shape {list(w)} and R {list(r)}: they must be (D, G·H, I) and (D, G·H, H)")
    rows = len(operator(CELLS[cell]).gates) * hidden
    shapes = {"W": (rows, features), "R": (rows, hidden), "B": (2 * rows,), "P": (3 * hidden,)}
    for name, constant in weights.items():
        shape = (len(sides), *shapes[name])
        if constant.shape != shape:
            raise UnreadableError(f"{name} has the shape {list(constant.shape)}, and the node needs {list(shape)}")
        if constant.dtype != dtype or constant.dtype.name not in model_file.DTYPES:
            raise UnreadableError(f"{name} holds {constant.dtype.name}: all weights must be of one type of floats")
    state = initial_state(placed, constants, (len(sides), hidden), dtype.name)
    layout = layout_of(placed.scope, placed.node)
    axes = "samples first" if layout else "time first"
    key, skipped, held = lengths(placed, constants)
    entry = Entry(
        placed.name,
        cell,
        features,
        hidden,
        1,
        len(sides) == 2,
        dtype.name,
        biases="B" in weights,
        initial_state=state.kind,
        masking=skipped,
        assumptions=(*state.assumptions, *[model_file.EVERY_STEP] * bool(skipped)),
        reverse=direction == "reverse",
        clip=_clip(attributes),
        activations=_activations(placed, cell, attributes),
        lengths=held,
        # A chain of single time steps is no node of the graph.
        nodes=()
        if placed.steps
        else (f"{placed.name}: {placed.node.op_type}, direction {direction}, layout {layout} ({axes})",),
    )
    return RecurrentNode(placed, StoredLayer(entry, lambda: _parameters(weights, cell, sides), state.read), state, key)


def _parameters(weights: Mapping[str, Value], cell: str, sides: str) -> Arrays:
    """W (D, G·H, I), R (D, G·H, H), B (D, 2·G·H) and P (D, 3·H), the last two if there are, one after the other.

    So no more of them are in memory than are needed.
    """
    found: Arrays = {}
    node, symbols = operator(CELLS[cell]), CELLS[cell].gate_symbols
    for kind, constant in (("i2h_weight", weights["W"]), ("h2h_weight", weights["R"])):
        for side, array in zip(sides, widened_numbers(constant), strict=True):
            found[f"{side}0_{kind}"] = reordered_rows(array, node.gates, symbols)
    rows, dtype = weights["R"].shape[1], found["l0_h2h_weight"].dtype
    both = widened_numbers(weights["B"]) if "B" in weights else np.zeros((len(sides), 2 * rows), dtype)
    for side, array in zip(sides, both, strict=True):
        for kind, bias in zip(("i2h_bias", "h2h_bias"), np.split(array, 2), strict=True):
            found[f"{side}0_{kind}"] = reordered_rows(bias, node.gates, symbols)
    for side, array in zip(sides, widened_numbers(weights["P"]) if "P" in weights else (), strict=False):
        named = zip(node.peepholes, np.split(array, len(node.peepholes)), strict=True)
        found |= {f"{side}0_{own}": peephole for own, peephole in named if own is not None}
    return found


def _constant(placed: PlacedNode, name: str, constants: Constants) -> Value:
    given = placed.input(name)
    if not given:
        raise UnreadableError(f"it has no input {name}")
    try:
        return constants.find(placed.scope, given)
    except UnreadableError as error:
        raise UnreadableError(f"its input {name} {error}") from error


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")[:60]

"""Where the initial states and the sequence lengths of a recurrent node of an ONNX graph come from."""

from dataclasses import dataclass
from math import prod

import numpy as np
from onnx import NodeProto, TensorProto

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.layered_file import Arrays, UnreadableError
from rnnviz.io.model_formats.onnx_constants import Constants, Origin, Value, Values, layout_of, widened_numbers
from rnnviz.io.model_formats.onnx_graph import GraphScope, PlacedNode, recurrent_ancestors
from rnnviz.io.model_formats.onnx_operators import MOVES
from rnnviz.io.model_formats.rnn_entry import INITIAL_STATES

EVERY_STEP = "rnnviz computes every time step, also those that the model skips"
"""The assumption about a node that has lengths."""

_, _ZEROS, _STORED, _INPUT, _COMPUTED = INITIAL_STATES
_LONGEST_LIST = 8
_LONGEST_WAY = 32
_LARGEST_STATE = 1 << 24
_SKIPPED = "those after the length of each sequence, which the model"


@dataclass(frozen=True)
class InitialState:
    """One of a node's initial states, or all of them.

    `kind` is one of `entry.INITIAL_STATES`. `numbers` (D, N, H) are those of a constant state by "h" and "c". `rows`
    are, for each state, the inputs of the model that hold the first element of each direction, and its index there.
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
    """The initial state of a node, whose states have the `size` (D, H) and the type of its weights.

    Raises
    ------
    UnreadableError
        If a constant state has another shape or type.
    """
    inputs = {"h": "initial_h", "c": "initial_c"} if placed.node.op_type == "LSTM" else {"h": "initial_h"}
    states = [_state(placed, name, key, constants, size, dtype) for key, name in inputs.items()]
    kind = max((state.kind for state in states), key=INITIAL_STATES.index)
    texts = dict.fromkeys(text for state in states for text in state.assumptions)
    if kind in (_INPUT, _COMPUTED):
        for name, state in zip(inputs.values(), states, strict=True):
            if state.kind in (_ZEROS, _STORED):
                texts[f"the model starts {name} from {'zeros' if state.kind == _ZEROS else 'numbers in the file'}"] = (
                    None
                )
    return InitialState(
        kind,
        tuple(texts),
        tuple(number for state in states for number in state.numbers) if kind == _STORED else (),
        tuple(row for state in states for row in state.rows),
    )


def lengths(placed: PlacedNode, constants: Constants) -> tuple[object, str]:
    """How the model skips time steps, empty if it does not, behind a key that is the same for the same lengths."""
    name = placed.input("sequence_lens")
    if not name:
        return None, ""
    scope = placed.scope
    try:
        found = [(values, values.find(scope, name)) for values in constants.both]
        origins = [source for _, source in found[0][0].among(found[0][1])]
        read = [value.read() for _, value in found]
    except UnreadableError:
        return scope.find(name)[:2], f"{_SKIPPED} computes as {name}"
    if origins:
        given = " and ".join(f'"{source}"' for source in origins)
        return read[0].tobytes(), f"{_SKIPPED} gets as {given}"
    steps = [values.sequence_shape(scope, placed.node)[0] for values, _ in found]
    if all((array == step).all() for array, step in zip(read, steps, strict=True)):
        return None, ""
    listed = [str(length) for length in read[0].reshape(-1)[:_LONGEST_LIST]]
    more = ", ..." if read[0].size > _LONGEST_LIST else ""
    return read[0].tobytes(), f"{_SKIPPED} sets to {', '.join(listed)}{more}"


def _state(
    placed: PlacedNode, name: str, key: str, constants: Constants, size: tuple[int, int], dtype: str
) -> InitialState:
    zeros: FloatArray = np.zeros((size[0], 1, size[1]), np.float64 if dtype == "float64" else np.float32)
    given = placed.input(name)
    if not given:
        return InitialState(_ZEROS, numbers=((key, zeros),))
    try:
        variants = constants.variants(placed.scope, given)
    except UnreadableError:
        return _computed(placed, given)
    values, value = variants[0]
    sources = [scope.find(source)[2] for scope, source in value.origins]
    if any(isinstance(source, NodeProto) for source in sources):
        return _computed(placed, given, values, value)
    if value.origins:
        names = " and ".join(f'"{source}"' for _, source in values.among(value))
        text = f"the caller of the model gives {name} of this network as {names}"
        return InitialState(_INPUT, (text,), rows=(_rows(values, value, placed),))
    arrays = [_constant_state(placed, name, variant, size, dtype) for _, variant in variants]
    # Where the number of samples is open, the state is read if it is one for all of them.
    if any(variant.open_size and array.shape[1] > 1 for (_, variant), array in zip(variants, arrays, strict=True)):
        return _computed(placed, given)
    if any(not np.array_equal(array, arrays[0], equal_nan=True) for array in arrays):
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
    return tuple((values.origin_of(int(index)), int(index)) for index in first.reshape(len(first), -1)[:, 0])


def _computed(placed: PlacedNode, name: str, values: Values | None = None, value: Value | None = None) -> InitialState:
    """A state that another part of the model computes, and that part's name."""
    origins = [] if values is None or value is None else values.among(value)
    if origins and all(_is_final_state(*origin) for origin in origins):
        nodes = dict.fromkeys(f'"{PlacedNode(scope.producers[name], scope).name}"' for scope, name in origins)
        return _started_from(f"the final state of {' and '.join(nodes)}")
    names = [f'"{ancestor.name}"' for ancestor in recurrent_ancestors(placed.scope, [name]).values()]
    if names:
        return _started_from(f"values that it computes from {' and '.join(names[:_LONGEST_LIST])}")
    scope, name, source = placed.scope.find(name)
    for _ in range(_LONGEST_WAY):
        if not isinstance(source, NodeProto) or source.op_type not in MOVES or not source.input:
            break
        before = scope.find(source.input[0])
        source_before = before[2]
        if isinstance(source_before, TensorProto) or (
            isinstance(source_before, NodeProto) and source_before.op_type == "Constant"
        ):
            if source.op_type == "Expand":
                spread = f'which its node "{PlacedNode(source, scope).name}" (Expand) spreads over the samples'
                return _started_from(f'numbers in the file ("{before[1]}"), {spread}')
            break  # rows of a constant that the model chooses
        scope, name, source = before
    if isinstance(source, NodeProto):
        return _started_from(f'values that its node "{PlacedNode(source, scope).name}" ({source.op_type}) computes')
    return _started_from(f'"{name}", which a graph inside it passes from turn to turn')


def _is_final_state(scope: GraphScope, name: str) -> bool:
    return isinstance(scope.find(name)[2], NodeProto) and name != scope.producers[name].output[0]


def _started_from(source: str) -> InitialState:
    return InitialState(_COMPUTED, (f"the model starts this network from {source}",))

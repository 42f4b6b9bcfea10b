"""The recurrent layers of an ONNX model, and a model that runs with one RNN, LSTM or GRU node for each layer.

Nodes are the layers of one network if the input X of the upper one is the whole output Y of the lower one, element by
element, if their initial states are of one kind, depend on no layer below and are rows in the order of the layers, and
if both skip the same time steps.

A written model reads `input` (T, N, I) and the initial states `h_0`, and `c_0` of an LSTM, each (L·D, N, H), and gives
`output` (T, N, D·H) and the final states `h_n` and `c_n`; T and N are free.
"""

import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

import rnnviz
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.engines import onnx_layer
from rnnviz.io.model_formats import model_file, onnx_graph
from rnnviz.io.model_formats.model_file import ModelFile, Tensor, TensorFile, UnreadableError, readable
from rnnviz.io.model_formats.onnx_constants import Constants, Origin, Values, layout_of
from rnnviz.io.model_formats.onnx_graph import GraphScope, PlacedNode, nodes
from rnnviz.io.model_formats.onnx_nodes import OPERATORS, RecurrentNode, recurrent_node
from rnnviz.io.model_formats.onnx_unrolled import with_rolled

_LARGEST_BYTES = (1 << 31) - 1
"""The largest protobuf message, in bytes; the weights of larger models are in separate files."""
_OPSET, _IR_VERSION = 17, 8
"""Of 2022, which runtimes of today read, old ones too; later versions of the operators compute the same."""
_LARGEST_WEIGHTS = (1 << 31) - (1 << 20)
"""The largest size of the weights in a protobuf message, in bytes."""


def open_model(path: Path) -> ModelFile:
    """Every RNN, LSTM and GRU node, in subgraphs and functions too, and those that feed each other as one network."""
    return networks_of(_load(path), path).file


@dataclass(frozen=True)
class GraphNetworks:
    """The recurrent nodes of a graph, and the networks that they form: the numbers of the nodes of each entry."""

    file: ModelFile
    nodes: list[RecurrentNode]
    parts: list[tuple[int, ...]]


def networks_of(model: ModelProto, path: Path) -> GraphNetworks:
    """The networks of a model that was read from the file `path`."""
    with readable(path), names_as_text(path, "graph cannot be followed"):
        constants = Constants(model, path)
        placed = with_rolled(list(nodes(model)), constants)
        found = [recurrent_node(node, constants) for node in placed if node.operator in OPERATORS]
        networks = model_file.with_stacks([node.layer for node in found], _fed_by(found, constants))
        return GraphNetworks(ModelFile(path, networks.values()), found, list(networks))


def read_whole(path: Path) -> ModelProto:
    """The model with all of its numbers, those in files within its folder too."""
    model, size = _load(path), 0
    with readable(path):
        for graph in (model.graph, *model.functions):
            for tensor in onnx_graph.tensors_in(graph):
                if not tensor.external_data:
                    continue
                numbers = onnx_graph.stored_numbers(tensor, path)()
                size += numbers.nbytes
                if size > _LARGEST_WEIGHTS:
                    raise InputError(f"{path} has more than {_LARGEST_WEIGHTS:,} bytes of weights: it cannot be run.")
                tensor.ClearField("external_data")
                tensor.ClearField("data_location")
                tensor.raw_data = numbers.tobytes()
    return model


def open_tensors(path: Path) -> TensorFile:
    """The initializers of the main graph, in the model or in its folder."""
    model = _load(path)
    with names_as_text(path, "tensors have no names that can be read"):
        initializers = {tensor.name: tensor for tensor in model.graph.initializer}

    def read(name: str) -> FloatArray:
        with readable(f"{path}: {name}"):
            numbers = onnx_graph.stored_numbers(initializers[name], path)()
        return numbers.astype(np.float64 if numbers.dtype == np.float64 else np.float32)

    types = {name: tensor.data_type for name, tensor in initializers.items()}
    names = {name: onnx_graph.TYPES.get(kind) or onnx_graph.type_name(kind) for name, kind in types.items()}
    return TensorFile({name: Tensor(tuple(each.dims), names[name]) for name, each in initializers.items()}, read)


def write_weights(network: Network, parameters: Parameters, path: Path) -> None:
    """Write a model of the network; raises an InputError if its weights are more than one ONNX file may hold."""
    # ONNX has rows of a coupled forget gate, too.
    blocks = len(onnx_layer.operator(network.kind).gates)
    size = sum(array.nbytes for array in parameters.values()) * blocks // network.kind.gate_count
    if size > _LARGEST_WEIGHTS:
        raise InputError(f"The weights have {size:,} bytes: an ONNX file may hold {_LARGEST_WEIGHTS:,}.")
    model = helper.make_model(
        _graph(network, parameters),
        producer_name="rnnviz",
        producer_version=rnnviz.__version__,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    path.write_bytes(model.SerializeToString())


def _fed_by(layers: Sequence[RecurrentNode], constants: Constants) -> dict[int, int]:
    """For each of `layers` that is the upper one of two in a network: the numbers of both."""
    places = {layer.placed.key: number for number, layer in enumerate(layers)}
    below: dict[int, int] = {}
    for number, layer in enumerate(layers):
        lower = _lower(layer.placed, places, constants)
        if lower is None or layers[lower].lengths != layer.lengths or not _in_order(layers[lower], layer):
            continue
        # An initial state that follows from the outputs of layers below is of another network.
        lowers = {layers[k].placed.key for k in model_file.chain_from(lower, below)}
        names = [name for name in map(layer.placed.input, ("initial_h", "initial_c")) if name]
        ancestors = onnx_graph.recurrent_ancestors(layer.placed.scope, names if layer.state.kind == "computed" else ())
        if lowers.isdisjoint(ancestors):
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


def files_beside(path: Path) -> list[str]:
    """The files of weights in or below the model's folder."""
    stored = (entry for tensor in onnx_graph.tensors_in(_load(path).graph) for entry in tensor.external_data)
    names = dict.fromkeys(entry.value for entry in stored if entry.key == "location")
    folder = path.parent.resolve()
    for name in names:
        if not (path.parent / name).resolve().is_relative_to(folder):
            raise InputError(f'{path} cannot be copied: its weights are in "{name}", outside the model\'s folder.')
    return list(names)


@contextmanager
def names_as_text(path: Path, fault: str) -> Iterator[None]:
    """Raise an InputError about names in the file that are not valid UTF-8."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a valid ONNX model: its {fault}.") from error


def _load(path: Path) -> ModelProto:
    model = ModelProto()
    with readable(path):
        if (size := path.stat().st_size) > _LARGEST_BYTES:
            raise InputError(f"{path} has {size:,} bytes: it must have less than 2 GB, with weights in other files.")
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                model.ParseFromString(memoryview(content))
        except (DecodeError, ValueError, RecursionError) as error:
            raise InputError(
                f"{path} is not a valid ONNX model: its content is not a protobuf message: it is incomplete or damaged."
            ) from error
    if not model.ir_version or not model.HasField("graph") or not model.opset_import:
        raise InputError(f"{path} is not a valid ONNX model: it has no graph.")
    return model


def _graph(network: Network, parameters: Parameters) -> GraphProto:
    before, layers, after = list[NodeProto](), list[NodeProto](), list[NodeProto]()
    constants: dict[str, Any] = {"one": np.array([1], np.int64), "joined": np.array([0, 0, -1], np.int64)}
    constants["states_per_layer"] = np.full(network.num_layers, network.directions, np.int64)
    for layer in range(network.num_layers):
        weights = onnx_layer.weights(network, parameters, layer)
        constants |= {f"layer{layer}.{name}": array for name, array in weights.items()}
        layers += _layer(network, layer)
    if network.num_layers > 1:
        for name in network.kind.state_symbols:
            first, last = (_of_layers(network, f"{name}_{end}") for end in "0n")
            before.append(helper.make_node("Split", [f"{name}_0", "states_per_layer"], first, axis=0))
            after.append(helper.make_node("Concat", last, [f"{name}_n"], axis=0))
    nodes = [*before, *layers, *after]
    used = {name for node in nodes for name in node.input}
    return helper.make_graph(
        nodes,
        network.cell,
        _values(network, "input", network.input_size, "0"),
        _values(network, "output", network.directions * network.hidden_size, "n"),
        [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used],
    )


def _values(network: Network, sequence: str, features: int, end: str) -> list[ValueInfoProto]:
    """The sequence and the states that are the model's inputs or outputs."""
    shapes: dict[str, list[Any]] = {sequence: ["timesteps", "samples", features]}
    lanes = network.num_layers * network.directions
    shapes |= {f"{name}_{end}": [lanes, "samples", network.hidden_size] for name in network.kind.state_symbols}
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def _layer(network: Network, layer: int) -> list[NodeProto]:
    """The layer's node, and nodes that reshape its Y (T, D, N, H) to (T, N, D·H)."""
    first, last = layer == 0, layer == network.num_layers - 1
    states = network.kind.state_symbols
    before = [_of_layers(network, f"{name}_0")[layer] for name in states]
    after = [_of_layers(network, f"{name}_n")[layer] for name in states]
    x, out = "input" if first else f"layer{layer - 1}.output", "output" if last else f"layer{layer}.output"
    y, no_lengths = f"layer{layer}.Y", ""
    inputs = [x, *(f"layer{layer}.{name}" for name in "WRB"), no_lengths, *before]
    inputs += [f"layer{layer}.P"] * bool(network.kind.parameters)
    operator, attributes = onnx_layer.operator(network.kind).name, onnx_layer.attributes(network)
    nodes = [helper.make_node(operator, inputs, [y, *after], name=f"layer{layer}", **attributes)]
    if network.directions == 1:
        return [*nodes, helper.make_node("Squeeze", [y, "one"], [out])]
    turned = f"layer{layer}.turned"
    nodes.append(helper.make_node("Transpose", [y], [turned], perm=[0, 2, 1, 3]))
    return [*nodes, helper.make_node("Reshape", [turned, "joined"], [out])]


def _of_layers(network: Network, state: str) -> list[str]:
    """The names of the slices of a state (L·D, N, H), one for each layer (D, N, H)."""
    if network.num_layers == 1:
        return [state]
    return [f"layer{layer}.{state}" for layer in range(network.num_layers)]

"""ONNX Runtime without telemetry: the only import of onnxruntime. From release 1.29 on its builds for Linux and macOS
write an identifier to the disk and send events to their maker unless a variable is set before the import; those for
Windows hand events to the system, which a call ends."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError, failed, first_line, last_line
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.words import plural
from rnnviz.engines import onnx_layer
from rnnviz.engines.base import Engine, EngineReport, LibraryEngine, Progress, fill_layer, initial_states

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

onnxruntime.disable_telemetry_events()

_STATES, _LENGTHS = ("initial_h", "initial_c"), "sequence_lens"
_OPSET, _IR_VERSION = 17, 9
_OPERATORS = ("RNN", "LSTM", "GRU")


class OnnxEngine(LibraryEngine):
    """A chain of single-layer ONNX graphs in ONNX Runtime on the CPU."""

    version = f"onnxruntime {onnxruntime.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        network = inputs.network
        session = open_session(_model(network, padded=bool(inputs.lengths)))
        x = np.ascontiguousarray(inputs.sequence)
        lengths = {_LENGTHS: np.array(inputs.lengths, np.int32)} if inputs.lengths else {}
        for layer in range(network.num_layers):
            states = initial_states(inputs.initial_state, layer, network.directions)
            feeds = {
                "X": x,
                **onnx_layer.weights(network, inputs.parameters, layer),
                **dict(zip(_STATES, states, strict=False)),
                **lengths,
            }
            try:
                y, *finals = session.run(None, feeds)
            except Exception as error:
                raise EngineError(failed("ONNX Runtime", error)) from error
            # Y is (T, D, N, H).
            x = np.concatenate([y[:, direction] for direction in range(network.directions)], axis=-1)
            fill_layer(trace, layer, x, finals)
            progress((layer + 1) / network.num_layers)
        return EngineReport()


def _model(network: Network, *, padded: bool = False) -> ModelProto:
    """A layer as an ONNX model: X (T, N, I), W, R, B, initial_h, initial_c (D, N, H) to Y (T, D, N, H), Y_h, Y_c; with
    padding also sequence_lens (N,). The weights are inputs: constants of the graph may not hold more than 2 GB."""
    count = len(network.kind.state_symbols)
    states, outputs = _STATES[:count], ["Y", "Y_h", "Y_c"][: 1 + count]
    ranks = {"X": 3, "W": 3, "R": 3, "B": 2, **dict.fromkeys(states, 3)}
    read = ["X", "W", "R", "B", _LENGTHS if padded else "", *states]
    if network.kind.parameters:
        read.append("P")
        ranks["P"] = 2
    node = helper.make_node(onnx_layer.operator(network.kind).name, read, outputs, **onnx_layer.attributes(network))
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * rank) for name, rank in ranks.items()]
    if padded:
        given.append(helper.make_tensor_value_info(_LENGTHS, TensorProto.INT32, [None]))
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    graph = helper.make_graph([node], "layer", given, made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def open_session(model: ModelProto, optimized: bool = True) -> onnxruntime.InferenceSession:
    """ONNX Runtime on the CPU with a model; an EngineError if it is refused. Without optimization each node is computed
    by itself, from values of the types that the model declares."""
    options = onnxruntime.SessionOptions()
    # Its errors become sentences.
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # ONNX Runtime has its own threads, and does not ask how many others are to use.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdecimal() else 0
    try:
        content, providers = model.SerializeToString(), ["CPUExecutionProvider"]
        # With its fallback it would print what it tries.
        return onnxruntime.InferenceSession(content, options, providers=providers, enable_fallback=0)
    except Exception as error:
        raise EngineError(f"ONNX Runtime refused the network: {last_line(error)}") from error


def run_model(
    model: ModelProto, feeds: Mapping[str, NDArray[Any]], wanted: Sequence[str], optimized: bool = True
) -> dict[str, Any]:
    """The outputs `wanted` of a model by name, arrays or lists of arrays; raises an EngineError if the run fails."""
    session = open_session(model, optimized)
    try:
        return dict(zip(wanted, session.run(wanted, feeds), strict=True))
    except Exception as error:
        raise EngineError(failed("ONNX Runtime", error)) from error


class OnnxModelEngine(LibraryEngine):
    """A model with the inputs `input`, `h_0` and `c_0` and the outputs `output`, `h_n` and `c_n`, time first, whose
    recurrent nodes are the network's layers, from the bottom. The parameters of a run are not looked at."""

    version = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        try:
            model = onnx.load(self._path, format="protobuf")
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:
            raise EngineError(f"ONNX refused the model: {first_line(error)}") from error
        # The model is made to give the output of each recurrent node, too.
        layers = [node.output[0] for node in model.graph.node if node.op_type in _OPERATORS]
        model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in layers)
        if len(layers) != inputs.network.num_layers:
            raise EngineError(
                f"{self._path} has {plural(len(layers), 'recurrent layer')}, expected {inputs.network.num_layers}."
            )
        states = inputs.network.kind.state_symbols
        wanted = [*layers, "output", *(f"{name}_n" for name in states)]
        feeds = {"input": np.ascontiguousarray(inputs.sequence)}
        feeds |= {f"{name}_0": array for name, array in zip(states, inputs.initial_state.values(), strict=True)}
        given = run_model(model, feeds, wanted)
        for layer, name in enumerate(layers):
            # Y is (T, D, N, H).
            trace.hidden[layer] = given[name].swapaxes(0, 1)
        trace.output[:] = given["output"]
        for name in states:
            trace[f"state.{name}"][:] = given[f"{name}_n"]
        progress(1.0)
        return EngineReport()


def read_file(path: Path) -> Engine:
    return OnnxModelEngine(path)


def write_node_test(inputs: Inputs, arrays: Mapping[str, NDArray[Any]], folder: Path) -> None:
    """Write a layer as a node test of ONNX: model.onnx, and its inputs and outputs as tensors. `arrays` are h, state
    and cell_state."""
    network = inputs.network
    model = _model(network, padded=bool(inputs.lengths))
    feeds = {
        "X": inputs.sequence,
        **onnx_layer.weights(network, inputs.parameters, 0),
        **dict(zip(_STATES, initial_states(inputs.initial_state, 0, network.directions), strict=False)),
    }
    if inputs.lengths:
        feeds[_LENGTHS] = np.array(inputs.lengths, np.int32)
    made = {"Y": arrays["h"][0].swapaxes(0, 1), "Y_h": arrays["state"]}
    if "cell_state" in arrays:
        made["Y_c"] = arrays["cell_state"]
    place = folder / "test_data_set_0"
    place.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    for kind, values, tensors in (("input", feeds, model.graph.input), ("output", made, model.graph.output)):
        for k, described in enumerate(tensors):
            tensor = numpy_helper.from_array(np.ascontiguousarray(values[described.name]), described.name)
            (place / f"{kind}_{k}.pb").write_bytes(tensor.SerializeToString())

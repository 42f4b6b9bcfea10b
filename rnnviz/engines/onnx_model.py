"""An ONNX model from its file, run by ONNX Runtime, with the output of each layer."""

from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper

from rnnviz.core.errors import EngineError, first_line, last_line
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.onnx import open_session
from rnnviz.engines.onnx_runtime import onnxruntime

_OPERATORS = ("RNN", "LSTM", "GRU")


class OnnxModelEngine:
    """A model with the inputs `input`, `h_0` and `c_0` and the outputs `output`, `h_n` and `c_n`, time first.

    Its recurrent nodes are the network's layers, from the bottom.
    """

    provides_cell_state = False
    version = f"onnxruntime {onnxruntime.__version__}"

    def __init__(self, path: Path) -> None:
        self._path = path

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`; the parameters of `inputs` are not looked at."""
        model = self._load()
        layers = _show_layers(model)
        if len(layers) != inputs.network.num_layers:
            raise EngineError(f"The model has {len(layers)} layers in place of {inputs.network.num_layers}.")
        states = inputs.network.kind.state_symbols
        wanted = [*layers, "output", *(f"{name}_n" for name in states)]
        feeds = {"input": np.ascontiguousarray(inputs.sequence)}
        feeds |= {f"{name}_0": array for name, array in zip(states, inputs.initial_state.arrays, strict=True)}
        session = open_session(model)
        try:
            given = dict(zip(wanted, session.run(wanted, feeds), strict=True))
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed: {last_line(error)}") from error
        for layer, name in enumerate(layers):
            # Y is (T, D, N, H).
            trace.hidden[layer] = given[name].swapaxes(0, 1)
        trace.output[:] = given["output"]
        trace.state_h[:] = given["h_n"]
        if trace.state_c is not None:
            trace.state_c[:] = given["c_n"]
        progress(1.0)
        return EngineReport()

    def _load(self) -> ModelProto:
        try:
            model = onnx.load(self._path, format="protobuf")
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:
            raise EngineError(f"ONNX refused the model: {first_line(error)}") from error
        return model


def _show_layers(model: ModelProto) -> list[str]:
    """Let the model give the output of each recurrent node, too; their names, from the bottom."""
    names = [node.output[0] for node in model.graph.node if node.op_type in _OPERATORS]
    model.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    return names

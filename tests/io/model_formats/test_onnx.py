"""ONNX models as PyTorch exports them, and the same computed by ONNX Runtime."""

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from rnnviz.core.config import Config, Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.model_formats.onnx import open_model
from tests.oracles.computed import assert_near, computed

torch = pytest.importorskip("torch")

MODULES = {
    "rnn_relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "rnn_tanh": (torch.nn.RNN, {}),
    "lstm": (torch.nn.LSTM, {}),
    "gru": (torch.nn.GRU, {}),
}
CASES = [
    pytest.param(cell, both, layers, id=f"{cell}-{'bi' if both else 'uni'}-{layers}")
    for cell in MODULES
    for both in (False, True)
    for layers in (1, 3)
]


class Exported(torch.nn.Module):
    """A recurrent network among other layers, whose outputs are all that it returns."""

    def __init__(self, cell, both, layers, **options):
        super().__init__()
        kind, given = MODULES[cell]
        self.before = torch.nn.Linear(3, 4)
        self.rnn = kind(4, 5, num_layers=layers, bidirectional=both, **given, **options)
        for weight in self.rnn.parameters():
            torch.nn.init.normal_(weight, std=0.4)

    def forward(self, x):
        return self.rnn(torch.tanh(self.before(x)))[0]


def export(module, x, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no other package is on its way out
        torch.onnx.export(module.eval(), (x,), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": [0, 1]})


def gluon_name(name):
    """weight_ih_l2_reverse as r2_i2h_weight."""
    kind, place, layer, *reverse = name.split("_")
    side = "r" if reverse else "l"
    return f"{side}{layer[1:]}_{'i2h' if place == 'ih' else 'h2h'}_{kind}"


@pytest.mark.parametrize(("cell", "both", "layers"), CASES)
def test_an_export_of_pytorch_is_read_to_the_same_weights_and_outputs(cell, both, layers, tmp_path):
    torch.manual_seed(layers)
    module = Exported(cell, both, layers, batch_first=both)
    x = torch.randn(2, 6, 3)
    path = tmp_path / "model.onnx"
    export(module, x, path)
    model = open_model(path)
    entries = model.entries
    assert len(entries) == (1 if layers == 1 else layers + 1)
    entry = entries[0]
    assert (entry.cell, entry.input_size, entry.hidden_size) == (cell, 4, 5)
    assert (entry.num_layers, entry.bidirectional, entry.dtype) == (layers, both, "float32")
    assert all(e.supported and not e.reason for e in entries)
    arrays = model.parameters(entry.name)
    expected = {gluon_name(name): weight.detach().numpy() for name, weight in module.rnn.named_parameters()}
    assert arrays.keys() == expected.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)

    given = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": x.numpy()})[0]
    inner = torch.tanh(module.before(x)).detach().numpy()
    network = entry.network()
    zeros = np.zeros(network.state_shape(2 if both else 6), np.float32)
    inputs = Inputs(
        Config(network),
        inner.swapaxes(0, 1) if both else inner,
        Parameters(network, arrays),
        dict.fromkeys(network.kind.state_symbols, zeros),
    )
    output = computed(ManualEngine(), inputs)[0].output
    assert_near(output.swapaxes(0, 1) if both else output, given, 1e-5)


def test_each_layer_of_a_stack_is_offered_by_itself_too(tmp_path):
    module = Exported("lstm", True, 3)
    export(module, torch.randn(2, 6, 3), tmp_path / "model.onnx")
    model = open_model(tmp_path / "model.onnx")
    stack, *single = [entry.name for entry in model.entries]
    assert stack == f"{single[0]}..{single[-1]}"
    np.testing.assert_array_equal(
        model.parameters(single[1])["r0_h2h_weight"], model.parameters(stack)["r1_h2h_weight"]
    )


def test_layers_with_anything_between_them_are_not_a_stack(tmp_path):
    module = torch.nn.Module()
    first, second = torch.nn.GRU(3, 3), torch.nn.GRU(3, 3)
    module.first, module.second = first, second
    module.forward = lambda x: second(torch.relu(first(x)[0]))[0]
    export(module, torch.randn(2, 6, 3), tmp_path / "model.onnx")
    assert [entry.num_layers for entry in open_model(tmp_path / "model.onnx").entries] == [1, 1]


def test_double_weights_stay_double(tmp_path):
    module = torch.nn.LSTM(3, 4).double()
    export(module, torch.randn(2, 6, 3, dtype=torch.float64), tmp_path / "model.onnx")
    model = open_model(tmp_path / "model.onnx")
    assert model.entries[0].dtype == "float64"
    array = model.parameters(model.entries[0].name)["l0_i2h_weight"]
    np.testing.assert_array_equal(array, module.weight_ih_l0.detach().numpy(), strict=True)


def test_weights_that_the_graph_puts_together_are_read(tmp_path):
    """As exporters write them that fold no constants."""
    rng = np.random.default_rng(3)
    gates = [rng.normal(size=(4, 3)).astype(np.float32) for _ in "zrh"]
    recurrent = rng.normal(size=(1, 4, 12)).astype(np.float32)
    constants = {"g0": gates[0], "g1": gates[1], "g2": gates[2].T, "R": recurrent, "axes": np.array([0])}
    constants |= {"from": np.array([4]), "to": np.array([2**62]), "last": np.array([1]), "shape": np.array([1, -1, 3])}
    nodes = [
        helper.make_node("Transpose", ["g2"], ["g2t"]),
        helper.make_node("Concat", ["g0", "g1", "g2t"], ["all"], axis=0),
        helper.make_node("Concat", ["all", "all"], ["twice"], axis=0),
        helper.make_node("Constant", [], ["start"], value_ints=[12]),
        helper.make_node("Slice", ["twice", "start", "to", "axes"], ["half"]),
        helper.make_node("Unsqueeze", ["half", "axes"], ["W"]),
        helper.make_node("Transpose", ["R"], ["Rt"], perm=[0, 2, 1]),
        helper.make_node("Identity", ["Rt"], ["Ri"]),
        helper.make_node("GRU", ["x", "W", "Ri"], ["Y"], hidden_size=4, linear_before_reset=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None, 3])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "model.onnx")
    opened = open_model(tmp_path / "model.onnx")
    assert opened.entries[0].network() == Network("gru", 3, 4)
    arrays = opened.parameters("Y")
    np.testing.assert_array_equal(arrays["l0_i2h_weight"], np.concatenate([gates[1], gates[0], gates[2]]))
    z, r, h = np.split(recurrent[0].T, 3)
    np.testing.assert_array_equal(arrays["l0_h2h_weight"], np.concatenate([r, z, h]))
    np.testing.assert_array_equal(arrays["l0_i2h_bias"], np.zeros(12, np.float32))

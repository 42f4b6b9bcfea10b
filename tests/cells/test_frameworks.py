"""The cells agree with PyTorch's modules and ONNX Runtime's operators."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells import activations as a
from rnnviz.cells.activations import tanh
from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from tests.cells.layers import DrawnLayer, draw_layer, drawn_layers, gradients_of
from tests.oracles.onnx_cells import values_of_onnxruntime

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")

TORCH_CELLS = [name for name, cell in CELLS.items() if cell.torch]
ONNX_CELLS = [name for name, cell in CELLS.items() if cell.onnx]


def computed(layer: DrawnLayer) -> dict[str, np.ndarray]:
    """h over time and the final states, as the oracles name them."""
    out = layer.outputs()
    final = NumpyProgram(layer.cell, layer.parameters, layer.batch_size).run(layer.x, layer.state, out)
    return {"h": out["h"]} | {f"final_{name}": array for name, array in final.items()}


def assert_agrees(layer: DrawnLayer, expected: dict[str, np.ndarray], tolerance: float) -> None:
    for name, array in computed(layer).items():
        assert array.shape == expected[name].shape
        scale = max(1.0, float(np.abs(expected[name]).max()))
        np.testing.assert_allclose(array, expected[name], rtol=0.0, atol=tolerance * scale, err_msg=name)


@pytest.mark.parametrize("name", TORCH_CELLS)
@given(data=st.data(), dtype=st.sampled_from(["float32", "float64"]))
def test_torch(name, data, dtype):
    torch_cells = pytest.importorskip("tests.oracles.torch_cells", exc_type=ImportError)
    layer = data.draw(drawn_layers(CELLS[name]).filter(projects_less)).in_type(dtype)
    expected = torch_cells.values_of_torch(name, layer.parameters, layer.x, layer.state)
    assert_agrees(layer, expected, 2e-5 if dtype == "float32" else 1e-12)


def projects_less(layer: DrawnLayer) -> bool:
    """PyTorch has no projection to as many units or more."""
    sizes = layer.sizes
    return sizes.projection_size is None or sizes.projection_size < sizes.hidden_size


@pytest.mark.parametrize("name", TORCH_CELLS)
@given(data=st.data())
def test_gradients_of_torch(name, data):
    torch_cells = pytest.importorskip("tests.oracles.torch_cells", exc_type=ImportError)
    layer = data.draw(drawn_layers(CELLS[name]).filter(projects_less))
    generator = np.random.default_rng(0)
    loss = {symbol: generator.normal(size=array.shape) for symbol, array in layer.state.items()}
    expected = torch_cells.gradients_of_torch(name, layer.parameters, layer.x, layer.state, loss)
    gradients = gradients_of(layer, None, loss)
    found = {"x": gradients.x, **gradients.before, **gradients.parameters}
    assert sorted(found) == sorted(expected)
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-10, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("name", ONNX_CELLS)
@given(data=st.data())
def test_onnx_runtime(name, data):
    layer = data.draw(drawn_layers(CELLS[name])).in_type("float32")
    assert_agrees(layer, values_of_onnxruntime(name, layer.parameters, layer.x, layer.state), 2e-5)


@pytest.mark.parametrize("clip", [0.2, 0.7])
@pytest.mark.parametrize("name", ONNX_CELLS)
def test_onnx_runtime_with_clip(name, clip):
    layer = draw_layer(CELLS[name].with_clip(clip), timesteps=5, scale=0.8).in_type("float32")
    expected = values_of_onnxruntime(name, layer.parameters, layer.x, layer.state, clip=clip)
    assert_agrees(layer, expected, 2e-5)


# ONNX's name, its alpha and beta, and ours.
ACTIVATIONS = [
    ("Sigmoid", None, None, a.sigmoid),
    ("Tanh", None, None, a.tanh),
    ("Relu", None, None, a.relu),
    ("Affine", 0.7, 0.1, a.affine.with_constants(0.7, 0.1)),
    ("LeakyRelu", 0.3, None, a.leaky_relu.with_constants(0.3)),
    ("ThresholdedRelu", 0.2, None, a.thresholded_relu.with_constants(0.2)),
    ("ScaledTanh", 0.8, 0.6, a.scaled_tanh.with_constants(0.8, 0.6)),
    ("HardSigmoid", 0.3, 0.4, a.hard_sigmoid.with_constants(0.3, 0.4)),
    ("Elu", 0.9, None, a.elu.with_constants(0.9)),
    ("Softsign", None, None, a.softsign),
    ("Softplus", None, None, a.softplus),
]
ROLES = {"rnn_tanh": ["activation"], "gru": ["gate", "candidate"], "lstm": ["gate", "candidate", "output"]}
ONNX_DEFAULTS = {"activation": "Tanh", "gate": "Sigmoid", "candidate": "Tanh", "output": "Tanh"}


@pytest.mark.parametrize("name", ROLES)
@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda entry: entry[0])
def test_onnx_runtime_with_activations(name, activation):
    theirs, alpha, beta, ours = activation
    for role in ROLES[name]:
        layer = draw_layer(CELLS[name].with_activations(**{role: ours}), timesteps=3, scale=0.4).in_type("float32")
        named = [(theirs, alpha, beta) if r == role else (ONNX_DEFAULTS[r], None, None) for r in ROLES[name]]
        expected = values_of_onnxruntime(name, layer.parameters, layer.x, layer.state, activations=named)
        assert_agrees(layer, expected, 3e-5)


def test_the_oracles_would_see_another_cell():
    """The comparison above is not one of a cell with itself."""
    layer = draw_layer(CELLS["gru"]).in_type("float32")
    other: CellSpec = CELLS["gru_reset_before"]
    expected = values_of_onnxruntime(other.name, layer.parameters, layer.x, layer.state)
    with pytest.raises(AssertionError):
        assert_agrees(layer, expected, 2e-5)
    assert dict(layer.cell.activations)["candidate"] is tanh

"""Optimizers and clipping against those of PyTorch, and the settings as MXNet reads them."""

from typing import Any

import numpy as np
import pytest

from rnnviz.training.model import OptimizerState, clipped, global_norm, update
from rnnviz.training.task import Training


# The first optimizer of PyTorch takes seconds to import.
@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "momentum"), [("adam", 0.9), ("sgd", 0.9), ("sgd", 0.0)])
def test_updates_are_those_of_pytorch(optimizer, momentum):
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(0)
    parameters = {"a": generator.normal(size=(3, 2)), "b": generator.normal(size=4)}
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in parameters.items()}
    training = Training(optimizer=optimizer, momentum=momentum, learning_rate=0.03, clip_norm=1.5)
    if optimizer == "adam":
        theirs: Any = torch.optim.Adam(tensors.values(), lr=0.03)
    else:
        theirs = torch.optim.SGD(tensors.values(), lr=0.03, momentum=momentum)
    state = OptimizerState()
    for scale in (0.1, 5.0, 1e-9, 1.0):
        gradients = {name: scale * generator.normal(size=array.shape) for name, array in parameters.items()}
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[name])
        norm = torch.nn.utils.clip_grad_norm_(tensors.values(), 1.5)
        theirs.step()
        assert global_norm(gradients) == pytest.approx(float(norm), rel=1e-12)
        parameters, state = update(training, state, parameters, clipped(gradients, float(norm), training))
        for name, array in parameters.items():
            assert array == pytest.approx(tensors[name].detach().numpy(), rel=1e-12)
    assert state.count == 4


def test_gradients_above_the_largest_norm_are_scaled_and_the_type_of_the_parameters_stays():
    gradients = {"a": np.array([3.0, 4.0])}
    assert clipped(gradients, 5.0, Training(clip_norm=6.0)) is gradients
    assert clipped(gradients, 5.0, Training(clip_norm=0.0)) is gradients
    assert clipped(gradients, 5.0, Training(clip_norm=1.0))["a"] == pytest.approx([0.6, 0.8], rel=1e-6)
    arrays = {"a": np.ones((2, 2), np.float32)}
    for optimizer in ("adam", "sgd"):
        new, _ = update(Training(optimizer=optimizer), OptimizerState(), arrays, arrays)
        assert new["a"].dtype == np.float32


def test_adam_computes_float32_in_float32():
    # Each operation is rounded correctly, so that the bits are those of every machine and version of NumPy.
    rng = np.random.default_rng(3)
    w, gradient = (rng.normal(size=(20, 30)).astype(np.float32) for _ in range(2))
    gradient *= np.float32(1e-7)
    one = np.float64(1.0)
    step = np.float32(0.03 * np.sqrt(one - 0.999) / (one - 0.9))
    epsilon = np.float32(1e-8 * np.sqrt(one - 0.999))
    first = np.float32(one - 0.9) * gradient
    second = np.float32(one - 0.999) * (gradient * gradient)
    expected = w - step * first / (np.sqrt(second) + epsilon)
    assert expected.dtype == np.float32
    training = Training(optimizer="adam", learning_rate=0.03, library="torch")
    new, state = update(training, OptimizerState(), {"w": w}, {"w": gradient})
    np.testing.assert_array_equal(new["w"], expected, strict=True)
    assert {array.dtype for array in (*state.velocity.values(), *state.second.values())} == {np.dtype(np.float32)}

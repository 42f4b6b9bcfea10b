"""A network with a linear layer above it, the loss of its predictions, and the update of its parameters.

Optimizers and clipping have the forms of the libraries that they are compared with.

Adam is algorithm 1 of Kingma & Ba (2015), as PyTorch computes it. Gluon adds epsilon before it corrects the bias of the
second moment, which differs where gradients are as small as epsilon. MXNet's operators read their settings in float32,
also for arrays in float64: there 1 - 0.999 is 0.00099998713.
"""

from collections.abc import Mapping
from dataclasses import field
from math import sqrt

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters, draw_parameters
from rnnviz.frozen import dataclass
from rnnviz.training.problems import Batch, BatchSource
from rnnviz.training.task import Training, TrainingTask

LINEAR_WEIGHT, LINEAR_BIAS = "linear_weight", "linear_bias"
"""Names of the parameters of the linear layer, (O, D·H) and (O,)."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions of a batch and the mean loss of the counted ones.

    values: (T, N, O): the predicted numbers, or the probabilities of the classes.
    accuracy: The part of the counted classes that is predicted; NaN for numbers.
    scale: The mean magnitude of the values and targets, whose difference is the error: the rounding errors of a correct
        gradient are a fraction of it, even if its terms cancel.
    out: (T, N, D·H): the gradient of the loss with respect to the network's out; `parameters` has the gradients of the
        linear layer, by name.
    """

    values: FloatArray
    loss: float
    accuracy: float
    scale: float
    out: FloatArray
    parameters: dict[str, FloatArray]


def softmax(logits: FloatArray) -> FloatArray:
    """(..., O): the probabilities of classes."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: FloatArray = e / e.sum(axis=-1, keepdims=True)
    return probabilities


def predict(parameters: Mapping[str, FloatArray], out: FloatArray, batch: Batch, *, classes: bool) -> Prediction:
    """The predictions from out (T, N, D·H); the loss is the mean squared error, of classes the mean cross-entropy."""
    weight, bias = parameters[LINEAR_WEIGHT], parameters[LINEAR_BIAS]
    logits = out @ weight.T + bias
    counted, target = batch.counted, batch.target
    count = int(counted.sum())
    accuracy = float("nan")
    if classes:
        values = softmax(logits)
        index = target[..., np.newaxis].astype(np.intp)
        of_target = np.take_along_axis(values, index, axis=-1)[..., 0]
        loss = float(-np.log(np.maximum(of_target[counted], np.finfo(values.dtype).tiny)).mean(dtype=np.float64))
        accuracy = float((values.argmax(axis=-1) == target)[counted].mean())
        error = values.copy()
        np.put_along_axis(error, index, of_target[..., np.newaxis] - 1, axis=-1)
        # The probabilities of a prediction, and those of its target, sum to 1.
        scale = 2.0
    else:
        values = logits
        error = values - target.astype(values.dtype)
        loss = float((error[counted].astype(np.float64) ** 2).mean())
        error = error * (2.0 / error.shape[-1])
        scale = 2.0 * float((np.abs(values) + np.abs(target))[counted].mean(dtype=np.float64))
    error = (error * (counted / count)[..., np.newaxis]).astype(out.dtype)
    flat = error.reshape(-1, error.shape[-1])
    gradients = {LINEAR_WEIGHT: flat.T @ out.reshape(len(flat), -1), LINEAR_BIAS: flat.sum(axis=0)}
    return Prediction(values, loss, accuracy, scale, error @ weight, gradients)


def initial_parameters(task: TrainingTask, source: BatchSource) -> dict[str, FloatArray]:
    """The network's by Gluon's names, then the linear layer's: weights uniform within ±1/sqrt(D·H), biases 0."""
    network, training = task.network, task.training
    arrays = {name: np.array(array) for name, array in draw_parameters(network, task.parameters).items()}
    if "f" in network.kind.gate_symbols and "c" in network.kind.state_symbols:
        rows = network.kind.gate_symbols.index("f") * network.hidden_size
        for name, array in arrays.items():
            if name.endswith("_bias"):
                array[rows : rows + network.hidden_size] = training.forget_bias * name.endswith("i2h_bias")
    width = network.directions * network.output_size
    generator = np.random.default_rng((task.parameters.seed, 1))
    reach = 1.0 / np.sqrt(width)
    weight = generator.uniform(-reach, reach, (source.output_size, width))
    arrays[LINEAR_WEIGHT] = weight.astype(network.dtype)
    arrays[LINEAR_BIAS] = np.zeros(source.output_size, network.dtype)
    return arrays


def network_parameters(network: Network, parameters: Mapping[str, FloatArray]) -> Parameters:
    return Parameters(network, {name: parameters[name] for name in network.parameter_shapes()})


_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, eq=False)
class OptimizerState:
    """Moving averages by name: `velocity` is SGD's momentum or Adam's first moment, `second` Adam's second moment."""

    count: int = 0
    velocity: Mapping[str, FloatArray] = field(default_factory=dict)
    second: Mapping[str, FloatArray] = field(default_factory=dict)


def global_norm(gradients: Mapping[str, FloatArray]) -> float:
    return float(np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in gradients.values())))


def clipped(gradients: Mapping[str, FloatArray], norm: float, training: Training) -> Mapping[str, FloatArray]:
    """The gradients by name in their shapes, scaled down to `clip_norm` where their norm is larger."""
    if training.clip_norm == 0:
        return gradients
    scale = training.clip_norm / (norm + (1e-8 if training.library == "gluon" else 1e-6))
    if scale >= 1.0 or not np.isfinite(scale):
        return gradients
    return {name: g * g.dtype.type(scale) for name, g in gradients.items()}


def update(
    training: Training, state: OptimizerState, parameters: Mapping[str, FloatArray], gradients: Mapping[str, FloatArray]
) -> tuple[dict[str, FloatArray], OptimizerState]:
    """One step of the optimizer. `parameters` and `gradients` are of the same shapes."""
    setting = in_float32 if training.library == "gluon" else float
    count, rate = state.count + 1, training.learning_rate
    if training.optimizer == "sgd":
        rate, momentum = setting(rate), setting(training.momentum)
        velocity = {
            name: momentum * state.velocity[name] + g if name in state.velocity else g for name, g in gradients.items()
        }
        new = {name: w - rate * velocity[name] for name, w in parameters.items()}
        return _in_dtype(new, parameters), OptimizerState(count, velocity)
    beta_1, beta_2, epsilon = setting(_BETA_1), setting(_BETA_2), setting(_EPSILON)
    rest_1, rest_2 = setting(1 - beta_1), setting(1 - beta_2)
    first = {name: beta_1 * state.velocity.get(name, 0.0) + rest_1 * g for name, g in gradients.items()}
    second = {name: beta_2 * state.second.get(name, 0.0) + rest_2 * (g * g) for name, g in gradients.items()}
    bias_1, bias_2 = 1 - _BETA_1**count, sqrt(1 - _BETA_2**count)
    step = setting(rate * bias_2 / bias_1)
    if training.library != "gluon":
        epsilon *= bias_2
    new = {name: w - step * first[name] / (np.sqrt(second[name]) + epsilon) for name, w in parameters.items()}
    return _in_dtype(new, parameters), OptimizerState(count, first, second)


def in_float32(setting: float) -> float:
    """A setting as MXNet's operators read it."""
    return float(np.float32(setting))


def _in_dtype(new: Mapping[str, FloatArray], old: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    # NumPy 1.26 computes 0-dimensional arrays and Python's numbers in float64.
    return {name: array.astype(old[name].dtype, copy=False) for name, array in new.items()}

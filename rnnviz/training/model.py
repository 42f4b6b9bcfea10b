"""A network with a linear layer above it, and the loss of its predictions."""

from dataclasses import replace

import numpy as np

from rnnviz.core.config import Config, Network
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters, draw_parameters
from rnnviz.core.sequence import SequenceSource
from rnnviz.frozen import dataclass
from rnnviz.training.problems import Batch, BatchSource
from rnnviz.training.task import TrainingTask

LINEAR_WEIGHT, LINEAR_BIAS = "linear_weight", "linear_bias"
"""Names of the parameters of the linear layer, (O, D·H) and (O,)."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Predictions of a batch and their loss.

    values: (T, N, O): the predicted numbers, or the probabilities of the classes.
    loss: The mean loss of the counted predictions.
    accuracy: The part of the counted classes that is predicted; NaN for numbers.
    scale: The mean magnitude of the values and targets, whose difference is the error: the rounding errors of a correct
        gradient are a fraction of it, even if its terms cancel.
    out: (T, N, D·H): the gradient of the loss with respect to the network's out.
    parameters: The gradients of the linear layer, by name.
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


def predict(parameters: dict[str, FloatArray], out: FloatArray, batch: Batch, *, classes: bool) -> Prediction:
    """The predictions from the network's out, their loss, and its gradients.

    The loss of numbers is their mean squared error, that of classes the mean cross-entropy.

    `parameters` is (O, D·H); `out` is (T, N, D·H).
    """
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
    """The parameters before the first step: the network's by Gluon's names, then the linear layer's.

    Returns dict of str to ndarray: arrays in the network's dtype. The linear layer's weights are uniform within
    ±1/sqrt(D·H), its biases 0.
    """
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


def network_parameters(network: Network, parameters: dict[str, FloatArray]) -> Parameters:
    """The network's parameters, without the linear layer."""
    return Parameters(network, {name: parameters[name] for name in network.parameter_shapes()})


def run_config(task: TrainingTask, batch: Batch) -> Config:
    """The config of a run of the network on a batch, whose x has the shape (T, N, I)."""
    timesteps, samples, _ = batch.x.shape
    sequence = SequenceSource(batch_size=samples, timesteps=timesteps)
    config = Config(replace(task.network, layout="TNC"), sequence)
    return replace(config, backward=replace(config.backward, enabled=True, truncate=task.training.truncate))

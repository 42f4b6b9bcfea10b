"""Optimizers and gradient clipping, in the forms of the libraries that they are compared with.

Adam is algorithm 1 of Kingma & Ba (2015), as PyTorch computes it. Gluon adds epsilon before it corrects the bias of the
second moment, which differs where gradients are as small as epsilon. MXNet's operators read their settings in float32,
also for arrays in float64: there 1 - 0.999 is 0.00099998713.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from math import sqrt

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.training.task import Training

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8

_CLIP_EPSILON = {"gluon": 1e-8}
"""The number added to the norm before it divides the largest one; PyTorch's 1e-6 for others."""


@dataclass(frozen=True, eq=False)
class OptimizerState:
    """The state of an optimizer: moving averages of the gradients by name, and the number of steps.

    `velocity` is SGD's momentum, or Adam's first moment; `second` is Adam's second moment.
    """

    count: int = 0
    velocity: Mapping[str, FloatArray] = field(default_factory=dict)
    second: Mapping[str, FloatArray] = field(default_factory=dict)


def global_norm(gradients: Mapping[str, FloatArray]) -> float:
    """The Euclidean norm of all gradients together."""
    return float(np.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in gradients.values())))


def clipped(gradients: Mapping[str, FloatArray], norm: float, training: Training) -> Mapping[str, FloatArray]:
    """The gradients by name in their shapes, scaled down to `clip_norm` where their norm is larger."""
    if training.clip_norm == 0:
        return gradients
    scale = training.clip_norm / (norm + _CLIP_EPSILON.get(training.library or "", 1e-6))
    if scale >= 1.0 or not np.isfinite(scale):
        return gradients
    return {name: g * g.dtype.type(scale) for name, g in gradients.items()}


def update(
    training: Training,
    state: OptimizerState,
    parameters: Mapping[str, FloatArray],
    gradients: Mapping[str, FloatArray],
) -> tuple[dict[str, FloatArray], OptimizerState]:
    """One step of the optimizer. `parameters` and `gradients` are of the same shapes."""
    count, rate, setting = state.count + 1, training.learning_rate, _setting_of(training)
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


def _setting_of(training: Training) -> Callable[[float], float]:
    """How the library reads a setting."""
    return in_float32 if training.library == "gluon" else float


def in_float32(setting: float) -> float:
    """A setting as MXNet's operators read it."""
    return float(np.float32(setting))


def _in_dtype(new: Mapping[str, FloatArray], old: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    # NumPy 1.26 computes 0-dimensional arrays and Python's numbers in float64.
    return {name: array.astype(old[name].dtype, copy=False) for name, array in new.items()}

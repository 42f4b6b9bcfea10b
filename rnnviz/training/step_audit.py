"""The audit of one training step: gradients and update, computed again in float64 from the learner's own numbers."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnnviz.core.inputs import State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.training.learner import ManualGradients, TrainingStep
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT
from rnnviz.training.optimizers import OptimizerState, clipped, global_norm, update
from rnnviz.training.problems import Batch
from rnnviz.training.task import TrainingTask

GRADIENT_TOLERANCE = {"float32": 3e-3, "float64": 1e-9}
"""The largest difference of a correct gradient, relative to the largest magnitude in its array, by dtype.

Correct gradients of all problems stay below a fifteenth.
"""

UPDATE_TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
"""The largest difference of a correct update, relative to the largest update in its array, by dtype."""

_ROUNDINGS = 32
"""Roundings of `Prediction.scale` that are allowed besides in a gradient: errors of the predictions by a few roundings
are all that is left of the gradient where the loss is small."""

_SUM_ROUNDINGS = 4
"""Roundings, times sqrt(K), that are allowed besides in the linear layer: a library may add K errors one by one."""

_PARAMETER_ROUNDINGS = 20
"""Roundings of the parameter itself that are allowed besides in an update."""


@dataclass(frozen=True)
class StepAudit:
    """The largest error of a step's gradients and of its update, each divided by its tolerance, and where they are.

    A ratio above 1 is wrong.
    """

    gradient_ratio: float
    gradient_at: str
    update_ratio: float
    update_at: str

    @property
    def correct(self) -> bool:
        return self.gradient_ratio <= 1.0 and self.update_ratio <= 1.0


class StepAuditor:
    """Audits steps of any learner of a task."""

    def __init__(self, task: TrainingTask, *, classes: bool) -> None:
        network = task.network
        self._task = replace(task, network=replace(network, dtype="float64"))
        self._gradient_tolerance = GRADIENT_TOLERANCE[network.dtype]
        self._update_tolerance = UPDATE_TOLERANCE[network.dtype]
        self._eps = float(np.finfo(network.dtype).eps)
        self._gradients = ManualGradients(self._task, classes=classes)

    def __call__(
        self,
        parameters: Mapping[str, FloatArray],
        optimizer: OptimizerState,
        state: State,
        batch: Batch,
        done: TrainingStep,
    ) -> StepAudit:
        """Audit a step."""
        own = _in_float64(parameters)
        before = _in_float64(state)
        prediction, expected, _ = self._gradients(own, before, batch)
        rounding, ratios = self._eps * prediction.scale, {}
        for name, exact in expected.items():
            summed = _SUM_ROUNDINGS * float(np.sqrt(batch.counted.sum())) if name in (LINEAR_WEIGHT, LINEAR_BIAS) else 0
            allowed = self._gradient_tolerance * _largest(exact) + (_ROUNDINGS + summed) * rounding
            ratios[name] = _ratio(done.gradients[name], exact, allowed)
        # The update is audited from the learner's own gradients.
        gradients = _in_float64(done.gradients)
        training = self._task.training
        memory = OptimizerState(optimizer.count, _in_float64(optimizer.velocity), _in_float64(optimizer.second))
        new, _ = update(training, memory, own, clipped(gradients, global_norm(gradients), training))
        errors = {}
        for name, array in new.items():
            allowed = self._update_tolerance * _largest(
                array - own[name]
            ) + _PARAMETER_ROUNDINGS * self._eps * _largest(array)
            errors[name] = _ratio(done.parameters[name], array, allowed)
        gradient_at, update_at = max(ratios, key=ratios.__getitem__), max(errors, key=errors.__getitem__)
        return StepAudit(ratios[gradient_at], gradient_at, errors[update_at], update_at)


def _in_float64(arrays: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def _ratio(found: FloatArray, exact: FloatArray, allowed: float) -> float:
    """The largest difference divided by the allowed one; infinite if only one of two values is NaN."""
    # A training that diverges may be correct: both are NaN, or the same infinity.
    same = (found == exact) | (np.isnan(found) & np.isnan(exact))
    difference = np.where(same, 0.0, np.abs(found - exact))
    largest = float(np.where(np.isnan(difference), np.inf, difference).max(initial=0.0))
    if largest == 0.0:
        return 0.0
    return largest / allowed if 0.0 < allowed < np.inf else np.inf


def _largest(array: FloatArray) -> float:
    """The largest finite magnitude."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))

"""The audit of one training step: gradients and update, computed again in float64 from the learner's own numbers."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from rnnviz.core.inputs import State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.frozen import dataclass
from rnnviz.training.learner import ManualGradients, TrainingStep
from rnnviz.training.optimizers import OptimizerState, clipped, global_norm, update
from rnnviz.training.problems import Batch
from rnnviz.training.task import TrainingTask

GRADIENT_TOLERANCE = {"float32": 1e-3, "float64": 1e-9}
"""The largest difference of a correct gradient, relative to the largest magnitude in its array, by dtype.

Correct gradients stay a hundred times below.
"""

UPDATE_TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
"""The largest difference of a correct update, relative to the largest update in its array, beside the rounding of the
parameter itself."""


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
        """Audit a step.

        Parameters
        ----------
        parameters, optimizer, state :
            The learner's own before the step.
        batch : Batch
            The batch.
        done : TrainingStep
            What the learner computed.

        Returns
        -------
        StepAudit
            The largest errors.
        """
        own = _in_float64(parameters)
        before = State.of(_in_float64(state.by_symbol))
        _, expected, _ = self._gradients(own, before, batch)
        ratios = {
            name: _largest(np.abs(done.gradients[name] - exact)) / _or_tiny(self._gradient_tolerance * _largest(exact))
            for name, exact in expected.items()
        }
        gradient_at = max(ratios, key=lambda name: _order(ratios[name]))
        # The update is audited from the learner's own gradients.
        gradients = _in_float64(done.gradients)
        training = self._task.training
        memory = OptimizerState(optimizer.count, _in_float64(optimizer.velocity), _in_float64(optimizer.second))
        new, _ = update(training, memory, own, clipped(gradients, global_norm(gradients), training))
        errors = {}
        for name, array in new.items():
            allowed = self._update_tolerance * _largest(array - own[name]) + self._eps * _largest(array)
            errors[name] = _largest(done.parameters[name] - array) / _or_tiny(allowed)
        update_at = max(errors, key=lambda name: _order(errors[name]))
        return StepAudit(ratios[gradient_at], gradient_at, errors[update_at], update_at)


def _in_float64(arrays: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}


def _largest(array: FloatArray) -> float:
    return float(np.abs(array).max(initial=0.0))


def _or_tiny(allowed: float) -> float:
    return allowed or float(np.finfo(np.float64).tiny)


def _order(ratio: float) -> float:
    """NaN comes last: it is never correct."""
    return float("inf") if np.isnan(ratio) else ratio

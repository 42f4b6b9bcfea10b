"""The audit of a training step: known faults are found, correct steps are not reported."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.training.learner import ManualGradients, ManualLearner, TrainingStep
from rnnviz.training.loop import StepAudit, StepAuditor
from rnnviz.training.model import OptimizerState, clipped, initial_parameters, update
from rnnviz.training.problems import batches_of
from rnnviz.training.task import Training, TrainingTask
from tests.training.tasks import task_of

STEPS = 3


def _audited(task: TrainingTask, fault: str) -> StepAudit:
    """The audit of the last of some steps, which has a fault; those before it are correct."""
    source = batches_of(task)
    task = task.with_input_size(source.input_size)
    learner = ManualLearner(task, initial_parameters(task, source), classes=source.classes)
    for step in range(STEPS - 1):
        learner.step(source.batch(step))
    batch, before, memory = source.batch(STEPS - 1), dict(learner.parameters), learner.optimizer
    state = learner.state(batch)
    _, gradients, _ = ManualGradients(task, classes=source.classes)(before, state, batch)
    if fault == "gradient":
        gradients = gradients | {
            "l0_h2h_weight": gradients["l0_h2h_weight"] * gradients["l0_h2h_weight"].dtype.type(1.01)
        }
    done = _step(task.training, memory, before, gradients, fault)
    return StepAuditor(task, classes=source.classes)(before, memory, state, batch, done)


def _step(
    training: Training,
    memory: OptimizerState,
    before: Mapping[str, FloatArray],
    gradients: Mapping[str, FloatArray],
    fault: str,
) -> TrainingStep:
    norm = float(np.sqrt(sum(float((array.astype(float) ** 2).sum()) for array in gradients.values())))
    shrunk = gradients if fault == "clipping" else clipped(gradients, norm, training)
    if fault == "momentum":
        memory = replace(memory, velocity={})
    if fault == "bias correction":
        memory = replace(memory, count=1_000_000)
    new, _ = update(training, memory, before, shrunk)
    return TrainingStep(0.0, 0.0, gradients, norm, new)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("optimizer", "fault"),
    [("sgd", "gradient"), ("adam", "clipping"), ("sgd", "clipping"), ("sgd", "momentum"), ("adam", "bias correction")],
)
def test_faults_are_found(dtype, optimizer, fault):
    # Adam's first update hardly depends on the norm, the later ones do if it changes.
    task = task_of("copy", network={"dtype": dtype}, optimizer=optimizer, clip_norm=0.05, learning_rate=0.05)
    found = _audited(task, fault)
    assert found.wrong is not None
    assert (found.gradient_ratio > 1.0) == (fault == "gradient")
    assert (found.update_ratio > 1.0) == (fault != "gradient")
    if fault == "gradient":
        assert found.gradient_at == "l0_h2h_weight"
    assert _audited(task, "").wrong is None


def test_a_training_that_diverges_may_be_correct():
    task = task_of("adding", optimizer="sgd", clip_norm=0.0)
    # A task file may not have it.
    task = replace(task, training=replace(task.training, learning_rate=1e300))
    with np.errstate(all="ignore"):
        found = _audited(task, "")
    assert found.wrong is None

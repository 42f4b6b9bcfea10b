"""The audit of a training step: known faults are found, correct steps are not reported."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.training.learner import ManualGradients, ManualLearner
from rnnviz.training.loop import StepAudit, StepAuditor
from rnnviz.training.model import clipped, initial_parameters, update
from rnnviz.training.problems import batches_of
from rnnviz.training.task import TrainingTask
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
    norm = float(np.sqrt(sum(float((array.astype(float) ** 2).sum()) for array in gradients.values())))
    shrunk = gradients if fault == "clipping" else clipped(gradients, norm, task.training)
    faulty = {"momentum": {"velocity": {}}, "bias correction": {"count": 1_000_000}}.get(fault, {})
    learner.gradients = gradients
    learner.parameters, _ = update(task.training, replace(memory, **faulty), before, shrunk)
    return StepAuditor(task, classes=source.classes)(before, memory, state, batch, learner)


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

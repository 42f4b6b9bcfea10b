"""The training loop: one batch after the other, checkpoints, and a library's own training next to it."""

from collections.abc import Iterator, Mapping
from dataclasses import field
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np

from rnnviz.core.errors import EngineError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.words import join_words
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.frozen import dataclass
from rnnviz.training.learner import Learner, ManualGradients, ManualLearner, carried_state
from rnnviz.training.model import initial_parameters
from rnnviz.training.optimizers import global_norm
from rnnviz.training.problems import Batch, BatchSource, batches_of
from rnnviz.training.step_audit import StepAudit, StepAuditor
from rnnviz.training.task import LIBRARIES, TrainingTask

MANUAL = "manual"


@dataclass(frozen=True)
class LearnerStep:
    """One learner's numbers of a training step; the loss and the accuracy are those before the update."""

    loss: float
    accuracy: float
    norm: float
    audit: StepAudit | None = None


@dataclass(frozen=True)
class StepDone:
    """A training step: the number of steps so far, seconds since the start, and the numbers of each learner.

    `distance` is that of the two learners' parameters, relative to the norm of the manual ones; None with one
    learner.
    """

    step: int
    seconds: float
    learners: Mapping[str, LearnerStep]
    distance: float | None = None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The manual learner's parameters after some steps, and its loss and accuracy on the test batch.

    A training can go on from it: `memories` has the `Learner.memory` of each learner by name, and `seconds` are those
    of training so far.
    """

    step: int
    parameters: Mapping[str, FloatArray] = field(repr=False)
    loss: float
    accuracy: float
    memories: Mapping[str, Any] = field(repr=False)
    seconds: float


TrainingEvent: TypeAlias = StepDone | Checkpoint


class TrainingLoop:
    """The learners of a task. An iteration trains, and gives each step and checkpoint.

    A checkpoint comes before the first step unless the training goes on from one, then each step, and further
    checkpoints; the last one is after the last step. The training stops when no further event is asked for.
    """

    def __init__(self, task: TrainingTask, source: BatchSource | None = None, resume: Checkpoint | None = None) -> None:
        """Make the batches and the learners.

        Raises InputError if the text of the task cannot be read; EngineError if the library is not installed.
        """
        self.source = batches_of(task) if source is None else source
        self.task = task.with_input_size(self.source.input_size)
        self.step, self._seconds, self._begins = 0, 0.0, resume is None
        classes, initial = self.source.classes, initial_parameters(self.task, self.source)
        self._learners: dict[str, Learner] = {MANUAL: ManualLearner(self.task, initial, classes=classes)}
        if task.training.library is not None:
            self._learners[task.training.library] = _library_learner(self.task, initial, self.source)
        if resume is not None:
            self.step, self._seconds = resume.step, resume.seconds
            for name, learner in self._learners.items():
                learner.recall(resume.memories[name])
        self._test = ManualGradients(self.task, classes=classes)
        self._audit = StepAuditor(self.task, classes=classes)

    def __iter__(self) -> Iterator[TrainingEvent]:
        training, began = self.task.training, perf_counter() - self._seconds
        if self._begins:
            yield self.checkpoint()
        while self.step < training.steps:
            found = self._learn(self.source.batch(self.step))
            self.step += 1
            self._seconds = perf_counter() - began
            yield StepDone(self.step, self._seconds, found, _distance(self._learners))
            if self.step % training.checkpoint_every == 0 or self.step == training.steps:
                yield self.checkpoint()

    def checkpoint(self) -> Checkpoint:
        """The present parameters, with their loss and accuracy on the test batch."""
        parameters, state = self._learners[MANUAL].parameters, carried_state(self.task.network, self.source.test, None)
        # Infinities and NaNs are results to be shown.
        with np.errstate(all="ignore"):
            prediction, _, _ = self._test(parameters, state, self.source.test)
        memories = {name: learner.memory() for name, learner in self._learners.items()}
        return Checkpoint(self.step, dict(parameters), prediction.loss, prediction.accuracy, memories, self._seconds)

    def _learn(self, batch: Batch) -> dict[str, LearnerStep]:
        found = {}
        with np.errstate(all="ignore"):
            for name, learner in self._learners.items():
                before = dict(learner.parameters), learner.optimizer, learner.state(batch)
                done = learner.step(batch)
                # Alone, a learner is not audited: the audit takes longer than the step.
                audit = self._audit(*before, batch, done) if len(self._learners) > 1 else None
                found[name] = LearnerStep(done.loss, done.accuracy, done.norm, audit)
        return found


def _library_learner(task: TrainingTask, initial: Mapping[str, FloatArray], source: BatchSource) -> Learner:
    library = task.training.library
    assert library is not None
    missing = ENGINES[library].missing_package
    if missing is not None:
        others = [f"use the library {name} in its place" for name in LIBRARIES if ENGINES[name].missing_package is None]
        fixes = join_words([*others, "leave the library out"], "or")
        raise EngineError(f"Training with the library {library} {missing}: {fixes}.")
    # Each imports its library; the registry says why one cannot be loaded.
    load_engine(library)
    if library == "gluon":
        from rnnviz.training.gluon_learner import GluonLearner

        return GluonLearner(task, initial, classes=source.classes)
    from rnnviz.training.torch_learner import TorchLearner

    return TorchLearner(task, initial, classes=source.classes)


def _distance(learners: Mapping[str, Learner]) -> float | None:
    if len(learners) == 1:
        return None
    one, other = (learner.parameters for learner in learners.values())
    norm = global_norm(one)
    return global_norm({name: array - other[name] for name, array in one.items()}) / norm if norm else 0.0

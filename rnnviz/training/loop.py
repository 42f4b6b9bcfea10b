"""The training loop: batches, checkpoints, and a library's own training next to it, each step of which is audited."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from multiprocessing.connection import Connection
from time import monotonic, perf_counter
from typing import Any, TypeAlias

import numpy as np

from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.words import join_words
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.execution.child_process import Child, ChildEndedError, errors_sent
from rnnviz.frozen import dataclass
from rnnviz.training import model
from rnnviz.training.learner import Learner, LearnerMemory, ManualGradients, ManualLearner, zero_state
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT, OptimizerState
from rnnviz.training.problems import Batch, BatchSource, batches_of
from rnnviz.training.task import LIBRARIES, TrainingTask

MANUAL = "manual"


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
    """The largest errors of a step's gradients and update as ratios of the tolerance, and where; above 1 is wrong."""

    gradient_ratio: float
    gradient_at: str
    update_ratio: float
    update_at: str

    @property
    def wrong(self) -> tuple[str, str, float] | None:
        """The part, the parameter and the ratio of an error above its tolerance; the gradient's, if both have one."""
        parts = (("gradient", self.gradient_at, self.gradient_ratio), ("update", self.update_at, self.update_ratio))
        return next((part for part in parts if not part[2] <= 1.0), None)


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
        self, parameters: Mapping[str, FloatArray], optimizer: OptimizerState, state: State, batch: Batch, done: Learner
    ) -> StepAudit:
        """Audit the last step of a learner, from what it had before."""
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
        clipped = model.clipped(gradients, model.global_norm(gradients), training)
        new, _ = model.update(training, memory, own, clipped)
        errors = {}
        for name, array in new.items():
            allowed = self._update_tolerance * _largest(array - own[name])
            allowed += _PARAMETER_ROUNDINGS * self._eps * _largest(array)
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
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


@dataclass(frozen=True)
class LearnerStep:
    """One learner's numbers of a training step; the loss and the accuracy are those before the update."""

    loss: float
    accuracy: float
    norm: float
    audit: StepAudit | None = None


@dataclass(frozen=True)
class StepDone:
    """Steps and seconds so far, the numbers of each learner, and the relative distance of the parameters of two."""

    step: int
    seconds: float
    learners: Mapping[str, LearnerStep]
    distance: float | None = None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The manual learner's parameters after some steps and seconds, and its loss and accuracy on the test batch.

    A training can go on from it: `memories` has the `Learner.memory` of each learner by name.
    """

    step: int
    parameters: Mapping[str, FloatArray] = field(repr=False)
    loss: float
    accuracy: float
    memories: Mapping[str, LearnerMemory] = field(repr=False)
    seconds: float


TrainingEvent: TypeAlias = StepDone | Checkpoint


class TrainingLoop:
    """The learners of a task. An iteration trains, and gives each step and checkpoint.

    The first checkpoint is before the first step unless the training goes on from one, the last one after the last.
    """

    def __init__(self, task: TrainingTask, resume: Checkpoint | None = None) -> None:
        """Raises InputError if the text of the task cannot be read; EngineError if the library is not installed."""
        self.source = batches_of(task)
        self.task = task.with_input_size(self.source.input_size)
        self.step, self._seconds, self._begins = 0, 0.0, resume is None
        classes, initial = self.source.classes, model.initial_parameters(self.task, self.source)
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
        parameters, test = self._learners[MANUAL].parameters, self.source.test
        # Infinities and NaNs are results to be shown.
        with np.errstate(all="ignore"):
            prediction, _, _ = self._test(parameters, zero_state(self.task.network, test.x.shape[1]), test)
        memories = {name: learner.memory() for name, learner in self._learners.items()}
        return Checkpoint(self.step, dict(parameters), prediction.loss, prediction.accuracy, memories, self._seconds)

    def _learn(self, batch: Batch) -> dict[str, LearnerStep]:
        found = {}
        with np.errstate(all="ignore"):
            for name, learner in self._learners.items():
                before = dict(learner.parameters), learner.optimizer, learner.state(batch)
                figures = learner.step(batch)
                # Alone, a learner is not audited: the audit takes longer than the step.
                audit = self._audit(*before, batch, learner) if len(self._learners) > 1 else None
                found[name] = LearnerStep(*figures, audit)
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
    norm = model.global_norm(one)
    return model.global_norm({name: array - other[name] for name, array in one.items()}) / norm if norm else 0.0


_SHARED = 1 << 22
"""Multiplications in the recurrent product of a step from which on a second thread saves time."""

_POLL_SECONDS = 0.1

_NICENESS = 10

_SEND_SECONDS = 0.05
"""The shortest time between two messages with events."""

_EVENTS, _CHECKPOINT, _ENDED = "events", "checkpoint", "ended"


class TrainingProcess(Child):
    """Trains in a child process, which ends with the block, or with this process. Call its methods in one thread."""

    def __init__(self, task: TrainingTask, resume: Checkpoint | None = None) -> None:
        """Start to train, or go on from a checkpoint. Raises EngineError if no process can be started."""
        self.ended = False
        """Whether the last training step is done, and its events were received."""
        network, gates = task.network, task.network.kind.gate_count
        multiplications = task.problem.batch_size * gates * network.hidden_size * network.output_size
        threads = None if multiplications >= _SHARED else 1
        try:
            super().__init__(_main, task, resume, name="rnnviz training", threads=threads)
        except OSError as error:
            raise EngineError(f"No process could be started to train ({error.strerror or error}).") from error

    def events(self, seconds: float) -> tuple[TrainingEvent, ...]:
        """The events since the last call, in order. Raises the InputError or EngineError that ended the training."""
        kind, content = self._received(seconds)
        return content if kind == _EVENTS else ()

    def checkpoint(
        self, check: Callable[[], None] = lambda: None, seconds: float = float("inf")
    ) -> tuple[Checkpoint, tuple[TrainingEvent, ...]]:
        """The present parameters, and the events until then that were not received yet; may raise as `events`.

        `check` is called often, and may raise. If there is no answer in `seconds`, an EngineError is raised.
        """
        # A process that has ended may have sent events before: they are received first, then the error.
        with suppress(BrokenPipeError):
            self.connection.send(_CHECKPOINT)
        events: list[TrainingEvent] = []
        end = monotonic() + seconds
        while monotonic() < end:
            kind, content = self._received(_POLL_SECONDS)
            check()
            if kind == _CHECKPOINT:
                return content, tuple(events)
            events += content if kind == _EVENTS else ()
        raise EngineError(f"The training step did not end within {seconds:g} seconds: its process was ended.")

    def _received(self, seconds: float) -> tuple[str, Any]:
        try:
            kind, content = self.receive(seconds)
        except ChildEndedError as ended:
            raise EngineError(f"The process that trains ended ({ended}).") from None
        self.ended = self.ended or kind == _ENDED
        return kind, content


def _main(connection: Connection, task: TrainingTask, resume: Checkpoint | None) -> None:
    if hasattr(os, "nice"):
        # The window that shows the training has precedence.
        os.nice(_NICENESS)
    no_memory = "There is not enough memory to train: reduce a size."
    # The parent may be gone.
    with errors_sent(connection, "Training failed", no_memory), suppress(EOFError, BrokenPipeError):
        _train(connection, task, resume)


def _train(connection: Connection, task: TrainingTask, resume: Checkpoint | None) -> None:
    from rnnviz.execution.worker import disable_malloc_trim

    disable_malloc_trim()
    loop = TrainingLoop(task, resume)
    events: list[TrainingEvent] = []
    sent = 0.0

    def send() -> None:
        nonlocal sent
        if events:
            connection.send((_EVENTS, tuple(events)))
            events.clear()
        sent = monotonic()

    def answer() -> None:
        if connection.recv() == _CHECKPOINT:
            connection.send((_CHECKPOINT, loop.checkpoint()))

    for event in loop:
        events.append(event)
        if monotonic() - sent >= _SEND_SECONDS:
            send()
        while connection.poll():
            send()
            answer()
    send()
    connection.send((_ENDED, None))
    while True:
        answer()

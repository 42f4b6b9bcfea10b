"""Learners: one training step of the manual gradients, and of a library's own training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import field, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Backward, Config, Network, SequenceSource
from rnnviz.core.errors import EngineError, last_line
from rnnviz.core.gradients import OF_PARAMETERS, LossGradient, gradient_names
from rnnviz.core.inputs import Inputs, State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.core.trace_index import Places
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import ENGINES
from rnnviz.frozen import dataclass
from rnnviz.training.model import OptimizerState, Prediction, clipped, global_norm, network_parameters, predict, update
from rnnviz.training.problems import Batch
from rnnviz.training.task import TrainingTask

Arrays: TypeAlias = dict[str, FloatArray]
"""Arrays by the names of parameters."""
Figures: TypeAlias = tuple[float, float, float]
"""Loss and accuracy of a batch before an update, and the norm of all gradients."""


class ManualGradients:
    """The manual forward and backward pass of a network with a linear layer, in arrays that are used again."""

    def __init__(self, task: TrainingTask, *, classes: bool) -> None:
        self._task = task
        self._classes = classes
        self._engine = ManualEngine()
        self._trace: Trace | None = None

    def __call__(
        self, parameters: Mapping[str, FloatArray], state: State, batch: Batch
    ) -> tuple[Prediction, dict[str, FloatArray], State]:
        """Predictions of a batch, the gradients of all parameters by name, and the final state."""
        network, truncate = replace(self._task.network, layout="TNC"), self._task.training.truncate
        timesteps, samples, _ = batch.x.shape
        sequence = SequenceSource(batch_size=samples, timesteps=timesteps)
        config = Config(network, sequence, backward=Backward(enabled=True, truncate=truncate))
        x = np.ascontiguousarray(batch.x, network.dtype)
        loss = LossGradient(None, zero_state(network, samples), truncate=truncate)
        inputs = Inputs(config, x, network_parameters(network, parameters), state, loss=loss)
        if self._trace is None or self._trace.shape[2:4] != (timesteps, samples):
            names = (*network.kind.state_symbols, *gradient_names(network))
            self._trace = trace_in_memory("manual", network, Places.of(network, timesteps, samples), names)
        trace = self._trace
        self._engine.run(inputs, trace, lambda _: None)
        prediction = predict(parameters, trace.output, batch, classes=self._classes)
        inputs = replace(inputs, loss=replace(loss, out=prediction.out))
        self._engine.run_backward(inputs, trace, lambda _: None)
        gradients = {name: np.array(trace[f"{OF_PARAMETERS}{name}"]) for name in network.parameter_shapes()}
        final = {symbol: np.array(trace[f"state.{symbol}"]) for symbol in network.kind.state_symbols}
        return prediction, gradients | prediction.parameters, final


@dataclass(frozen=True, eq=False)
class LearnerMemory:
    """Everything on which the next step of a learner depends, by name; `final` is the state after the last batch.

    `momentum` is Gluon's of SGD, which has the learning rate in it.
    """

    parameters: Mapping[str, FloatArray]
    optimizer: OptimizerState
    final: State | None = None
    momentum: Mapping[str, FloatArray] = field(default_factory=dict)


class Learner(ABC):
    """A network that is trained, one batch after the other: its parameters by name, and the state of the optimizer."""

    def __init__(self, task: TrainingTask, parameters: Mapping[str, FloatArray], *, classes: bool) -> None:
        self.parameters = parameters
        self.gradients: Mapping[str, FloatArray] = {}
        """Those of the last step by name, not clipped."""
        self.optimizer = OptimizerState()
        self._task, self._classes = task, classes
        self._final: State | None = None

    def state(self, batch: Batch) -> State:
        """The initial state of a batch: zeros, or the final state of the batch before."""
        samples = batch.x.shape[1]
        if batch.continues and self._final is not None and self._final["h"].shape[1] == samples:
            return self._final
        return zero_state(self._task.network, samples)

    @abstractmethod
    def step(self, batch: Batch) -> Figures:
        """Compute gradients and update the parameters."""

    def memory(self) -> LearnerMemory:
        return LearnerMemory(self.parameters, self.optimizer, self._final)

    def recall(self, memory: LearnerMemory) -> None:
        """Go on from the memory of a learner of the same kind."""
        self.parameters, self.optimizer, self._final = memory.parameters, memory.optimizer, memory.final


class ManualLearner(Learner):
    """Training with the manual gradients and our own optimizers."""

    def __init__(self, task: TrainingTask, parameters: Mapping[str, FloatArray], *, classes: bool) -> None:
        super().__init__(task, parameters, classes=classes)
        self._gradients = ManualGradients(task, classes=classes)

    def step(self, batch: Batch) -> Figures:
        training = self._task.training
        prediction, self.gradients, self._final = self._gradients(self.parameters, self.state(batch), batch)
        norm = global_norm(self.gradients)
        shrunk = clipped(self.gradients, norm, training)
        self.parameters, self.optimizer = update(training, self.optimizer, self.parameters, shrunk)
        return prediction.loss, prediction.accuracy, norm


class LibraryLearner(Learner):
    """Training with the layers, the automatic differentiation and the optimizer of a library."""

    def step(self, batch: Batch) -> Figures:
        network, places = self._task.network, np.flatnonzero(batch.counted)
        targets = batch.target.reshape(-1, *batch.target.shape[2:])[places]
        x = np.ascontiguousarray(batch.x, network.dtype)
        # Libraries cut no gradient within a call: each chunk is a call that begins with the final state as numbers.
        length = self._task.training.truncate or len(x)
        chunks = [x[start : start + length] for start in range(0, len(x), length)]
        try:
            loss, logits, final, self.gradients = self.backward(chunks, [*self.state(batch).values()], places, targets)
            self.parameters, *moments = self.update()
        # The errors of both libraries.
        except RuntimeError as error:
            title = ENGINES[self._task.training.library or ""].title
            raise EngineError(f"{title} failed: {last_line(error)}") from error
        accuracy = float((logits.argmax(axis=-1) == targets).mean()) if self._classes else float("nan")
        self.optimizer = OptimizerState(self.optimizer.count + 1, *moments)
        self._final = dict(zip(network.kind.state_symbols, final, strict=True))
        return loss, accuracy, global_norm(self.gradients)

    @abstractmethod
    def backward(
        self, xs: list[FloatArray], states: list[FloatArray], places: NDArray[np.int64], targets: NDArray[np.generic]
    ) -> tuple[float, FloatArray, list[FloatArray], Arrays]:
        """The loss of the chunks `xs`, the counted predictions (K, O), the final states and the gradients.

        `places` (K,) are those of the counted predictions among all T·N, `targets` (K, O) numbers or (K,) classes.
        """

    @abstractmethod
    def update(self) -> tuple[Arrays, Arrays, Arrays]:
        """Clip the gradients and update the parameters: these, the optimizer's velocity and its second moment."""


def zero_state(network: Network, samples: int) -> dict[str, FloatArray]:
    """(L·D, N, H) of zeros for each state."""
    symbols = network.kind.state_symbols
    return {symbol: np.zeros(network.state_shape(samples, symbol), network.dtype) for symbol in symbols}

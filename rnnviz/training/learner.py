"""Learners: one training step of the manual gradients, and of a library's own training."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """Loss and accuracy before an update, the gradients, not clipped, with their norm, and the parameters after it."""

    loss: float
    accuracy: float
    gradients: Mapping[str, FloatArray]
    norm: float
    parameters: Mapping[str, FloatArray]


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


class Learner(ABC):
    """A network that is trained, one batch after the other: its parameters by name, and the state of the optimizer."""

    def __init__(self, task: TrainingTask, parameters: Mapping[str, FloatArray], *, classes: bool) -> None:
        self.parameters = parameters
        self.optimizer = OptimizerState()
        self._task, self._classes = task, classes
        self._final: State | None = None

    def state(self, batch: Batch) -> State:
        """The initial state of a batch: zeros, or the final state of the batch before."""
        return carried_state(self._task.network, batch, self._final)

    @abstractmethod
    def step(self, batch: Batch) -> TrainingStep:
        """Compute gradients and update the parameters."""

    def memory(self) -> Any:
        """Everything on which the next step depends; it can be pickled."""
        return self.parameters, self.optimizer, self._final

    def recall(self, memory: Any) -> None:
        """Go on from the memory of a learner of the same kind."""
        self.parameters, self.optimizer, self._final = memory


class ManualLearner(Learner):
    """Training with the manual gradients and our own optimizers."""

    def __init__(self, task: TrainingTask, parameters: Mapping[str, FloatArray], *, classes: bool) -> None:
        super().__init__(task, parameters, classes=classes)
        self.training = task.training
        """May be replaced between two steps, such as by one with another learning rate."""
        self._gradients = ManualGradients(task, classes=classes)

    def step(self, batch: Batch) -> TrainingStep:
        prediction, gradients, self._final = self._gradients(self.parameters, self.state(batch), batch)
        norm = global_norm(gradients)
        shrunk = clipped(gradients, norm, self.training)
        self.parameters, self.optimizer = update(self.training, self.optimizer, self.parameters, shrunk)
        return TrainingStep(prediction.loss, prediction.accuracy, gradients, norm, self.parameters)


@dataclass(frozen=True, eq=False)
class Targets:
    """The counted predictions of a batch: their places among all T·N, and what they are to be."""

    places: NDArray[np.int64]
    values: NDArray[np.generic]

    @classmethod
    def of(cls, batch: Batch) -> "Targets":
        """The targets of a batch, of shape (K, O) of numbers or (K,) of classes."""
        places = np.flatnonzero(batch.counted)
        return cls(places, batch.target.reshape(-1, *batch.target.shape[2:])[places])


class LibraryLearner(Learner):
    """Training with the layers, the automatic differentiation and the optimizer of a library."""

    def step(self, batch: Batch) -> TrainingStep:
        network, targets = self._task.network, Targets.of(batch)
        x = np.ascontiguousarray(batch.x, network.dtype)
        # Libraries cut no gradient within a call: each chunk is a call that begins with the final state as numbers.
        length = self._task.training.truncate or len(x)
        chunks = [x[start : start + length] for start in range(0, len(x), length)]
        try:
            loss, logits, final = self.backward(chunks, tuple(self.state(batch).values()), targets)
            gradients = self.gradients()
            self.update()
        # The errors of both libraries.
        except RuntimeError as error:
            title = ENGINES[self._task.training.library or ""].title
            raise EngineError(f"{title} failed: {last_line(error)}") from error
        accuracy = float((logits.argmax(axis=-1) == targets.values).mean()) if self._classes else float("nan")
        self.parameters = self.read_parameters()
        self.optimizer = OptimizerState(self.optimizer.count + 1, *self.moments())
        self._final = dict(zip(network.kind.state_symbols, final, strict=True))
        return TrainingStep(loss, accuracy, gradients, global_norm(gradients), self.parameters)

    def memory(self) -> Any:
        return super().memory(), self.optimizer_memory()

    def recall(self, memory: Any) -> None:
        own, optimizer = memory
        super().recall(own)
        self.set_parameters(self.parameters)
        self.recall_optimizer(optimizer)

    @abstractmethod
    def read_parameters(self) -> dict[str, FloatArray]:
        """Copy the parameters of the layers."""

    @abstractmethod
    def set_parameters(self, parameters: Mapping[str, FloatArray]) -> None:
        """Copy parameters into the layers."""

    @abstractmethod
    def optimizer_memory(self) -> Any:
        """The state of the library's optimizer; it can be pickled."""

    @abstractmethod
    def recall_optimizer(self, memory: Any) -> None:
        """Set the state of the library's optimizer."""

    @abstractmethod
    def backward(
        self, chunks: Sequence[FloatArray], states: Sequence[FloatArray], targets: Targets
    ) -> tuple[float, FloatArray, list[FloatArray]]:
        """The loss of a batch from the initial states (L·D, N, H), the counted predictions (K, O), the final states."""

    @abstractmethod
    def gradients(self) -> dict[str, FloatArray]:
        """The gradients of the last batch by name, not clipped."""

    @abstractmethod
    def update(self) -> None:
        """Clip the gradients and update the parameters."""

    @abstractmethod
    def moments(self) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """The velocity and the second moment of the optimizer by name."""


def carried_state(network: Network, batch: Batch, final: State | None) -> State:
    """The final state of the batch before where the batch continues it, else zeros."""
    samples = batch.x.shape[1]
    if batch.continues and final is not None and final["h"].shape[1] == samples:
        return final
    return zero_state(network, samples)


def zero_state(network: Network, samples: int) -> dict[str, FloatArray]:
    """(L·D, N, H) of zeros for each state."""
    symbols = network.kind.state_symbols
    return {symbol: np.zeros(network.state_shape(samples, symbol), network.dtype) for symbol in symbols}

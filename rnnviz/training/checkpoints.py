"""Files of a training: checkpoints that a run can show, and trained models."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Backward, Config, Network, ParameterSource
from rnnviz.core.inputs import Inputs, draw_initial_state
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.progress import Notify
from rnnviz.core.sequence import SequenceSource, draw_sequence, visible
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.execution.export_weights import RoundtripCheck, write_verified
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.load import format_for
from rnnviz.io.outputs import atomic_write
from rnnviz.training.learner import ManualGradients, zero_state
from rnnviz.training.loop import Checkpoint
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT, network_parameters
from rnnviz.training.problems import Batch, BatchSource
from rnnviz.training.task import TrainingTask

SHOWN_SAMPLES = 4
"""Sequences of the test batch that the runs of checkpoints show."""


@dataclass(frozen=True, eq=False)
class TestPrediction:
    """Target and prediction of the fixed sequences, (T, N): numbers, or indices of classes.

    `counted`, (T, N), says whether the loss counts a prediction; `names` has the names of the classes, if any.
    """

    __test__ = False  # for pytest

    classes: bool
    target: FloatArray
    predicted: FloatArray
    counted: NDArray[np.bool_]
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: FloatArray, batch: Batch, source: BatchSource) -> Self:
        """Target and prediction of a batch; `values` (T, N, O) are numbers, or probabilities of classes."""
        classes = source.classes
        predicted = values.argmax(axis=-1) if classes else values[..., 0]
        target = np.asarray(batch.target if classes else batch.target[..., 0])
        # Copies: the others would keep the whole batch.
        counted = np.array(batch.counted)
        return cls(classes, np.array(target, float), np.array(predicted, float), counted, source.names)

    @property
    def one_answer(self) -> bool:
        """Whether there is one number to be predicted for each sequence."""
        return not self.classes and bool((self.counted.sum(axis=0) == 1).all())

    def symbols(self, sample: int) -> tuple[str, str]:
        """Targets and predictions of a sample as text: a character for each time step, "·" where there is no target."""

        def line(values: FloatArray) -> str:
            shown = [_symbol(self.names, int(value)) for value in values[:, sample]]
            return "".join(s if c else "·" for s, c in zip(shown, self.counted[:, sample], strict=True))

        return line(self.target), line(self.predicted)


def _symbol(names: tuple[str, ...], index: int) -> str:
    """One character for a class: its name, the first letter of its name, or its number."""
    return visible(names[index])[:1] if names else str(index)[-1:]


@dataclass(frozen=True, eq=False)
class SavedCheckpoint:
    """A checkpoint in files: a run of the fixed sequences, and its loss and accuracy on the test batch."""

    step: int
    loss: float
    accuracy: float
    config: Config
    prediction: TestPrediction | None = None

    def parameters(self) -> dict[str, FloatArray]:
        """Read the parameters of the network and the linear layer by name; may raise an OSError."""
        weights = Path(self.config.parameters.path or "")
        found: dict[str, FloatArray] = {}
        for path in (weights, linear_file(weights)):
            with np.load(path) as arrays:
                found |= dict(arrays)
        return found


class CheckpointFolder:
    """A folder with the files of checkpoints; the config of each is a run of the fixed sequences."""

    def __init__(self, folder: Path, task: TrainingTask, source: BatchSource) -> None:
        """`task` has its I."""
        self._folder, self._task, self._source = folder, task, source
        test = source.test
        self._shown = Batch(test.x[:, :SHOWN_SAMPLES], test.target[:, :SHOWN_SAMPLES], test.counted[:, :SHOWN_SAMPLES])
        self._gradients = ManualGradients(task, classes=source.classes)
        # One answer of four sequences says little: there, all of the test batch are predicted.
        answers = not source.classes and bool((test.counted.sum(axis=0) == 1).all())
        self._answered = ManualGradients(task, classes=False) if answers else None
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "sequence.npy", np.ascontiguousarray(self._shown.x).astype(task.network.dtype))

    def save(self, checkpoint: Checkpoint) -> SavedCheckpoint:
        """Write the files of a checkpoint. Raises OSError if a file cannot be written."""
        network = self._task.network
        timesteps, samples, _ = self._shown.x.shape
        prediction, _, _ = self._gradients(checkpoint.parameters, zero_state(network, samples), self._shown)
        weights = self._folder / f"weights-{checkpoint.step:07d}.npz"
        loss = self._folder / f"loss-{checkpoint.step:07d}.npz"
        _save(weights, checkpoint.parameters, network.parameter_shapes())
        _save(linear_file(weights), checkpoint.parameters, (LINEAR_WEIGHT, LINEAR_BIAS))
        _save(loss, {"output": prediction.out}, ("output",))
        config = Config(
            network,
            SequenceSource("file", samples, timesteps, path=str(self._folder / "sequence.npy"), axes="TNI"),
            ParameterSource("file", path=str(weights)),
        )
        backward = Backward(enabled=True, loss="file", path=str(loss), truncate=self._task.training.truncate)
        config = replace(config, backward=backward)
        batch = self._shown
        if self._answered is not None:
            batch = self._source.test
            prediction, _, _ = self._answered(checkpoint.parameters, zero_state(network, batch.x.shape[1]), batch)
        shown = TestPrediction.of(prediction.values, batch, self._source)
        return SavedCheckpoint(checkpoint.step, checkpoint.loss, checkpoint.accuracy, config, shown)


def trained_inputs(network: Network, parameters: Mapping[str, FloatArray]) -> Inputs:
    config = Config(network)
    sequence = draw_sequence(config.sequence, network.input_size, network.dtype)
    state = draw_initial_state(network, config.initial_state, config.sequence.batch_size)
    return Inputs(config, sequence, network_parameters(network, parameters), state)


def linear_file(path: Path) -> Path:
    """The file with the linear layer next to a file with weights: "model-linear.npz" next to "model.onnx"."""
    return path.with_name(f"{path.stem}-linear.npz")


def write_trained(path: Path, network: Network, parameters: Mapping[str, FloatArray], notify: Notify) -> RoundtripCheck:
    """Write the weights in the format of the path's ending, and the linear layer to `linear_file`."""
    form = format_for(path)
    form.check(network, path)
    with atomic_write(path) as temporary, atomic_write(linear_file(path)) as linear:
        check = call_in_subprocess(
            write_verified,
            partial(trained_inputs, network, dict(parameters)),
            form,
            temporary.absolute(),
            path,
            what=f"{path} could not be written",
            notify=notify,
        )
        _save(linear, parameters, (LINEAR_WEIGHT, LINEAR_BIAS))
    return check


def _save(path: Path, arrays: Mapping[str, FloatArray], names: Iterable[str]) -> None:
    with path.open("wb") as file:
        np.savez(file, **{name: np.asarray(arrays[name]) for name in names})

"""Files of a training: checkpoints that a run can show, and trained models."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnviz.core.config import Backward, Config, ParameterSource
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.sequence import SequenceSource
from rnnviz.training.learner import ManualGradients, carried_state
from rnnviz.training.loop import Checkpoint
from rnnviz.training.problems import Batch, BatchSource
from rnnviz.training.task import TrainingTask

SHOWN_SAMPLES = 4
"""Sequences of the test batch that the runs of checkpoints show."""


class CheckpointFolder:
    """A folder with the files of checkpoints; the config of each is a run of the fixed sequences."""

    def __init__(self, folder: Path, task: TrainingTask, source: BatchSource) -> None:
        """`task` has its I."""
        self._folder, self._task, self._source = folder, task, source
        test = source.test
        self._shown = Batch(test.x[:, :SHOWN_SAMPLES], test.target[:, :SHOWN_SAMPLES], test.counted[:, :SHOWN_SAMPLES])
        self._gradients = ManualGradients(task, classes=source.classes)
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "sequence.npy", np.ascontiguousarray(self._shown.x).astype(task.network.dtype))

    def add(self, checkpoint: Checkpoint) -> Config:
        """Write the files of a checkpoint.

        Parameters
        ----------
        checkpoint : Checkpoint
            The checkpoint.

        Returns
        -------
        Config
            A run of the first test sequences with these parameters, whose loss is that of the task.

        Raises
        ------
        OSError
            If a file cannot be written.
        """
        network = self._task.network
        state = carried_state(network, self._shown, None)
        prediction, _, _ = self._gradients(checkpoint.parameters, state, self._shown)
        weights = self._folder / f"weights-{checkpoint.step:07d}.npz"
        loss = self._folder / f"loss-{checkpoint.step:07d}.npz"
        _save(weights, {name: checkpoint.parameters[name] for name in network.parameter_shapes()})
        _save(loss, {"output": prediction.out})
        timesteps, samples, _ = self._shown.x.shape
        config = Config(
            network,
            SequenceSource("file", samples, timesteps, path=str(self._folder / "sequence.npy"), axes="TNI"),
            ParameterSource("file", path=str(weights)),
        )
        backward = Backward(enabled=True, loss="file", path=str(loss), truncate=self._task.training.truncate)
        return replace(config, backward=backward)


def _save(path: Path, arrays: Mapping[str, FloatArray]) -> None:
    with path.open("wb") as file:
        np.savez(file, **{name: np.asarray(array) for name, array in arrays.items()})

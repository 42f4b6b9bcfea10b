"""A training in one `.npz` file: its task, its numbers and checkpoints so far, and what it needs to go on.

Batches depend on the seed and the step alone, so the step is the state of the random numbers. The file holds arrays,
one of them a text in UTF-8; nothing in it is unpickled.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

import rnnviz
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.npz import NpzFile
from rnnviz.core.schema import display_value
from rnnviz.frozen import dataclass
from rnnviz.io.outputs import atomic_write
from rnnviz.training.checkpoints import SavedCheckpoint
from rnnviz.training.history import TrainingHistory, TrainingStart, WrongTrainingStep
from rnnviz.training.learner import LearnerMemory
from rnnviz.training.loop import MANUAL, Checkpoint
from rnnviz.training.model import LINEAR_BIAS, LINEAR_WEIGHT, OptimizerState
from rnnviz.training.problems import BatchSource, batches_of
from rnnviz.training.task import TrainingTask

FORMAT = 1
_HEAD, _NUMBERS, _TESTED, _PLACE = "head", "numbers", "tested", "place"
"""Names of arrays: the text in JSON; the columns of the history; step, loss and accuracy of each checkpoint, (K, 3);
and the step, the number of updates, and the checksum of the test batch, (3,)."""
_LARGEST_HEAD = 1 << 20
_PARTS = ("parameters", "velocity", "second", "momentum")


@dataclass(frozen=True, eq=False)
class TrainingRecord:
    """A training so far, whose checkpoints have parameters. It can go on from the last of them, `last`."""

    history: TrainingHistory
    source: BatchSource
    last: Checkpoint


def save_training(path: Path, history: TrainingHistory, last: Checkpoint, source: BatchSource) -> None:
    """Write a training that can go on from `last`. Raises an InputError if the file cannot be written."""
    wrong = {name: [step.step, step.part, step.name, step.ratio] for name, step in history.wrong.items()}
    head = {"format": FORMAT, "program": rnnviz.__version__, "task": history.start.task.to_mapping(), "wrong": wrong}
    saved = [each for each in history.checkpoints if each.step <= last.step]
    if not saved or saved[-1].step < last.step:
        saved.append(last)
    arrays: dict[str, Any] = {
        _HEAD: np.frombuffer(json.dumps(head).encode(), np.uint8),
        _NUMBERS: history.numbers[:, : last.step + 1],
        _TESTED: np.array([(each.step, each.loss, each.accuracy) for each in saved], np.float64),
        _PLACE: np.array([last.step, last.memories[MANUAL].optimizer.count, _checksum(source)], np.int64),
    }
    for each in saved:
        parameters = each.parameters() if isinstance(each, SavedCheckpoint) else each.parameters
        arrays |= {f"{each.step}.{name}": array for name, array in parameters.items()}
    for learner, memory in last.memories.items():
        optimizer = memory.optimizer
        groups = (memory.parameters, optimizer.velocity, optimizer.second, memory.momentum)
        for part, group in (*zip(_PARTS, groups, strict=True), ("final", memory.final or {})):
            arrays |= {f"{learner}.{part}.{name}": array for name, array in group.items()}
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def load_training(path: Path) -> TrainingRecord:
    """Read a training that `save_training` wrote. Raises an InputError."""
    try:
        return _Reader(path).record()
    except (KeyError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise InputError(f"{path} is not a training that rnnviz has saved: {error}.") from error


class _Reader:
    """Reads a file, and checks each array before it is read."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, NpzFile(path)
        if _HEAD not in self._file.headers:
            raise ValueError("it has no task")
        if self._file.headers[_HEAD].size > _LARGEST_HEAD:
            raise ValueError("its task is too long")
        head = json.loads(bytes(self._array(_HEAD, None).astype(np.uint8)))
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise ValueError(f"its format is {display_value(head.get('format'))}, and this rnnviz reads {FORMAT}")
        self._head: dict[str, Any] = head
        task = TrainingTask.from_mapping(head["task"])
        self.source = batches_of(task)
        self.task = task.with_input_size(self.source.input_size)
        network, outputs = self.task.network, self.source.output_size
        width = network.directions * network.output_size
        self._shapes = {**network.parameter_shapes(), LINEAR_WEIGHT: (outputs, width), LINEAR_BIAS: (outputs,)}

    def record(self) -> TrainingRecord:
        history = TrainingHistory(TrainingStart.of(self.task, self.source))
        step, updates, checksum = map(int, self._array(_PLACE, (3,)))
        if checksum != _checksum(self.source):
            raise InputError(f"{self._path} cannot be continued: the text of its task has changed since.")
        if not 0 <= step <= updates < 1 << 40:
            raise ValueError(f"its step is {step}")
        wrong = {name: WrongTrainingStep(*values) for name, values in self._head["wrong"].items()}
        numbers = self._array(_NUMBERS, (len(history.numbers), step + 1))
        history.restore(np.array(numbers, np.float64), wrong)
        tested = self._array(_TESTED, (self._file.headers[_TESTED].shape[0], 3))
        memories = {name: self._memory(name, updates) for name in history.learners}
        seconds = float(history.column("seconds")[-1]) if step else 0.0
        for at, loss, accuracy in tested.tolist():
            parameters = self._parameters(f"{int(at)}.")
            history.checkpoints.append(Checkpoint(int(at), parameters, loss, accuracy, memories, seconds))
        if not history.checkpoints or history.checkpoints[-1].step != step:
            raise ValueError("its last checkpoint is missing")
        return TrainingRecord(history, self.source, history.checkpoints[-1])

    def _memory(self, learner: str, updates: int) -> LearnerMemory:
        parameters = self._parameters(f"{learner}.parameters.")
        kept = [self._group(f"{learner}.{part}.", self._shapes) for part in _PARTS[1:]]
        samples = self.source.batch(0).x.shape[1]
        network = self.task.network
        states = {symbol: network.state_shape(samples, symbol) for symbol in network.kind.state_symbols}
        final = self._group(f"{learner}.final.", states)
        if final and final.keys() != states.keys():
            raise ValueError(f"the final state of {learner} is incomplete")
        return LearnerMemory(parameters, OptimizerState(updates, *kept[:2]), final or None, kept[2])

    def _parameters(self, prefix: str) -> dict[str, FloatArray]:
        found = self._group(prefix, self._shapes)
        if found.keys() != self._shapes.keys():
            raise ValueError(f"parameters of {prefix.rstrip('.')} are missing")
        return found

    def _group(self, prefix: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, FloatArray]:
        """The arrays with a prefix, by the rest of their names, in the dtype of the network."""
        names = [name for name in self._file.headers if name.startswith(prefix)]
        found = {name.removeprefix(prefix): self._array(name, shapes.get(name.removeprefix(prefix))) for name in names}
        if unknown := found.keys() - shapes.keys():
            raise ValueError(f"{prefix}{min(unknown)} is unknown")
        return {name: array.astype(self.task.network.dtype, copy=False) for name, array in found.items()}

    def _array(self, name: str, shape: tuple[int, ...] | None) -> FloatArray:
        if name not in self._file.headers:
            raise ValueError(f"{name} is missing")
        if shape is not None and self._file.headers[name].shape != shape:
            raise ValueError(f"{name} has the shape {self._file.headers[name].shape}, and must have {shape}")
        return self._file.read(name)


def _checksum(source: BatchSource) -> int:
    """A number that changes with the test batch, as after an edit of the text that is learned."""
    return crc32(np.ascontiguousarray(source.test.target).tobytes(), crc32(source.test.x.tobytes()))

"""The numbers of a training so far, as curves and as a table."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.engine_spec import display_name
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.number_format import percent
from rnnviz.frozen import dataclass
from rnnviz.io.outputs import atomic_write
from rnnviz.training.checkpoints import SavedCheckpoint
from rnnviz.training.loop import MANUAL, StepDone, TrainingEvent
from rnnviz.training.summary import TrainingSummary
from rnnviz.training.task import TrainingTask

_NUMBERS = ("loss", "accuracy", "norm")
_AUDIT = "audit"

_RATE_SECONDS = 3.0
"""The last part of a training, whose steps are counted for the speed."""


@dataclass(frozen=True)
class TrainingStart:
    """A task before its first step: the loss of a network that learned nothing, and the characters, if it has some."""

    task: TrainingTask
    baseline: float
    characters: str = ""


class TrainingHistory:
    """All steps and checkpoints of a training so far."""

    def __init__(self, start: TrainingStart) -> None:
        self.start = start
        library = start.task.training.library
        self.learners = (MANUAL,) if library is None else (MANUAL, library)
        self.summary = TrainingSummary.of(start.task, start.baseline)
        self.checkpoints: list[SavedCheckpoint] = []
        numbers = _NUMBERS if library is None else (*_NUMBERS, _AUDIT)
        self._columns = ("seconds", "distance", *(f"{name}.{key}" for name in self.learners for key in numbers))
        self._values = np.full((len(self._columns), 64), np.nan)
        self.steps = 0
        """The number of training steps so far."""

    def add(self, events: Iterable[TrainingEvent | SavedCheckpoint]) -> None:
        """Add events in their order."""
        for event in events:
            if isinstance(event, StepDone):
                self._put(event)
                self.summary = self.summary.after(event)
            elif isinstance(event, SavedCheckpoint):
                self.checkpoints.append(event)
                self.summary = self.summary.tested(event.loss, event.accuracy)

    def column(self, name: str) -> FloatArray:
        """(S + 1,): a column by training step, NaN at step 0, which is before the first one.

        Columns are "seconds", "distance", and "loss", "accuracy" and "norm" of each learner, such as "manual.loss". Of
        two learners, "audit" is the larger error of gradients and update, as a ratio of the tolerance.
        """
        return self._values[self._columns.index(name), : self.steps + 1]

    def test_losses(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(K,) and (K,): the steps of the checkpoints, and their losses on the test batch."""
        found = np.array([(saved.step, saved.loss) for saved in self.checkpoints], np.float64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    @property
    def comparison(self) -> str:
        """The verdict about two learners, and the largest errors of their audited steps; "" with one learner."""
        if len(self.learners) < 2 or not self.steps:
            return ""
        errors = [
            f"{display_name(name)} {percent(float(np.fmax.reduce(self.column(f'{name}.{_AUDIT}'))))}"
            for name in self.learners
        ]
        return f"{self.summary.verdict_sentence} Step audit: at most {' and '.join(errors)} of the tolerance."

    def rewind(self) -> None:
        """Forget the steps after the last checkpoint, from which the training goes on."""
        self.steps = self.checkpoints[-1].step

    @property
    def rate(self) -> float:
        """Training steps a second, of the last few seconds; NaN before there are some."""
        seconds = self.column("seconds")[1:]
        first = int(np.searchsorted(seconds, seconds[-1] - _RATE_SECONDS)) if self.steps else 0
        if self.steps - first < 2:
            return float("nan")
        return float((self.steps - 1 - first) / max(seconds[-1] - seconds[first], 1e-9))

    def write_csv(self, path: Path) -> None:
        """Write a row for each training step, and for each checkpoint its loss and accuracy on the test batch.

        Raises InputError if the file cannot be written.
        """
        tested = {saved.step: (saved.loss, saved.accuracy) for saved in self.checkpoints}
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, lineterminator="\n")
            table.writerow(("step", *self._columns, "test.loss", "test.accuracy"))
            for step in range(self.steps + 1):
                if step or step in tested:
                    numbers = (*self._values[:, step].tolist(), *tested.get(step, ()))
                    table.writerow((step, *_texts(numbers, len(self._columns) + 2)))

    def _put(self, event: StepDone) -> None:
        self.steps = event.step
        if event.step >= self._values.shape[1]:
            more = np.full((len(self._columns), max(event.step + 1, 2 * self._values.shape[1])), np.nan)
            more[:, : self._values.shape[1]] = self._values
            self._values = more
        numbers: list[float] = []
        for name in self.learners:
            done = event.learners[name]
            numbers += [getattr(done, key) for key in _NUMBERS]
            if len(self.learners) > 1:
                numbers.append(
                    np.nan if done.audit is None else max(done.audit.gradient_ratio, done.audit.update_ratio)
                )
        self._values[:, event.step] = (event.seconds, np.nan if event.distance is None else event.distance, *numbers)


def _texts(numbers: Sequence[Any], count: int) -> list[str]:
    """Numbers for a table, empty for NaN, whether there is none or it is not a number."""
    return ["" if number != number else repr(float(number)) for number in numbers] + [""] * (count - len(numbers))

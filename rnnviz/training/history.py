"""The numbers of a training so far: as curves, as tables, and whether two learners agree, drift or disagree."""

import csv
from collections.abc import Iterable, Iterator
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.engine_spec import display_name
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.number_format import count, error, json_number, percent, short, times
from rnnviz.frozen import dataclass
from rnnviz.io.outputs import atomic_write
from rnnviz.training.checkpoints import SavedCheckpoint
from rnnviz.training.loop import MANUAL, Checkpoint, StepDone
from rnnviz.training.problems import BatchSource
from rnnviz.training.task import TrainingTask
from rnnviz.verify.verdict import Verdict

_NUMBERS = ("loss", "accuracy", "norm")
_RATIOS = ("gradient_ratio", "update_ratio")

_RATE_SECONDS = 3.0
"""The last part of a training, whose steps are counted for the speed."""


@dataclass(frozen=True)
class TrainingStart:
    """A task before its first step: the loss of a network that learned nothing, and the characters, if it has some."""

    task: TrainingTask
    baseline: float
    characters: str = ""

    @classmethod
    def of(cls, task: TrainingTask, source: BatchSource) -> Self:
        characters = "".join(source.names) if task.problem.kind == "characters" else ""
        return cls(task.with_input_size(source.input_size), source.baseline, characters)


@dataclass(frozen=True)
class WrongTrainingStep:
    """The first step of a learner whose gradient or update, `part`, of a parameter is outside its tolerance."""

    step: int
    part: str
    name: str
    ratio: float


class TrainingHistory:
    """All steps and checkpoints of a training so far."""

    def __init__(self, start: TrainingStart) -> None:
        self.start = start
        library = start.task.training.library
        self.learners = (MANUAL,) if library is None else (MANUAL, library)
        self.checkpoints: list[Any] = []
        """A `SavedCheckpoint` in the window, else a `Checkpoint`."""
        self.limit = float(np.sqrt(np.finfo(start.task.network.dtype).eps))
        """The largest distance of two learners that agree, relative to the norm of the parameters."""
        self.wrong: dict[str, WrongTrainingStep] = {}
        """The first wrong step by learner."""
        numbers = _NUMBERS if library is None else (*_NUMBERS, *_RATIOS)
        self._columns = ("seconds", "distance", *(f"{name}.{key}" for name in self.learners for key in numbers))
        self._values = np.full((len(self._columns), 64), np.nan)
        self.steps = 0
        """The number of training steps so far."""

    def add(self, events: Iterable[StepDone | Checkpoint | SavedCheckpoint]) -> None:
        for event in events:
            if isinstance(event, StepDone):
                self._put(event)
            else:
                self.checkpoints.append(event)

    def column(self, name: str) -> FloatArray:
        """(S + 1,): "seconds", "distance", or as "manual.loss" a number of a learner; NaN before the first step.

        Learners have loss, accuracy and norm, and two of them gradient_ratio and update_ratio, of the tolerance.
        """
        return self._values[self._columns.index(name), : self.steps + 1]

    @property
    def numbers(self) -> FloatArray:
        """(C, S + 1): all columns, as they are saved."""
        return self._values[:, : self.steps + 1]

    def snapshot(self) -> "TrainingHistory":
        """The training until now, which later steps do not change."""
        found = copy(self)
        found.checkpoints, found.wrong = list(self.checkpoints), dict(self.wrong)
        return found

    def restore(self, numbers: FloatArray, wrong: dict[str, WrongTrainingStep]) -> None:
        self._values, self.steps, self.wrong = numbers, numbers.shape[1] - 1, wrong

    def test_losses(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(K,) and (K,): the steps of the checkpoints, and their losses on the test batch."""
        found = np.array([(saved.step, saved.loss) for saved in self.checkpoints], np.float64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    @property
    def diverged_at(self) -> int | None:
        """The first step whose distance is above the limit."""
        if len(self.learners) < 2:
            return None
        apart = np.flatnonzero(~(self.column("distance")[1:] <= self.limit))
        return int(apart[0]) + 1 if len(apart) else None

    @property
    def verdict(self) -> Verdict | None:
        """Agree, drift or disagree; None with one learner, and before the first step."""
        if len(self.learners) < 2 or not self.steps:
            return None
        if self.wrong:
            return Verdict.DISAGREE
        return Verdict.AGREE if self.diverged_at is None else Verdict.DRIFT

    @property
    def verdict_sentence(self) -> str:
        """The verdict with its reason; "" without one."""
        names = " and ".join(map(display_name, self.learners))
        match self.verdict:
            case Verdict.AGREE:
                differ = f"their parameters differ by {error(float(self.column('distance')[-1]))} of their norm"
                return f"{names} agree: after {count(self.steps)} training steps {differ}."
            case Verdict.DRIFT:
                diverged = f"{names} diverge from training step {count(self.diverged_at or 0)} on"
                return f"Numerical drift: {diverged}. Every step is within its tolerance; rounding errors accumulated."
            case Verdict.DISAGREE:
                learner, wrong = min(self.wrong.items(), key=lambda item: item[1].step)
                error_of = f"its {wrong.part} of {wrong.name} has {times(wrong.ratio)} the tolerance"
                return f"{display_name(learner)} is wrong, first at training step {count(wrong.step)}: {error_of}."
        return ""

    @property
    def comparison(self) -> str:
        """The verdict about two learners, and the largest errors of their audited steps; "" without one."""
        if self.verdict is None:
            return ""
        errors = [f"{display_name(name)} {percent(float(np.fmax.reduce(self._audit(name))))}" for name in self.learners]
        return f"{self.verdict_sentence} Step audit: at most {' and '.join(errors)} of the tolerance."

    @property
    def sentences(self) -> tuple[str, ...]:
        return tuple(filter(None, (*self.loss_sentences(), self.verdict_sentence)))

    def rewind(self) -> None:
        """Forget the steps after the last checkpoint, from which the training goes on."""
        self.steps = self.checkpoints[-1].step
        self.wrong = {name: wrong for name, wrong in self.wrong.items() if wrong.step <= self.steps}

    @property
    def rate(self) -> float:
        """Training steps a second, of the last few seconds; NaN before there are some."""
        seconds = self.column("seconds")[1:]
        first = int(np.searchsorted(seconds, seconds[-1] - _RATE_SECONDS)) if self.steps else 0
        if self.steps - first < 2:
            return float("nan")
        return float((self.steps - 1 - first) / max(seconds[-1] - seconds[first], 1e-9))

    def write_csv(self, path: Path) -> None:
        """Write a row for each training step, and for each checkpoint its loss and accuracy on the test batch."""
        columns = {name: self.column(name) for name in ("seconds", "distance")}
        for learner in self.learners:
            columns |= {f"{learner}.{key}": self.column(f"{learner}.{key}") for key in _NUMBERS}
            if len(self.learners) > 1:
                columns[f"{learner}.audit"] = self._audit(learner)
        tested = {saved.step: (saved.loss, saved.accuracy) for saved in self.checkpoints}
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
            table = csv.writer(out, lineterminator="\n")
            table.writerow(("step", *columns, "test.loss", "test.accuracy"))
            for step, *numbers in zip(range(self.steps + 1), *columns.values(), strict=True):
                if step or step in tested:
                    row = (*numbers, *tested.get(step, (np.nan, np.nan)))
                    # NaN is empty, whether there is no number or it is not one.
                    table.writerow((step, *("" if number != number else repr(float(number)) for number in row)))

    def to_json(self) -> dict[str, Any]:
        """The training as JSON; numbers that are not finite are the texts "NaN", "Infinity" and "-Infinity"."""
        figures = ("loss", "norm", "accuracy")
        learners = {name: {key: self._listed(name, key) for key in figures} for name in self.learners}
        manual = learners[MANUAL]
        loss = manual["loss"] or []
        two = len(self.learners) > 1 and self.steps > 0
        return {
            "verdict": self.verdict,
            "sentences": list(self.sentences),
            "loss": {"first": loss[0] if loss else "NaN", "last": loss[-1] if loss else "NaN", "steps": loss},
            "baseline": json_number(self.start.baseline),
            "norm": manual["norm"],
            "accuracy": manual["accuracy"],
            "test": [
                {
                    "step": saved.step,
                    "loss": json_number(saved.loss),
                    "accuracy": None if np.isnan(saved.accuracy) else json_number(saved.accuracy),
                }
                for saved in self.checkpoints
            ],
            "learners": learners if self.steps else {},
            "audit": {name: self._audit_json(name) for name in self.learners} if two else {},
            "distance": {
                "steps": [json_number(distance) for distance in self.column("distance")[1:].tolist()],
                "limit": json_number(self.limit),
                "at": self.diverged_at,
            }
            if two
            else None,
            "seconds": float(self.column("seconds")[-1]) if self.steps else 0.0,
            "task": self.start.task.to_mapping(),
        }

    def _listed(self, learner: str, key: str) -> list[float | str] | None:
        """A column for JSON; None for the accuracy of numbers."""
        numbers = self.column(f"{learner}.{key}")[1:]
        if key == "accuracy" and np.isnan(numbers).all():
            return None
        return [json_number(number) for number in numbers.tolist()]

    def _audit(self, learner: str) -> FloatArray:
        """(S + 1,): the larger error of gradients and update, as a ratio of the tolerance."""
        gradient, update = (self.column(f"{learner}.{key}") for key in _RATIOS)
        return np.maximum(gradient, update)

    def _audit_json(self, learner: str) -> dict[str, Any]:
        largest = {f"max_{key}": json_number(float(self.column(f"{learner}.{key}")[1:].max())) for key in _RATIOS}
        wrong = self.wrong.get(learner)
        first = wrong and {**vars(wrong), "ratio": json_number(wrong.ratio)}
        return {"correct": wrong is None, **largest, "first_wrong": first}

    def loss_sentences(self) -> Iterator[str]:
        if self.steps:
            loss = self.column(f"{MANUAL}.loss")
            first, last, baseline = map(short, (float(loss[1]), float(loss[-1]), self.start.baseline))
            learned = f"Training loss: {first} at training step 1, {last} at training step {count(self.steps)}."
            yield f"{learned} Without learning: {baseline}."
        if self.checkpoints:
            test = self.checkpoints[-1]
            accuracy = "" if np.isnan(test.accuracy) else f" Accuracy: {percent(test.accuracy)}."
            yield f"Test loss: {short(test.loss)}.{accuracy}"

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
                numbers += [getattr(done.audit, key, np.nan) for key in _RATIOS]
            if done.audit is not None and done.audit.wrong is not None and name not in self.wrong:
                self.wrong[name] = WrongTrainingStep(event.step, *done.audit.wrong)
        self._values[:, event.step] = (event.seconds, np.nan if event.distance is None else event.distance, *numbers)

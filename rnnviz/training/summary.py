"""The summary of a training: its losses, and whether two learners agree, drift or disagree."""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any

import numpy as np

from rnnviz.core.engine_spec import display_name
from rnnviz.core.number_format import count, error, json_number, percent, short, times
from rnnviz.frozen import dataclass
from rnnviz.training.loop import MANUAL, Checkpoint, StepDone, TrainingEvent
from rnnviz.training.task import TrainingTask
from rnnviz.verify.verdict import Verdict

_AGREE = (
    "{manual} and {library} agree: after {steps} training steps their parameters differ by {distance} of their norm."
)
_DRIFT = (
    "Numerical drift: {manual} and {library} diverge from training step {step} on. Every step is within its tolerance; "
    "rounding errors accumulated."
)
_DISAGREE = "{learner} is wrong, first at training step {step}: its {part} of {name} has {ratio} the tolerance."
_LOSS = "Training loss: {first} at training step 1, {last} at training step {steps}. Without learning: {baseline}."
_TEST = "Test loss: {loss}."
_TEST_ACCURACY = "Test loss: {loss}. Accuracy: {accuracy}."


@dataclass(frozen=True)
class WrongTrainingStep:
    """The first step of a learner whose gradients or update are outside their tolerance."""

    step: int
    part: str
    """"gradient" or "update"."""
    name: str
    """The parameter's."""
    ratio: float
    """The error divided by the tolerance."""


@dataclass(frozen=True)
class TrainingSummary:
    """The summary of the steps so far.

    limit: The largest distance of two learners that agree, relative to the norm of the parameters: sqrt(eps).
    baseline: The loss of a network that learned nothing.
    steps: The number of training steps.
    first, last: The manual learner's loss of the first and the last batch, NaN before the first step.
    test: The last checkpoint's loss and accuracy on the test batch, None before the first one.
    learners: The names, the manual one first.
    wrong: The first wrong step by learner.
    distance: The distance after the last step; None with one learner.
    diverged_at: The first step whose distance is above the limit, None if there is none.
    """

    limit: float
    baseline: float
    steps: int = 0
    first: float = float("nan")
    last: float = float("nan")
    test: tuple[float, float] | None = None
    learners: tuple[str, ...] = ()
    wrong: Mapping[str, WrongTrainingStep] = field(default_factory=dict)
    distance: float | None = None
    diverged_at: int | None = None

    @classmethod
    def of(cls, task: TrainingTask, baseline: float) -> "TrainingSummary":
        """The summary before the first step."""
        return cls(float(np.sqrt(np.finfo(task.network.dtype).eps)), baseline)

    def after(self, event: TrainingEvent) -> "TrainingSummary":
        """The summary with one more event."""
        if isinstance(event, Checkpoint):
            return self.tested(event.loss, event.accuracy)
        loss = event.learners[MANUAL].loss
        diverged = event.distance is not None and not event.distance <= self.limit
        return replace(
            self,
            steps=event.step,
            first=loss if self.steps == 0 else self.first,
            last=loss,
            learners=tuple(event.learners),
            wrong={**dict(_wrong(event)), **self.wrong},
            distance=event.distance,
            diverged_at=event.step if diverged and self.diverged_at is None else self.diverged_at,
        )

    def tested(self, loss: float, accuracy: float) -> "TrainingSummary":
        """The summary with the loss and the accuracy of a further checkpoint."""
        return replace(self, test=(loss, accuracy))

    @property
    def verdict(self) -> Verdict | None:
        """Agree, drift or disagree; None with one learner."""
        if len(self.learners) < 2:
            return None
        if self.wrong:
            return Verdict.DISAGREE
        return Verdict.AGREE if self.diverged_at is None else Verdict.DRIFT

    @property
    def verdict_sentence(self) -> str:
        """The verdict with its reason; "" with one learner."""
        names = [*map(display_name, self.learners)]
        match self.verdict:
            case Verdict.AGREE:
                steps, distance = count(self.steps), error(self.distance or 0.0)
                return _AGREE.format(manual=names[0], library=names[1], steps=steps, distance=distance)
            case Verdict.DRIFT:
                return _DRIFT.format(manual=names[0], library=names[1], step=count(self.diverged_at or 0))
            case Verdict.DISAGREE:
                learner, wrong = min(self.wrong.items(), key=lambda item: item[1].step)
                return _DISAGREE.format(
                    learner=display_name(learner),
                    step=count(wrong.step),
                    part=wrong.part,
                    name=wrong.name,
                    ratio=times(wrong.ratio),
                )
        return ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """The losses, and the verdict if there is one."""
        return tuple(filter(None, (*self.loss_sentences, self.verdict_sentence)))

    @property
    def loss_sentences(self) -> tuple[str, ...]:
        """The losses."""
        return tuple(self._losses())

    def _losses(self) -> Iterator[str]:
        if self.steps:
            first, last, baseline = map(short, (self.first, self.last, self.baseline))
            yield _LOSS.format(first=first, last=last, steps=count(self.steps), baseline=baseline)
        if self.test is not None:
            loss, accuracy = self.test
            known = not np.isnan(accuracy)
            yield (_TEST_ACCURACY if known else _TEST).format(loss=short(loss), accuracy=percent(accuracy))


def _wrong(event: StepDone) -> Iterator[tuple[str, WrongTrainingStep]]:
    for learner, done in event.learners.items():
        audit = done.audit
        if audit is not None and not audit.correct:
            gradient = audit.gradient_ratio > 1.0
            part, name = ("gradient", audit.gradient_at) if gradient else ("update", audit.update_at)
            yield (
                learner,
                WrongTrainingStep(event.step, part, name, audit.gradient_ratio if gradient else audit.update_ratio),
            )


def training_json(task: TrainingTask, summary: TrainingSummary, events: list[TrainingEvent]) -> dict[str, Any]:
    """A training as JSON.

    Numbers that are not finite are the texts "NaN", "Infinity" and "-Infinity".
    """
    steps = [event for event in events if isinstance(event, StepDone)]
    checkpoints = [event for event in events if isinstance(event, Checkpoint)]
    learners = {name: _of_learner(name, steps, summary) for name in summary.learners}
    manual = learners.get(MANUAL) or _of_learner(MANUAL, steps, summary)
    distances = [json_number(event.distance) for event in steps if event.distance is not None]
    return {
        "verdict": summary.verdict,
        "sentences": list(summary.sentences),
        "loss": {"first": json_number(summary.first), "last": json_number(summary.last), "steps": manual["loss"]},
        "baseline": json_number(summary.baseline),
        "norm": manual["norm"],
        "accuracy": manual["accuracy"],
        "test": [
            {
                "step": event.step,
                "loss": json_number(event.loss),
                "accuracy": None if np.isnan(event.accuracy) else json_number(event.accuracy),
            }
            for event in checkpoints
        ],
        "learners": learners,
        "audit": {name: figures.pop("audit") for name, figures in learners.items() if "audit" in figures},
        "distance": {"steps": distances, "limit": json_number(summary.limit), "at": summary.diverged_at}
        if distances
        else None,
        "seconds": steps[-1].seconds if steps else 0.0,
        "task": task.to_mapping(),
    }


def _of_learner(name: str, steps: list[StepDone], summary: TrainingSummary) -> dict[str, Any]:
    done = [event.learners[name] for event in steps]
    figures: dict[str, Any] = {
        key: [json_number(getattr(step, key)) for step in done] for key in ("loss", "norm", "accuracy")
    }
    if all(np.isnan(step.accuracy) for step in done):
        # Numbers have none.
        figures["accuracy"] = None
    audits = [step.audit for step in done if step.audit is not None]
    if audits:
        wrong = summary.wrong.get(name)
        figures["audit"] = {
            "correct": wrong is None,
            "max_gradient_ratio": json_number(max(audit.gradient_ratio for audit in audits)),
            "max_update_ratio": json_number(max(audit.update_ratio for audit in audits)),
            "first_wrong": wrong
            and {"step": wrong.step, "part": wrong.part, "name": wrong.name, "ratio": json_number(wrong.ratio)},
        }
    return figures

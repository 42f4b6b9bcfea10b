"""The summary of a training: agree, drift or disagree."""

import pytest

from rnnviz.training.loop import Checkpoint, LearnerStep, StepDone
from rnnviz.training.step_audit import StepAudit
from rnnviz.training.summary import TrainingSummary
from rnnviz.verify.verdict import Verdict
from tests.training.tasks import task_of

CORRECT = StepAudit(0.01, "l0_h2h_weight", 0.02, "linear_bias")
WRONG = {
    "gradient": StepAudit(12.0, "l0_h2h_weight", 3.0, "linear_bias"),
    "update": StepAudit(0.5, "l0_h2h_weight", 3.0, "linear_bias"),
}


def _summary(distances: list[float], wrong: dict[int, str] | None = None) -> TrainingSummary:
    found = TrainingSummary.of(task_of(), 1 / 6)
    for step, distance in enumerate(distances, 1):
        fault = (wrong or {}).get(step)
        learners = {
            "manual": LearnerStep(1.0 / step, 0.5, 1.0, CORRECT),
            "torch": LearnerStep(1.0, 0.5, 1.0, CORRECT if fault is None else WRONG[fault]),
        }
        found = found.after(StepDone(step, 0.1, learners, distance))
    return found


def test_small_distances_agree() -> None:
    found = _summary([0.0, 1e-12])
    assert (found.verdict, found.diverged_at, found.steps, found.first, found.last) == (
        Verdict.AGREE,
        None,
        2,
        1.0,
        0.5,
    )
    assert "their parameters differ by 1e-12 of their norm" in found.verdict_sentence


@pytest.mark.parametrize("large", [1e-6, float("nan")])
def test_large_distances_of_correct_steps_are_drift(large: float) -> None:
    found = _summary([0.0, large, 0.0])
    assert (found.verdict, found.diverged_at) == (Verdict.DRIFT, 2)
    assert "from training step 2 on" in found.verdict_sentence


@pytest.mark.parametrize(
    ("fault", "name", "ratio"), [("gradient", "l0_h2h_weight", 12.0), ("update", "linear_bias", 3.0)]
)
def test_a_wrong_step_is_a_disagreement(fault: str, name: str, ratio: float) -> None:
    found = _summary([0.0, 0.0, 1.0], {2: fault, 3: "gradient"})
    assert found.verdict is Verdict.DISAGREE
    assert list(found.wrong) == ["torch"]
    wrong = found.wrong["torch"]
    assert (wrong.step, wrong.part, wrong.name, wrong.ratio) == (2, fault, name, ratio)
    assert found.verdict_sentence.startswith(f"torch is wrong, first at training step 2: its {fault} of {name}")


def test_one_learner_has_no_verdict() -> None:
    found = TrainingSummary.of(task_of(), 0.5).after(StepDone(1, 0.1, {"manual": LearnerStep(0.25, 0.5, 1.0)}))
    found = found.after(Checkpoint(1, {}, 0.125, 0.75, {}, 0.1))
    assert (found.verdict, found.verdict_sentence, found.test) == (None, "", (0.125, 0.75))
    assert len(found.sentences) == 2

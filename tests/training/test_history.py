"""The numbers of a training: agree, drift or disagree, and its files."""

import csv

import pytest

from rnnviz.training.history import TrainingHistory, TrainingStart
from rnnviz.training.loop import Checkpoint, LearnerStep, StepAudit, StepDone
from rnnviz.verify.verdict import Verdict
from tests.training.tasks import task_of

CORRECT = StepAudit(0.01, "l0_h2h_weight", 0.02, "linear_bias")
WRONG = {
    "gradient": StepAudit(12.0, "l0_h2h_weight", 3.0, "linear_bias"),
    "update": StepAudit(0.5, "l0_h2h_weight", 3.0, "linear_bias"),
}


def history_of(distances: list[float], wrong: dict[int, str] | None = None) -> TrainingHistory:
    found = TrainingHistory(TrainingStart(task_of(library="torch"), 1 / 6))
    for step, distance in enumerate(distances, 1):
        fault = (wrong or {}).get(step)
        learners = {
            "manual": LearnerStep(1.0 / step, 0.5, 1.0, CORRECT),
            "torch": LearnerStep(1.0, 0.5, 1.0, CORRECT if fault is None else WRONG[fault]),
        }
        found.add([StepDone(step, 0.1, learners, distance)])
    return found


@pytest.mark.parametrize(
    ("distances", "verdict", "diverged_at", "said"),
    [
        ([0.0, 1e-12], Verdict.AGREE, None, "their parameters differ by 1e-12 of their norm"),
        ([0.0, 1e-6, 0.0], Verdict.DRIFT, 2, "from training step 2 on"),
        ([0.0, float("nan"), 0.0], Verdict.DRIFT, 2, "from training step 2 on"),
    ],
)
def test_distances_decide_about_correct_steps(distances, verdict, diverged_at, said):
    found = history_of(distances)
    assert (found.verdict, found.diverged_at, found.steps) == (verdict, diverged_at, len(distances))
    assert said in found.verdict_sentence
    assert "Step audit: at most manual 2% and torch 2% of the tolerance." in found.comparison


@pytest.mark.parametrize(
    ("fault", "name", "ratio"), [("gradient", "l0_h2h_weight", 12.0), ("update", "linear_bias", 3.0)]
)
def test_a_wrong_step_is_a_disagreement(fault, name, ratio):
    found = history_of([0.0, 0.0, 1.0], {2: fault, 3: "gradient"})
    assert found.verdict is Verdict.DISAGREE
    assert list(found.wrong) == ["torch"]
    wrong = found.wrong["torch"]
    assert (wrong.step, wrong.part, wrong.name, wrong.ratio) == (2, fault, name, ratio)
    assert found.verdict_sentence.startswith(f"torch is wrong, first at training step 2: its {fault} of {name}")
    audit = found.to_json()["audit"]
    assert audit["torch"]["first_wrong"] == {"step": 2, "part": fault, "name": name, "ratio": ratio}
    assert audit["torch"]["max_gradient_ratio"] == 12.0
    assert audit["manual"] == {
        "correct": True,
        "max_gradient_ratio": 0.01,
        "max_update_ratio": 0.02,
        "first_wrong": None,
    }


def test_a_training_that_goes_on_forgets_the_steps_after_its_last_checkpoint():
    found = history_of([0.0])
    found.add([Checkpoint(1, {}, 0.125, 0.75, {}, 0.1)])
    learners = {name: LearnerStep(0.5, 0.5, 1.0, WRONG["update"]) for name in found.learners}
    found.add([StepDone(2, 0.2, learners, 1.0)])
    assert found.verdict is Verdict.DISAGREE
    found.rewind()
    assert (found.verdict, found.steps, found.column("torch.loss")[-1]) == (Verdict.AGREE, 1, 1.0)


def test_one_learner_has_no_verdict(tmp_path):
    found = TrainingHistory(TrainingStart(task_of(), 0.5))
    found.add(
        [StepDone(1, 0.1, {"manual": LearnerStep(0.25, float("nan"), 1.0)}), Checkpoint(1, {}, 0.125, 0.75, {}, 0.1)]
    )
    assert (found.verdict, found.verdict_sentence, found.comparison) == (None, "", "")
    assert found.sentences == (
        "Training loss: 0.250 at training step 1, 0.250 at training step 1. Without learning: 0.500.",
        "Test loss: 0.125. Accuracy: 75%.",
    )
    content = found.to_json()
    assert (content["loss"], content["accuracy"]) == ({"first": 0.25, "last": 0.25, "steps": [0.25]}, None)
    assert (content["distance"], content["audit"]) == (None, {})
    found.write_csv(tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {
        "step": "1",
        "seconds": "0.1",
        "distance": "",
        "manual.loss": "0.25",
        "manual.accuracy": "",
        "manual.norm": "1.0",
        "test.loss": "0.125",
        "test.accuracy": "0.75",
    }

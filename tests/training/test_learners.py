"""Learners: libraries and the manual gradients compute the same steps."""

from itertools import product

import pytest

from rnnviz.training.task import LIBRARIES, PROBLEMS
from tests.needs import need, need_engine
from tests.profiles import nightly_except
from tests.training.tasks import steps_of, task_of

CASES = list(product(LIBRARIES, PROBLEMS, ("lstm", "gru", "rnn_tanh"), (1, 2), ("adam", "sgd")))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "problem", "cell", "layers", "optimizer"),
    # Each value of each option, with others beside it each time.
    nightly_except(CASES, *CASES[::11]),
)
def test_learners_compute_the_same_steps(library, problem, cell, layers, optimizer):
    need_engine(library)
    # Clipping is active.
    settings = {"library": library, "optimizer": optimizer, "clip_norm": 0.05}
    for truncate in (None, 4):
        steps = steps_of(task_of(problem, network={"cell": cell, "num_layers": layers}, truncate=truncate, **settings))
        assert len(steps) == 6
        for step in steps:
            manual, other = step.learners["manual"], step.learners[library]
            assert step.distance is not None
            assert step.distance < 1e-12
            assert other.loss == pytest.approx(manual.loss, rel=1e-9)
            assert other.accuracy == pytest.approx(manual.accuracy, nan_ok=True)
            assert other.norm == pytest.approx(manual.norm, rel=1e-9)
            for learner in (manual, other):
                assert learner.audit is not None
                assert learner.audit.gradient_ratio < 0.05
                assert learner.audit.update_ratio < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("library", LIBRARIES)
def test_both_directions_are_learned_without_clipping_and_momentum(library):
    need_engine(library)
    options = {"optimizer": "sgd", "momentum": 0.0, "clip_norm": 0.0, "steps": 2}
    for step in steps_of(task_of(network={"cell": "gru", "bidirectional": True}, library=library, **options)):
        assert step.distance is not None
        assert step.distance < 1e-12
        assert all(learner.audit is not None and learner.audit.wrong is None for learner in step.learners.values())


@pytest.mark.nightly
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("problem", PROBLEMS)
def test_correct_steps_in_float32_are_far_from_the_tolerance(library, problem):
    need_engine(library)
    sizes = {"timesteps": 20, "batch_size": 16}
    task = task_of(problem, problem=sizes, network={"dtype": "float32", "hidden_size": 24}, library=library, steps=100)
    for step in steps_of(task):
        for learner in step.learners.values():
            assert learner.audit is not None
            assert learner.audit.gradient_ratio < 1 / 15
            assert learner.audit.update_ratio < 1 / 15


@pytest.mark.slow
def test_gradients_that_mxnet_loses_are_found():
    need("mxnet")
    (step,) = steps_of(task_of("parity", network={"cell": "rnn_tanh", "num_layers": 3}, library="gluon", steps=1))
    manual, gluon = step.learners["manual"].audit, step.learners["gluon"].audit
    assert manual is not None
    assert gluon is not None
    assert manual.wrong is None
    assert gluon.gradient_ratio > 1e6
    assert gluon.gradient_at == "l1_i2h_weight"

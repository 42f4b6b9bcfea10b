"""Training in a child process: the same events, and errors of the child."""

from dataclasses import replace

import pytest

from rnnviz.core.errors import EngineError, InputError
from rnnviz.training.loop import Checkpoint, StepDone, TrainingLoop
from rnnviz.training.process import TrainingProcess
from tests.training.tasks import task_of

pytestmark = pytest.mark.slow


def test_events_are_those_of_the_loop() -> None:
    task, events = task_of("sine", steps=8, checkpoint_every=3), []
    with TrainingProcess(task) as process:
        while not process.ended:
            events += process.events(5.0)
        last, rest = process.checkpoint()
    assert rest == ()
    expected = list(TrainingLoop(task))
    assert [event.step for event in events] == [event.step for event in expected]
    losses = [event.learners["manual"].loss for event in events if isinstance(event, StepDone)]
    # The child may have other kernels.
    expected_losses = [event.learners["manual"].loss for event in expected if isinstance(event, StepDone)]
    assert losses == pytest.approx(expected_losses, rel=1e-9)
    assert isinstance(expected[-1], Checkpoint)
    for name, array in expected[-1].parameters.items():
        assert last.parameters[name] == pytest.approx(array, abs=1e-9)


def test_errors_of_the_child_are_raised() -> None:
    task = task_of("characters")
    with (
        TrainingProcess(replace(task, problem=replace(task.problem, path="/none.txt"))) as process,
        pytest.raises(InputError, match=r"none\.txt"),
    ):
        process.events(30.0)
    with TrainingProcess(task_of(steps=1_000_000)) as process:
        process._process.kill()
        process._process.join()
        with pytest.raises(EngineError, match="killed by SIGKILL"):
            process.checkpoint()

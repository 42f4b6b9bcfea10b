"""The training loop: checkpoints, runs of them, and a child process that trains."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from rnnviz.core.errors import EngineError, InputError
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.training.checkpoints import CheckpointFolder
from rnnviz.training.history import TrainingHistory, TrainingStart
from rnnviz.training.loop import Checkpoint, StepDone, TrainingLoop, TrainingProcess
from rnnviz.training.training_file import load_training, save_training
from tests.needs import need_engine
from tests.oracles.computed import computed
from tests.training.tasks import task_of


def test_checkpoints_come_before_the_first_step_and_after_the_last():
    events = list(TrainingLoop(task_of("sine", steps=5, checkpoint_every=2, library=None)))
    kinds = [(type(event), event.step) for event in events]
    steps = [(StepDone, step) for step in range(1, 6)]
    assert [kind for kind in kinds if kind[0] is StepDone] == steps
    assert [step for kind, step in kinds if kind is Checkpoint] == [0, 2, 4, 5]
    assert all(event.learners["manual"].audit is None for event in events if isinstance(event, StepDone))


def test_the_loss_falls():
    losses = [event.loss for event in TrainingLoop(task_of("sine", steps=60)) if isinstance(event, Checkpoint)]
    assert losses[-1] < losses[0] / 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "optimizer"), [(None, "adam"), ("gluon", "sgd"), ("gluon", "adam"), ("torch", "adam"), ("torch", "sgd")]
)
def test_a_stopped_training_resumes_from_its_file_to_the_bit(tmp_path, library, optimizer):
    if library is not None:
        need_engine(library)
    # The state passes from batch to batch.
    task = task_of("characters", library=library, optimizer=optimizer, checkpoint_every=100)
    loop = TrainingLoop(task)
    history = TrainingHistory(TrainingStart.of(task, loop.source))
    history.add(islice(loop, 4))
    stopped = loop.checkpoint()
    assert stopped.step == history.steps == 3
    save_training(tmp_path / "run.npz", history, stopped, loop.source)
    record = load_training(tmp_path / "run.npz")
    assert np.array_equal(record.history.numbers, history.numbers, equal_nan=True)
    assert [checkpoint.step for checkpoint in record.history.checkpoints] == [0, 3]
    resumed = list(TrainingLoop(record.history.start.task, record.last))
    whole = list(islice(TrainingLoop(task), 4, None))
    assert [type(event) for event in resumed] == [StepDone] * 3 + [Checkpoint]
    for one, other in zip(resumed, whole, strict=True):
        if isinstance(one, StepDone) and isinstance(other, StepDone):
            assert (one.step, one.learners, one.distance) == (other.step, other.learners, other.distance)
        elif isinstance(one, Checkpoint) and isinstance(other, Checkpoint):
            assert all(np.array_equal(array, other.parameters[name]) for name, array in one.parameters.items())
            assert one.loss == other.loss
    assert resumed[0].seconds > stopped.seconds


def test_a_checkpoint_is_a_run_of_the_test_sequences(tmp_path):
    task = task_of("parity", steps=1)
    loop = TrainingLoop(task)
    checkpoint, source = loop.checkpoint(), loop.source
    folder = CheckpointFolder(tmp_path / "run", task.with_input_size(source.input_size), source)
    inputs = load_inputs(folder.save(checkpoint).config)
    assert np.array_equal(inputs.sequence, source.test.x[:, :4])
    assert np.array_equal(inputs.parameters["l0_i2h_weight"], checkpoint.parameters["l0_i2h_weight"])
    trace, _ = computed(load_engine("manual"), inputs)
    assert inputs.loss is not None
    assert inputs.loss.out is not None
    # A step along the gradient of out lowers the loss that the gradient is of.
    assert float(np.abs(inputs.loss.out).max()) > 0
    assert trace.output.shape == inputs.loss.out.shape
    assert checkpoint.loss == pytest.approx(source.baseline, rel=0.2)


@pytest.mark.slow
def test_events_of_a_child_process_are_those_of_the_loop():
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


@pytest.mark.slow
def test_errors_of_the_child_are_raised():
    task = task_of("characters")
    with (
        TrainingProcess(replace(task, problem=replace(task.problem, path="/none.txt"))) as process,
        pytest.raises(InputError, match=r"none\.txt"),
    ):
        process.events(30.0)
    with TrainingProcess(task_of(steps=1_000_000)) as process:
        process.process.kill()
        process.process.join()
        with pytest.raises(EngineError, match="killed by SIGKILL"):
            process.checkpoint()

"""A worker process: its early start, its memory, and its end where it cannot begin."""

import gc
import multiprocessing
import os
import sys
import weakref
from functools import partial

import pytest

from rnnviz.execution import worker
from rnnviz.execution.supervisor import Supervisor, run
from rnnviz.io.inputs import load_inputs
from tests.cases import cases
from tests.execution.event_helpers import config, events_of, failed, finished
from tests.leaks import children
from tests.programs import python

LIMITED = cases(__file__)["limited"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of a process are Linux's alone")


@pytest.mark.slow
@pytest.mark.parametrize(("left", "said"), [(4 << 20, "none"), (40 << 20, "none"), (200 << 20, "300.0")])
def test_memory_for_products_is_reserved_once_or_reported_missing(left, said):
    assert python("-c", LIMITED, str(left)).stdout.strip() == said


def _fail() -> None:
    raise MemoryError("none is left")


def _start_without_memory(connection, warm, storage) -> None:
    worker.preallocate_blas_buffers = _fail
    worker.main(connection, warm, storage)


@pytest.mark.slow
def test_a_process_that_cannot_start_ends_with_a_traceback_and_exit_code_1(tmp_path, capfd):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=partial(_start_without_memory, theirs, (), tmp_path))
    process.start()
    theirs.close()
    ours.send({})
    process.join(60)
    assert process.exitcode == 1
    assert "MemoryError: none is left" in capfd.readouterr().err
    process.close()
    ours.close()


def test_the_first_imports_of_a_process_are_light():
    code = "import sys, rnnviz.execution.worker; print('numpy' in sys.modules)"
    assert python("-c", code).stdout.strip() == "False"


@pytest.mark.slow
def test_a_run_whose_process_cannot_start_is_a_sentence_and_the_next_one_is_right(monkeypatch):
    supervisor = Supervisor(warm=())
    try:
        with monkeypatch.context() as patched:
            patched.setattr(worker, "main", _start_without_memory)
            failure = failed(events_of(supervisor))
            assert failure.sentence == (
                "The worker process ended while starting the engines (exit code 1): "
                "there is no result, and the next run starts a new process."
            )
            # The one that is started for the next run has the same fault.
            failed(events_of(supervisor))
        failed(events_of(supervisor))
        finished(events_of(supervisor))
    finally:
        supervisor.close()


@pytest.fixture
def nothing_started():
    yield
    left = worker.take()
    if left is not None:
        left.__exit__()


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_started")
def test_the_first_run_takes_the_worker_that_was_started_early(pid_of_runs):
    before = children()
    worker.start_early()
    (early,) = children() - before
    assert run(config(), load_inputs).verdict == "disagree"
    assert pid_of_runs() == early.pid
    assert worker.take() is None


@pytest.mark.usefixtures("nothing_started")
def test_no_worker_is_started_early_where_a_pipe_would_be_a_standard_stream(monkeypatch):
    before = children()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fstat", lambda number: os.stat(f"/no/such/{number}"))
        worker.start_early()
    assert worker.take() is None
    assert children() == before


def test_a_worker_whose_parent_is_gone_before_it_is_set_up_removes_the_folder(tmp_path):
    (tmp_path / "runs").mkdir()
    code = (
        "import multiprocessing, pathlib, sys\n"
        "from rnnviz.execution import worker\n"
        "ours, theirs = multiprocessing.Pipe()\n"
        "ours.close()\n"
        "worker.main(theirs, (), pathlib.Path(sys.argv[1]))"
    )
    assert python("-c", code, tmp_path / "runs").returncode == 0
    assert not (tmp_path / "runs").exists()


@pytest.mark.nightly
def test_a_child_does_not_grow_with_the_shapes_that_gluon_has_computed():
    supervisor = Supervisor(warm=("gluon",))
    memory = []
    for timesteps in range(1, 221):
        sizes = {"hidden_size": 1 + timesteps % 16, "bidirectional": True, "num_layers": 2}
        asked = config(engines=("gluon", "manual"), network=sizes, sequence={"timesteps": timesteps})
        finished(events_of(supervisor, asked))
        (process,) = children()
        memory.append(process.memory_full_info().uss)
    supervisor.close()
    # Compiled layers of every shape would take another 20 MB and more.
    assert min(memory[-20:]) - min(memory[80:100]) < 12e6


def test_reference_cycles_as_in_gluon_layers_are_collected_when_a_child_is_idle():
    class Layer:
        def __init__(self):
            self.itself = self

    gc.disable()
    try:
        layer = weakref.ref(Layer())
        assert layer() is not None
        worker._rest()
    finally:
        gc.enable()
    assert layer() is None

"""A run in the child process: its events, its numbers, and how long what it stored stays."""

import gc
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from pathlib import Path
from threading import Event
from time import sleep

import numpy as np
import psutil
import pytest

from rnnviz.core.errors import EngineError
from rnnviz.engines.manual import ManualEngine
from rnnviz.execution.events import STARTING, Cancelled, Computed, Failed, Progressed, RunRequest, StageKind
from rnnviz.execution.folders import storage
from rnnviz.execution.supervisor import Supervisor, close, run
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult
from tests.execution import loads
from tests.execution.event_helpers import config, events_of, finished
from tests.leaks import children
from tests.oracles.computed import computed


def run_folders() -> list[Path]:
    gc.collect()
    return sorted(storage().folder.iterdir())


def test_a_run_reports_progress_and_then_its_result(supervisor):
    events = events_of(supervisor)
    assert isinstance(events[0], Progressed)
    assert (events[0].stage, events[0].fraction) == (STARTING, 0.0)
    assert not any(isinstance(event, Computed) for event in events)
    result = finished(events)
    assert list(result.traces) == ["manual", "bug:no-h2h-bias"]
    assert result.judgment is None
    assert set(result.seconds) == set(result.versions) == set(result.traces)
    assert set(result.extents) == {"input", *result.traces}
    assert result.comparison("bug:no-h2h-bias").verdict == "disagree"


@pytest.mark.parametrize("audit", ["auto", "full"])
def test_an_audited_run_shows_its_result_before_it_is_judged(supervisor, audit):
    events = events_of(supervisor, audit=audit)
    shown = [event for event in events if isinstance(event, Computed)]
    assert len(shown) == 1
    assert shown[0].result.judgment is None
    result = finished(events)
    assert result.judgment is not None
    assert result.traces is shown[0].result.traces


@pytest.mark.parametrize(("dtype", "cell"), [("float32", "lstm"), ("float64", "lstm"), ("float32", "gru")])
def test_the_numbers_are_those_of_the_engine_in_this_process(supervisor, dtype, cell):
    asked = config(network={"cell": cell, "dtype": dtype, "bidirectional": True, "num_layers": 2, "layout": "TNC"})
    result = finished(events_of(supervisor, asked))
    here, _ = computed(ManualEngine(), load_inputs(asked))
    for name in ("hidden", "output", "state_h", "state_c", "cell"):
        left, right = getattr(result["manual"], name), getattr(here, name)
        assert (left is None) == (right is None)
        if left is not None:
            # Not bitwise: a product may be rounded otherwise where its arrays lie otherwise in memory.
            np.testing.assert_allclose(left, right, rtol=0.0, atol=1e-6 if dtype == "float32" else 1e-14)
    assert result.config == asked


def arrays_of(result: RunResult) -> list[np.ndarray]:
    traces = [array for trace in result.traces.values() for array in trace.values()]
    comparisons = [value for comparison in result.comparisons for value in vars(comparison).values()]
    inputs = result.inputs
    everything = [*traces, *comparisons, inputs.sequence, *inputs.parameters.values(), *inputs.initial_state.values()]
    return [value for value in everything if isinstance(value, np.ndarray)]


def test_nothing_in_a_result_can_be_written_to(supervisor):
    result = finished(events_of(supervisor))
    found = arrays_of(result)
    assert len(found) > 15
    for array in found:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.slow
def test_an_abandoned_run_does_not_answer_the_next_one(supervisor):
    abandoned = RunRequest(config(network={"hidden_size": 7}), load_inputs)
    for _ in supervisor.events(abandoned):
        break
    gc.collect()
    assert finished(events_of(supervisor)).shape == (1, 1, 5, 2, 4)
    assert f"run-{abandoned.id}" not in [folder.name for folder in run_folders()]


@pytest.mark.slow
def test_the_arrays_vanish_with_the_last_use_of_the_result(supervisor):
    before = run_folders()
    events = events_of(supervisor, audit="auto")
    result = finished(events)
    assert run_folders() == sorted([*before, result.folder])
    assert list(result.folder.rglob("*.npy"))
    hidden = result["manual"].hidden
    copy = np.array(hidden)
    del result, events
    assert run_folders() == before
    # What is still mapped stays readable.
    np.testing.assert_array_equal(hidden, copy)


@pytest.mark.slow
def test_results_outlive_the_supervisor_which_starts_nothing_after_its_end():
    own = Supervisor(warm=())
    result = finished(events_of(own))
    own.close()
    assert np.isfinite(result["manual"].hidden).all()
    assert result.folder.is_dir()
    own.start()
    request = RunRequest(config(), load_inputs)
    assert list(own.events(request)) == [Cancelled(request.id)]


@pytest.mark.slow
def test_two_supervisors_are_independent(supervisor):
    other = Supervisor(warm=())
    try:
        outer = supervisor.events(RunRequest(config(), load_inputs, "off"))
        next(outer)
        finished(events_of(other))
        finished(list(outer))
    finally:
        other.close()


@pytest.mark.slow
def test_one_process_serves_all_runs_until_it_is_closed(pid_of_runs, tmp_path):
    before = children()
    results = [run(config(), load_inputs)]
    first = pid_of_runs()
    results.append(run(config(network={"hidden_size": 3}), load_inputs))
    assert (pid_of_runs(), len(children() - before)) == (first, 1)
    # A file saved in between, and another working directory, apply to the next run.
    np.save(tmp_path / "x.npy", np.ones((5, 2, 3), np.float32))
    with chdir(tmp_path):
        relative = run(config(sequence={"source": "file", "path": "x.npy"}), load_inputs)
    assert (relative.inputs.sequence == 1.0).all()
    close()
    close()
    assert children() == before
    assert [result["manual"].hidden.shape[-1] for result in results] == [4, 3]
    assert all(np.isfinite(result["manual"].hidden).all() and result.folder.is_dir() for result in results)
    run(config(), load_inputs)
    assert pid_of_runs() != first


@pytest.mark.slow
def test_a_process_that_dies_fails_its_run_and_the_next_run_starts_another(pid_of_runs):
    pids = []
    for load in (loads.crash, loads.die, loads.leave):
        run(config(), load_inputs)
        pids.append(pid_of_runs())
        with pytest.raises(EngineError, match="ended while reading the inputs"):
            run(config(), load)
    run(config(), load_inputs)
    idle = pid_of_runs()
    assert idle is not None
    os.kill(idle, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(idle)], timeout=100)
    assert run(config(), load_inputs).verdict == "disagree"
    assert len({*pids, idle, pid_of_runs()}) == 5


@pytest.mark.slow
def test_a_run_that_is_interrupted_is_stopped_and_the_next_one_works(pid_of_runs):
    before, stages = children(), []

    def interrupt(stage, _fraction):
        stages.append(stage.kind)
        if stage.kind is StageKind.READING_INPUTS:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config(), loads.hang, interrupt)
    assert children() == before
    assert run(config(), load_inputs).verdict == "disagree"


@pytest.mark.slow
def test_runs_of_several_threads_take_turns(pid_of_runs):
    before = children()
    sizes = (3, 4, 5, 6)
    with ThreadPoolExecutor(len(sizes)) as pool:
        results = list(pool.map(lambda size: run(config(network={"hidden_size": size}), load_inputs), sizes))
    assert [result["manual"].hidden.shape[-1] for result in results] == list(sizes)
    assert len(children() - before) == 1


@pytest.mark.slow
def test_closing_stops_the_run_of_another_thread(pid_of_runs):
    before, started = children(), Event()

    def notify(stage, _fraction):
        if stage.kind is StageKind.READING_INPUTS:
            started.set()

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(run, config(), loads.hang, notify)
        started.wait()
        close()
        with pytest.raises(EngineError, match="The run was stopped"):
            asked.result()
    assert children() == before
    assert run(config(), load_inputs).verdict == "disagree"


def test_a_run_within_a_run_is_refused(pid_of_runs):
    with pytest.raises(EngineError, match="before it has ended"):
        run(config(), load_inputs, lambda *_: run(config(), load_inputs) and None)


@pytest.mark.slow
def test_a_run_whose_child_died_fails_although_another_thread_starts_a_child(supervisor):
    events = supervisor.events(RunRequest(config(), load_inputs))
    assert isinstance(next(events), Progressed)
    (child,) = children()
    child.kill()
    while child.status() != psutil.STATUS_ZOMBIE:
        sleep(0.001)
    supervisor.start()
    assert isinstance(list(events)[-1], Failed)
    finished(events_of(supervisor))


@pytest.mark.slow
def test_closing_ends_a_run_in_progress_and_leaves_no_process():
    before = children()
    supervisor = Supervisor(warm=("manual",))
    events = supervisor.events(RunRequest(config(), load_inputs))
    assert isinstance(next(events), Progressed)
    supervisor.close()
    assert isinstance(list(events)[-1], Cancelled)
    assert children() == before

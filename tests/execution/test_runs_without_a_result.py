"""Runs without a result: stopped, failed, or with a dead worker; the next run works."""

import os
import shutil
from pathlib import Path
from threading import Timer

import psutil
import pytest

from rnnviz.core.errors import ConfigError, EngineError, InputError
from rnnviz.engines.manual import ManualEngine
from rnnviz.execution import supervisor as supervisor_module
from rnnviz.execution.events import (
    Cancelled,
    Computed,
    Event,
    Failed,
    Finished,
    Progressed,
    RunRequest,
    Stage,
    StageKind,
)
from rnnviz.execution.folders import storage
from rnnviz.execution.log import keep_log, log_path
from rnnviz.execution.pipeline import compute
from rnnviz.execution.supervisor import Supervisor, run
from rnnviz.io.inputs import load_inputs
from tests.execution import loads
from tests.execution.event_helpers import config, events_of, failed, finished
from tests.leaks import children
from tests.needs import needs


def engine_processes() -> set[psutil.Process]:
    return children()


@pytest.mark.parametrize(
    ("load", "kind", "key", "sentence"),
    [
        (loads.refuse_input, "input", None, "The weather is wrong: it must be fair."),
        (loads.refuse_key, "input", "sequence.path", "sequence.path is wrong: it must be right."),
        (loads.use_all_memory, "input", None, "The run needs more memory than is available: reduce a size."),
        pytest.param(
            *(loads.map_too_much, "input", None, "The run needs more memory than is available: reduce a size."),
            marks=pytest.mark.slow,
        ),
        (loads.fill_the_disk, "engine", None, "The run could not be stored in {}: No space left on device."),
        (loads.blunder, "engine", None, "The run failed: ZeroDivisionError: nobody thought of this."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_error_in_the_child_is_a_sentence_and_the_child_lives_on(
    supervisor: Supervisor, load: supervisor_module.Load, kind: str, key: str | None, sentence: str
) -> None:
    finished(events_of(supervisor))
    before = engine_processes()
    failure = failed(events_of(supervisor, load=load))
    assert (failure.kind, failure.key, failure.sentence) == (kind, key, sentence.format(storage().folder))
    assert ("Traceback" in failure.traceback) == (load not in (loads.refuse_input, loads.refuse_key))
    finished(events_of(supervisor))
    assert engine_processes() == before


def test_an_engine_that_fails_while_it_runs_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the table\nhas no room")

    monkeypatch.setattr(ManualEngine, "run", fail)
    request = RunRequest(config(), load_inputs)
    with pytest.raises(EngineError, match="manual failed: RuntimeError: the table has no room") as error:
        compute(request, tmp_path, lambda *_: None)
    assert error.value.engine == "manual"


@pytest.mark.parametrize(
    ("load", "manner"),
    [
        (loads.die, "killed by SIGKILL"),
        pytest.param(loads.crash, "killed by SIGSEGV", marks=pytest.mark.slow),
        pytest.param(loads.leave, "exit code 7", marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_death_of_the_child_is_a_sentence_and_the_next_run_works(
    supervisor: Supervisor, load: supervisor_module.Load, manner: str, fresh_state: Path
) -> None:
    keep_log()
    finished(events_of(supervisor))
    before = engine_processes()
    failure = failed(events_of(supervisor, load=load))
    assert failure.kind == "engine"
    assert f"({manner})" in failure.sentence
    assert f"({manner})" in log_path().read_text(encoding="utf-8")
    assert "while reading the inputs" in failure.sentence or "while starting the engines" in failure.sentence
    finished(events_of(supervisor))
    assert not engine_processes() & before
    assert len(engine_processes()) == 1


@pytest.mark.slow
def test_a_child_that_was_killed_from_outside_while_it_worked(supervisor: Supervisor) -> None:
    finished(events_of(supervisor))
    (process,) = engine_processes()
    events = []
    for event in supervisor.events(RunRequest(config(), loads.hang)):
        events.append(event)
        if len(events) == 1:
            process.kill()
    assert "killed by SIGKILL" in failed(events).sentence
    finished(events_of(supervisor))


@pytest.mark.slow
@pytest.mark.parametrize("collected", [False, True], ids=["not waited for", "waited for by somebody else"])
def test_a_child_that_died_while_nothing_ran_is_replaced_unseen(supervisor: Supervisor, collected: bool) -> None:
    finished(events_of(supervisor))
    (process,) = engine_processes()
    process.kill()
    if collected:
        process.wait(timeout=100)
    else:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    finished(events_of(supervisor))
    assert len(engine_processes()) == 1


@pytest.mark.slow
def test_a_run_that_hangs_is_stopped_and_the_next_one_works(supervisor: Supervisor) -> None:
    finished(events_of(supervisor))
    request = RunRequest(config(), loads.hang)
    timer = Timer(0.3, supervisor.cancel, [request.id])
    timer.start()
    events = list(supervisor.events(request))
    timer.join()
    assert events[-1] == Cancelled(request.id)
    assert not any(isinstance(event, Finished | Failed) for event in events)
    assert not (storage().folder / f"run-{request.id}").exists()
    finished(events_of(supervisor))


@needs("mxnet")
@pytest.mark.slow
def test_a_forward_of_gluon_that_nothing_can_interrupt_is_stopped() -> None:
    asked = config(
        engines=("gluon", "manual"),
        network={"input_size": 256, "hidden_size": 512},
        sequence={"batch_size": 16, "timesteps": 4_000},
    )
    supervisor = Supervisor(warm=("gluon",))
    try:
        request = RunRequest(asked, load_inputs)
        computing, last = False, None
        for event in supervisor.events(request):
            last = event
            if not computing and isinstance(event, Progressed) and event.stage == Stage(StageKind.COMPUTING, "gluon"):
                computing = True
                supervisor.cancel(request.id)
        assert computing
        assert last == Cancelled(request.id)
        finished(events_of(supervisor))
    finally:
        supervisor.close()


def test_a_run_that_was_stopped_before_its_start_does_nothing(supervisor: Supervisor) -> None:
    finished(events_of(supervisor))
    before = engine_processes()
    request = RunRequest(config(), loads.blunder)
    supervisor.cancel(request.id)
    assert list(supervisor.events(request)) == [Cancelled(request.id)]
    assert engine_processes() == before


def test_stopping_another_run_leaves_this_one_alone(supervisor: Supervisor) -> None:
    request = RunRequest(config(), load_inputs, "off")
    events = []
    for event in supervisor.events(request):
        events.append(event)
        supervisor.cancel(request.id - 1)
        supervisor.cancel(request.id + 1_000)
    finished(events)


@pytest.mark.slow
def test_a_run_that_is_stopped_as_it_ends_does_not_take_the_next_one_along(supervisor: Supervisor) -> None:
    request = RunRequest(config(), load_inputs, "off")
    for event in supervisor.events(request):
        if isinstance(event, Finished):
            supervisor.cancel(request.id)
    finished(events_of(supervisor))


def test_a_run_beyond_any_machine_is_refused_with_its_demand(supervisor: Supervisor) -> None:
    failure = failed(events_of(supervisor, config(network={"hidden_size": 10**9}), load=loads.blunder))
    assert (failure.kind, failure.key) == ("input", "network.hidden_size")
    assert "would take" in failure.sentence
    assert "PB of memory" in failure.sentence
    assert "network.hidden_size = 1,000,000,000" in failure.sentence


@pytest.mark.parametrize("key", ["compare.reference", "compare.candidates"])
def test_an_unknown_engine_is_refused_before_anything_is_read(supervisor: Supervisor, key: str) -> None:
    engines = ("nonsense", "manual") if key == "compare.reference" else ("manual", "nonsense")
    failure = failed(events_of(supervisor, config(engines=engines), load=loads.blunder))
    assert (failure.kind, failure.key) == ("input", key)
    assert '"nonsense"' in failure.sentence


def test_a_storage_that_cannot_be_created_is_a_sentence(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(supervisor_module, "storage", full)
        failure = failed(list(supervisor.events(RunRequest(config(), load_inputs))))
    assert failure.kind == "engine"
    assert "No space left on device" in failure.sentence
    finished(events_of(supervisor))


def test_a_result_that_cannot_be_opened_is_a_sentence(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "engine")

    for audit in ("off", "auto"):
        with monkeypatch.context() as patch:
            patch.setattr(supervisor_module, "open_traces", gone)
            failure = failed(events_of(supervisor, audit=audit))
        assert failure.kind == "engine"
        assert "No such file or directory" in failure.sentence
        finished(events_of(supervisor))


@pytest.mark.parametrize("place", [0, 1])
def test_values_that_others_remove_during_the_audit_are_a_sentence(supervisor: Supervisor, place: int) -> None:
    seen: list[Event] = []
    for event in supervisor.events(RunRequest(config(), load_inputs)):
        seen.append(event)
        if isinstance(event, Computed):
            shutil.rmtree(event.result.folder / f"engine-{place}")
    failure = failed(seen)
    assert failure.kind == "engine"
    finished(events_of(supervisor))


@pytest.mark.parametrize(
    ("load", "error"),
    [
        pytest.param(loads.refuse_input, InputError, marks=pytest.mark.slow),
        pytest.param(loads.refuse_key, InputError, marks=pytest.mark.slow),
        pytest.param(loads.fill_the_disk, EngineError, marks=pytest.mark.slow),
        (loads.die, EngineError),
    ],
)
def test_run_raises_the_error_of_the_worker(load: supervisor_module.Load, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        run(config(), load)
    assert str(caught.value).endswith(".")
    assert not isinstance(caught.value, ConfigError) or caught.value.key == "sequence.path"


def test_an_error_in_the_listener_ends_the_process() -> None:
    before = children()

    def listen(stage: Stage, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config(), loads.hang, listen)
    psutil.wait_procs(children() - before, timeout=100)
    assert children() == before

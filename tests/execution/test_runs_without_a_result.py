"""Runs without a result: stopped, failed, or with a dead worker; the next run works."""

import shutil
from threading import Timer

import pytest

from rnnviz.core.errors import ConfigError, EngineError, InputError
from rnnviz.engines.manual import ManualEngine
from rnnviz.execution import supervisor as supervisor_module
from rnnviz.execution.events import Cancelled, Computed, Event, Failed, Finished, RunRequest
from rnnviz.execution.folders import storage
from rnnviz.execution.log import log_path
from rnnviz.execution.pipeline import compute
from rnnviz.execution.supervisor import run
from rnnviz.gui.recovery.log_file import keep_log
from rnnviz.io.inputs import load_inputs
from tests.execution import loads
from tests.execution.event_helpers import config, events_of, failed, finished
from tests.leaks import children


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "kind", "key", "sentence"),
    [
        (loads.refuse_input, "input", None, "The weather is wrong: it must be fair."),
        (loads.refuse_key, "input", "sequence.path", "sequence.path is wrong: it must be right."),
        (loads.use_all_memory, "input", None, "The run needs more memory than is available: reduce a size."),
        (loads.map_too_much, "input", None, "The run needs more memory than is available: reduce a size."),
        (loads.fill_the_disk, "engine", None, "The run could not be stored in {}: No space left on device."),
        (loads.blunder, "engine", None, "The run failed: ZeroDivisionError: nobody thought of this."),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_error_in_the_child_is_a_sentence_and_the_child_lives_on(supervisor, load, kind, key, sentence):
    finished(events_of(supervisor))
    before = children()
    failure = failed(events_of(supervisor, load=load))
    assert (failure.kind, failure.key, failure.sentence) == (kind, key, sentence.format(storage().folder))
    assert ("Traceback" in failure.traceback) == (load not in (loads.refuse_input, loads.refuse_key))
    assert not (storage().folder / f"run-{failure.request_id}").exists()
    finished(events_of(supervisor))
    assert children() == before


def test_an_engine_that_fails_while_it_runs_is_named(monkeypatch, tmp_path):
    def fail(*_):
        raise RuntimeError("the table\nhas no room")

    monkeypatch.setattr(ManualEngine, "run", fail)
    request = RunRequest(config(), load_inputs)
    with pytest.raises(EngineError, match="manual failed: RuntimeError: the table has no room") as error:
        compute(request, tmp_path, lambda *_: None)
    assert error.value.engine == "manual"


@pytest.mark.slow
def test_the_death_of_the_child_is_logged_and_its_folder_is_gone(supervisor, fresh_state):
    keep_log()
    failure = failed(events_of(supervisor, load=loads.die))
    assert failure.kind == "engine"
    assert "(killed by SIGKILL)" in failure.sentence
    assert "(killed by SIGKILL)" in log_path().read_text(encoding="utf-8")
    assert not (storage().folder / f"run-{failure.request_id}").exists()


@pytest.mark.slow
def test_a_run_that_hangs_is_stopped_and_the_next_one_works(supervisor):
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


def test_a_run_that_was_stopped_before_its_start_does_nothing(supervisor):
    finished(events_of(supervisor))
    before = children()
    request = RunRequest(config(), loads.blunder)
    supervisor.cancel(request.id)
    assert list(supervisor.events(request)) == [Cancelled(request.id)]
    assert children() == before


def test_stopping_another_run_leaves_this_one_alone(supervisor):
    request = RunRequest(config(), load_inputs, "off")
    events = []
    for event in supervisor.events(request):
        events.append(event)
        supervisor.cancel(request.id - 1)
        supervisor.cancel(request.id + 1_000)
    finished(events)


@pytest.mark.slow
def test_a_run_that_is_stopped_as_it_ends_does_not_take_the_next_one_along(supervisor):
    request = RunRequest(config(), load_inputs, "off")
    for event in supervisor.events(request):
        if isinstance(event, Finished):
            supervisor.cancel(request.id)
    finished(events_of(supervisor))


def test_a_run_beyond_any_machine_is_refused_with_its_demand(supervisor):
    failure = failed(events_of(supervisor, config(network={"hidden_size": 10**9}), load=loads.blunder))
    assert (failure.kind, failure.key) == ("input", "network.hidden_size")
    assert "would take" in failure.sentence
    assert "PB of memory" in failure.sentence
    assert "network.hidden_size = 1,000,000,000" in failure.sentence


@pytest.mark.parametrize("key", ["compare.reference", "compare.candidates"])
def test_an_unknown_engine_is_refused_before_anything_is_read(supervisor, key):
    engines = ("nonsense", "manual") if key == "compare.reference" else ("manual", "nonsense")
    failure = failed(events_of(supervisor, config(engines=engines), load=loads.blunder))
    assert (failure.kind, failure.key) == ("input", key)
    assert '"nonsense"' in failure.sentence


def test_a_storage_that_cannot_be_created_is_a_sentence(supervisor, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(supervisor_module, "storage", full)
        failure = failed(list(supervisor.events(RunRequest(config(), load_inputs))))
    assert failure.kind == "engine"
    assert "No space left on device" in failure.sentence
    finished(events_of(supervisor))


@pytest.mark.slow
def test_a_result_that_cannot_be_opened_is_a_sentence(supervisor, monkeypatch):
    def gone(*_):
        raise FileNotFoundError(2, "No such file or directory", "engine")

    for audit in ("off", "auto"):
        with monkeypatch.context() as patch:
            patch.setattr(supervisor_module, "open_traces", gone)
            failure = failed(events_of(supervisor, audit=audit))
        assert failure.kind == "engine"
        assert "No such file or directory" in failure.sentence
        finished(events_of(supervisor))


@pytest.mark.parametrize("place", [0, 1])
def test_values_that_others_remove_during_the_audit_are_a_sentence(supervisor, place):
    seen: list[Event] = []
    for event in supervisor.events(RunRequest(config(), load_inputs)):
        seen.append(event)
        if isinstance(event, Computed):
            shutil.rmtree(event.result.folder / f"engine-{place}")
    failure = failed(seen)
    assert failure.kind == "engine"
    finished(events_of(supervisor))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "error"), [(loads.refuse_input, InputError), (loads.refuse_key, InputError), (loads.die, EngineError)]
)
def test_run_raises_the_error_of_the_worker(load, error):
    with pytest.raises(error) as caught:
        run(config(), load)
    assert str(caught.value).endswith(".")
    assert not isinstance(caught.value, ConfigError) or caught.value.key == "sequence.path"

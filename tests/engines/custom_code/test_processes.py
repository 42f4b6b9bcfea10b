"""A custom step cannot harm other processes; its own process and its children end."""

import sys
from collections.abc import Callable
from operator import itemgetter
from threading import Event
from time import monotonic

import psutil
import pytest

from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import save_inputs
from rnnviz.engines.custom_code import parent as own_engine
from rnnviz.engines.custom_code.parent import CustomEngine
from tests.cases import cases
from tests.engines.custom_code.files import IMPATIENT, new_trace, run, sentence_of, written
from tests.engines.seeded_bugs import RIGHT
from tests.oracles.computed import assert_near
from tests.oracles.recurrence import recurrence
from tests.profiles import nightly_except
from tests.verify.audit_helpers import inputs_of

pytestmark = pytest.mark.slow

DYING = {
    "os._exit": ("import os\n\n\ndef step(x, state, p):\n    os._exit(5)\n", " ended its process (exit code 5)."),
    "a crash": (
        "import ctypes\n\n\ndef step(x, state, p):\n    ctypes.string_at(0)\n",
        " ended its process (killed by SIGSEGV).",
    ),
    "an abort": ("import os\nos.abort()\n", " ended its process (killed by SIGABRT)."),
}


@pytest.mark.parametrize("name", nightly_except(DYING, "os._exit", "a crash"))
def test_the_death_of_its_process_is_a_sentence(name, inputs, tmp_path):
    code, sentence = DYING[name]
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == sentence


@pytest.fixture
def impatient(monkeypatch):
    """Half a second counts as endless, in the process and outside of it."""
    monkeypatch.setattr(own_engine, "_command", lambda: [sys.executable, "-P", "-c", IMPATIENT])
    monkeypatch.setattr(own_engine, "_SILENCE_SECONDS", 2.0)


ENDLESS, HARMLESS = itemgetter("endless", "harmless")(cases(__file__))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "name",
    nightly_except(ENDLESS, "in step", "below its own lines", "the type of its answer", "the values of its answer"),
)
def test_code_and_objects_that_never_answer_are_stopped(name, inputs, tmp_path):
    code = f"def endless(*_):\n    while True: pass\n{ENDLESS[name]}\n"
    sentence = sentence_of(written(tmp_path, code), inputs, tmp_path / "trace")
    assert sentence.startswith(", line 2: the custom step was stopped: it did not")


@pytest.mark.usefixtures("impatient")
def test_code_that_runs_between_two_steps_and_never_ends_is_stopped(inputs, tmp_path):
    code = (
        "import sys, time\n\n\ndef hook(frame, *_):\n    if frame.f_code.co_name == 'advance':\n"
        "        time.sleep(1000)\n\n\nsys.setprofile(hook)\n\n\ndef step(x, state, p):\n    return state\n"
    )
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == (
        " ended its process (killed after 2 s of silence)."
    )


@pytest.mark.parametrize("name", nightly_except(HARMLESS, "its own file is gone", "messages of its own"))
def test_harmless_side_effects_change_no_number(name, inputs, tmp_path):
    trace, report = run(written(tmp_path, f"{HARMLESS[name]}\n{RIGHT['rnn_tanh']}"), inputs, tmp_path / "trace")
    assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)
    assert len(report.printed.encode("utf-8")) < 21_000


@pytest.mark.usefixtures("impatient")
def test_code_that_blocks_all_threads_is_stopped_from_outside(inputs, tmp_path):
    code = "import re\n\n\ndef step(x, state, p):\n    re.match('(a+)+b', 'a' * 60)\n"
    began = monotonic()
    assert sentence_of(written(tmp_path, code), inputs, tmp_path / "trace") == (
        " ended its process (killed after 2 s of silence)."
    )
    assert monotonic() - began < 100


@pytest.mark.usefixtures("impatient")
def test_a_process_that_shuts_its_output_and_lives_on_is_stopped(inputs, tmp_path):
    code = (
        "import os, time\n\n\ndef step(x, state, p):\n    os.closerange(1, 50)\n    time.sleep(0.1)\n    return state\n"
    )
    path = written(tmp_path, code)
    with pytest.raises(EngineError, match="ended its process"):
        run(path, inputs, tmp_path / "trace")


@pytest.mark.usefixtures("impatient")
def test_many_short_steps_are_not_an_endless_loop(tmp_path):
    asked = inputs_of({"timesteps": 35, "batch_size": 1}, cell="rnn_tanh", hidden_size=3)
    asked = save_inputs(tmp_path / "long", asked)
    code = RIGHT["rnn_tanh"].replace("    h = np", "    import time; time.sleep(0.02)\n    h = np")
    told: list[float] = []
    trace = new_trace(asked, tmp_path / "trace")
    CustomEngine(str(written(tmp_path, code))).run(asked, trace, told.append)
    assert told == sorted(told)
    assert len(told) > 3


def test_threads_that_it_leaves_behind_keep_nothing_waiting(inputs, tmp_path):
    code = f"import threading, time\nthreading.Thread(target=time.sleep, args=(1000,)).start()\n{RIGHT['rnn_tanh']}"
    began = monotonic()
    run(written(tmp_path, code), inputs, tmp_path / "trace")
    assert monotonic() - began < 100


def sleepers(mark: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] and mark in p.info["cmdline"]]


def gone(mark: str) -> bool:
    """Whether no process with that word on its command line is left, given a moment to go."""
    psutil.wait_procs(sleepers(mark), timeout=100)
    return sleepers(mark) == []


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
@pytest.mark.parametrize("ending", ["return state", "os._exit(3)", "raise ValueError"])
def test_processes_that_it_starts_end_with_it(ending, inputs, tmp_path):
    seconds = str(90_000 + abs(hash((ending, tmp_path))) % 9_000)
    code = (
        f"import os, subprocess\nsubprocess.Popen(['sleep', '{seconds}'])\n\n\ndef step(x, state, p):\n    {ending}\n"
    )
    path = written(tmp_path, code)
    if "return" in ending:
        run(path, inputs, tmp_path / "trace")
    else:
        sentence_of(path, inputs, tmp_path / "trace")
    assert gone(seconds)


HUNG = {
    "waiting": "import time\ntime.sleep(1000)\n",
    "holding Python's lock": "import re\nre.match('(a+)+b', 'a' * 60)\n",
}

PARENT = """
import sys
from pathlib import Path
from rnnviz.engines.custom_code.parent import CustomEngine
from rnnviz.core.inputs import open_inputs
from rnnviz.core.trace import open_trace
CustomEngine(sys.argv[1]).run(open_inputs(Path(sys.argv[2])), open_trace(Path(sys.argv[3]), writable=True), print)
"""


@pytest.mark.parametrize("name", HUNG)
def test_no_process_is_left_when_the_one_that_asked_is_killed(name, inputs, tmp_path):
    started = tmp_path / "started"
    path = written(tmp_path, f"open({str(started)!r}, 'w').close()\n{HUNG[name]}")
    new_trace(inputs, tmp_path / "trace")
    arguments = [str(path), str(inputs.folder), str(tmp_path / "trace")]
    parent = psutil.Popen([sys.executable, "-c", PARENT, *arguments])
    assert eventually(started.exists)
    (host,) = parent.children(recursive=True)
    parent.kill()
    parent.wait(timeout=100)
    _, left = psutil.wait_procs([host], timeout=100)
    assert left == []


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it holds within some seconds."""
    end, pause = monotonic() + 100, Event()
    while not holds() and monotonic() < end:
        pause.wait(0.01)
    return holds()


def test_an_error_in_the_listener_ends_the_process(inputs, tmp_path):
    def burst(_):
        raise LookupError

    path = written(tmp_path, RIGHT["rnn_tanh"])
    trace = new_trace(inputs, tmp_path / "trace")
    with pytest.raises(LookupError):
        CustomEngine(str(path)).run(inputs, trace, burst)

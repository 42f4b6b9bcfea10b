"""The process of a user's file, and its messages."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from io import BytesIO
from operator import itemgetter
from pathlib import Path
from threading import Event
from time import monotonic
from typing import Any

import psutil
import pytest

import rnnviz
from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs, save_inputs
from rnnviz.engines.custom_code import parent as own_engine
from rnnviz.engines.custom_code.parent import CustomEngine, encode
from tests.cases import cases
from tests.engines.custom_code.files import IMPATIENT, new_trace, run, sentence_of, written
from tests.engines.seeded_bugs import RIGHT
from tests.oracles.computed import assert_near
from tests.oracles.recurrence import recurrence
from tests.profiles import nightly_except
from tests.verify.audit_helpers import inputs_of


class Process:
    """One that has said all that it will say."""

    pid = 123

    def __init__(self, said: bytes, code: int = 0) -> None:
        self.stdin, self.stdout, self.returncode = BytesIO(), BytesIO(said), code
        self.did: list[str] = []

    def kill(self) -> None:
        self.did.append("killed")

    def wait(self) -> None:
        self.did.append("waited")


@pytest.fixture
def started(monkeypatch):
    """Recorded system calls: `arguments`, `keywords`, `groups`; `process` is returned."""
    known: dict[str, Any] = {"groups": []}

    def popen(arguments, **keywords):
        known.update(arguments=arguments, keywords=keywords)
        process: Process = known["process"]
        return process

    monkeypatch.setattr(own_engine.subprocess, "Popen", popen)

    def killpg(*asked):
        known["groups"].append(asked)
        raise ProcessLookupError

    monkeypatch.setattr(own_engine.os, "killpg", killpg)
    return known


def heard(
    inputs: Inputs, folder: Path, started: dict[str, Any], *said: bytes, code: int = 0, process: Any = None
) -> tuple[str, list[float]]:
    """The engine's report or else its error, and the reported progress."""
    started["process"] = process or Process(b"".join(said), code)
    trace = new_trace(inputs, folder)
    told: list[float] = []
    try:
        return own_engine.CustomEngine("mine.py").run(inputs, trace, told.append).printed, told
    except EngineError as error:
        return str(error), told
    finally:
        process = started["process"]
        assert process.did[-2:] == ["killed", "waited"]
        assert process.stdin.closed
        assert process.stdout.closed
        assert started["groups"][-1] == (123, signal.SIGKILL)


def test_messages_are_received_in_order_and_noise_is_ignored(inputs, tmp_path, started):
    said: list[tuple[str, Any]] = [
        *(("advanced", 0.25), ("printed", "lo"), ("alive", None), ("printed", "ü\n\udc80"), ("advanced", 0.75)),
        *(("done", None), ("failed", "Not heard.")),
    ]
    lines = [line for message in said for line in (encode(*message), b"noise\n")]
    assert heard(inputs, tmp_path / "trace", started, *lines) == ("loü\n\\udc80", [0.25, 0.75])
    assert started["arguments"] == [
        *(sys.executable, "-P", "-m", "rnnviz.engines.custom_code.worker", "mine.py"),
        *(str(inputs.folder), str(tmp_path / "trace")),
    ]
    keywords = started["keywords"]
    pipe, nowhere = own_engine.subprocess.PIPE, own_engine.subprocess.DEVNULL
    assert (keywords["stdin"], keywords["stdout"], keywords["stderr"]) == (pipe, pipe, nowhere)
    assert keywords["start_new_session"] is True


@pytest.mark.parametrize(
    ("said", "code", "sentence"),
    [
        ((("failed", "It broke."),), 1, "It broke."),
        ((("printed", "one\ntw"), ("printed", "o\n \n"), ("failed", "It broke.")), 1, "It broke. Last it printed: two"),
        ((), 5, "mine.py ended its process (exit code 5)."),
        ((), 0, "mine.py ended its process (exit code 0)."),
        ((), -signal.SIGSEGV, "mine.py ended its process (killed by SIGSEGV)."),
        ((), -1000, "mine.py ended its process (exit code -1000)."),
        ((("printed", "one"),), 3, "mine.py ended its process (exit code 3). Last it printed: one"),
    ],
    ids=repr,
)
def test_an_end_without_a_trace_is_a_sentence(said, code, sentence, inputs, tmp_path, started):
    assert heard(inputs, tmp_path / "trace", started, *(encode(*message) for message in said), code=code) == (
        sentence,
        [],
    )


@pytest.mark.parametrize(("beside", "before"), [("", ""), ("/other", os.pathsep + "/other")])
def test_the_process_finds_this_program_before_others(beside, before, inputs, tmp_path, started, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", beside)
    monkeypatch.setenv("KEPT", "as it is")
    heard(inputs, tmp_path / "trace", started, encode("done"))
    environment = started["keywords"]["env"]
    assert environment["PYTHONPATH"] == f"{Path(rnnviz.__file__).parents[1]}{before}"
    assert environment["KEPT"] == "as it is"


def test_a_bundle_calls_itself(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert own_engine._command() == [sys.executable, "--recurrence-host"]


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        (["x" * 20_000], "x" * 20_000),
        (["x" * 19_999, "yz", "w"], "x" * 19_999 + "y\n(There was more: 20,000 characters are kept.)\n"),
        (["x" * 20_000, "y"], "x" * 20_000 + "\n(There was more: 20,000 characters are kept.)\n"),
        ([], ""),
    ],
    ids=["the limit", "beyond", "just beyond", "nothing"],
)
def test_printed_text_is_limited(parts, kept, inputs, tmp_path, started):
    said = [encode("printed", part) for part in parts]
    assert heard(inputs, tmp_path / "trace", started, *said, encode("done")) == (kept, [])


def test_a_process_that_is_silent_for_too_long_is_killed_and_an_active_one_is_not(monkeypatch):
    monkeypatch.setattr(own_engine, "_SILENCE_INTERVAL", 0.001)
    now = [100.0]
    monkeypatch.setattr(own_engine, "monotonic", lambda: now[0])
    monkeypatch.setattr(own_engine.os, "killpg", lambda *_: None)
    process = Process(b"")
    with own_engine.SilenceWatchdog(process) as silence:
        now[0] = 100.0 + own_engine._SILENCE_SECONDS
        silence._over.wait(0.02)
        assert not silence.killed
        silence.heard()
        now[0] += own_engine._SILENCE_SECONDS
        silence._over.wait(0.02)
        assert (silence.killed, process.did) == (False, [])
        now[0] += 0.5
        silence._thread.join(10)
    assert (silence.killed, process.did) == (True, ["killed"])
    assert silence.exit == "killed after 15 s of silence"


class Mute(Process):
    """One that says nothing until it is killed."""

    def __init__(self) -> None:
        super().__init__(b"", -signal.SIGKILL)
        reading, self.writing = os.pipe()
        self.stdout = os.fdopen(reading, "rb")

    def kill(self) -> None:
        if "killed" not in self.did:
            os.close(self.writing)
        super().kill()


def test_the_sentence_about_a_killed_process_mentions_silence(inputs, tmp_path, started, monkeypatch):
    monkeypatch.setattr(own_engine, "_SILENCE_INTERVAL", 0.001)
    monkeypatch.setattr(own_engine, "_SILENCE_SECONDS", 0.01)
    sentence = "mine.py ended its process (killed after 0 s of silence)."
    assert heard(inputs, tmp_path / "trace", started, process=Mute()) == (sentence, [])


def test_a_file_is_known_by_its_name_and_when_it_was_saved(tmp_path):
    path = tmp_path / "mine.py"
    path.touch()
    os.utime(path, (1_000_000_000.75,) * 2)
    known = own_engine.CustomEngine(str(path)).version
    name, _, saved = known.partition(", saved ")
    assert name == "mine.py"
    assert datetime.fromisoformat(saved).timestamp() == 1_000_000_000
    assert len(saved) == len("2001-09-09 01:46:40")
    path.unlink()
    assert own_engine.CustomEngine(str(path)).version == "mine.py"


pytestmark = pytest.mark.slow

DYING = cases(__file__)["dying"]


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

PARENT = cases(__file__)["parent"]


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

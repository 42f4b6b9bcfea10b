"""Start, messages and end of the process of a custom step, without a real process."""

import os
import signal
import sys
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import rnnviz
from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.engines.custom_code import parent as own_engine
from rnnviz.engines.custom_code.parent import encode
from tests.engines.custom_code.files import new_trace


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
    assert own_engine._manner(-9, silence.killed) == "killed after 15 s of silence"


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

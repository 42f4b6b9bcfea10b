"""The process of a custom step: its messages, time limits and end."""

import os
import signal
import sys
import threading
from contextlib import suppress
from io import BytesIO
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from rnnviz.core.inputs import save_inputs
from rnnviz.core.trace import open_trace
from rnnviz.engines.custom_code import worker as host
from rnnviz.engines.custom_code.parent import Message, decode, encode
from rnnviz.engines.custom_code.worker import CallWatchdog, CapturedOutput, MessageWriter
from rnnviz.io.templates import starter
from tests.engines.custom_code.files import SIZES, new_trace, written
from tests.oracles.computed import assert_near
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of

EVERY: list[Message] = [
    *(("printed", "größer\n"), ("advanced", 0.25), ("alive", None), ("failed", "No.")),
    *(("declared", ["{}", "h = 1"]), ("done", None)),
]


def heard(out: BytesIO) -> list[Message | None]:
    return [decode(line) for line in out.getvalue().splitlines()]


def test_messages_are_a_line_each_and_read_back():
    out = BytesIO()
    messages = MessageWriter(out)
    for message in EVERY:
        messages.send(*message)
    assert heard(out) == EVERY
    assert encode("advanced", 0.5) == b'["advanced", 0.5]\n'


@pytest.mark.parametrize(
    "noise",
    [
        *(b"noise\n", b"[1, 2]", b"3", b'["gone", null]', b'["done", 1]', b'["advanced", null]', b'["printed", 5]'),
        *(b'["declared", 3]', b'["declared", ["a", 1]]', b'["failed", null]', b'["alive", ""]', b"[" * 100_000),
    ],
    ids=lambda noise: noise[:20],
)
def test_noise_is_no_message(noise):
    assert decode(noise) is None


def test_progress_is_reported_at_most_once_an_interval(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(host, "monotonic", lambda: now[0])
    monkeypatch.setattr(host, "_PROGRESS_INTERVAL", 0.5)
    out = BytesIO()
    messages = MessageWriter(out)
    for seconds in (0.5, 0.75, 1.0, 1.125, 1.5):
        now[0] = seconds
        messages.advance(seconds / 10)
    assert heard(out) == [("advanced", 0.05), ("advanced", 0.1), ("advanced", 0.15)]


def test_prints_are_sent_unchanged(monkeypatch):
    out = BytesIO()
    printed = CapturedOutput(MessageWriter(out))
    assert printed.writable()
    assert printed.write("lo\n") == 3
    assert printed.write("") == 0
    monkeypatch.setattr(sys, "stdout", printed)
    print("a", end="b")
    assert heard(out) == [("printed", "lo\n"), ("printed", "a"), ("printed", "b")]


def test_of_prints_one_character_more_than_is_kept_is_sent(monkeypatch):
    monkeypatch.setattr(host, "PRINTED_LIMIT", 5)
    out = BytesIO()
    printed = CapturedOutput(MessageWriter(out))
    assert [printed.write(text) for text in ("abc", "defgh", "i")] == [3, 5, 1]
    assert heard(out) == [("printed", "abc"), ("printed", "def")]


class EndedError(Exception):
    """The process would have ended here."""


class Ending(threading.Thread):
    """A thread that ends where the process would."""

    started: ClassVar[list[threading.Thread]] = []

    def run(self) -> None:
        self.started.append(self)
        with suppress(EndedError):
            super().run()


@pytest.fixture
def ended(monkeypatch):
    """Set when the process would end."""
    event = threading.Event()

    def end():
        event.set()
        raise EndedError

    monkeypatch.setattr(host, "_end", end)
    monkeypatch.setattr(host, "_WATCH_INTERVAL", 0.005)
    monkeypatch.setattr(host.threading, "Thread", Ending)
    yield event
    for thread in Ending.started:
        thread.join(5)


@pytest.mark.parametrize("line", [", line 2", ""], ids=["in the file", "outside of it"])
def test_a_call_that_does_not_return_is_stopped(line, ended, tmp_path):
    path = written(tmp_path, "def stay(until):\n    until()\n\n\ndef outer(until):\n    stay(until)\n")
    names: dict[str, Any] = {"outer": lambda until: until()}
    if line:
        exec(compile(path.read_bytes(), str(path), "exec"), names)
    out = BytesIO()
    with CallWatchdog(path, MessageWriter(out), 0.02):
        names["outer"](lambda: ended.wait(5))
    assert heard(out) == [("failed", f"{path}{line}: the custom step was stopped: it did not return within 0 s.")]


def test_a_short_call_is_not_stopped_and_signals_are_rare(ended, monkeypatch, tmp_path):
    told: list[str] = []

    def send(kind):
        told.append(kind)
        raise EndedError

    monkeypatch.setattr(host, "_ALIVE_INTERVAL", 300.0)
    watchdog = CallWatchdog(tmp_path / "mine.py", SimpleNamespace(send=send), 300.0)
    with watchdog:
        assert not ended.wait(0.03)
    assert not ended.wait(0.03)
    assert told == []
    monkeypatch.setattr(host, "_ALIVE_INTERVAL", 0.0)


def test_between_calls_the_watchdog_only_signals_that_it_is_alive(ended, monkeypatch, tmp_path):
    monkeypatch.setattr(host, "_ALIVE_INTERVAL", 0.02)
    told, twice = list[str](), threading.Event()

    def send(kind):
        told.append(kind)
        if len(told) == 2:
            twice.set()
        if len(told) == 3:
            raise EndedError

    watchdog = CallWatchdog(tmp_path / "mine.py", SimpleNamespace(send=send), 0.01)
    assert twice.wait(5)
    with watchdog:
        pass
    assert not ended.is_set()
    assert told[:2] == ["alive", "alive"]


@pytest.mark.parametrize(("code", "right"), [(starter("lstm"), True), ("1 / 0\n", False)], ids=["right", "wrong"])
def test_the_host_fills_the_trace_and_reports_the_outcome(code, right, tmp_path, monkeypatch):
    inputs = save_inputs(tmp_path / "inputs", inputs_of({"timesteps": 3, "batch_size": 2}, cell="lstm", **SIZES))
    path = written(tmp_path / "project", f"import sys\nprint('lo')\nprint('oh', file=sys.stderr)\n{code}")
    new_trace(inputs, tmp_path / "trace")
    out, joined = BytesIO(), []
    # What the process does to itself is done to the test's process only as far as it can be undone.
    monkeypatch.setattr(host, "_die_with_parent", lambda: joined.append("parent"))
    monkeypatch.setattr(host.os, "dup", {1: 77}.__getitem__)
    monkeypatch.setattr(host.os, "fdopen", lambda *asked: {(77, "wb"): out}[asked])
    monkeypatch.setattr(host.os, "dup2", lambda *numbers: joined.append(numbers))

    def watchdog(whose, messages, seconds):
        joined.append((whose, type(messages), seconds))
        return threading.Lock()

    monkeypatch.setattr(host, "CallWatchdog", watchdog)
    for name in ("stdin", "stdout", "stderr", "dont_write_bytecode", "path"):
        monkeypatch.setattr(sys, name, list(sys.path) if name == "path" else getattr(sys, name))
    code_of_exit = host.main([str(path), str(inputs.folder), str(tmp_path / "trace")])
    standard, folder, keeps_no_bytecode = sys.stdin, sys.path[0], sys.dont_write_bytecode
    monkeypatch.undo()
    with standard:
        assert standard.name == os.devnull
        assert joined == ["parent", (2, 1), (standard.fileno(), 0), (path, MessageWriter, host.STEP_SECONDS)]
    assert (folder, keeps_no_bytecode) == (str(tmp_path / "project"), True)
    told = list(filter(None, heard(out)))
    assert "".join(text for kind, text in told if kind == "printed") == "lo\noh\n"
    failed = ("failed", f"{path}, line 4: ZeroDivisionError: division by zero.")
    assert told[-1] == (("done", None) if right else failed)
    assert code_of_exit == (0 if right else 1)
    if right:
        trace = open_trace(tmp_path / "trace")
        assert_near(trace.hidden, recurrence(inputs).hidden, 1e-6)
        assert {name: array.shape for name, array in trace.lines.items()} == dict.fromkeys("ifgo", (2, 2, 3, 2, 4))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX")
@pytest.mark.parametrize("leads", [True, False], ids=["its own group", "another's group"])
def test_an_end_takes_the_group_along_only_where_it_is_its_own(leads, monkeypatch):
    done: list[object] = []

    def killpg(*asked):
        done.append(asked)
        raise ProcessLookupError

    monkeypatch.setattr(host.os, "killpg", killpg)
    monkeypatch.setattr(host.os, "getpid", lambda: 12)
    monkeypatch.setattr(host.os, "getpgrp", lambda: 12 if leads else 11)
    monkeypatch.setattr(host.os, "_exit", done.append)
    host._end_with(BytesIO(b"until the end"))
    assert done == ([(12, signal.SIGKILL)] if leads else []) + [1]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that started it")
@pytest.mark.parametrize("known", [True, False], ids=["prctl", "no prctl"])
def test_the_process_ends_with_the_one_that_asked_or_when_its_input_ends(known, monkeypatch):
    asked: list[object] = []
    stdin = BytesIO()
    library = SimpleNamespace(prctl=lambda *numbers: asked.append(numbers)) if known else SimpleNamespace()
    monkeypatch.setattr(host.ctypes, "CDLL", {None: library}.__getitem__)
    monkeypatch.setattr(host.os, "dup", {0: 78}.__getitem__)
    monkeypatch.setattr(host.os, "fdopen", lambda *numbers: {(78, "rb"): stdin}[numbers])

    def thread(**how):
        return SimpleNamespace(start=lambda: asked.append(how))

    monkeypatch.setattr(host.threading, "Thread", thread)
    host._die_with_parent()
    waiting = {"target": host._end_with, "args": (stdin,), "daemon": True}
    assert asked == [*([(1, signal.SIGKILL)] if known else []), waiting]

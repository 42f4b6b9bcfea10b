"""Programs that misbehave: each ends within its limits, and leaves no process behind."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from time import monotonic, sleep
from typing import Any, TypeAlias

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits of processes are watched on Linux")

Ended: TypeAlias = dict[str, Any]

LIMITS = {"seconds": 1.0, "memory": 64 << 20, "processes": 8, "disk": 4 << 20, "files": 16}


@pytest.fixture
def guarded(tmp_path: Path) -> Callable[[str], Ended]:
    """Runs the text of a Python program, whose variable `out` is OUT, under tight limits."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    program = tmp_path / "program.py"

    def run(text: str) -> Ended:
        head = "import os, shutil, signal, subprocess, sys, time\nfolder, out = sys.argv[-2:]\n"
        program.write_text(head + dedent(text), "utf-8")
        asked = {
            "words": [sys.executable, str(program), str(tmp_path / "in"), str(tmp_path / "out")],
            "folder": str(tmp_path),
            "environment": dict(os.environ),
            "out": str(tmp_path / "out"),
            "limits": LIMITS,
        }
        command = [sys.executable, "-m", "rnnviz.engines.port.guard"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            ended: Ended = json.loads(process.stdout.read())
        return ended

    return run


def _left(marker: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if marker in " ".join(_words(p))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_program_that_ends_reports_its_code_and_the_end_of_what_it_printed(guarded: Callable[[str], Ended]) -> None:
    ended = guarded("print('x' * 100_000); print('the reason'); sys.exit(3)")
    assert (ended["code"], ended["stopped"]) == (3, "")
    assert len(ended["printed"]) == 20_000
    assert ended["printed"].endswith("the reason\n")


def test_a_signal_is_a_negative_code(guarded: Callable[[str], Ended]) -> None:
    assert guarded("os.kill(os.getpid(), signal.SIGSEGV)")["code"] == -11


HOSTILE = {
    "endless": ("while True: pass", "within 1 s"),
    "endless-output": ("while True: print('x' * 1000)", "within 1 s"),
    "ignores-signals": ("signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", "within 1 s"),
    "fork-bomb": ("while True:\n    if os.fork() == 0: time.sleep(60)", "8 processes"),
    "memory": ("kept = [bytearray(b'x' * (8 << 20)) for _ in range(12)]; time.sleep(60)", "64 MB of memory"),
    "many-files": ("for k in range(1000): open(f'{out}/{k}', 'w').close()\ntime.sleep(60)", "16 files"),
    "files-in-folders": (
        "for k in range(40): os.makedirs(f'{out}/{k}/{k}', exist_ok=True)\ntime.sleep(60)",
        "16 files",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.slow
def test_a_program_beyond_a_limit_is_stopped(guarded: Callable[[str], Ended], name: str) -> None:
    text, reason = HOSTILE[name]
    ended = guarded(text)
    assert reason in ended["stopped"]


@pytest.mark.slow
def test_large_files_end_the_program(guarded: Callable[[str], Ended]) -> None:
    ended = guarded("signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nopen(out + '/h.bin', 'wb').write(b'x' * (1 << 24))")
    assert ended["code"] == -25 or "4 MB" in ended["stopped"]


@pytest.mark.parametrize("parent", ["time.sleep(60)", "pass"])
def test_what_leaves_the_group_of_the_program_is_ended_too(
    guarded: Callable[[str], Ended], tmp_path: Path, parent: str
) -> None:
    text = """
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(60)', folder])
        os._exit(0)
    time.sleep(0.3)
    """
    guarded(dedent(text) + parent)
    assert _left(str(tmp_path / "in")) == []


def test_the_end_of_the_guard_s_input_ends_the_program(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path)]
    asked = {
        "words": words,
        "folder": str(tmp_path),
        "environment": dict(os.environ),
        "out": str(tmp_path),
        "limits": LIMITS | {"seconds": 60.0},
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnviz.engines.port.guard"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asked) + "\n")
    process.stdin.flush()
    end = monotonic() + 10.0
    while not _left(str(tmp_path)) and monotonic() < end:
        sleep(0.02)
    answer, _ = process.communicate(timeout=10.0)
    assert json.loads(answer)["stopped"] == "is no longer wanted"
    assert _left(str(tmp_path)) == []


def test_a_program_that_cannot_be_started_has_a_reason(tmp_path: Path) -> None:
    asked = {"words": [str(tmp_path / "none")], "folder": str(tmp_path), "environment": {}, "out": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "rnnviz.engines.port.guard"],
        input=json.dumps(asked | {"limits": LIMITS}) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["error"] == "No such file or directory"

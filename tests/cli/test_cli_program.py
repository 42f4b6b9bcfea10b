"""The command line as a separate program: interrupted, in a terminal, without MXNet, with any standard streams."""

import io
import json
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import psutil
import pytest

from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, DISAGREE, INTERRUPTED, WRONG_INPUT
from rnnviz.io.templates import write_starter
from tests.cli.calls import WRONG, write
from tests.programs import ended

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FULL = "rnnviz: Standard output cannot be written: No space left on device.\n"

# Unbuffered, an error would come while a command is still running; buffered, when Python ends.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

on_linux = pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no device that is always full")


def program(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "rnnviz", *map(str, words)]


def test_a_requested_reference_that_is_missing_exits_with_three_and_the_fix(tmp_path):
    config = write(tmp_path, compare={"reference": "gluon"})
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    # Python reads this file before any program, in the child process as well.
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'mxnet' else find(name, *rest)\n",
        encoding="utf-8",
    )
    env = {**os.environ, "PYTHONPATH": str(hidden)}

    done = ended(*program("run", config), cwd=ROOT, env=env)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("rnnviz: The engine gluon needs mxnet 1.9.1")
    assert done.stderr.count("\n") == 1
    assert ended(*program("run", config, "--engines", "manual,onnx"), cwd=ROOT, env=env).returncode == 0


@pytest.mark.parametrize(("number", "group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_signal_ends_the_run_and_leaves_no_file(tmp_path, number, group):
    config = write(tmp_path)
    own = tmp_path / "slow.py"
    started = tmp_path / "started"
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    own.write_text(
        "import pathlib, time\n"
        f"def step(x, state, p):\n    pathlib.Path({str(started)!r}).touch()\n    time.sleep(60)\n",
        encoding="utf-8",
    )
    with subprocess.Popen(
        program("run", config, "--engines", f"manual,{own}", "--csv", tmp_path / "out.csv"),
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that run under nohup would pass on that SIGHUP is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    ) as running:
        while not started.exists():
            assert running.poll() is None
        children = psutil.Process(running.pid).children(recursive=True)
        (os.killpg if group else os.kill)(running.pid, number)
        out, err = running.communicate(timeout=100)
    assert (running.returncode, out, err) == (128 + number, "", "")
    assert not (tmp_path / "out.csv").exists()
    assert list(temporary.iterdir()) == []
    assert psutil.wait_procs(children, timeout=100)[1] == []


def test_an_interrupt_while_the_program_is_imported_has_its_exit_code_and_no_traceback(tmp_path):
    # Python reads this file before any program.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(name, *rest):\n"
        "        if name == 'rnnviz.cli.run':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder)\n",
        encoding="utf-8",
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = ended(*program("config"), cwd=ROOT, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


def in_shell(line: str, *words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The program called by a line of the shell, in which "$@" is the call."""
    return ended("bash", "-c", line, "bash", *program(*words), cwd=ROOT, env=ENVIRONMENT | variables)


def test_a_signal_that_is_ignored_stays_ignored(config):
    line = 'trap "" HUP; "$@" & child=$!; sleep 0.2; kill -HUP $child; wait $child'
    done = in_shell(line, "run", config, "--engines", WRONG, "--quiet")
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_gets_a_progress_bar_unless_quiet(tmp_path, quiet):
    config = write(tmp_path, network={"cell": "gru"}, sequence={"timesteps": 100})
    (tmp_path / "slow.py").write_text(
        "import time\ndef step(x, state, p):\n    time.sleep(0.01)\n    return state\n", encoding="utf-8"
    )
    words = ["run", config, "--engines", "manual,./slow.py", "--audit", "off", "--json", tmp_path / "out.json"]
    words += ["--quiet"] if quiet else []
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    with subprocess.Popen(program(*words), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=theirs) as running:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert running.wait(timeout=60) == 1
    assert (b"computing with" in shown) == (not quiet)
    assert (b"left" in shown) == (not quiet)
    assert not quiet or shown == b""


@pytest.mark.parametrize(
    "line", ['"$@" | true; exit ${PIPESTATUS[0]}', '"$@" | head -n 1; exit ${PIPESTATUS[0]}', '"$@" >&- 2>&- <&-']
)
def test_closed_pipe_keeps_exit_code_and_files(config, tmp_path, line):
    outputs = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "json")}
    words = [word for kind, path in outputs.items() for word in (f"--{kind}", path)]
    done = in_shell(line, "run", config, "--engines", WRONG, *words)
    assert (done.returncode, done.stderr) == (DISAGREE, "")
    assert json.loads(outputs["json"].read_text(encoding="utf-8"))["verdict"] == "disagree"
    assert outputs["csv"].stat().st_size > 0


@on_linux
@pytest.mark.parametrize(("agree", "code"), [(False, DISAGREE), (True, WRONG_INPUT)])
def test_full_standard_output_is_reported(config, tmp_path, agree, code):
    write_starter("lstm", tmp_path / "mine.py")
    engines = f"manual,{tmp_path / 'mine.py'}" if agree else WRONG
    done = in_shell('"$@" > /dev/full', "run", config, "--engines", engines)
    assert (done.returncode, done.stderr) == (code, FULL)


@on_linux
@pytest.mark.parametrize(
    ("line", "words", "code", "said"),
    [
        ('"$@" > /dev/full', ["--help"], WRONG_INPUT, FULL),
        ('"$@" > /dev/full', ["config", "lstm"], WRONG_INPUT, FULL),
        ('"$@" 2> /dev/full', ["run", "missing.toml"], WRONG_INPUT, ""),
        ('"$@" 2>&-', ["run", "missing.toml"], WRONG_INPUT, ""),
        ('"$@" >&-', ["--version"], AGREE, ""),
        ('"$@" >&-', ["config"], AGREE, ""),
    ],
)
def test_unwritable_streams_keep_the_exit_code(line, words, code, said):
    done = in_shell(line, *words)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", said)


@pytest.mark.parametrize(
    ("encoding", "printed"),
    [("ascii", r"\u2260 \u00d7 \udcff \ud83d\ude00"), ("cp1252", r"\u2260 × \udcff \ud83d\ude00")],
)
def test_unencodable_characters_are_escaped_in_json(monkeypatch, encoding, printed):
    text = "≠ × \udcff 😀"
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    terminal.prepare_streams()
    assert terminal.print_answer(AGREE, text) == AGREE
    written = out.buffer.getvalue().decode(encoding)
    assert written == printed
    assert json.loads(f'"{written}"') == text


def test_commands_run_under_any_encoding(config):
    words = ["explain", config, "--layer", "0", "--timestep", "1", "--unit", "1", "--engines", WRONG]
    done = in_shell('"$@"', *words, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (AGREE, "")
    assert r"\u" in done.stdout


def test_undecodable_name_is_escaped():
    done = in_shell("\"$@\" $'missing\\xff.toml'", "run")
    assert (done.returncode, done.stderr) == (
        WRONG_INPUT,
        f"rnnviz: missing\\udcff.toml does not exist in {os.getcwd()}.\n",
    )


def test_deleted_working_directory_is_reported(config, tmp_path):
    done = in_shell(
        f'mkdir "{tmp_path}/gone"; cd "{tmp_path}/gone"; rmdir "$PWD"; "$@"', "run", config, PYTHONPATH=str(ROOT)
    )
    assert done.returncode == WRONG_INPUT
    assert done.stderr.startswith("rnnviz: The working directory cannot be used")
    assert done.stderr.count("\n") == 1

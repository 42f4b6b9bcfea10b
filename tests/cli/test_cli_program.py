"""The command line as a separate program: started, piped, interrupted, in a terminal, and without MXNet."""

import json
import os
import signal
import subprocess
import sys
import termios
from pathlib import Path

import psutil
import pytest

from rnnviz.cli.terminal import INTERRUPTED
from tests.cli.calls import WRONG, write

ROOT = Path(__file__).parents[2]


def program(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "rnnviz", *map(str, words)]


def test_the_module_is_the_command(config: str) -> None:
    done = subprocess.run(
        program("run", config, "--engines", WRONG, "--json", "-"), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert json.loads(done.stdout)["verdict"] == "disagree"


@pytest.mark.slow
def test_a_requested_reference_that_is_missing_exits_with_three_and_the_fix(tmp_path: Path) -> None:
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

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = program("run", str(config), *words)
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)

    done = run()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("rnnviz: The engine gluon needs mxnet 1.9.1")
    assert done.stderr.count("\n") == 1
    assert run("--engines", "manual,onnx").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "group"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, False)]
)
def test_a_signal_ends_the_run_and_leaves_no_file(tmp_path: Path, number: signal.Signals, group: bool) -> None:
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


def test_an_interrupt_while_the_program_is_imported_has_its_exit_code_and_no_traceback(tmp_path: Path) -> None:
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
    done = subprocess.run(program("config"), cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


@pytest.mark.slow
def test_a_signal_that_is_ignored_stays_ignored(config: str) -> None:
    line = 'trap "" HUP; "$@" & child=$!; sleep 0.5; kill -HUP $child; wait $child'
    done = subprocess.run(
        ["bash", "-c", line, "bash", *program("run", config, "--engines", WRONG, "--quiet")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.slow
def test_a_terminal_gets_a_progress_bar_unless_quiet(tmp_path: Path, quiet: bool) -> None:
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

"""The program uses no network: it does all of its work where sockets of the internet are forbidden."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnnviz.engines.registry import ENGINES
from rnnviz.io.config_toml import save_config
from rnnviz.lessons.index import find_lesson
from tests.cases import cases
from tests.programs import python
from tests.security.no_internet import supported

ROOT = Path(__file__).parents[2]
OUTPUTS = ("csv", "npz", "png", "json", "report", "page", "notebook")

pytestmark = pytest.mark.skipif(not supported(), reason="this system has no filter of system calls")


def without_internet(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    return python("-m", "tests.security.no_internet", sys.executable, *command, cwd=folder, env=environ)


def test_a_socket_of_the_internet_would_be_the_end_of_it(tmp_path):
    code = "import socket, subprocess, sys; socket.socketpair(); print('there', flush=True); socket.socket()"
    done = without_internet(tmp_path, "-c", code)
    assert (done.stdout, done.returncode) == ("there\n", -signal.SIGSYS)
    child = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {code!r}]).returncode)"
    assert without_internet(tmp_path, "-c", child).stdout == f"there\n{-signal.SIGSYS}\n"


@pytest.mark.slow
def test_onnx_runtime_writes_nothing_that_identifies_the_user(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    # Where it takes itself to be under test it is quiet by itself.
    environ = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    environ |= {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(ROOT)}
    done = python("-c", "import rnnviz.engines.onnx", env=environ)
    assert done.returncode == 0, done.stderr
    assert [path for folder in ("home", "tmp") for path in (tmp_path / folder).rglob("*")] == []


@pytest.mark.slow
def test_the_command_line_computes_and_writes_everything_without_a_network(tmp_path):
    save_config(find_lesson("bidirectional").config, tmp_path / "a.toml")
    engines = [name for name, entry in ENGINES.items() if entry.unavailable is None]
    outputs = [word for kind in OUTPUTS for word in (f"--{kind}", f"out.{kind}")]
    done = without_internet(tmp_path, "-m", "rnnviz", "run", "a.toml", "--engines", ",".join(engines), *outputs)
    assert done.returncode == 0, done.stderr
    assert all((tmp_path / f"out.{kind}").stat().st_size > 0 for kind in OUTPUTS)


@pytest.mark.slow
def test_sweeps_and_conversions_need_no_network(tmp_path):
    save_config(find_lesson("bidirectional").config, tmp_path / "a.toml")
    (tmp_path / "s.toml").write_text('base = "a.toml"\n[grid]\n"network.hidden_size" = [2, 3]\n')
    for words in (("sweep", "s.toml", "--csv", "s.csv"), ("convert", "a.toml", "w.onnx"), ("inspect", "w.onnx")):
        done = without_internet(tmp_path, "-m", "rnnviz", *words)
        assert done.returncode == 0, done.stderr


# What a user does, by timers: `rnnviz FILE`, a read of the result, a picture, the end.
USE = cases(__file__)["use"]


@pytest.mark.slow
def test_the_window_runs_a_config_without_a_network(tmp_path):
    save_config(find_lesson("bidirectional").config, tmp_path / "mine.toml")
    (tmp_path / "use.py").write_text(USE)
    done = without_internet(tmp_path, "use.py", "mine.toml", "window.png", str(tmp_path / "settings"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["offscreen", "agree", "mine.toml[*]"]

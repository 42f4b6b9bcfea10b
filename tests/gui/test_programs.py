"""Whole programs on a screen and without one: a config that is opened, a snapshot, signals, and a lost screen."""

import os
import signal
import subprocess
from contextlib import ExitStack

import psutil
import pytest

from rnnviz.gui.recovery.recovery_dir import AUTOSAVE, CRASH, RecoveryDir
from rnnviz.io.config_toml import load_config
from rnnviz.io.session import read_document, read_session
from tests.cases import cases
from tests.gui.recovery.programs import window_program
from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs
from tests.programs import python

pytestmark = pytest.mark.slow

TEXT = """
network = { cell = "gru", input_size = 3, hidden_size = 4 }
sequence = { timesteps = 6, seed = 424242 }
compare = { reference = "manual", candidates = ["bug:no-h2h-bias"] }
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    return path


SNAPSHOT = cases(__file__)["snapshot"]


def test_a_snapshot_is_taken_without_a_display_and_the_interpreter_ends_cleanly(tmp_path, config):
    script, picture = tmp_path / "program.py", tmp_path / "out.png"
    script.write_text(SNAPSHOT)
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in displays}
    done = python("-X", "faulthandler", script, config, picture, env=environment)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert picture.stat().st_size > 20_000


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that go on; an orphan that no one has collected does not."""
    _, alive = psutil.wait_procs(processes, timeout=5)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@needs("Xvfb")
def test_a_lost_display_ends_in_a_sentence_and_the_session_is_saved(tmp_path, config):
    with ExitStack() as opened:
        with virtual_screen("1280x800x24") as display:
            opening = window_program(tmp_path, config, QT_QPA_PLATFORM="xcb", DISPLAY=display)
            program = opened.enter_context(opening)
            program.until("completed")
            program.until("finished")
            children = program.children()
        code, said = program.end()
    assert (code, said) == (
        3,
        "rnnviz: The connection to the display was lost. The next start offers to restore unsaved changes.\n",
    )
    assert children
    assert running(children) == []
    assert list(program.temporary.iterdir()) == []
    (left,) = RecoveryDir(program.windows).abandoned()
    assert read_session(left / AUTOSAVE, lambda: tmp_path).config == load_config(config)
    assert (left / CRASH).read_text() == ""


@pytest.fixture
def read_only(tmp_path):
    """A home that no one can write to, root included where it can mount one."""
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    mounted = False
    if os.geteuid() == 0:
        words = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(home)]
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
        if not mounted:
            pytest.skip("a root that can mount nothing can write everywhere")
    yield home
    if mounted:
        subprocess.run(["umount", str(home)], check=True)


def test_a_read_only_home_is_reported_and_disables_nothing_else(tmp_path, config, read_only):
    with window_program(tmp_path, config, QT_QPA_PLATFORM="offscreen") as program:
        told = program.until("note Autosave is off; a crash would lose unsaved changes: ")
        assert told.startswith(str(read_only))
        program.until("finished disagree")
        program.process.send_signal(signal.SIGINT)
        code, said = program.end()
    assert code == 0
    *_, last = said.splitlines()
    assert last.startswith(f"rnnviz: cannot write {read_only}")
    assert last.endswith("rnnviz.conf; layout, theme and recent files are not saved.")
    assert list(program.temporary.iterdir()) == []
    assert list(read_only.rglob("*")) == []


@pytest.mark.parametrize(
    ("platform", "moment", "number", "changed"),
    [
        ("offscreen", "started", signal.SIGINT, False),
        pytest.param("xcb", "finished disagree xcb", signal.SIGTERM, True, marks=needs("Xvfb")),
    ],
)
def test_a_window_that_is_asked_to_end_keeps_unsaved_changes_alone(tmp_path, config, platform, moment, number, changed):
    with ExitStack() as opened:
        screen = {"QT_QPA_PLATFORM": platform, "EDIT": str(int(changed))}
        if platform == "xcb":
            screen["DISPLAY"] = opened.enter_context(virtual_screen("1600x1000x24"))
        program = opened.enter_context(window_program(tmp_path, config, **screen))
        program.until(moment)
        if changed:
            program.until("edited")
        program.process.send_signal(number)
        code, said = program.end()
    assert code == (0 if number == signal.SIGINT else 128 + number), said
    assert "Traceback" not in said
    program.windows.mkdir(parents=True, exist_ok=True)
    kept = [read_document(left / AUTOSAVE).modified for left in RecoveryDir(program.windows).abandoned()]
    assert kept == [True] * changed
    assert list(program.temporary.iterdir()) == []

"""The program where something of the system goes away under it: its screen, or a home that it can write to."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from rnnviz.gui.recovery.recovery_dir import AUTOSAVE, CRASH, RecoveryDir
from rnnviz.io.config_toml import load_config
from rnnviz.io.session import read_document, read_session
from tests.gui.recovery.programs import window_program
from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs

pytestmark = pytest.mark.slow

TEXT = """
network = { cell = "gru", input_size = 3, hidden_size = 4 }
sequence = { timesteps = 6, seed = 424242 }
compare = { reference = "manual", candidates = ["bug:no-h2h-bias"] }
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    return path


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that go on; an orphan that no one has collected does not."""
    _, alive = psutil.wait_procs(processes, timeout=5)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


@needs("Xvfb")
def test_a_lost_display_ends_in_a_sentence_and_the_session_is_saved(tmp_path: Path, config: Path) -> None:
    with ExitStack() as opened:
        with virtual_screen("1280x800x24") as display:
            opening = window_program(tmp_path, config, QT_QPA_PLATFORM="xcb", DISPLAY=display)
            program = opened.enter_context(opening)
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
    windows = program.home / ".local" / "state" / "rnnviz" / "windows"
    (left,) = RecoveryDir(windows).abandoned()
    assert read_session(left / AUTOSAVE, lambda: tmp_path).config == load_config(config)
    assert (left / CRASH).read_text() == ""


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
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


def test_a_read_only_home_is_reported_and_disables_nothing_else(tmp_path: Path, config: Path, read_only: Path) -> None:
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


@pytest.mark.parametrize(("changed", "number"), [(False, signal.SIGHUP), (True, signal.SIGTERM)])
def test_a_window_that_is_asked_to_end_keeps_unsaved_changes_alone(
    tmp_path: Path, config: Path, number: signal.Signals, changed: bool
) -> None:
    with window_program(tmp_path, config, EDIT=str(int(changed))) as program:
        program.until("finished")
        program.process.send_signal(number)
        code, said = program.end()
    assert code == 128 + number, said
    windows = program.home / ".local" / "state" / "rnnviz" / "windows"
    kept = [read_document(left / AUTOSAVE).modified for left in RecoveryDir(windows).abandoned()]
    assert kept == [True] * changed
    assert list(program.temporary.iterdir()) == []

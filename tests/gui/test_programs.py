"""Whole programs on a screen and without one: a config that is opened, a picture, signals, and a lost screen."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from rnnviz.gui.recovery.recovery_dir import AUTOSAVE, CRASH, RecoveryDir
from rnnviz.io.config_toml import load_config, save_config
from rnnviz.io.session import read_document, read_session
from rnnviz.lessons.index import find_lesson
from tests.gui.recovery.programs import window_program
from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs

pytestmark = pytest.mark.slow

# What a user does, by timers: `rnnviz FILE`, a read of the result, a picture, the end.
USE = """
import sys
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from rnnviz.gui import application
from rnnviz.gui.app import main
from rnnviz.gui.export.picture import render_widget, write_picture
from pathlib import Path

file, picture, settings = sys.argv[1:]
QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, settings)
make_window = application.make_window

def watched(settings):
    window = make_window(settings)

    def look():
        try:
            print(QApplication.platformName(), window.verdict.state, window.windowTitle(), flush=True)
            write_picture(render_widget(window, 1), Path(picture))
        finally:
            window.close()

    window.runner.finished.connect(lambda *_: QTimer.singleShot(0, look))
    return window

application.make_window = watched
if __name__ == "__main__":
    sys.exit(main(file))
"""


def python(folder: Path, code: str, lesson: str, *arguments: str, **environ: str) -> list[str]:
    """What a program prints that gets the file of a lesson's config, and other arguments; it must end cleanly."""
    script, config = folder / "program.py", folder / "mine.toml"
    script.write_text(code)
    save_config(find_lesson(lesson).config, config)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(script), str(config), *arguments],
        env={name: value for name, value in os.environ.items() if name not in DISPLAYS} | environ,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")


@needs("Xvfb")
def test_the_program_opens_a_file_runs_it_and_ends_cleanly_on_a_real_screen(tmp_path):
    picture, settings = tmp_path / "window.png", tmp_path / "settings"
    with virtual_screen("1600x1000x24") as display:
        screen = {"QT_QPA_PLATFORM": "xcb", "DISPLAY": display}
        said = python(tmp_path, USE, "bidirectional", str(picture), str(settings), **screen)
    assert said == ["xcb agree mine.toml[*]"]
    assert picture.stat().st_size > 20_000


SHOW = """
import sys
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

import rnnviz
from rnnviz.gui import application

file, settings = sys.argv[1:]
QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, settings)
make_window = application.make_window

def watched(settings):
    window = make_window(settings)

    def look():
        print(window.verdict.state, window.session.result is result, window.runner.busy)
        window.close()

    window.first_painted.connect(lambda: QTimer.singleShot(0, look))
    return window

application.make_window = watched
if __name__ == "__main__":
    result = rnnviz.run(rnnviz.load_config(file))
    rnnviz.show(result)
    print("back")
    QTimer.singleShot(0, lambda: (rnnviz.show(result), print("at once")))
    QApplication.instance().exec()
"""


@pytest.mark.nightly
def test_show_opens_a_result_and_returns_when_the_window_is_closed(tmp_path):
    said = python(tmp_path, SHOW, "gru", str(tmp_path / "settings"), QT_QPA_PLATFORM="offscreen")
    shown = "agree True False"
    assert said == [shown, "back", "at once", shown]


SNAPSHOT = """
import sys
from pathlib import Path

import rnnviz
from rnnviz.gui.export.offscreen_render import save_png

if __name__ == "__main__":
    save_png(rnnviz.run(rnnviz.load_config(sys.argv[1])), Path(sys.argv[2]))
    print("done")
"""


def test_a_snapshot_is_taken_without_a_display_and_the_interpreter_ends_cleanly(tmp_path):
    assert python(tmp_path, SNAPSHOT, "gru", str(tmp_path / "out.png")) == ["done"]
    assert (tmp_path / "out.png").stat().st_size > 20_000


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
    ("moment", "number", "changed"), [("started", signal.SIGINT, False), ("finished", signal.SIGTERM, True)]
)
def test_a_window_that_is_asked_to_end_keeps_unsaved_changes_alone(tmp_path, config, moment, number, changed):
    with window_program(tmp_path, config, EDIT=str(int(changed))) as program:
        program.until(moment)
        program.process.send_signal(number)
        code, said = program.end()
    assert code == (0 if number == signal.SIGINT else 128 + number), said
    assert "Traceback" not in said
    program.windows.mkdir(parents=True, exist_ok=True)
    kept = [read_document(left / AUTOSAVE).modified for left in RecoveryDir(program.windows).abandoned()]
    assert kept == [True] * changed
    assert list(program.temporary.iterdir()) == []

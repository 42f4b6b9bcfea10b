"""Whole programs on a screen and without one: a config that is opened, a result that is shown, a picture, Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rnnviz.io.config_toml import save_config
from rnnviz.lessons.index import find_lesson
from tests.gui.virtual_screen import virtual_screen
from tests.needs import needs

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


def _use(tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    script, config = tmp_path / "use.py", tmp_path / "mine.toml"
    script.write_text(USE)
    save_config(find_lesson("bidirectional").config, config)
    arguments = [str(config), str(tmp_path / "window.png"), str(tmp_path / "settings")]
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", str(script), *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@pytest.mark.slow
def test_the_program_opens_a_file_runs_it_and_ends_cleanly(tmp_path):
    done = _use(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["offscreen", "agree", "mine.toml[*]"]


@needs("Xvfb")
@pytest.mark.slow
def test_the_program_does_the_same_on_a_real_screen(tmp_path):
    with virtual_screen("1600x1000x24") as display:
        done = _use(tmp_path, QT_QPA_PLATFORM="xcb", DISPLAY=display)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["xcb", "agree", "mine.toml[*]"]
    assert (tmp_path / "window.png").stat().st_size > 20_000


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
    script, config = tmp_path / "show.py", tmp_path / "mine.toml"
    script.write_text(SHOW)
    save_config(find_lesson("gru").config, config)
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(script), str(config), str(tmp_path / "settings")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shown = "agree True False"
    assert done.stdout.splitlines() == [shown, "back", "at once", shown]


SNAPSHOT = """
import sys
from pathlib import Path

import rnnviz
from rnnviz.gui.export.offscreen_render import save_png

if __name__ == "__main__":
    save_png(rnnviz.run(rnnviz.load_config(sys.argv[1])), Path(sys.argv[2]))
    print("done")
"""


@pytest.mark.slow
def test_a_snapshot_is_taken_without_a_display_and_the_interpreter_ends_cleanly(tmp_path):
    script, config = tmp_path / "snapshot.py", tmp_path / "mine.toml"
    script.write_text(SNAPSHOT)
    save_config(find_lesson("gru").config, config)
    environ = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")}
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", str(script), str(config), str(tmp_path / "out.png")],
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").stat().st_size > 20_000


WAIT = """
import sys
from PySide6.QtCore import QSettings

from rnnviz.gui import application
from rnnviz.gui.app import main

QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, sys.argv[1])
make_window = application.make_window

def watched(settings):
    window = make_window(settings)
    window.runner.started.connect(lambda _config: print("running", flush=True))
    return window

application.make_window = watched
if __name__ == "__main__":
    sys.exit(main(sys.argv[2]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a console's Ctrl-C cannot be sent to one process there")
@pytest.mark.slow
def test_ctrl_c_in_the_terminal_closes_the_window_even_during_a_run(tmp_path):
    script, config = tmp_path / "wait.py", tmp_path / "mine.toml"
    script.write_text(WAIT)
    save_config(find_lesson("gru").config, config)
    command = [sys.executable, "-X", "faulthandler", str(script), str(tmp_path / "settings"), str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline().strip() == "running"
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=20)
    assert program.returncode == 0, errors
    assert "Traceback" not in errors

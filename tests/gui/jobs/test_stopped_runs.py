"""Runs that are stopped, killed or cut off by the end of their window, in a worker that imports only light engines."""

import os
import signal
from typing import Any

import psutil
import pytest
from PySide6.QtCore import Qt, QThreadPool

from rnnviz.execution.supervisor import Supervisor
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.theme.theme_manager import ThemeManager
from tests.configs import config_of
from tests.leaks import children
from tests.shared_worker import WarmWorker

LIGHT = ("manual", "onnx")
SMALL, OTHER = (config_of(*LIGHT, cell="rnn_tanh", hidden_size=units) for units in (4, 5))
LARGE = config_of(
    *LIGHT, input_size=64, hidden_size=256, num_layers=2, bidirectional=True, timesteps=2000, batch_size=8
)


@pytest.fixture(scope="module")
def supervisor():
    shared = WarmWorker()
    yield shared
    shared.really_close()


@pytest.fixture
def window(qtbot, bare_window):
    with qtbot.finished(bare_window):
        bare_window.document.edit(SMALL)
        bare_window.control.run()
    return bare_window


def run_large(qtbot: Any, window: MainWindow) -> None:
    """Start a run that takes many seconds, and wait until an engine is at work."""
    window.document.edit(LARGE)
    window.control.run()
    qtbot.waitUntil(lambda: "computing" in window.progress.text)


@pytest.mark.slow
def test_a_run_shows_progress_is_stopped_and_the_next_one_works(qtbot, window, press):
    before = window.session.result
    run_large(qtbot, window)
    assert window.progress.running
    assert "computing with" in window.verdict.text
    assert window.session.result is before
    assert window.actions_["stop"].isEnabled()
    with qtbot.waitSignal(window.runner.stopped):
        press(Qt.Key.Key_Escape)
    assert not window.progress.running
    assert window.session.result is before
    assert "Stopped" in window.statusBar().currentMessage()
    assert window.verdict.state == "stale"
    with qtbot.finished(window):
        window.document.edit(OTHER)
    assert window.verdict.state in ("agree", "blind")
    assert not window.actions_["stop"].isEnabled()


@pytest.mark.slow
def test_a_child_that_is_killed_is_a_message_and_the_next_run_works(qtbot, window, supervisor):
    before = window.session.result
    run_large(qtbot, window)
    with qtbot.waitSignal(window.runner.failed):
        os.kill(supervisor.pid, signal.SIGKILL)
    assert window.verdict.state == "error"
    assert "killed by SIGKILL" in window.verdict.text
    assert window.session.result is before
    with qtbot.finished(window):
        window.document.edit(OTHER)
    assert window.verdict.state in ("agree", "blind")


@pytest.fixture
def lone_window(qtbot, settings):
    """A window with its own child process."""
    window = MainWindow(settings, ThemeManager("light"), Runner(Supervisor(warm=("manual",))))
    window.show()
    yield window
    window.close()


@pytest.mark.slow
def test_closing_during_a_run_ends_thread_and_child_at_once(qtbot, lone_window):
    before = children()
    run_large(qtbot, lone_window)
    started = children() - before
    assert len(started) == 1
    lone_window.leave()
    _, alive = psutil.wait_procs(started, timeout=100)
    assert alive == []
    assert sum(pool.activeThreadCount() for pool in lone_window.findChildren(QThreadPool)) == 0


def test_quitting_a_window_that_never_ran_anything_is_quiet_and_closing_it_twice_is_closing_it_once(qtbot, lone_window):
    lone_window.warm_up()
    with qtbot.waitSignal(lone_window.closed):
        lone_window.actions_["quit"].trigger()
    assert not lone_window.isVisible()
    assert sum(pool.activeThreadCount() for pool in lone_window.findChildren(QThreadPool)) == 0
    lone_window.shut_down()
    assert lone_window.close()

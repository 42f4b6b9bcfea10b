"""The end of the window: everything that it started ends with it."""

import psutil
import pytest
from PySide6.QtCore import QThread

from rnnviz.core.config import Config
from rnnviz.execution.supervisor import Supervisor
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.theme.theme_manager import ThemeManager
from tests.leaks import children

LARGE = Config.from_mapping(
    {
        "network": {"cell": "lstm", "input_size": 64, "hidden_size": 256, "num_layers": 2},
        "sequence": {"timesteps": 3000, "batch_size": 8},
        "compare": {"reference": "manual", "candidates": ["onnx"]},
    }
)


@pytest.fixture
def own_window(qtbot, settings):
    """A window with its own child process."""
    window = MainWindow(settings, ThemeManager("light"), Runner(Supervisor(warm=("manual",))))
    window.show()
    yield window
    window.close()


@pytest.mark.slow
def test_closing_during_a_run_ends_thread_and_child_at_once(qtbot, own_window):
    before = children()
    own_window.document.edit(LARGE)
    own_window.control.run()
    qtbot.waitUntil(lambda: "computing" in own_window.progress.text, timeout=20_000)
    started = children() - before
    assert len(started) == 1
    own_window.leave()
    _, alive = psutil.wait_procs(started, timeout=100)
    assert alive == []
    assert [thread for thread in own_window.findChildren(QThread) if thread.isRunning()] == []


def test_closing_a_window_that_never_ran_anything_is_quiet(own_window):
    own_window.close()
    assert own_window.findChildren(QThread)
    assert [thread for thread in own_window.findChildren(QThread) if thread.isRunning()] == []


def test_closing_twice_is_closing_once(own_window):
    own_window.warm_up()
    assert own_window.close()
    own_window.shut_down()
    assert own_window.close()


def test_quit_closes(qtbot, own_window):
    with qtbot.waitSignal(own_window.closed):
        own_window.actions_["quit"].trigger()
    assert not own_window.isVisible()

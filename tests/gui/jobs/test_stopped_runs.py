"""Runs that are stopped, killed or overtaken, in a window whose worker imports only light engines."""

import os
import signal

import pytest
from PySide6.QtCore import Qt

from rnnviz.core.config import Config
from tests.shared_worker import WarmWorker

LIGHT = {"compare": {"reference": "manual", "candidates": ["onnx"]}}
SMALL = Config.from_mapping({"network": {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}, **LIGHT})
OTHER = Config.from_mapping({"network": {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 5}, **LIGHT})
LARGE = Config.from_mapping(
    {
        "network": {"cell": "lstm", "input_size": 64, "hidden_size": 256, "num_layers": 2, "bidirectional": True},
        "sequence": {"timesteps": 2000, "batch_size": 8},
        **LIGHT,
    }
)


class LightSupervisor(WarmWorker):
    """Counts the processes that it has had."""

    def __init__(self, warm: tuple[str, ...] = ("manual",)) -> None:
        super().__init__(warm)
        self._known = set()

    def start(self):
        super().start()
        self._known.add(self.pid)

    @property
    def started(self):
        return len(self._known)


@pytest.fixture(scope="module")
def supervisor():
    shared = LightSupervisor()
    yield shared
    shared.really_close()


@pytest.fixture
def window(qtbot, bare_window):
    """A window with the result of SMALL."""
    with qtbot.waitSignal(bare_window.runner.finished, timeout=20_000):
        bare_window.document.edit(SMALL)
        bare_window.control.run()
    return bare_window


@pytest.fixture
def run_large(qtbot, window):
    """Starts a run that takes many seconds, and waits until an engine is at work."""

    def run_large() -> None:
        window.document.edit(LARGE)
        window.control.run()
        qtbot.waitUntil(lambda: "computing" in window.progress.text, timeout=20_000)

    return run_large


@pytest.mark.slow
def test_a_run_shows_progress_is_stopped_and_the_next_one_works(qtbot, window, run_large, press):
    before = window.session.result
    run_large()
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
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.edit(OTHER)
    assert window.verdict.state in ("agree", "blind")
    assert not window.actions_["stop"].isEnabled()


@pytest.mark.slow
def test_a_child_that_is_killed_is_a_message_and_the_next_run_works(qtbot, window, supervisor, run_large):
    before = window.session.result
    run_large()
    with qtbot.waitSignal(window.runner.failed):
        os.kill(supervisor.pid, signal.SIGKILL)
    assert window.verdict.state == "error"
    assert "killed by SIGKILL" in window.verdict.text
    assert window.session.result is before
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        window.document.edit(OTHER)
    assert window.verdict.state in ("agree", "blind")

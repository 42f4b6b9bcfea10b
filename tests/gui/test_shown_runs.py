"""Windows that `rnnviz.show` opens where an event loop runs, as in a notebook."""

import faulthandler
import gc
import sys
import threading
from weakref import ref

import pytest
from PySide6.QtCore import QTimer

from rnnviz.core.config import Config
from rnnviz.gui import application
from tests.factories import make_result

pytestmark = pytest.mark.slow


@pytest.fixture
def left(fresh_state):
    """The files that windows have left in a separate folder."""
    return lambda: sorted(path.name for path in fresh_state.glob("windows/*/*"))


@pytest.fixture
def show(qtbot, monkeypatch, settings, supervisor, left):
    """Opens a window on a result, as a notebook does, and waits until all of it is there."""
    monkeypatch.setattr(application, "Settings", lambda: settings)
    monkeypatch.setattr("rnnviz.execution.supervisor.Supervisor", lambda: supervisor)
    monkeypatch.setattr("rnnviz.gui.recovery.session_recovery.DELAY_MS", 50)

    def show(result):
        before = set(application.windows)
        QTimer.singleShot(0, lambda: application.show_result(result))
        qtbot.waitUntil(lambda: bool(set(application.windows) - before))
        (window,) = set(application.windows) - before
        qtbot.waitUntil(lambda: application.windows[window].autosave is not None)
        return window

    yield show
    application.close_windows()


def test_a_change_in_a_shown_window_is_saved_when_python_ends(qtbot, show, left):
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook, faulthandler.is_enabled()
    window = show(make_result())
    window.document.edit(Config.from_mapping({"network": {"cell": "gru", "input_size": 2, "hidden_size": 7}}))
    with qtbot.waitSignal(application.windows[window].autosave.saved):
        pass
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook, faulthandler.is_enabled()) == hooks
    application.close_windows()
    assert not window.isVisible()
    assert left() == ["autosave.rnnviz", "owner.json"]


def test_a_shown_window_that_is_closed_leaves_nothing(show, left):
    window = show(make_result())
    window.document.edit(Config.from_mapping({"network": {"cell": "gru", "input_size": 2, "hidden_size": 7}}))
    assert left() == ["owner.json"]
    window.leave()
    assert left() == []


def test_a_window_that_is_closed_keeps_neither_itself_nor_its_run(qtbot, show):
    results = [make_result()]
    kept = ref(results[0])
    window = show(results[0])
    assert window.session.result is results[0]
    gone: list[None] = []
    window.destroyed.connect(lambda: gone.append(None))
    window.close()
    qtbot.waitUntil(lambda: gone == [None])
    del window
    results.clear()
    gc.collect()
    assert kept() is None

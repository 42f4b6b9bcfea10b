"""Windows that `rnnviz.show` opens where an event loop runs, as in a notebook."""

import gc
from typing import Any
from weakref import ref

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from rnnviz.gui import application
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from tests.made_results import made_result


def test_a_window_that_is_closed_keeps_neither_itself_nor_its_run(
    qtbot: Any, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(application, "Settings", lambda: settings)
    results = [made_result()]
    kept = ref(results[0])
    opened: list[MainWindow] = []

    def show() -> None:
        application.show_result(results[0])
        opened.extend(w for w in QApplication.topLevelWidgets() if isinstance(w, MainWindow) and w.isVisible())

    QTimer.singleShot(0, show)
    qtbot.waitUntil(lambda: len(opened) == 1)
    (window,) = opened
    assert window.session.result is results[0]
    gone: list[None] = []
    window.destroyed.connect(lambda: gone.append(None))
    window.close()
    qtbot.waitUntil(lambda: gone == [None])
    del window
    opened.clear()
    results.clear()
    gc.collect()
    assert kept() is None

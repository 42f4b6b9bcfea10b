"""Files that a system asks the running program to open, as macOS does."""

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtGui import QFileOpenEvent

from rnnviz.gui.file_open_events import FileOpenEvents


def test_early_requests_wait_for_the_window_and_later_ones_open_at_once(qapp):
    opened = []
    files = FileOpenEvents(qapp, opened.append)
    try:
        QCoreApplication.sendEvent(qapp, QFileOpenEvent("/early/one.toml"))
        QCoreApplication.sendEvent(qapp, QFileOpenEvent("/early/two.onnx"))
        assert opened == []
        assert files.begin() == Path("/early/two.onnx")
        QCoreApplication.sendEvent(qapp, QFileOpenEvent("/later.rnnviz"))
        assert opened == [Path("/later.rnnviz")]
        assert not files.eventFilter(qapp, QEvent(QEvent.Type.User))
    finally:
        qapp.removeEventFilter(files)


def test_without_requests_nothing_is_opened(qapp):
    files = FileOpenEvents(qapp, lambda path: None)
    qapp.removeEventFilter(files)
    assert files.begin() is None

"""Garbage is looked for on the window's thread, and nowhere else while a window is open."""

import gc
import threading
import weakref
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QThread
from PySide6.QtGui import QFileOpenEvent

from rnnviz.gui.application import FileOpenEvents, GcTimer


class Circle:
    """Is let go by a search alone."""

    def __init__(self):
        self.itself = self


class Busy(QThread):
    """Makes what is kept until it ends, so that Python would search again and again."""

    def run(self):
        self.kept = [[place] for place in range(100_000)]


@pytest.fixture
def searches():
    threads = []

    def note(phase, _info):
        if phase == "start":
            threads.append(threading.current_thread())

    gc.callbacks.append(note)
    yield threads
    gc.callbacks.remove(note)


def make_work():
    thread = Busy()
    thread.start()
    thread.wait()
    return thread.kept


def test_no_other_thread_collects_garbage(collector, searches, qtbot):
    kept = make_work()
    assert searches == []
    # The window's thread does, as soon as it has nothing else to do.
    qtbot.waitUntil(lambda: searches != [])
    assert set(searches) == {threading.main_thread()}
    assert len(kept) == 100_000


def test_reference_cycles_are_collected_while_the_window_is_idle(collector, qtbot):
    circle = weakref.ref(Circle())
    kept = make_work()
    assert circle() is not None
    qtbot.waitUntil(lambda: circle() is None)
    assert kept


def test_python_searches_by_itself_again_once_it_is_stopped(collector, qapp):
    thresholds = gc.get_threshold()
    gc.enable()
    try:
        own = GcTimer(qapp)
        assert not gc.isenabled()
        own.stop()
        assert gc.isenabled()
        spared = GcTimer(qapp, spare=200_000)
        assert gc.isenabled()
        assert gc.get_threshold() == (200_000, *thresholds[1:])
        spared.stop()
        assert gc.get_threshold() == thresholds
    finally:
        gc.disable()


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

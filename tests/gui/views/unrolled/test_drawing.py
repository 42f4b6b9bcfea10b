"""Tiles of the picture are drawn in the background, and older ones replace them until they are ready."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QRect
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from rnnviz.core.trace_index import Location
from rnnviz.gui.views.unrolled import heatmap
from rnnviz.gui.views.unrolled.tiles import Request
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import adding, make_result
from tests.gui.views.unrolled.seen import picture_complete

SIZE = (900, 500)


def long_result(**changes: Any) -> RunResult:
    edits = {"manual": adding(0.3, 0, 0, slice(900, None), 0, slice(20, None))}
    return make_result(**{"hidden_size": 64, "timesteps": 1500, "edits": edits, **changes})


@pytest.fixture
def gate(monkeypatch):
    """Open at first; while it is closed nothing is drawn in the background, and never anything within a frame."""
    gate = Event()
    gate.set()
    draw = Request.draw

    def drawn(request, *rest):
        if current_thread() is not main_thread():
            assert gate.wait(20)
        return draw(request, *rest)

    monkeypatch.setattr(Request, "draw", drawn)
    monkeypatch.setattr(heatmap, "_AT_ONCE", 0)
    monkeypatch.setattr(heatmap, "_FIRST_AT_ONCE", 0)
    yield gate
    gate.set()


@contextmanager
def held(gate: Event) -> Iterator[None]:
    """Nothing is drawn in the background meanwhile."""
    gate.clear()
    try:
        yield
    finally:
        gate.set()


@pytest.fixture
def view(gate, view):
    return view


def complete(qtbot: Any, view: UnrolledView) -> None:
    qtbot.waitUntil(lambda: picture_complete(view))


def pixels(view: UnrolledView, *, taken: bool = False, strip: bool = False) -> np.ndarray:
    """The pixels of the lanes, or of the strip above them, on the screen or in a picture `taken` of the window."""
    QApplication.processEvents()
    screen = view.grab() if taken else view.screen().grabWindow(view.winId())
    image = screen.toImage().convertToFormat(QImage.Format.Format_RGB32)
    area = view.canvas.area
    if strip:
        area = QRect(area.left(), 0, area.width() // 2, round(view.canvas.overview.geometry.height))
    corner = view.canvas.mapTo(view, area.topLeft())
    everything = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)
    return everything[corner.y() : corner.y() + area.height(), corner.x() : corner.x() + area.width()].copy()


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    return float((one == other).mean())


def test_the_first_picture_appears_by_itself_and_equals_a_grab(qtbot, view, gate):
    with held(gate):
        view.show_result(long_result(), "manual")
        blank = pixels(view)
        assert not picture_complete(view)
    complete(qtbot, view)
    shown = pixels(view)
    assert likeness(shown, blank) < 0.5
    assert np.array_equal(shown, pixels(view, taken=True))


@pytest.mark.slow
@pytest.mark.parametrize("change", ["sample", "result"])
def test_another_picture_replaces_the_old_one_as_a_whole(qtbot, view, gate, change):
    # With as many mismatches, for labels of the same width.
    other = {"gluon": adding(0.3, 0, 0, slice(900, None), slice(None), slice(20, None))}
    first, second = long_result(), long_result(edits=other)
    view.show_result(first, "manual")
    complete(qtbot, view)
    before = pixels(view)
    with held(gate):
        if change == "sample":
            view.show_location(Location(sample=1))
        else:
            view.show_result(second, "manual")
        meanwhile = pixels(view)
        assert not picture_complete(view)
        assert likeness(meanwhile, before) > 0.99
    complete(qtbot, view)
    after = pixels(view)
    assert likeness(after, before) < 0.99
    assert np.array_equal(after, pixels(view, taken=True))


def test_tiles_of_the_lanes_stand_in_for_those_of_the_strip_of_all_steps(qtbot, view, gate):
    view.show_result(long_result(), "manual")
    complete(qtbot, view)
    with held(gate):
        view.zoom_time(10.0)
        screen = pixels(view, strip=True)
        assert not view.canvas.overview.heatmap.complete
        assert len(np.unique(screen)) > 100
    complete(qtbot, view)

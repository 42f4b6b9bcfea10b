"""Two engines on the same lanes: a swipe from one to the other at the selection."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QImage, QPainter, QRegion
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.gui.views.unrolled import seen
from tests.gui.views.unrolled.seen import BOTH_THEMES, small

SIZE = (1000, 600)


def on_screen(view: UnrolledView) -> QImage:
    """The pixels painted so far, when no more follow: `grab` would paint everything again."""
    QApplication.processEvents()
    for _ in range(20_000):
        if seen.settled(view):
            break
        QTest.qWait(5)
    QApplication.processEvents()
    return view.screen().grabWindow(view.winId()).toImage()


def off(trace: Trace) -> None:
    trace.hidden[...] *= 0.5


def swipe(view: UnrolledView, result: RunResult, timestep: int = 0) -> None:
    view.show_result(result, "manual")
    seen.split(view, "manual")
    view.show_location(Location(timestep=timestep))


def lanes_of_picture(view: UnrolledView) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The lanes' pixels without a selection."""
    view.canvas.marks = {}
    geometry = view.geometry_in_view
    image = QImage(round(geometry.width), round(geometry.height), QImage.Format.Format_RGB32)
    image.fill(0)
    painter = QPainter(image)
    view.canvas.render(painter, QPoint(), QRegion(view.canvas.area))
    painter.end()
    return np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1).copy()


@pytest.mark.slow
@BOTH_THEMES
@pytest.mark.parametrize("split", [0, 1, 3])
def test_a_swipe_shows_one_engine_before_the_selection_and_the_other_after(view, split, theme):
    view.apply_theme(theme)
    result = small(timesteps=4, bidirectional=True, edits={"manual": off})
    swipe(view, result, split)
    assert (seen.shown_engine(view), seen.swiped_to(view)) == ("gluon", "manual")
    for direction in (0, 1):
        left, right = (result[name].hidden[0, direction, :, 0] for name in ("gluon", "manual"))
        expected = {(t, unit): (left if t < split else right)[t, unit] for t in range(4) for unit in range(10)}
        initial = result.inputs.initial_state["h"][direction, 0]
        expected |= {(4 if direction else -1, unit): initial[unit] for unit in range(10)}
        assert seen.numbers(view, Lane(0, direction)) == seen.rounded(expected)
    assert seen.numbers(view, INPUT) == seen.rounded(dict(np.ndenumerate(result.inputs.sequence[:, 0])))


@pytest.mark.slow
@pytest.mark.parametrize("timesteps", [4, 40, 3000])
def test_each_half_of_a_swipe_is_colored_as_its_engine_is_alone(view, timesteps):
    result, split = small(timesteps=timesteps, batch_size=1, edits={"manual": off}), timesteps // 3
    swipe(view, result, split)
    both = lanes_of_picture(view)
    edge, size = round(view.geometry_in_view.edge(split)), both.shape
    view.show_location(Location(timestep=timesteps - 1))
    left = lanes_of_picture(view)
    view.show_location(Location(timestep=0))
    right = lanes_of_picture(view)
    assert left.shape == right.shape == size
    assert np.array_equal(both[:, : edge - 2], left[:, : edge - 2])
    assert np.array_equal(both[:, edge + 2 :], right[:, edge + 2 :])
    assert (left[:, edge + 2 : -150] != right[:, edge + 2 : -150]).any()


@pytest.mark.slow
def test_a_swipe_repaint_equals_a_whole_repaint(view):
    swipe(view, small(timesteps=300, hidden_size=40, edits={"manual": off}), 200)
    whole = on_screen(view)
    for timestep in (40, 41, 299, 150, 0, 120):
        view.show_location(Location(timestep=timestep))
        piecewise = on_screen(view)
        assert piecewise != whole
        view.canvas.update()
        whole = on_screen(view)
        assert piecewise == whole


def test_a_swipe_pauses_while_colors_show_differences_or_both_engines_are_equal(view):
    swipe(view, small(timesteps=4, edits={"manual": seen.spoil}), 2)
    for color_by in ("difference", "error_ratio"):
        view.session.set_color_by(color_by)
        assert seen.swiped_to(view) is None
        assert view.canvas.names() == []
    view.session.set_color_by("value")
    assert seen.swiped_to(view) == "manual"
    view.session.set_engine("manual")
    assert seen.swiped_to(view) is None
    seen.split(view, "gluon")
    assert seen.swiped_to(view) == "gluon"
    assert (
        view.accessibleDescription() == "The values of manual before the selected time step, and of gluon from it on."
    )


def test_a_copied_table_names_the_engine_of_each_column(view):
    result = small(timesteps=4, edits={"manual": off})
    swipe(view, result, 2)
    lines = [line.split("\t") for line in view.copy_text().splitlines()]
    assert lines[0] == ["layer 0 → forward", "h0", "t=0 gluon", "t=1 gluon", "t=2 manual", "t=3 manual"]
    assert np.float32(lines[1][3]) == result["gluon"].hidden[0, 0, 1, 0, 0]
    assert np.float32(lines[1][4]) == result["manual"].hidden[0, 0, 2, 0, 0]

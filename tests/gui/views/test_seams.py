"""Marks where a new call of the layer begins: in the lanes, their legend and the curves over time, and in words."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QColor

from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.error_plot import ErrorPlot
from rnnviz.gui.views.seams import seams_in_view, seams_in_words
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Geometry
from rnnviz.gui.views.unrolled.lane_text import describe
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result
from tests.gui.views.unrolled.seen import empty_view

ENDS = "a new call begins"


def every(step: int, timesteps: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.arange(step, timesteps, step)


@pytest.mark.parametrize(
    ("step", "times", "pitch", "drawn", "note"),
    [
        (10, range(100), 8.0, 9, ""),
        (10, range(30, 50), 8.0, 2, ""),
        (10, range(100), 1.0, 0, "9 new calls"),
        (1, range(100), 8.0, 0, "a new call at every step"),
        (1, range(4), 80.0, 3, ""),
        (200, range(100), 8.0, 0, ""),
        (1, range(0), 8.0, 0, ""),
    ],
)
def test_seams_are_marked_where_they_are_far_enough_apart(step, times, pitch, drawn, note):
    seen = seams_in_view(every(step, 1000), times, pitch)
    assert (len(seen.drawn), seen.note) == (drawn, note)


def test_seams_are_named_in_a_sentence():
    assert seams_in_words(every(10, 5), 5) == ""
    assert seams_in_words(np.array([2, 4]), 5) == "A new call begins at t = 2 and 4."
    assert seams_in_words(every(1, 50), 50) == "A new call begins at every time step."
    assert "99 time steps" in seams_in_words(every(10, 1000), 1000)


def inks(view: UnrolledView, geometry: Geometry, timestep: int) -> set[str]:
    """The colors of the gap to the left of a time step, between two lanes."""
    # Without the selection, which has the same color.
    view.canvas.marks = {"seams": view.canvas.marks["seams"]}
    image = view.canvas.grab().toImage()
    origin = view.canvas.area.topLeft() + QPoint(round(geometry.x_of(timestep - 0.5)), 0)
    top, bottom = 0, round(geometry.bottom)
    return {image.pixelColor(origin.x() + dx, origin.y() + y).name() for dx in (-1, 0, 1) for y in range(top, bottom)}


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_lanes_mark_and_name_seams(qtbot, theme):
    view = qtbot.on_screen(empty_view(), 800, 600)
    view.apply_theme(THEMES[theme])
    view.show_result(make_result(timesteps=6, seams=[2, 5], lengths=[4, 6]), "manual")
    view.show_location(Location(timestep=0, sample=1))
    shown, geometry = view.shown, view.geometry_in_view
    ink = QColor(THEMES[theme].text).name()
    assert [t for t in range(1, 6) if ink in inks(view, geometry, t)] == [2, 5]
    assert "new call" in view.legend.accessibleDescription()
    assert "t = 2 and 5" in view.accessibleDescription()
    for lane in (Lane(0), INPUT):
        assert ENDS in describe(shown, CellGeometry(lane, 5, 0))
        assert ENDS not in describe(shown, CellGeometry(lane, 4, 0))
    # In padding no call begins.
    view.show_location(Location(timestep=0, sample=0))
    assert [t for t in range(1, 6) if ink in inks(view, geometry, t)] == [2]
    view.show_result(make_result(timesteps=6), "manual")
    assert [t for t in range(1, 6) if ink in inks(view, geometry, t)] == []


def test_curves_over_time_mark_seams(qtbot):
    view = ErrorPlot()
    qtbot.addWidget(view)
    view.resize(600, 300)
    view.show_result(make_result(timesteps=20, seams=[5, 10, 15]), "manual")
    view.show_location(Location(timestep=10))
    assert view.plot.seams.in_view().drawn.tolist() == [5, 10, 15]
    assert ENDS in view.plot.accessibleDescription()
    view.show_result(make_result(timesteps=20), "manual")
    assert not view.plot.seams.isVisible()

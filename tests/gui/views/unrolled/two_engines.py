"""Two engines on the same lanes, of which one is spoilt, and what is seen of them."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.unrolled.seen import visible_numbers

LANE = Lane(0, 0)
BOTH_THEMES = pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 1, 0, :4] += np.array([0.5, -0.25, 1e-7, -3e-12])


def small(**changes: Any) -> RunResult:
    return make_result(**{"hidden_size": 10, "input_size": 5, "timesteps": 4, "edits": {"manual": spoil}, **changes})


def texts(view: UnrolledView, lane: Lane = LANE) -> dict[tuple[int, int], str]:
    """The written numbers, by time step and unit, with hyphens for minus signs."""
    return {
        (n.cell.timestep, n.cell.unit): n.text.replace("\N{MINUS SIGN}", "-")
        for n in visible_numbers(view)
        if n.cell.lane == lane
    }


def pixels(view: UnrolledView) -> np.ndarray[Any, np.dtype[np.uint32]]:
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1).copy()


def color_of(view: UnrolledView, cell: CellGeometry) -> tuple[int, int, int]:
    """Red, green and blue next to the number on a cell."""
    x, y, _, height = view.geometry_in_view.rect(cell)
    corner = view.box.mapToScene(QPointF(x + 5.0, y + height / 2.0))
    place = view.canvas.mapTo(view, view.canvas.mapFromScene(corner))
    pixel = int(pixels(view)[place.y(), place.x()])
    return pixel >> 16 & 255, pixel >> 8 & 255, pixel & 255

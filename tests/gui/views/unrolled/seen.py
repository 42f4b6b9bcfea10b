"""Results with some differing numbers in an unrolled network, what is seen of it, and user actions on it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication

from rnnviz.core.config import Config
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane
from rnnviz.gui.app_state import Session
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.unrolled.colormap import SPECIAL_WORDS
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.lane_text import Block, LaneLabel, block_in_view, label_of
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result

LANE = Lane(0, 0)
BOTH_THEMES = pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)


def empty_view() -> UnrolledView:
    network = {"cell": "rnn_tanh", "input_size": 3, "hidden_size": 4}
    return UnrolledView(Session(Config.from_mapping({"network": network})))


def split(view: UnrolledView, other: str | None) -> None:
    """Split the lanes at the selection, with another engine after it; None ends it."""
    view.session.replace(replace(view.session.state, candidate=other, swiping=other is not None))


def small(**changes: Any) -> RunResult:
    return make_result(**{"hidden_size": 10, "input_size": 5, "timesteps": 2, **changes})


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 1, 0, 7] += 0.5
    trace.hidden[0, 0, 1, 1, 2] += 0.5


def long_result(edit: Callable[[Trace], None] | None = None) -> RunResult:
    edits = {} if edit is None else {"manual": edit}
    return make_result(hidden_size=64, timesteps=400, batch_size=1, bidirectional=True, edits=edits)


class CellNumber(NamedTuple):
    cell: CellGeometry
    text: str


def _blocks(view: UnrolledView) -> list[Block]:
    shown, geometry = view.shown, view.geometry_in_view
    rects = [] if shown is None else [rect for rect in geometry.lane_rects_in_view() if not rect.band]
    return [block_in_view(shown, geometry, rect) for rect in rects]


def visible_numbers(view: UnrolledView) -> list[CellNumber]:
    geometry = view.geometry_in_view
    return [
        CellNumber(CellGeometry(block.lane_rect.lane, timestep, unit), text)
        for block in _blocks(view)
        if geometry.room(block.lane_rect)
        for unit, row in zip(block.units, block.texts(geometry.room(block.lane_rect)), strict=True)
        for timestep, text in zip(block.timesteps, row, strict=True)
    ]


def texts(view: UnrolledView, lane: Lane = LANE) -> dict[tuple[int, int], str]:
    """The written numbers, by time step and unit, with hyphens for minus signs."""
    return {
        (n.cell.timestep, n.cell.unit): n.text.replace("\N{MINUS SIGN}", "-")
        for n in visible_numbers(view)
        if n.cell.lane == lane and n.text
    }


def numbers(view: UnrolledView, lane: Lane = LANE) -> Any:
    """The written numbers by time step and unit, to compare with values as precise as two decimals show them."""
    return {place: float(text.replace("\N{ALMOST EQUAL TO}", "")) for place, text in texts(view, lane).items()}


def rounded(values: dict[Any, Any]) -> Any:
    """Values as they are written in two decimals or more."""
    return pytest.approx({place: float(value) for place, value in values.items()}, abs=0.0051, nan_ok=True)


def visible_outlines(view: UnrolledView) -> list[CellGeometry]:
    """Every visible mismatch of the shown sample."""
    return [
        CellGeometry(block.lane_rect.lane, block.timesteps[place], block.units[row])
        for block in _blocks(view)
        for row, place in np.argwhere(block.marks)
    ]


def shown_engine(view: UnrolledView) -> str | None:
    return None if view.shown is None else view.shown.engine


def swiped_to(view: UnrolledView) -> str | None:
    """The engine from the selected time step on, or None."""
    return None if view.shown is None or view.shown.right is None else view.shown.right.engine


def picture_complete(view: UnrolledView) -> bool:
    """Whether the latest requested picture is on the screen, without placeholders."""
    return view.canvas.complete


def settled(view: UnrolledView) -> bool:
    """Whether the color scale fits the values in view, and the picture is complete with it."""
    return not (view.settling.isActive() or view.reaching.busy) and picture_complete(view)


def computing(view: UnrolledView) -> frozenset[Lane]:
    """The visible lanes that are still being computed."""
    return view.canvas.heatmap.computing


def lane_labels(view: UnrolledView) -> list[LaneLabel]:
    """The labels of all lanes from the top down."""
    return [] if view.shown is None else [label_of(view.shown, lane) for lane, _ in view.shown.picture().lanes]


def legend(view: UnrolledView) -> list[str]:
    """Labels of the visible special colors."""
    return [SPECIAL_WORDS[index] for index in sorted(view.shown.seen)]


def rows_of(view: UnrolledView, lane: Lane) -> list[tuple[int, str]]:
    """The labeled units of a visible lane with their labels."""
    geometry = view.geometry_in_view
    return view.canvas.labels.rows(view.shown, geometry.stack.lane_rect(lane), geometry)


def middle_of(view: UnrolledView, cell: CellGeometry) -> QPointF:
    return QRectF(*view.geometry_in_view.rect(cell)).center() + view.canvas.area.topLeft()


def pixels(view: UnrolledView) -> np.ndarray:
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1).copy()


def color_of(view: UnrolledView, cell: CellGeometry) -> tuple[int, int, int]:
    """Red, green and blue next to the number on a cell."""
    x, y, _, height = view.geometry_in_view.rect(cell)
    corner = QPointF(x + 4.0, y + height / 2.0) + view.canvas.area.topLeft()
    place = view.canvas.mapTo(view, corner.toPoint())
    pixel = int(pixels(view)[place.y(), place.x()])
    return pixel >> 16 & 255, pixel >> 8 & 255, pixel & 255


def turn_wheel(view: UnrolledView, steps: int, modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    place = QRectF(view.canvas.area).center()
    event = QWheelEvent(
        place,
        QPointF(view.canvas.mapToGlobal(place)),
        QPoint(),
        QPoint(0, 120 * steps),
        Qt.MouseButton.NoButton,
        modifiers,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view.canvas, event)

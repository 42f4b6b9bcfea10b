"""Widgets and areas of the window by the names that lessons use."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from PySide6.QtCore import QPointF, QRect
from PySide6.QtWidgets import QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.toolbar import ToolBar
from rnnviz.gui.lessons.spotlight import Area
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.panels.config_panel import ConfigPanel
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.view import UnrolledView

TAB_OF = {
    "arithmetic": "Arithmetic",
    "units": "Units over time",
    "errors": "Error over time",
    "checks": "Checks",
    "mismatches": "Mismatches",
    "audit": "Audit",
    "error-histogram": "Error histogram",
    "known-bugs": "Known bugs",
}
"""Titles of the views in tabs, by the names that lessons use."""
VIEW_OF = {"vector": "Selected vector", "state-map": "Output and state", "verdict": "Verdict"}
"""Titles of the views outside tabs, by the names that lessons use."""
SECTION_OF = {
    "panel.network": "network",
    "panel.sequence": "sequence",
    "panel.parameters": "parameters",
    "panel.initial-state": "initial_state",
    "panel.comparison": "compare",
}
"""Config sections of the panel's forms, by the names that lessons use."""


class HighlightTarget(Protocol):
    """The window as the lookup sees it."""

    session: Session
    main_layout: MainLayout
    panel: ConfigPanel
    toolbar: ToolBar
    lanes: UnrolledView
    views: list[ResultView]


@dataclass(frozen=True)
class Target:
    """A widget to highlight, and optionally an area of it."""

    widget: QWidget
    area: Area | None = None


def target_of(window: HighlightTarget, part: str) -> Target:
    """Make the widget of a name visible and return it. `part` is one of `lesson_parts.PARTS`."""
    if part in TAB_OF:
        window.main_layout.select_tab(TAB_OF[part])
        return Target(window.main_layout.tabs)
    pane = "settings" if part.startswith("panel") else "side" if part in ("vector", "state-map") else None
    if pane is not None:
        window.main_layout.fold(pane, folded=False)
    if part in VIEW_OF:
        return Target(next(view for view in window.views if view.title == VIEW_OF[part]))
    if part in SECTION_OF:
        return Target(window.panel.reveal_section(SECTION_OF[part]))
    return _SIMPLE[part](window)


def _lanes(window: HighlightTarget) -> Target:
    return Target(window.lanes)


def _lane(window: HighlightTarget) -> Target:
    return Target(window.lanes.canvas, partial(_lane_area, window))


def _lane_area(window: HighlightTarget) -> QRect:
    """The selected lane in the canvas's coordinates, or the whole canvas without a result."""
    lanes, where = window.lanes, window.session.location
    geometry = lanes.geometry_in_view
    if geometry is None:
        return QRect(lanes.canvas.rect())
    lane_rect = geometry.stack.lane_rect(Lane(where.layer, where.direction))
    top = geometry.top_of(lane_rect)
    corners = (QPointF(0.0, top), QPointF(geometry.width, top + lane_rect.height))
    first, last = (lanes.canvas.mapFromScene(lanes.box.mapToScene(corner)) for corner in corners)
    return QRect(first, last)


_SIMPLE: dict[str, Callable[[HighlightTarget], Target]] = {
    "lanes": _lanes,
    "lane": _lane,
    "panel": lambda window: Target(window.panel),
    "panel.shapes": lambda window: Target(window.panel.reveal_shapes()),
    "run": lambda window: Target(window.toolbar.widgetForAction(window.toolbar.actions()[0])),
    "transport": lambda window: Target(window.toolbar.transport),
    "sample": lambda window: Target(window.toolbar.sample),
    "colors": lambda window: Target(window.toolbar.colors),
    "lesson-box": lambda window: Target(window.toolbar.lesson),
    "export": lambda window: Target(window.toolbar.export),
}

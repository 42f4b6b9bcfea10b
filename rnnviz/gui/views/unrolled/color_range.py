"""Range of the colors: the values in view, the selected lane, all values, or a typed limit."""

import re
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.core.words import wrapped
from rnnviz.gui.views.unrolled.colormap import rounded_up
from rnnviz.gui.views.unrolled.geometry import Geometry
from rnnviz.gui.views.unrolled.pixel_grid import Scale
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.gui.views.unrolled.visible_values import initial_timestep
from rnnviz.quantities.level_of_detail import Bins

RangeName: TypeAlias = Literal["auto", "lane", "all", "fixed"]

RANGES: dict[RangeName, tuple[str, str]] = {
    "auto": ("&Visible values", "Colors cover the largest hidden value in view."),
    "lane": ("&Selected lane", "Colors cover the largest value of the selected lane, at all time steps."),
    "all": ("&All values", "Colors cover the largest value of all lanes and samples."),
    "fixed": ("&Fixed…", "Colors cover values up to a number that you type."),
}
_TIMES, _UNITS = 128, 32
"""Resolution at which the largest value is read: coarser than the screen's, from the levels of a long trace."""
_ENDS = 1, 1.5, 2, 3, 4, 5, 6, 8
"""Ends of the range, times a power of ten: at most half as large again as the largest value."""
_DECIMALS, _MOST = 9, 1e9
_WORD = re.compile(r"colors ([a-z]+) ([0-9.]+(?:e[+-]?[0-9]+)?)")


class Limit(NamedTuple):
    """A choice of the range; `fixed` is the typed limit."""

    name: RangeName = "auto"
    fixed: float = 1.0

    def word(self) -> str:
        """The choice as saved in a session."""
        return f"colors {self.name} {self.fixed!r}"


def limit_of(word: str) -> Limit | None:
    """The choice of a saved word; None for another word."""
    found = _WORD.fullmatch(word)
    name: RangeName | None = None if found is None else next((name for name in RANGES if name == found[1]), None)
    return None if found is None or name is None else Limit(name, min(max(float(found[2]), 10.0**-_DECIMALS), _MOST))


def largest_of(shown: RenderState, geometry: Geometry, limit: Limit, selected: Lane) -> float | None:
    """The end of the scale for a choice, or None for the quantity's own.

    It is read from the lowest and highest values of blocks, and rounded up so that it rarely changes.
    """
    if shown.quantity == "error_ratio" or (shown.gate is not None and shown.gate.high is not None):
        return None
    if limit.name == "fixed":
        return limit.fixed
    if limit.name == "all" or any(side.colors.effort(selected) > 1.0 for side in shown.sides):
        return None
    if limit.name == "lane":
        times = range(shown.result.shape[2])
        parts = [(selected, range(shown.rows(selected)), geometry.boxes)]
    else:
        times = geometry.timesteps_in_view()
        in_view = [lane_rect for lane_rect in geometry.lane_rects_in_view() if lane_rect.lane.layer is not None]
        parts = [
            (one.lane, geometry.rows_in_view(one), initial_timestep(shown, geometry, one) is not None)
            for one in in_view
        ]
    largest = 0.0
    for lane, rows, with_initial in parts if times else ():
        for side in shown.sides:
            values = side.colors.read(lane, _bins(times, _TIMES), _bins(rows, _UNITS)).values
            finite = np.abs(values[np.isfinite(values)])
            largest = max(largest, float(finite.max(initial=0.0)))
        initial = shown.initial(lane) if with_initial and not shown.differs(lane) else None
        if initial is not None:
            largest = max(largest, float(np.abs(initial).max(initial=0.0)))
    return rounded_up(largest, _ENDS) if largest > 0.0 else None


def _bins(cells: range, most: int) -> Bins:
    scale = Scale(min(1.0, most / len(cells)), cells.stop)
    return scale.bins(scale.span(cells.start)[0], scale.span(cells.stop - 1)[1])


class ColorRange(QObject):
    """The chosen range, and its menu."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.limit = Limit()

    def choose(self, limit: Limit) -> None:
        if limit != self.limit:
            self.limit = limit
            self.changed.emit()

    def offer(self, parent: QWidget, place: QPoint) -> QMenu:
        """Open the menu of ranges at a place on the screen."""
        menu = QMenu("Color range", parent)
        menu.setAccessibleName("Color range")
        menu.setToolTipsVisible(True)
        group = QActionGroup(menu)
        for name, (title, why) in RANGES.items():
            action = QAction(title, group)
            action.setObjectName(f"range_{name}")
            action.setToolTip(wrapped(why))
            action.setData(name)
            action.setCheckable(True)
            action.setChecked(name == self.limit.name)
            menu.addAction(action)
        menu.triggered.connect(lambda action: self._take(parent, action.data()))
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)
        return menu

    def _take(self, parent: QWidget, name: RangeName) -> None:
        if name != "fixed":
            self.choose(Limit(name, self.limit.fixed))
            return
        dialog = QInputDialog(parent)
        dialog.setInputMode(QInputDialog.InputMode.DoubleInput)
        dialog.setWindowTitle("Color range")
        dialog.setLabelText("Largest value")
        dialog.setDoubleDecimals(_DECIMALS)
        dialog.setDoubleRange(10.0**-_DECIMALS, _MOST)
        dialog.setDoubleValue(self.limit.fixed)
        dialog.doubleValueSelected.connect(lambda value: self.choose(Limit("fixed", value)))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

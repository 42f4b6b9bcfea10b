"""Seams: the time steps at which a new call of the layer begins, as marks between two time steps."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, Qt
from PySide6.QtGui import QPainter, QPen

from rnnviz.core import number_format
from rnnviz.core.words import join_words
from rnnviz.gui.theme.palettes import Theme

_CLOSEST = 20.0
"""Least distance of two seams in pixels; closer ones are left out."""
_NAMED = 6
_FOOT, _STROKE, _UNDER = 4.0, 1.0, 3.0
_DASHES = (5.0, 3.0)


class SeamsInView(NamedTuple):
    """The seams among some time steps; without `apart` they are too close to each other to be drawn."""

    timesteps: NDArray[np.int64]
    everywhere: bool
    apart: bool

    @property
    def drawn(self) -> NDArray[np.int64]:
        """The time steps whose seams are drawn."""
        return self.timesteps if self.apart else self.timesteps[:0]

    @property
    def note(self) -> str:
        """Text in place of marks; empty where these are drawn or there are no seams."""
        if self.apart or not len(self.timesteps):
            return ""
        count = number_format.count(len(self.timesteps))
        return "a new call at every step" if self.everywhere else f"{count} new calls"


def seams_in_view(seams: NDArray[np.int64], times: range, pitch: float) -> SeamsInView:
    """The seams among `times`, which are drawn `pitch` pixels apart; no work grows with those out of view."""
    first, stop = np.searchsorted(seams, (max(times.start, 1), max(times.stop, 1)))
    seen = seams[first:stop]
    everywhere = len(seen) > 0 and len(seen) == times.stop - max(times.start, 1)
    # Of more seams than there is room for, no distance is looked at.
    crowded = len(seen) > len(times) * pitch / _CLOSEST + 1
    return SeamsInView(seen, everywhere, not crowded and bool((np.diff(seen) * pitch >= _CLOSEST).all()))


def paint_seams(painter: QPainter, places: Iterable[float], top: float, bottom: float, theme: Theme, ink: str) -> None:
    """Draw a dashed line of the color `ink` at each x, with feet to the right, as a bracket that opens a call."""
    for x in places:
        middle = round(x) + 0.5
        upright = QLineF(middle, top, middle, bottom)
        feet = [QLineF(middle, y, middle + _FOOT, y) for y in (top + 0.5, bottom - 0.5)]
        for role, width in (("base", _UNDER), (ink, _STROKE)):
            pen = QPen(theme.color(role), width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap)
            painter.setPen(pen)
            painter.drawLines(feet)
            if role == ink:
                pen.setDashPattern(_DASHES)
                painter.setPen(pen)
            painter.drawLine(upright)


def at_seam(seams: NDArray[np.int64], timestep: int) -> str:
    """The words behind a time step at which a new call begins; empty for others."""
    place = np.searchsorted(seams, timestep)
    return " (a new call begins)" if timestep in seams[place : place + 1] else ""


def seams_in_words(seams: NDArray[np.int64], timesteps: int) -> str:
    """A sentence on the seams of a sequence of T time steps; empty without any."""
    if not len(seams):
        return ""
    if len(seams) == timesteps - 1 > _NAMED:
        return "A new call begins at every time step."
    if len(seams) <= _NAMED:
        return f"A new call begins at t = {join_words(map(str, seams.tolist()), 'and')}."
    return f"A new call begins at {number_format.count(len(seams))} time steps, first at t = {seams[0]:,}."

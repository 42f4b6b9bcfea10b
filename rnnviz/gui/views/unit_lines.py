"""The curves of units over time: each of one engine, of the cursor's unit or of a pinned one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QPen

from rnnviz.analysis import numbers
from rnnviz.analysis.outline import Outline, block_for, unit_outline
from rnnviz.analysis.result import RunResult
from rnnviz.analysis.series import finite_range
from rnnviz.gui.views.curve import Curve
from rnnviz.gui.views.time_plot import GapMarks, TimePlot
from rnnviz.model.location import Location

_DASHED_UP_TO = 600
"""More timesteps in sight are drawn in thin solid lines: dashes would run together, and take long to draw."""
_TESTS: dict[str, Callable[[Any], NDArray[np.bool_]]] = {numbers.NAN: np.isnan, numbers.INFINITY: np.isinf}


@dataclass
class UnitLine:
    """One curve: which engine's, of which unit, in which colour, and what was read of it last.

    `pinned` is the unit of one that stays while the cursor moves, else None.
    """

    engine: str
    pinned: int | None
    colour: str
    depth: float
    reference: bool
    curve: Curve
    unit: int = 0
    whole: Outline | None = None

    @property
    def legend_pen(self) -> QPen:
        """How a piece of the curve looks in a legend."""
        return self.pen(dashes=True)

    def pen(self, *, dashes: bool) -> QPen:
        """Wide and solid beneath thin and dashed, so that both are seen where they are equal."""
        pen = QPen(self.colour)
        pen.setCosmetic(True)
        if not dashes:
            return pen
        pen.setWidthF(2.5 if self.reference else 1.5)
        if not self.reference:
            pen.setDashPattern([4.0, 4.0])
        return pen


class UnitLines:
    """Owns the curves of a plot, and the bands where these have no number to show."""

    def __init__(self, plot: TimePlot) -> None:
        self._plot = plot
        self._lines: list[UnitLine] = []
        self._result: RunResult | None = None
        self._location = Location()
        self.gaps = {
            numbers.NAN: GapMarks(plot, numbers.NAN, "nan"),
            numbers.INFINITY: GapMarks(plot, numbers.INFINITY, "infinite"),
        }
        plot.seen_changed.connect(self.draw)

    def __iter__(self) -> Iterator[UnitLine]:
        return iter(self._lines)

    def clear(self) -> None:
        """Draw nothing."""
        for line in self._lines:
            self._plot.remove_curve(line.curve)
        self._lines.clear()
        self._result = None

    def forget(self) -> None:
        """Draw nothing anew before other values are read: the plot may have other timesteps by now."""
        self._result = None

    def add(
        self, engine: str, pinned: int | None, colour: str, depth: float, *, reference: bool, shown: bool
    ) -> UnitLine:
        """Add a curve, whose values `read` reads; those of greater depth lie above."""
        line = UnitLine(engine, pinned, colour, depth, reference, self._plot.add_curve(QPen(colour), depth))
        line.curve.set_visible(shown)
        self._lines.append(line)
        return line

    def read(self, result: RunResult, location: Location) -> None:
        """Read what every curve shows of the whole sequence; nothing here depends on the location's timestep."""
        self._result, self._location = result, location
        whole, pixels = range(result.shape[2]), self._plot.pixels
        for line in self._lines:
            line.unit = location.unit if line.pinned is None else line.pinned
            line.whole = unit_outline(result[line.engine], location, line.unit, whole, pixels)
        ends = [end for outline in self._whole for end in (outline.low, outline.high)]
        self._plot.show_values(*finite_range(ends))
        self.draw()

    def strange(self) -> str:
        """At how many timesteps any curve has no number to show; empty if there are none."""
        told = []
        for word, test in _TESTS.items():
            count = sum(int(last - first) + 1 for first, last in _gaps(self._whole, test))
            if count:
                exactly = "" if self._whole[0].block == 1 else "up to "
                told.append(f"{word} at {exactly}{numbers.count(count)} {'timestep' if count == 1 else 'timesteps'}")
        return ", ".join(told)

    def draw(self) -> None:
        """Draw the part in sight, as finely as there are pixels for it."""
        result = self._result
        if result is None:
            return
        seen, pixels = self._plot.timesteps_in_sight, self._plot.pixels
        dashes, block = len(seen) <= _DASHED_UP_TO, block_for(seen, pixels)
        outlines = []
        for line in self._lines:
            drawn = line.whole
            if drawn is None or drawn.block != block:
                drawn = unit_outline(result[line.engine], self._location, line.unit, seen, pixels)
            line.curve.draw_with(line.pen(dashes=dashes), line.depth)
            line.curve.show_outline(drawn)
            outlines.append(drawn)
        for word, test in _TESTS.items():
            self.gaps[word].show_runs(_gaps(outlines, test))

    @property
    def _whole(self) -> list[Outline]:
        return [line.whole for line in self._lines if line.whole is not None]


def _gaps(outlines: Sequence[Outline], test: Callable[[Any], NDArray[np.bool_]]) -> NDArray[np.int64]:
    """(K, 2): first and last timestep of each run at which any of the outlines has a number that passes a test."""
    mask = np.any([test(outline.low) | test(outline.high) for outline in outlines], axis=0)
    return outlines[0].steps(mask)

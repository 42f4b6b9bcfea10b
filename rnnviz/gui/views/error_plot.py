"""How far two engines are apart over time, on a logarithmic axis that also has a place for zero."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QStackedLayout, QVBoxLayout, QWidget

from rnnviz.analysis import numbers
from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.places import lane_text
from rnnviz.analysis.result import RunResult
from rnnviz.analysis.series import LogScale, log_scale
from rnnviz.gui.theme import LIGHT, Theme
from rnnviz.gui.views.base import View
from rnnviz.gui.views.labels import ElidedLabel
from rnnviz.gui.views.time_plot import TimePlot
from rnnviz.model.location import Location

_MOST_LANES = 16
"""More lanes than these, besides the cursor's, are drawn as one curve: the largest of them."""
_MOST_POINTS = 2_000_000


@dataclass(frozen=True)
class _Quantity:
    """One way to say how far the engines are apart."""

    name: str
    title: str
    why: str
    array: str


_QUANTITIES = (
    _Quantity(
        "violation",
        "largest difference / tolerance",
        "The largest |difference| in units of its tolerance: above 1 the engines do not agree.",
        "violation_over_time",
    ),
    _Quantity("error", "largest difference", "The largest |difference| at each timestep.", "error_over_time"),
    _Quantity(
        "mismatched",
        "mismatching values",
        "How many values are outside the tolerance at each timestep.",
        "mismatched_over_time",
    ),
)


class ErrorPlot(View):
    """The cursor's lane stands out, the other lanes are thin; a line says what is tolerated."""

    title = "Error over time"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._comparison: Comparison | None = None
        self._location = Location()
        self._theme = LIGHT
        self._curves: list[pg.PlotDataItem] = []
        self._positions: NDArray[np.float64] | None = None
        self._lane: tuple[int, int] | None = None

        self._heading = ElidedLabel(bold=True)
        self._at_cursor = QLabel()
        self._others = QLabel()
        self._choice = QComboBox()
        self._choice.setAccessibleName("Quantity")
        for quantity in _QUANTITIES:
            self._choice.addItem(quantity.title, quantity.name)
            self._choice.setItemData(self._choice.count() - 1, quantity.why, Qt.ItemDataRole.ToolTipRole)
        self._choice.currentIndexChanged.connect(self._on_quantity)
        self._axis = _LogAxis("left")
        self.plot = TimePlot()
        self.plot.setAxisItems({"left": self._axis})
        self.plot.setAccessibleName(self.title)
        self.plot.timestep_requested.connect(self._on_timestep)
        self._limit = pg.InfiniteLine(angle=0, movable=False, label="", labelOpts={"position": 0.02, "anchors": _ABOVE})
        self._limit.setZValue(5)
        self.plot.addItem(self._limit, ignoreBounds=True)
        self._floor = pg.InfiniteLine(angle=0, movable=False)
        self._floor.setZValue(-3)
        self.plot.addItem(self._floor, ignoreBounds=True)
        self._empty = QLabel()
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)

        top = QHBoxLayout()
        top.setContentsMargins(6, 0, 4, 0)
        top.setSpacing(12)
        top.addWidget(self._heading, 1)
        top.addWidget(self._others)
        top.addWidget(self._at_cursor)
        top.addWidget(self._choice)
        full = QWidget()
        layout = QVBoxLayout(full)
        layout.setContentsMargins(4, 4, 4, 2)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self.plot, 1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(full)
        self.show_result(None, None)

    @property
    def quantity(self) -> str:
        """ "violation", "error" or "mismatched"."""
        return str(self._choice.currentData())

    @property
    def scale(self) -> LogScale:
        """Where numbers stand on the vertical axis."""
        return self._axis.scale_of_values

    @property
    def limit(self) -> float | None:
        """Where the line of the tolerance stands on the vertical axis; None if there is none."""
        return float(self._limit.value()) if self._limit.isVisible() else None

    @property
    def lane_curve(self) -> NDArray[np.float64]:
        """(T,): the positions on the vertical axis of the cursor's lane as they are drawn."""
        y: NDArray[np.float64] = self._curves[-1].getOriginalDataset()[1]
        return y

    @property
    def told(self) -> str:
        """The value at the cursor, in words."""
        return self._at_cursor.text()

    def choose(self, quantity: str) -> None:
        """Draw another quantity."""
        self._choice.setCurrentIndex(self._choice.findData(quantity))

    def copy_text(self) -> str:
        """The three quantities of the cursor's lane at the timesteps in sight."""
        if self._comparison is None:
            return ""
        here = self._location.layer, self._location.direction
        seen = self.plot.timesteps_in_sight
        columns = [getattr(self._comparison, q.array)[here][seen.start : seen.stop] for q in _QUANTITIES]
        lines = ["\t".join(("timestep", *(quantity.title for quantity in _QUANTITIES)))]
        lines += ["\t".join((str(t), *map(_digits, row))) for t, *row in zip(seen, *columns, strict=True)]
        return "".join(f"{line}\n" for line in lines)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._result = result
        self._comparison = None if result is None or candidate is None else result.comparison(candidate)
        self._pages.setCurrentIndex(0 if self._comparison is None else 1)
        self._empty.setText("Press F5 to run: how far the engines are apart at each timestep appears here.")
        if result is not None:
            self._location = self._location.within(result.shape)
            self.plot.show_timesteps(result.shape[2])
        self._measure()

    def show_location(self, location: Location) -> None:
        self._location = location
        if (location.layer, location.direction) != self._lane:
            self._draw()
        self._tell()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        for label in (self._empty, self._others, self._at_cursor):
            label.setPalette(palette)
        self.plot.apply_theme(theme)
        self._limit.setPen(_pen(theme.color("wrong"), 1.0, Qt.PenStyle.DashLine))
        self._limit.label.setColor(theme.color("wrong"))
        self._floor.setPen(_pen(theme.color("grid"), 1.0))
        for place, curve in enumerate(self._curves, 1):
            mine = place == len(self._curves)
            self.plot.draw_curve(curve, self._wide if mine else self._thin, depth=10.0 if mine else 1.0)

    def _on_quantity(self) -> None:
        self._measure()

    def _measure(self) -> None:
        """Place every lane's numbers on the axis, which is the same whatever lane the cursor is in."""
        comparison = self._comparison
        self._positions = None
        if comparison is not None:
            quantity = _QUANTITIES[self._choice.currentIndex()]
            self._choice.setToolTip(quantity.why)
            values = getattr(comparison, quantity.array).astype(np.float64)
            limit = self._tolerated(comparison)
            scale = log_scale(values, *(() if limit is None else (limit[0],)))
            self._positions = scale.positions(values)
            self._axis.show_scale(scale)
            top = scale.infinity if np.isinf(values).any() else float(scale.highest)
            self._floor.setValue(scale.zero)
            self._limit.setVisible(limit is not None)
            bottom, top = scale.zero - 0.3, top + 0.3
            if limit is not None:
                at = float(scale.positions(np.array([limit[0]]))[0])
                self._limit.setValue(at)
                self._limit.label.setFormat(limit[1])
                # The words stand above their line.
                top = max(top, bottom + (at - bottom) / 0.82)
            self.plot.show_values(bottom, top)
        self._draw()
        self._tell()

    def _tolerated(self, comparison: Comparison) -> tuple[float, str] | None:
        if self.quantity == "violation":
            return 1.0, "tolerance"
        if self.quantity == "error" and comparison.atol > 0.0:
            return comparison.atol, f"atol {numbers.full(comparison.atol)}; values away from 0 are allowed more"
        return None

    def _clear(self) -> None:
        for curve in self._curves:
            self.plot.removeItem(curve)
        self._curves.clear()

    def _draw(self) -> None:
        """Let the cursor's lane stand out; the last of the curves is its."""
        positions = self._positions
        if positions is None:
            self._clear()
            self._lane = None
            return
        here = self._lane = self._location.layer, self._location.direction
        others = [positions[lane] for lane in np.ndindex(positions.shape[:2]) if lane != here]
        if len(others) > _MOST_LANES or sum(map(len, others)) > _MOST_POINTS:
            others = [np.max(others, axis=0)]
            self._others.setText("thin: the largest of the other lanes")
        else:
            self._others.setText("thin: the other lanes")
        self._others.setVisible(bool(others))
        if len(self._curves) != len(others) + 1:
            self._clear()
            self._curves += [self.plot.add_curve(self._thin, depth=1.0) for _ in others]
            self._curves.append(self.plot.add_curve(self._wide, depth=10.0))
        for curve, values in zip(self._curves, [*others, positions[here]], strict=True):
            self.plot.move_curve(curve, values)

    @property
    def _thin(self) -> QPen:
        faint = self._theme.color("muted")
        faint.setAlphaF(0.5)
        return _pen(faint, 1.0)

    @property
    def _wide(self) -> QPen:
        return _pen(self._theme.color("accent"), 2.0)

    def _tell(self) -> None:
        comparison, result, where = self._comparison, self._result, self._location
        if comparison is None or result is None:
            return
        self.plot.show_cursor(where.timestep)
        lane = lane_text(result.inputs.network, where)
        self._heading.setText(f"{lane.capitalize()}, over all samples and units")
        value = getattr(comparison, _QUANTITIES[self._choice.currentIndex()].array)[where.index[:3]]
        shown = numbers.count(int(value)) if self.quantity == "mismatched" else numbers.error(float(value))
        self._at_cursor.setText(f"t = {where.timestep}: {shown}")
        self.plot.setAccessibleDescription(f"{self._heading.text()}, {self._choice.currentText()} at {self.told}")

    def _on_timestep(self, timestep: int) -> None:
        self.location_requested.emit(self._location.moved(timestep=timestep))


_ABOVE = [(0.0, 1.0), (0.0, 1.0)]
"""The label stands on its line, not in it."""


def _pen(colour: QColor, width: float, style: Qt.PenStyle = Qt.PenStyle.SolidLine) -> QPen:
    pen = QPen(colour, width, style)
    pen.setCosmetic(True)
    return pen


def _digits(value: float | int) -> str:
    return str(value) if isinstance(value, int | np.integer) else numbers.full(value)


class _LogAxis(pg.AxisItem):
    """Ticks at the decades, at zero and at infinity."""

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.scale_of_values = LogScale(-1, 1)

    def show_scale(self, scale: LogScale) -> None:
        """Take another scale."""
        self.scale_of_values = scale
        self.picture = None
        self.update()

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        scale = self.scale_of_values
        room = max(1, int(size // 18) - 2)
        step = -(-(scale.highest - scale.lowest + 1) // room)
        decades = [float(e) for e in range(scale.lowest, scale.highest + 1) if e % step == 0]
        ends = [scale.zero, scale.infinity]
        return [(float(step), [value for value in (*decades, *ends) if low <= value <= high])]

    def tickStrings(self, values: Sequence[float], scale: float, spacing: float) -> list[str]:
        return [self.scale_of_values.text(value) for value in values]

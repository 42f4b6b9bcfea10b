"""Time axis: ticks at whole time steps, their labels, and columns of the initial state."""

from collections.abc import Callable, Sequence
from math import ceil, floor
from typing import Any, NamedTuple

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QPainter
from PySide6.QtWidgets import QApplication

from rnnviz.core import number_format
from rnnviz.core.sequence import IN_FULL, Names, timestep_in_words, visible
from rnnviz.frozen import dataclass
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.views.unrolled.colormap import rounded_up

_GAP = 6.0
_GAP_OF_CHARACTERS = 1.0
"""Gap between single characters, as narrow as in a text."""
_MOST_FIT = 0.95
"""Share of the labels that must fit, so that a rare wide one does not widen all gaps."""
_SAMPLED = 400
_WIDEST = 36.0
"""Width in pixels from which a label is elided instead of omitted; a number needs the same width."""
_LONGEST = 400
"""Maximum number of measured characters of a label."""


class TickLabel(NamedTuple):
    """A label as written: its time step, its text and its position."""

    timestep: int
    text: str
    left: float
    width: float


@dataclass(frozen=True)
class Metrics:
    """Metrics of a font: width of a text, and a text elided to a width, in pixels."""

    height: float
    advance: Callable[[str], float]
    elide: Callable[[str, float], str]


class TickLabels:
    """Labels of a sequence. Only visible ones are measured."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        # A text is a sequence of names with one character each.
        self._longest = 1 if isinstance(names, str) else max(map(len, names), default=0)
        self._typical: tuple[float, float] | None = None

    def __bool__(self) -> bool:
        return self._longest > 0 and len(self.names) > 0

    def step(self, pitch: float, metrics: Metrics) -> int:
        """Interval in time steps between labels, at `pitch` pixels per time step.

        Independent of the visible labels, so that labels stay in place while the view pans.
        """
        if self._reads_as_text(pitch, metrics):
            return 1
        return tick_step((min(self._typical_width(metrics), _WIDEST) + _GAP) / pitch)

    def _reads_as_text(self, pitch: float, metrics: Metrics) -> bool:
        """Whether every character fits; with gaps, characters must not look adjacent."""
        return self._longest == 1 and self._typical_width(metrics) + _GAP_OF_CHARACTERS <= pitch

    def _typical_width(self, metrics: Metrics) -> float:
        """Width that most labels need, measured once per font from a subset."""
        if self._typical is None or self._typical[0] != metrics.height:
            sample = [name for name in self.names[:: max(1, len(self.names) // _SAMPLED)] if name]
            widths = sorted(metrics.advance(visible(name[:_LONGEST])) for name in sample)
            widest = widths[min(floor(_MOST_FIT * len(widths)), len(widths) - 1)] if widths else metrics.height
            self._typical = metrics.height, widest
        return self._typical[1]

    def in_view(self, start: float, span: float, width: float, metrics: Metrics) -> list[TickLabel]:
        """Labels on an axis of `width` pixels that shows `span` time steps from `start`.

        Each is centered below its time step, or as near as the ends of the axis permit.
        """
        if not self or span <= 0.0:
            return []
        pitch = width / span
        step = self.step(pitch, metrics)
        close = self._reads_as_text(pitch, metrics)
        half = (step * pitch - (_GAP_OF_CHARACTERS if close else _GAP)) / 2.0
        first = max(0, ceil(start / step) * step)
        found = []
        for timestep in range(first, min(len(self.names), floor(start + span) + 1), step):
            name = self.names[timestep]
            if not name:
                continue
            x = (timestep - start) * pitch
            left, right = max(x - half, 0.0), min(x + half, width)
            text = metrics.elide(visible(name[:_LONGEST]), right - left)
            if close and text != visible(name) and right - left < 2.0 * half:
                # Half a character at the end of the axis is none.
                continue
            wide = min(metrics.advance(text), right - left)
            found.append(TickLabel(timestep, text, min(max(x - wide / 2.0, left), right - wide), wide))
        return found


def tick_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `least`."""
    return round(rounded_up(max(least, 1.0)))


LABEL = "time step"
HINT = "Scroll to zoom time, Ctrl+scroll to zoom lanes; zoom in to read numbers"
_LABEL_ROOM = 56.0
_LABEL_MARGIN = 2.0
"""Pixels of the label's margin that may be clipped."""
_SPILL = 40.0
"""Distance in pixels outside the axis up to which a label is moved into it."""
_DOT = "\N{EM SPACE}\N{MIDDLE DOT}\N{EM SPACE}"


class TimeAxis(pg.AxisItem):
    """The axis below the lanes."""

    def __init__(self) -> None:
        self._theme, self._hinting, self._placing = LIGHT, False, False
        super().__init__("bottom")
        self.setLabel(LABEL)
        # Where step 0 alone is in sight, the range is small enough for pyqtgraph to count in thousandths.
        self.enableAutoSIPrefix(False)
        # Else the first label is left out where it reaches beyond the axis.
        # Ticks that point at their labels: others reach into the lanes.
        self.setStyle(hideOverlappingLabels=False, autoExpandTextSpace=False, tickLength=4)
        self._timesteps = 0
        self._initial: tuple[int, ...] = ()
        self._initial_name = "h0"
        self._names = TickLabels(())
        self._usual_height = self.style["tickTextHeight"]
        self._fit_text()

    def show_names(self, names: Sequence[str]) -> None:
        """Set the labels of the time steps, on a line below their numbers; empty for no line."""
        if names is self._names.names:
            return
        self._names = TickLabels(names)
        self._fit_text()
        self.update()

    def _fit_text(self) -> None:
        """Set the height for the numbers and the line of labels below them."""
        line = _metrics().height if self._names else 0.0
        self.label.setFont(QApplication.font())
        self.setStyle(tickTextHeight=scaled(self._usual_height) + round(line))

    @property
    def names_in_view(self) -> list[TickLabel]:
        """The visible labels with their positions, from left to right."""
        low, high = self.range
        return self._names.in_view(low, high - low, self.size().width(), _metrics())

    def description_at(self, place: QPointF) -> str:
        """Time step and full label at a point of the scene; empty without any."""
        within = self.mapFromScene(place)
        if not QRectF(QPointF(), self.size()).contains(within):
            return ""
        low, high = self.range
        timestep = round(low + within.x() / self.size().width() * (high - low))
        names = Names(self._names.names)
        return timestep_in_words(names, timestep, IN_FULL) if names.timestep(timestep) else ""

    def show_timesteps(self, timesteps: int, initial: tuple[int, ...], initial_name: str = "h0") -> None:
        """Label 0 to T-1, and the visible columns of the initial state with its name.

        They are -1, and T or the first time step of padding.
        """
        if not initial:
            # Every call with another name draws the axis again.
            initial_name = self._initial_name
        if (timesteps, initial, initial_name) != (self._timesteps, self._initial, self._initial_name):
            self._timesteps, self._initial, self._initial_name = timesteps, initial, initial_name
            self.picture = None
            self.update()

    @property
    def hint(self) -> str:
        """Text next to the axis title; may be empty."""
        return HINT if self._hinting else ""

    def show_hint(self, wanted: bool) -> None:
        """Show a hint on zooming next to the axis title, if it fits."""
        metrics = QFontMetricsF(self.label.font())
        hinting = wanted and metrics.horizontalAdvance(f"{LABEL}{_DOT}{HINT}") <= self.size().width()
        if hinting != self._hinting:
            self._hinting = hinting
            self._write_label()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._fit_text()
        self.setPen(theme.color("border"))
        self.setTextPen(theme.color("text"))
        self._write_label()

    def _write_label(self) -> None:
        self.setLabel(f"{LABEL}{_DOT}{HINT}" if self._hinting else LABEL, color=self._theme.muted)
        # pyqtgraph centers a label only when the axis changes its size.
        self.resizeEvent()

    def resizeEvent(self, event: Any = None) -> None:
        """Keep the whole title inside the axis; pyqtgraph lets it extend beyond."""
        super().resizeEvent(event)
        label = self.label
        label.setPos(label.x(), min(label.y(), self.size().height() - label.boundingRect().height() + _LABEL_MARGIN))

    def boundingRect(self) -> QRectF:
        """The area of the axis. Anything outside would be repainted whenever the visible time changes."""
        spill = _SPILL if self._placing else 0.0
        return QRectF(self.mapRectFromParent(self.geometry())).adjusted(-spill, 0.0, spill, 0.0)

    def generateDrawSpecs(self, painter: QPainter) -> Any:
        """Move every tick label into the axis."""
        # pyqtgraph leaves out what lies beyond the bounding rectangle.
        self._placing = True
        specs = super().generateDrawSpecs(painter)
        self._placing = False
        if specs is None:
            return None
        axis, ticks, texts = specs
        left, right = self.boundingRect().left(), self.boundingRect().right()
        inside = []
        for rect, flags, text in texts:
            rect.translate(max(left - rect.left(), 0.0) - max(rect.right() - right, 0.0), 0.0)
            inside.append((rect, flags, text))
        return axis, ticks, inside

    def drawPicture(self, painter: QPainter, axis: Any, ticks: Any, texts: Any) -> None:
        super().drawPicture(painter, axis, ticks, texts)
        if not self._names:
            return
        font, style = _name_font(), self.style
        top = max(style["tickLength"], 0) + style["tickTextOffset"][1] + QFontMetricsF(painter.font()).height()
        height = _metrics().height
        painter.setFont(font)
        painter.setPen(self._theme.color("text"))
        for name in self.names_in_view:
            line = QRectF(name.left - 1.0, top, name.width + 2.0, height)
            painter.drawText(line, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter, name.text)

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Labeled time steps: every 1, 2 or 5 times a power of ten."""
        step = tick_step((high - low) * _LABEL_ROOM / max(size, 1.0))
        first = max(0, -(-int(low) // step) * step) if low > 0 else 0
        values = [float(t) for t in range(first, min(self._timesteps, int(high + 1)), step) if low <= t <= high]
        values += [float(t) for t in self._initial if low <= t <= high]
        return [(float(step), values)]

    def tickStrings(self, values: list[float], _scale: float, _spacing: float) -> list[str]:
        return [self._label(round(v)) for v in values]

    def _label(self, timestep: int) -> str:
        if not 0 <= timestep < self._timesteps:
            return self._initial_name
        text = number_format.count(timestep)
        return f"{text} {self._initial_name}" if timestep in self._initial else text


def _name_font() -> QFont:
    """The font of the numbers in bold, because labels are more important."""
    font = QFont(QApplication.font())
    font.setBold(True)
    return font


def _metrics() -> Metrics:
    metrics = QFontMetricsF(_name_font())

    def elide(text: str, width: float) -> str:
        return metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)

    return Metrics(metrics.height(), metrics.horizontalAdvance, elide)

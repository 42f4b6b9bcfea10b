"""Labels of time steps below the time axis, as many as fit without overlap. Independent of Qt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from rnnviz.core.axis_labels import visible

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
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= least:
                return factor * power
        power *= 10

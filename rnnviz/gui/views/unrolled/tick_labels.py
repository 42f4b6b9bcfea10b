"""Where the names of time steps are under the time axis: as many as have room, none upon another. No Qt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

from rnnviz.core.axis_label_text import visible

_GAP = 6.0
_GAP_OF_CHARACTERS = 1.0
"""Characters are as close as in a text, so that it can be read."""
_MOST_FIT = 0.95
"""This share of the characters is written whole: a rare wide one does not keep all others apart."""
_SAMPLED = 400
_WIDEST = 36.0
"""A longer name than this is cut short rather than left out: as much is where a cell has room for its number."""
_LONGEST = 400
"""This many characters of a name are measured at most: more than any screen has room for."""


class StepName(NamedTuple):
    """A name as it is written: its time step, the text, and the place that is its own."""

    timestep: int
    text: str
    left: float
    width: float


@dataclass(frozen=True)
class Metrics:
    """What is known of a font: the width of a text, and a text cut to a width; both in pixels."""

    height: float
    advance: Callable[[str], float]
    elide: Callable[[str, float], str]


class StepNames:
    """The names of a sequence's time steps; only those in view are looked at."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        # A text is a name of one character for each timestep.
        self._longest = 1 if isinstance(names, str) else max(map(len, names), default=0)
        self._typical: tuple[float, float] | None = None

    def __bool__(self) -> bool:
        return self._longest > 0 and len(self.names) > 0

    def step(self, pitch: float, metrics: Metrics) -> int:
        """Every how many time steps a name is written, with `pitch` pixels for each time step.

        It depends on no name in view, so that names stay where they are while the view moves over them.
        """
        if self._reads_as_text(pitch, metrics):
            return 1
        characters = metrics.advance("0") * self._longest
        # A character may be as wide as it is tall.
        needed = max(characters, metrics.height * min(self._longest, 2))
        return tick_step((min(needed, _WIDEST) + _GAP) / pitch)

    def _reads_as_text(self, pitch: float, metrics: Metrics) -> bool:
        """Whether there is room for every character; where some are left out, they must not seem to be neighbors."""
        return self._longest == 1 and self._character_width(metrics) + _GAP_OF_CHARACTERS <= pitch

    def _character_width(self, metrics: Metrics) -> float:
        """What most of the characters need, of which some from all over the text are measured once for a font."""
        if self._typical is None or self._typical[0] != metrics.height:
            sample = [name for name in self.names[:: max(1, len(self.names) // _SAMPLED)] if name]
            widths = sorted(metrics.advance(visible(name)) for name in sample)
            widest = widths[min(floor(_MOST_FIT * len(widths)), len(widths) - 1)] if widths else metrics.height
            self._typical = metrics.height, widest
        return self._typical[1]

    def in_view(self, start: float, span: float, width: float, metrics: Metrics) -> list[StepName]:
        """The names on an axis of `width` pixels that shows `span` time steps from the time `start` on.

        Each is centered under its time step, or as near as the ends of the axis let it.
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
            found.append(StepName(timestep, text, min(max(x - wide / 2.0, left), right - wide), wide))
        return found


def tick_step(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `least`."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= least:
                return factor * power
        power *= 10

"""How tall the lanes are and where they lie, in pixels of the content from its top down."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor

from rnnviz.core.trace_index import Lane
from rnnviz.gui.theme.scaling import text_scale

MARGIN = 6.0
SHORTEST_LANE, SHORTEST_INPUT = 30.0, 22.0
TALLEST_ROW = 64.0
_ROUNDING = 1e-9
NUMBER_ROW = 9.5
"""From this height on a row has room for a number, where texts have the usual size."""
_GAPS = {False: (3.0, 9.0), True: (8.0, 18.0)}
"""Between two directions of a layer and between two layers, as a heat map and with boxes and arrows."""
_INPUT_SHARE = 0.15
"""The input is at least this much as tall as a hidden lane, and at most as tall."""


def number_row() -> float:
    """The height from which on a row has room for a number in texts of the size in use."""
    return NUMBER_ROW * text_scale()


@dataclass(frozen=True)
class Band:
    """One lane: where it begins, how tall it is, and how many rows (units) it has."""

    lane: Lane
    rows: int
    top: float
    height: float

    @property
    def row(self) -> float:
        """A row's height."""
        return self.height / self.rows

    @property
    def bottom(self) -> float:
        """Where the lane ends."""
        return self.top + self.height


@dataclass(frozen=True)
class Stack:
    """All lanes, from the top down, and the height of the whole."""

    bands: tuple[Band, ...]
    height: float

    def band(self, lane: Lane) -> Band:
        """Where a lane lies."""
        return next(band for band in self.bands if band.lane == lane)

    def nearest(self, y: float) -> Band:
        """The lane at a height, or the nearest one."""
        return min(self.bands, key=lambda band: max(band.top - y, y - band.bottom, 0.0))


def stack_lanes(lanes: Sequence[tuple[Lane, int]], height: float, zoom: float, *, boxes: bool) -> Stack:
    """Lay lanes of this many rows into `height` pixels, `zoom` times as tall as they would fit.

    A row is as tall in the input as in the other lanes, as far as the input is not too flat or too tall by that.
    Lanes that would be too flat for their header are taller, so that the content exceeds `height`; content
    that is shorter than `height` is in its middle.
    """
    gaps = _gaps_below([lane for lane, _ in lanes], boxes)
    tallest = max((rows for lane, rows in lanes if lane.layer is not None), default=1)
    weights = [
        rows if lane.layer is not None else min(max(rows, _INPUT_SHARE * tallest), tallest) for lane, rows in lanes
    ]
    shortest = [SHORTEST_INPUT if lane.layer is None else SHORTEST_LANE for lane, _ in lanes]
    per_row = min(_per_row(weights, shortest, height - sum(gaps) - 2.0 * MARGIN), TALLEST_ROW) * zoom
    heights = [
        float(max(floor(weight * per_row + _ROUNDING), least)) for weight, least in zip(weights, shortest, strict=True)
    ]
    content = sum(heights) + sum(gaps) + 2.0 * MARGIN
    top = MARGIN + max(0.0, (height - content) // 2.0)
    bands = []
    for (lane, rows), lane_height, gap in zip(lanes, heights, gaps, strict=True):
        bands.append(Band(lane, rows, top, lane_height))
        top += lane_height + gap
    return Stack(tuple(bands), content)


def _per_row(weights: Sequence[float], shortest: Sequence[float], room: float) -> float:
    """The height of a row with which the lanes fill `room`, where none may be shorter than its shortest."""
    flexible = list(range(len(weights)))
    while flexible:
        left = room - sum(least for lane, least in enumerate(shortest) if lane not in flexible)
        per_row = max(left, 0.0) / sum(weights[lane] for lane in flexible)
        flat = {lane for lane in flexible if weights[lane] * per_row < shortest[lane]}
        if not flat:
            return per_row
        flexible = [lane for lane in flexible if lane not in flat]
    return max(0.0, min(least / weight for weight, least in zip(weights, shortest, strict=True)))


def hidden_row(stack: Stack) -> float:
    """The height of a hidden lane's row."""
    return next((band.row for band in stack.bands if band.lane.layer is not None), 0.0)


def _gaps_below(lanes: Sequence[Lane], boxes: bool) -> list[float]:
    within, between = _GAPS[boxes]
    gaps = [within if above.layer == below.layer else between for above, below in pairwise(lanes)]
    return [*gaps, 0.0]

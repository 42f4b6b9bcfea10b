"""Vertical layout of the lanes in pixels."""

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
"""Minimum height of a row with a number at the usual font size."""
_GAPS = {False: (3.0, 9.0), True: (8.0, 18.0)}
"""Gaps between directions and between layers: in a heat map (False), and with boxes (True)."""
_INPUT_SHARE = 0.15
"""Minimum height of the input relative to a hidden lane; the maximum is 1."""


def number_row() -> float:
    """Minimum height of a row with a number at the current font size."""
    return NUMBER_ROW * text_scale()


@dataclass(frozen=True)
class LaneRect:
    """Rectangle of a lane: top, height, and number of rows (units)."""

    lane: Lane
    rows: int
    top: float
    height: float

    @property
    def row(self) -> float:
        """Height of a row."""
        return self.height / self.rows

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True)
class Stack:
    """All lanes from the top down, and the total height."""

    lane_rects: tuple[LaneRect, ...]
    height: float

    def lane_rect(self, lane: Lane) -> LaneRect:
        """Position of a lane."""
        return next(lane_rect for lane_rect in self.lane_rects if lane_rect.lane == lane)

    def nearest(self, y: float) -> LaneRect:
        """The lane at a height, or the nearest one."""
        return min(self.lane_rects, key=lambda lane_rect: max(lane_rect.top - y, y - lane_rect.bottom, 0.0))


def stack_lanes(lanes: Sequence[tuple[Lane, int]], height: float, zoom: float, *, boxes: bool) -> Stack:
    """Lay out lanes in `height` pixels, `zoom` times as tall as they would fit.

    Rows of the input are as tall as other rows, within the limits of the input's height. Lanes are at least as tall
    as their header, so that the content may exceed `height`. Lower content is centered.
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
    lane_rects = []
    for (lane, rows), lane_height, gap in zip(lanes, heights, gaps, strict=True):
        lane_rects.append(LaneRect(lane, rows, top, lane_height))
        top += lane_height + gap
    return Stack(tuple(lane_rects), content)


def _per_row(weights: Sequence[float], shortest: Sequence[float], room: float) -> float:
    """Row height with which the lanes fill `room`, while none is shorter than its minimum."""
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
    """Row height of a hidden lane."""
    return next((lane_rect.row for lane_rect in stack.lane_rects if lane_rect.lane.layer is not None), 0.0)


def _gaps_below(lanes: Sequence[Lane], boxes: bool) -> list[float]:
    within, between = _GAPS[boxes]
    gaps = [within if above.layer == below.layer else between for above, below in pairwise(lanes)]
    return [*gaps, 0.0]

"""How tall the lanes are."""

from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.trace_index import INPUT, Lane, lanes_of
from rnnviz.gui.views.unrolled.geometry import MARGIN, SHORTEST_INPUT, SHORTEST_LANE, TALLEST_ROW, stack_lanes

ROWS = st.integers(1, 400)


def lanes(layers: int, directions: int, units: int, features: int) -> list[tuple[Lane, int]]:
    return [(lane, features if lane == INPUT else units) for lane in lanes_of(layers, directions)]


@given(st.integers(1, 8), st.integers(1, 2), ROWS, ROWS, st.integers(100, 1500), st.booleans())
def test_lanes_fill_the_height_as_far_as_their_shortest_and_tallest_allow(
    layers: int, directions: int, units: int, features: int, height: int, boxes: bool
) -> None:
    stack = stack_lanes(lanes(layers, directions, units, features), height, 1.0, boxes=boxes)
    hidden = [lane_rect for lane_rect in stack.lane_rects if lane_rect.lane != INPUT]
    shortest = (
        all(lane_rect.height == SHORTEST_LANE for lane_rect in hidden) and stack.lane_rects[-1].height == SHORTEST_INPUT
    )
    tallest = any(lane_rect.row > TALLEST_ROW - 1.0 for lane_rect in hidden)
    assert stack.height <= height or shortest
    assert stack.height > height - len(stack.lane_rects) or tallest
    assert len({lane_rect.height for lane_rect in hidden}) == 1


def test_lanes_smaller_than_the_view_are_centered() -> None:
    stack = stack_lanes(lanes(1, 1, 1, 1), 1000.0, 1.0, boxes=True)
    above, below = stack.lane_rects[0].top, 1000.0 - stack.lane_rects[-1].bottom
    assert above > MARGIN
    assert abs(above - below) <= 1.0


def test_zoomed_lanes_are_scaled_by_the_zoom() -> None:
    rest, zoomed = (stack_lanes(lanes(2, 1, 256, 256), 600.0, zoom, boxes=False) for zoom in (1.0, 3.0))
    assert abs(zoomed.lane_rects[0].height - 3.0 * rest.lane_rects[0].height) <= 3.0
    assert zoomed.height > 600.0

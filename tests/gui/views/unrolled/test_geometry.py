"""Where lanes, columns, cells and ticks lie, without a window."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rnnviz.core.config import Network
from rnnviz.core.trace_index import INPUT, lanes_of
from rnnviz.gui.views.unrolled.geometry import (
    SHORTEST_INPUT,
    SHORTEST_LANE,
    Camera,
    CellGeometry,
    Scale,
    Scene,
    layout_for,
    limits_of,
)
from rnnviz.gui.views.unrolled.margins import TickNames, TimeAxis, tick_step


def picture(layers: int, directions: int, units: int, features: int, timesteps: int) -> Scene:
    network = Network("gru", 2, 3, num_layers=layers, bidirectional=directions == 2)
    lanes = [(lane, features if lane == INPUT else units) for lane in lanes_of(network)]
    return Scene(tuple(lanes), timesteps)


PICTURES = st.builds(
    picture, st.integers(1, 6), st.integers(1, 2), st.integers(1, 300), st.integers(1, 300), st.integers(1, 5000)
)
CAMERAS = st.builds(
    Camera,
    st.floats(-1e4, 1e4) | st.floats(),
    st.floats(3.0, 1e4) | st.floats(),
    st.floats(1.0, 20.0) | st.floats(),
    st.floats(-1e4, 1e4) | st.floats(),
)
"""As the window has them, and with numbers of a damaged session: tiny, huge, infinite, NaN."""
GEOMETRIES = st.builds(layout_for, PICTURES, st.integers(50, 1800), st.integers(50, 1200), CAMERAS)


@given(GEOMETRIES)
def test_the_camera_stays_within_the_data(geometry):
    camera, timesteps = geometry.camera, geometry.picture.timesteps
    before = 1.0 if 0 in geometry.picture.directions else 0.0
    after = 1.0 if 1 in geometry.picture.directions else 0.0
    assert camera.start >= -0.5 - before - 1e-6
    assert camera.start + camera.span <= timesteps - 0.5 + after + 1e-6
    assert 0.0 <= camera.scroll <= max(0.0, geometry.stack.height - geometry.height)
    room = limits_of(geometry)
    assert room.fewest <= camera.span <= room.whole
    assert 1.0 <= camera.zoom <= room.deepest


@given(GEOMETRIES)
def test_lanes_never_overlap_and_are_tall_enough_for_their_header(geometry):
    lane_rects = geometry.stack.lane_rects
    for above, below in pairwise(lane_rects):
        assert above.bottom < below.top
    for lane_rect in lane_rects:
        assert lane_rect.height >= (SHORTEST_INPUT if lane_rect.lane == INPUT else SHORTEST_LANE)
        assert lane_rect.lane.layer is not None or lane_rect.row <= 24.0 * geometry.camera.zoom
    assert lane_rects[-1].lane == INPUT


@given(GEOMETRIES, st.data())
def test_the_middle_of_a_visible_cell_hits_it(geometry, data):
    lane_rect = data.draw(st.sampled_from(geometry.lane_rects_in_view()))
    unit = data.draw(st.sampled_from(geometry.rows_in_view(lane_rect)))
    # A window of one column may show the initial state alone.
    assume(len(geometry.timesteps_in_view()))
    timestep = data.draw(st.sampled_from(geometry.timesteps_in_view()))
    x, y, width, height = geometry.rect(CellGeometry(lane_rect.lane, timestep, unit))
    hit = geometry.hit(x + width / 2.0, y + height / 2.0)
    if hit is not None:
        # Several cells may share a pixel; the one that is hit lies on it.
        assert hit.lane == lane_rect.lane
        assert abs(hit.timestep - timestep) <= (0 if geometry.pitch >= 1.0 else 1.0 / geometry.pitch + 1.0)
        assert abs(hit.unit - unit) <= 1.0 / min(lane_rect.row, 1.0) + 1


@given(GEOMETRIES, st.floats(0.0, 1.0), st.floats(0.1, 10.0))
def test_zooming_keeps_the_time_under_the_pointer_unless_the_end_is_reached(geometry, share, factor):
    x = share * geometry.width
    time = geometry.time_at(x)
    zoomed = geometry.camera.zoomed_time(factor, time, limits_of(geometry))
    assert zoomed.span >= min(3.0, geometry.picture.timesteps) - 1e-9
    low = zoomed.start <= -0.5 or zoomed.start + zoomed.span >= geometry.picture.timesteps - 0.5
    kept = (time - geometry.camera.start) / geometry.camera.span
    assert low or time == pytest.approx(zoomed.start + kept * zoomed.span, abs=1e-6 * geometry.picture.timesteps)


def test_the_view_scrolls_to_the_selection_only_as_far_as_needed():
    geometry = layout_for(picture(1, 1, 256, 5, 1000), 500.0, 500.0, Camera(start=99.5, span=100.0))
    room = limits_of(geometry)
    assert geometry.camera.showing(150, room) == geometry.camera
    assert geometry.camera.showing(300, room).start == pytest.approx(201.5)
    assert geometry.camera.showing(50, room).start == pytest.approx(48.5)


SCALES = st.builds(Scale, st.floats(0.01, 60.0), st.integers(1, 400))


@given(SCALES)
def test_every_cell_is_shown_on_the_pixels_of_its_span(scale):
    bins = scale.bins(0, scale.pixels)
    assert bins.first == 0
    assert bins.stop == scale.cells
    ends = [*bins.starts[1:].tolist(), bins.stop]
    shown = [range(start, max(end, start + 1)) for start, end in zip(bins.starts.tolist(), ends, strict=True)]
    for cell in range(scale.cells):
        first, stop = scale.span(cell)
        assert first < stop
        assert all(cell in shown[pixel] for pixel in range(first, min(stop, len(shown))))


@given(SCALES, st.data())
def test_a_click_on_a_cells_pixel_hits_it(scale, data):
    cell = data.draw(st.integers(0, scale.cells - 1))
    first, stop = scale.span(cell)
    if scale.size >= 1:
        assert {scale.cell_at(pixel + 0.3) for pixel in range(first, stop)} == {cell}
    else:
        assert scale.span(scale.cell_at(first + 0.5))[0] in (first - 1, first, first + 1)


@given(SCALES, st.data())
def test_bins_of_a_part_equal_those_of_the_whole(scale, data):
    first = data.draw(st.integers(0, scale.pixels - 1))
    stop = data.draw(st.integers(first + 1, scale.pixels))
    whole, part = scale.bins(0, scale.pixels), scale.bins(first, stop)
    assert part.starts.tolist() == whole.starts[first:stop].tolist()


@given(st.floats(0.0, 1e7))
def test_a_tick_step_is_the_smallest_round_number_that_fits(least):
    step = tick_step(least)
    assert step >= least
    assert str(step)[0] in "125"
    assert step == 1 or step / 2.5 <= max(least, 1.0)


def test_ticks_are_whole_time_steps_and_the_initial_states_column(qapp):
    geometry = layout_for(picture(1, 2, 4, 3, 3), 600.0, 400.0, Camera(), fit=True)
    ticks = TimeAxis().ticks(geometry, "h0")
    assert [text for _, text in ticks] == ["h0", "0", "1", "2", "h0"]
    assert [x for x, _ in ticks] == sorted(x for x, _ in ticks)


def test_folded_lanes_are_bands_and_the_others_share_the_rest():
    scene = picture(2, 2, 6, 4, 16)
    folded = replace(scene, lanes=scene.lanes[:-1], bands=frozenset(lane for lane, _ in scene.lanes[2:4]))
    rects = layout_for(folded, 900.0, 700.0, Camera(), fit=True).stack.lane_rects
    assert [own.band for own in rects] == [False, False, True, True]
    assert rects[2].height == rects[3].height == 36.0
    assert rects[0].height == rects[1].height > 200.0


def test_every_character_is_drawn_where_it_fits_and_some_elsewhere():
    text = "abcdefghij" * 1000
    names = TickNames(text)
    near = names.in_view(range(20, 40), 30.0, lambda name: 8.0 * len(name))
    assert near == {t: text[t] for t in range(20, 40)}
    far = names.in_view(range(10_000), 0.1, lambda name: 8.0 * len(name))
    assert 10 < len(far) <= 1000 / 8
    assert len({t % 200 for t in far}) == 1

"""The future of each lane is hidden in the order of computation."""

from itertools import product

import pytest
from PySide6.QtGui import QColor

from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.regions import STAGES, stage_regions
from rnnviz.gui.theme.palettes import LIGHT
from tests.factories import make_result
from tests.gui.views.unrolled.seen import empty_view, settled


@pytest.fixture
def view(qtbot):
    view = empty_view()
    qtbot.addWidget(view)
    view.resize(900, 500)
    view.show()
    view.show_result(make_result(timesteps=100, num_layers=2, bidirectional=True), "manual")
    return view


@pytest.mark.slow
@pytest.mark.parametrize(
    ("order", "place", "covered"),
    [
        ("lane", Location(timestep=30), [(31, 100), (0, 69), (0, 100), (0, 100)]),
        ("lane", Location(direction=1, timestep=30), [(70, 100), (0, 30), (0, 100), (0, 100)]),
        ("lane", Location(layer=1, timestep=30), [(100, 100), (0, 0), (31, 100), (0, 69)]),
        ("layers", Location(direction=1, timestep=30), [(100, 100), (0, 30), (0, 100), (0, 100)]),
        ("layers", Location(layer=1, timestep=99), [(100, 100), (0, 0), (100, 100), (0, 100)]),
        (None, Location(timestep=30), [(0, 0)] * 4),
    ],
)
def test_time_steps_after_the_selected_step_are_covered(view, order, place, covered):
    view.reveal_as_computed(order)
    view.show_location(place)
    lanes = [Lane(layer, direction) for layer in (0, 1) for direction in (0, 1)]
    found = [view.parts.future.times(lane) for lane in lanes]
    assert [len(times) for times in found] == [stop - start for start, stop in covered]
    assert all(times == range(*ends) for times, ends in zip(found, covered, strict=True) if times)
    assert len(view.parts.future.times(INPUT)) == 0


@pytest.mark.slow
def test_the_selection_changes_no_color_of_a_value(qtbot, view):
    view.resize(900, 600)
    view.show_result(make_result(hidden_size=64, timesteps=30), "manual")
    qtbot.waitUntil(lambda: settled(view))
    geometry = view.geometry_in_view
    lane_rect, (left, width) = geometry.stack.lane_rect(Lane(0)), geometry.column(2)
    assert not geometry.boxes
    assert view.parts.selection.column.rect.width() > 0

    def colors():
        image, x = view.canvas.grab().toImage(), left + width / 2.0
        rows = [geometry.top_of(lane_rect) + (unit + 0.5) * lane_rect.row for unit in range(8, 64)]
        return [image.pixelColor(view.canvas.mapFromScene(view.box.mapToScene(x, y))).name() for y in rows]

    view.show_location(Location(timestep=20))
    before = colors()
    view.show_location(Location(timestep=2))
    assert len(set(before)) > 10
    assert colors() == before


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_step_is_covered_while_it_reads_and_its_inputs_never_are(qtbot, bidirectional):
    result = make_result(timesteps=6, num_layers=2, bidirectional=bidirectional)
    view = empty_view()
    qtbot.addWidget(view)
    view.resize(900, 500)
    view.show()
    view.show_result(result, "manual")
    network = result.inputs.network
    for order in ("lane", "layers"):
        view.reveal_as_computed(order)
        for layer, direction, timestep in product((0, 1), range(network.directions), range(6)):
            where = Location(layer, direction, timestep)
            for stage in STAGES:
                regions = stage_regions(network, where, 6, stage)
                view.show_highlight(regions)
                view.show_location(where)
                covered = view.parts.future.times
                assert (timestep in covered(Lane(layer, direction))) == (stage in ("input", "recurrent", "gates"))
                read = [region for region in regions if region.part == "read" and region.lane.layer is not None]
                assert not any(t in covered(region.lane) for region in read for t in region.times), (order, where)
    view.close()


def test_a_covered_value_has_no_color_until_its_step_is_reached(view):
    def color(timestep):
        geometry = view.geometry_in_view
        lane_rect = geometry.stack.lane_rect(Lane(0))
        y = geometry.top_of(lane_rect) + lane_rect.height / 2.0
        place = view.canvas.mapFromScene(view.box.mapToScene(geometry.x_of(timestep), y))
        return view.canvas.grab().toImage().pixelColor(place)

    shown = color(60)
    view.reveal_as_computed("lane")
    view.show_location(Location(timestep=40))
    assert color(60) == QColor(LIGHT.raised) != shown
    view.show_location(Location(timestep=70))
    assert color(60) == shown
    view.reveal_as_computed(None)
    view.show_location(Location())
    assert color(60) == shown


def test_of_gradients_earlier_steps_and_lower_layers_are_covered_and_the_input_comes_last(view):
    result = make_result(timesteps=100, num_layers=2, bidirectional=True, gradients=("gluon", "manual"))
    view.show_result(result, "manual")
    view.session.set_color_by("grad.h")
    lanes = [INPUT, *(Lane(layer, direction) for layer in (0, 1) for direction in (0, 1))]
    for order, place, expected in (
        ("layers", Location(1, 0, 30), [(0, 100), (0, 100), (0, 100), (0, 30), (0, 0)]),
        ("layers", Location(0, 1, 30), [(0, 100), (0, 100), (31, 100), (0, 0), (0, 0)]),
        ("layers", Location(0, 0, 30), [(0, 30), (0, 30), (0, 0), (0, 0), (0, 0)]),
        ("lane", Location(1, 0, 30), [(0, 100), (0, 100), (0, 100), (0, 30), (70, 100)]),
    ):
        view.reveal_as_computed(order)
        view.show_location(place)
        found = [view.parts.future.times(lane) for lane in lanes]
        assert [range(*ends) for ends in expected] == [times or range(0) for times in found], place

"""Marks over the lanes: selection, pointer, masks, the hidden future; padding, and inputs with one row."""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from rnnviz.core.config import Config
from rnnviz.core.masks import DIFFERENCE, VERDICT, Mask
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.app_state import Limit, Session
from rnnviz.gui.regions import STAGES, stage_regions
from rnnviz.gui.theme.palettes import LIGHT
from rnnviz.gui.theme.scaling import set_text_size
from rnnviz.gui.views.base import AGREES
from rnnviz.gui.views.checks import ChecksTable
from rnnviz.gui.views.unrolled.canvas import Layer
from rnnviz.gui.views.unrolled.colormap import PADDING
from rnnviz.gui.views.unrolled.geometry import CellGeometry, Scale
from rnnviz.gui.views.unrolled.marks import Fill, Mark, Text
from rnnviz.gui.views.unrolled.tiles import Board, Request, Sheet, TileKey
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.unrolled.seen import lane_labels, legend, middle_of, numbers, rounded, settled, texts

SIZE = (1000, 600)
LANES = [Lane(layer, direction) for layer in (0, 1) for direction in (0, 1)]


@pytest.fixture
def future(view):
    """The view of a long sequence; a function gives the hidden time steps of the lanes in an order, at a place."""
    view.show_result(make_result(timesteps=100, num_layers=2, bidirectional=True, gradients=("manual",)), "manual")

    def future(order, place):
        view.reveal_as_computed(order)
        view.show_location(place)
        return [view.canvas.future.times(lane, view.geometry_in_view) or range(0) for lane in (*LANES, INPUT)]

    return future


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
def test_time_steps_after_the_selected_step_are_covered_and_no_input(future, order, place, covered):
    assert future(order, place) == [range(*ends) for ends in (*covered, (0, 0))]


@pytest.mark.parametrize(
    ("order", "place", "covered"),
    [
        ("layers", Location(1, 0, 30), [(0, 100), (0, 100), (0, 30), (0, 0), (0, 100)]),
        ("layers", Location(0, 1, 30), [(0, 100), (31, 100), (0, 0), (0, 0), (0, 100)]),
        ("layers", Location(0, 0, 30), [(0, 30), (0, 0), (0, 0), (0, 0), (0, 30)]),
        ("lane", Location(1, 0, 30), [(0, 100), (0, 100), (0, 30), (70, 100), (0, 100)]),
    ],
)
def test_of_gradients_earlier_steps_and_lower_layers_are_covered_and_the_input_comes_last(
    view, future, order, place, covered
):
    view.session.set_color_by("grad.h")
    assert future(order, place) == [range(*ends) for ends in covered]


@pytest.mark.slow
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_step_is_covered_while_it_reads_and_its_inputs_never_are(view, bidirectional):
    result = make_result(timesteps=6, num_layers=2, bidirectional=bidirectional)
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
                covered = partial(view.canvas.future.times, geometry=view.geometry_in_view)
                assert (timestep in covered(Lane(layer, direction))) == (stage in ("input", "recurrent", "gates"))
                read = [region for region in regions if region.part == "read" and region.lane.layer is not None]
                assert not any(t in covered(region.lane) for region in read for t in region.times), (order, where)


def test_a_covered_value_has_no_color_until_its_step_is_reached(view, future):
    def color(timestep):
        geometry = view.geometry_in_view
        lane_rect = geometry.stack.lane_rect(Lane(0))
        place = QPointF(geometry.x_of(timestep), geometry.top_of(lane_rect) + lane_rect.height / 2.0)
        return view.canvas.grab().toImage().pixelColor((place + view.canvas.area.topLeft()).toPoint())

    shown = color(60)
    future("lane", Location(timestep=40))
    assert color(60) == QColor(LIGHT.raised) != shown
    future("lane", Location(timestep=70))
    assert color(60) == shown
    future(None, Location())
    assert color(60) == shown


@pytest.mark.slow
def test_the_selection_changes_no_color_of_a_value(qtbot, view):
    view.show_result(make_result(hidden_size=64, timesteps=30), "manual")
    qtbot.waitUntil(lambda: settled(view))
    geometry = view.geometry_in_view
    lane_rect, (left, width) = geometry.stack.lane_rect(Lane(0)), geometry.column(2)

    def colors():
        image, corner = (
            view.canvas.grab().toImage(),
            QPointF(view.canvas.area.topLeft()) + QPointF(left + width / 2.0, 0.0),
        )
        rows = [geometry.top_of(lane_rect) + (unit + 0.5) * lane_rect.row for unit in range(8, 64)]
        return [image.pixelColor((corner + QPointF(0.0, y)).toPoint()).name() for y in rows]

    view.show_location(Location(timestep=20))
    before = colors()
    view.show_location(Location(timestep=2))
    assert len(set(before)) > 10
    assert colors() == before


def padded(**changes: object) -> RunResult:
    return make_result(**{"timesteps": 5, "batch_size": 2, "lengths": [3, 5], "bidirectional": True, **changes})


@pytest.mark.slow
def test_boxes_have_numbers_up_to_the_end_of_the_sample(qtbot, view):
    result = padded()
    view.show_result(result, "manual")
    for sample, length in ((0, 3), (1, 5), (0, 3)):
        view.show_location(Location(sample=sample))
        for direction in (0, 1):
            hidden, h0 = result["gluon"].hidden[0, direction, :, sample, 0], result.inputs.initial_state["h"]
            expected = {t: hidden[t] for t in range(length)}
            # The backward lane begins beside its own last time step.
            expected[length if direction else -1] = h0[direction, sample, 0]
            written = {t: number for (t, unit), number in numbers(view, Lane(0, direction)).items() if unit == 0}
            assert written == rounded(expected)
        assert {t for t, _ in texts(view, INPUT)} == set(range(length))
        qtbot.waitUntil(lambda: settled(view))
        assert legend(view) == (["padding"] if length < 5 else [])


@pytest.mark.parametrize("pixels", [0.5, 1.0, 3.0])
def test_padding_has_one_look_at_every_zoom(view, pixels):
    view.show_result(padded(timesteps=400, lengths=[260, 400], hidden_size=16), "manual")
    tiles, sheet = view.shown.left.tiles, Sheet(pixels, 2.0, 1)
    for lane, units in ((Lane(0, 0), 16), (Lane(0, 1), 16), (INPUT, 3)):
        end = round(260 * pixels)
        key = TileKey(Board(tiles.style, lane, sheet), end // 256, 0)
        tile = Request(key, tiles, Scale(pixels, 400), Scale(2.0, units)).draw()
        image, padding = tile.image, view.shown.paint.of(lane).table[PADDING]
        assert PADDING in tile.special
        start = end % 256 + 1
        colors = {image.pixel(x, y) for x in range(start, image.width()) for y in range(image.height())}
        assert int(padding) in colors
        assert len(colors) <= 2


@pytest.mark.parametrize("name", ["auto", "visible", "lane"])
def test_colors_do_not_cover_values_in_padding(view, name):
    def fill(trace):
        trace.hidden[:] = 0.25
        trace.hidden[:, :, 260:, 0] = 9.0

    view.session.set_limit(Limit(name))
    # In a heat map, which has no initial state.
    view.show_result(padded(timesteps=400, lengths=[260, 400], hidden_size=16, edits={"gluon": fill}), "manual")
    assert view.shown.paint.hidden.scale.high < 0.5


def test_the_selection_stays_before_padding():
    result = padded()
    session = Session(Config.from_mapping(result.config.to_mapping()))
    session.set_result(result)
    session.set_location(Location(sample=1, timestep=4))
    assert (session.location.timestep, session.length) == (4, 5)
    session.set_location(session.location.moved(sample=0))
    assert (session.location.timestep, session.length) == (2, 3)


def test_a_check_that_fails_by_a_known_issue_is_not_counted():
    result = padded()
    issue = replace(result.checks[0], holds=False, known_issue="a bug of the library")
    assert ChecksTable.tab_note(replace(result, checks=(*result.checks, issue)), "manual", "h") == AGREES
    assert not result.wrong("gluon")
    assert not any(check.fails for check in result.checks)


def drawn(view: UnrolledView, layer: Layer) -> list[Mark]:
    return list(view.canvas.marks.get(layer, ()))


def test_the_selection_and_what_it_reads_have_frames_and_the_keyboard_adds_one(view):
    view.show_result(make_result(timesteps=6, num_layers=2, bidirectional=True), "manual")
    view.show_location(Location(1, 0, 3, 0, 2))
    view.canvas.set_focused(False)
    geometry = view.geometry_in_view
    (frame,) = drawn(view, "selection")
    assert frame.rect == geometry.rect(CellGeometry(Lane(1, 0), 3, 2)).grown(1.0)
    *frames, arrow = drawn(view, "reads")
    columns = [(Lane(1, 0), 2), (Lane(0, 0), 3), (Lane(0, 1), 3)]
    lane_of = geometry.stack.lane_rect
    assert [mark.rect for mark in frames] == [
        geometry.lane_area(lane_of(lane), range(t, t + 1)).grown(1.0) for lane, t in columns
    ]
    assert arrow.y > arrow.to_y
    view.canvas.set_focused(True)
    ring, _ = drawn(view, "selection")
    assert (ring.color, ring.rect.width) == ("accent", frame.rect.width + 4.0)
    view.show_location(Location(1, 1, 5, 0, 0))
    assert drawn(view, "reads")[0].rect.x > geometry.column(5)[0]


def test_the_value_under_the_pointer_has_a_frame_which_a_press_makes_bolder(view):
    view.show_result(make_result(timesteps=6), "manual")
    place = middle_of(view, CellGeometry(Lane(0), 2, 1)).toPoint()
    QTest.mouseMove(view.canvas, place)
    (hovered,) = drawn(view, "pointer")
    QTest.mousePress(view.canvas, Qt.MouseButton.LeftButton, pos=place)
    (pressed,) = drawn(view, "pointer")
    assert (hovered.width, pressed.width) == (1.0, 2.0)
    QTest.mouseRelease(view.canvas, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseMove(view.canvas, QPoint(2, 2))
    assert drawn(view, "pointer") == []


def test_numbers_that_a_question_asks_for_are_nowhere(view):
    result = make_result(timesteps=4)
    view.show_result(result, "manual")
    one = range(1, 2)
    view.show_masked((Mask("h", (None, None, one, None, range(2, 3))), Mask("h0"), Mask(VERDICT)))
    written = texts(view)
    assert {place for place, text in written.items() if text == "?"} == {(1, 2), *((-1, unit) for unit in range(4))}
    cell = CellGeometry(Lane(0), 1, 2)
    assert view.description_at(middle_of(view, cell)).endswith("?")
    lines = view.copy_text().splitlines()
    assert [text == "?" for text in lines[3].split("\t")] == [False, True, False, True, False, False]
    covers = [mark.rect for mark in drawn(view, "masked") if isinstance(mark, Fill)]
    assert view.geometry_in_view.rect(cell) in covers
    assert lane_labels(view)[0].verdict == ""
    view.show_masked((Mask(DIFFERENCE),))
    assert "?" not in texts(view).values()
    view.session.set_color_by("difference")
    assert set(texts(view).values()) == {"?"}
    view.show_masked(())
    assert drawn(view, "masked") == []


def test_masked_boxes_that_are_too_small_for_large_text_share_a_question_mark(view, request):
    request.addfinalizer(lambda: set_text_size(100))
    set_text_size(200)
    view.show_result(make_result(timesteps=64, batch_size=1), "manual")
    view.show_masked((Mask("h", (None, None, range(3, 9), None, None)),))
    geometry = view.geometry_in_view
    boxes = [geometry.rect(CellGeometry(Lane(0), t, unit)) for t in range(3, 9) for unit in range(4)]
    (asked,) = [mark for mark in drawn(view, "masked") if isinstance(mark, Text)]
    assert boxes[0].width < asked.pixels
    assert QRectF(*asked.rect).contains(QRectF(*boxes[0]))
    assert QRectF(*asked.rect).contains(QRectF(*boxes[-1]))
    assert {mark.rect for mark in drawn(view, "masked") if isinstance(mark, Fill)} == set(boxes)


def test_a_lane_says_its_layer_and_direction(view):
    view.show_result(make_result(timesteps=4, num_layers=2), None)
    assert [str(label) for label in lane_labels(view)[:2]] == [
        "layer 1 forward \N{RIGHTWARDS ARROW}",
        "layer 0 forward \N{RIGHTWARDS ARROW}",
    ]


def test_an_input_with_one_feature_at_a_time_is_one_row(view):
    result = make_result(timesteps=4, input_size=5, batch_size=1)
    sequence = np.zeros_like(result.inputs.sequence)
    sequence[np.arange(4), 0, [3, 0, 4, 1]] = 1.0
    view.show_result(replace(result, inputs=replace(result.inputs, sequence=sequence)), "manual")
    assert texts(view, INPUT) == {(0, 0): "3", (1, 0): "0", (2, 0): "4", (3, 0): "1"}
    told = view.description_at(middle_of(view, CellGeometry(INPUT, 2, 0)))
    assert "feature 4" in told
    assert told.endswith("1.0")

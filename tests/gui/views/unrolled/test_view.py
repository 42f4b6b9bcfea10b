"""The unrolled network on a screen: drawing, clicks, tooltips, moving, names, orders of units, and no lost values."""

from dataclasses import replace

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QPoint, QPointF, QSize, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QScrollBar

from rnnviz.core import number_format
from rnnviz.core.config import Config, Network
from rnnviz.core.sequence import Names
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.theme.palettes import LIGHT, THEMES
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.lane_text import number_text
from rnnviz.gui.views.unrolled.margins import code_pixels
from rnnviz.gui.views.unrolled.network_diagram import NetworkDiagram
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import adding, make_result
from tests.gui.views.unrolled import seen
from tests.gui.views.unrolled.seen import BOTH_THEMES, LANE, small
from tools.benchmarks.large_results import large_result


@pytest.fixture
def click(qtbot, view):
    """Clicks on a cell, and returns the place that is asked for."""

    def click(cell):
        with qtbot.waitSignal(view.location_requested) as asked:
            qtbot.mouseClick(view.canvas, Qt.MouseButton.LeftButton, pos=seen.middle_of(view, cell).toPoint())
        return asked.args[0]

    return click


def colors(view: UnrolledView) -> set[str]:
    return {f"#{int(color) & 0xFFFFFF:06x}" for color in np.unique(seen.pixels(view))}


@pytest.mark.parametrize("timesteps", [1, 2])
def test_a_small_network_shows_every_number_at_once(view, timesteps):
    result = small(timesteps=timesteps, bidirectional=True)
    view.show_result(result, "manual")
    for direction in (0, 1):
        initial = result.inputs.initial_state["h"][direction, 0]
        expected = {(timesteps if direction else -1, unit): h for unit, h in enumerate(initial)}
        expected |= dict(np.ndenumerate(result["gluon"].hidden[0, direction, :, 0]))
        assert seen.numbers(view, Lane(0, direction)) == seen.rounded(expected)
    assert seen.numbers(view, INPUT) == seen.rounded(dict(np.ndenumerate(result.inputs.sequence[:, 0])))


def test_another_engine_sample_or_result_changes_the_numbers(view):
    result = small(edits={"manual": seen.spoil})
    view.show_result(result, "manual")
    assert seen.shown_engine(view) == "gluon"
    assert seen.numbers(view)[1, 7] == pytest.approx(result["gluon"].hidden[0, 0, 1, 0, 7], abs=0.0051)
    view.session.set_engine("manual")
    assert seen.shown_engine(view) == "manual"
    assert seen.numbers(view)[1, 7] == pytest.approx(result["manual"].hidden[0, 0, 1, 0, 7], abs=0.0051)
    view.show_location(Location(sample=1))
    assert seen.numbers(view)[1, 7] == pytest.approx(result["manual"].hidden[0, 0, 1, 1, 7], abs=0.0051)


def test_a_long_sequence_shows_numbers_only_when_zoomed_in(view):
    view.show_result(make_result(hidden_size=10, timesteps=400), "manual")
    assert seen.visible_numbers(view) == []
    view.show_location(Location(timestep=200))
    view.zoom_time(1e6)
    shown = {number.cell.timestep for number in seen.visible_numbers(view)}
    assert 200 in shown
    assert len(shown) <= 5
    view.fit()
    assert seen.visible_numbers(view) == []


@BOTH_THEMES
def test_a_click_selects_the_cell_under_it(view, click, theme):
    view.resize(800, 800)
    view.apply_theme(theme)
    view.show_result(small(num_layers=2, bidirectional=True), "manual")
    view.show_location(Location(sample=1))
    assert click(CellGeometry(Lane(1, 1), 0, 3)) == Location(1, 1, 0, 1, 3)
    assert click(CellGeometry(LANE, 1, 9)) == Location(0, 0, 1, 1, 9)
    # The initial state is the first step to a click, and the input moves the time step alone.
    assert click(CellGeometry(LANE, -1, 6)) == Location(0, 0, 0, 1, 6)
    view.show_location(Location(1, 0, 0, 0, 4))
    assert click(CellGeometry(INPUT, 1, 2)) == Location(1, 0, 1, 0, 4)


def test_mismatching_cells_of_the_sample_are_outlined_and_no_others(view):
    view.show_result(small(edits={"manual": seen.spoil}), "manual")
    assert seen.visible_outlines(view) == [CellGeometry(LANE, 1, 7)]
    assert LIGHT.outline in colors(view)
    view.show_location(Location(sample=1))
    assert seen.visible_outlines(view) == [CellGeometry(LANE, 1, 2)]
    view.show_result(small(), "manual")
    assert seen.visible_outlines(view) == []
    assert LIGHT.outline not in colors(view)


@pytest.mark.parametrize(
    ("value", "room", "largest", "text"),
    [
        (-0.2541, 6, 0.3, "-0.254"),
        (-0.2541, 5, 0.3, "-.254"),
        (-0.2541, 4, 0.3, "-.25"),
        (0.0, 4, 0.3, "0"),
        (1.128, 6, 1.5, "1.13"),
        (0.73, 6, 1.5, "0.73"),
        (-12.34, 6, 20.0, "-12.3"),
        (-12.34, 4, 20.0, "-12"),
        (-1e-5, 6, 0.3, "-1e-5"),
        (-1e-5, 4, 0.3, "≈0"),
        (-0.0237, 7, 0.025, "-0.0237"),
        (-0.0237, 6, 0.025, "-.0237"),
        (0.0237, 5, 0.025, ".024"),
        (-5.21e-4, 8, 6e-4, "-5.21e-4"),
        (-5.21e-4, 6, 6e-4, "-5e-4"),
        (float("-inf"), 4, 0.3, "-inf"),
    ],
)
def test_a_number_has_as_many_digits_as_fit(value, room, largest, text):
    assert number_text(value, room, largest).replace("\N{MINUS SIGN}", "-") == text


@pytest.mark.parametrize("width", [420, 560, 700, 900])
def test_numbers_never_touch(qtbot, view, width):
    view.resize(width, 600)
    view.show_result(small(hidden_size=6, timesteps=10), "manual")
    geometry = view.geometry_in_view
    for own in geometry.lane_rects_in_view():
        longest = max((len(text) for text in seen.texts(view, own.lane).values()), default=0)
        digit = QFontMetricsF(code_pixels(geometry.font_pixels(own))).horizontalAdvance("0")
        assert longest * digit <= geometry.pitch - 7.5


def test_lanes_are_flagged_over_all_samples(view):
    view.show_result(small(bidirectional=True, edits={"manual": seen.spoil}), "manual")
    assert [str(flag) for flag in seen.lane_labels(view)] == [
        "layer 0 backward ←: ✓ agrees",
        "layer 0 forward →: × 2 differ",
        "input x 5 features",
    ]
    assert [flag.agrees for flag in seen.lane_labels(view)] == [True, False, None]


def test_numbers_of_error_ratio_colors_are_error_ratios(view):
    result = small(edits={"manual": seen.spoil})
    view.show_result(result, "manual")
    by_value, image = seen.texts(view), view.grab().toImage()
    view.session.set_color_by("error_ratio")
    comparison = result.comparison("manual")
    assert seen.texts(view) != by_value
    ratio = 0.5 / (comparison.atol + comparison.rtol * abs(result.reference.hidden[0, 0, 1, 0, 7]))
    assert float(seen.texts(view)[1, 7]) == pytest.approx(ratio, rel=0.1)
    assert view.grab().toImage() != image
    view.session.set_color_by("value")
    assert view.grab().toImage() == image


@BOTH_THEMES
def test_nonfinite_values_have_their_colors_and_a_legend(view, theme):
    def edit(trace):
        for first, value in ((50, np.nan), (90, np.inf), (150, -np.inf)):
            trace.hidden[0, 0, first : first + 9, 0, 5:15] = value

    view.apply_theme(theme)
    view.show_result(seen.long_result(edit), "manual")
    view.grab()
    assert seen.legend(view) == []
    view.session.set_engine("manual")
    assert {theme.nan, theme.infinite} <= colors(view)
    assert seen.legend(view) == ["NaN", "+infinity", "-infinity"]


def test_the_tooltip_has_every_engines_value_in_full(view):
    result = small(edits={"manual": seen.spoil})
    view.show_result(result, "manual")
    lines = view.description_at(seen.middle_of(view, CellGeometry(LANE, 1, 7))).splitlines()
    assert lines[0] == "layer 0, forward, t = 1, sample 0, unit 7"
    assert number_format.full(result["gluon"].hidden[0, 0, 1, 0, 7]) in lines[1]
    assert number_format.full(result["manual"].hidden[0, 0, 1, 0, 7]) in lines[2]
    assert "0.5" in lines[2]
    assert "initial state" in view.description_at(seen.middle_of(view, CellGeometry(LANE, -1, 7)))
    assert view.description_at(QPointF(-5.0, -5.0)) == ""


def test_copied_numbers_read_back_to_the_same_floats(view):
    result = small()
    view.show_result(result, "manual")
    lines = view.copy_text().splitlines()
    assert lines[0].split("\t") == ["layer 0 → forward", "h0", "t=0", "t=1"]
    assert np.float32(lines[1 + 4].split("\t")[2]) == result["gluon"].hidden[0, 0, 0, 0, 4]


def test_the_wheel_zooms_time_and_with_ctrl_the_lanes(view):
    view.show_result(seen.long_result(), "manual")
    whole = view.geometry_in_view
    seen.turn_wheel(view, 2)
    assert view.geometry_in_view.camera.span < whole.camera.span
    seen.turn_wheel(view, -10)
    assert view.geometry_in_view.camera.span == whole.camera.span == 400.0
    seen.turn_wheel(view, 5, Qt.KeyboardModifier.ControlModifier)
    zoomed = view.geometry_in_view
    assert zoomed.stack.lane_rects[0].height > 2.0 * whole.stack.lane_rects[0].height
    assert zoomed.camera.scroll > 0.0
    assert view.findChild(QScrollBar).isVisible()
    seen.turn_wheel(view, -20, Qt.KeyboardModifier.ControlModifier)
    assert view.geometry_in_view.stack == whole.stack


def test_dragging_pans_and_a_double_click_and_keys_fit(qtbot, view):
    view.show_result(seen.long_result(), "manual")
    view.zoom_time(8.0)
    before = view.geometry_in_view.camera
    view.canvas.pan(-40.0, 0.0)
    after = view.geometry_in_view.camera
    assert after.span == before.span
    assert after.start == pytest.approx(before.start + 40.0 / view.geometry_in_view.pitch)
    for act in (qtbot.mouseClick, qtbot.mouseDClick, qtbot.mouseRelease):
        act(view.canvas, Qt.MouseButton.LeftButton, pos=QPoint(400, 200))
    assert view.geometry_in_view.camera.span == 400.0
    for back in (Qt.Key.Key_Minus, Qt.Key.Key_0):
        qtbot.keyClick(view, Qt.Key.Key_Plus)
        assert view.geometry_in_view.camera.span < 400.0
        qtbot.keyClick(view, back)
        assert view.geometry_in_view.camera.span == 400.0


def test_the_selection_stays_in_view(view):
    view.show_result(seen.long_result(), "manual")
    view.zoom_time(20.0)
    for where in (Location(0, 0, 399, 0, 63), Location(0, 1, 0, 0, 0)):
        view.show_location(where)
        middle = seen.middle_of(view, CellGeometry(Lane(where.layer, where.direction), where.timestep, where.unit))
        assert view.canvas.area.contains(middle.toPoint())


def test_the_strip_of_all_steps_moves_and_stretches_the_part_in_view(qtbot, view):
    view.show_result(make_result(timesteps=4000), "manual")
    canvas = view.canvas
    assert canvas.overview.geometry is None
    view.zoom_time(10.0)
    assert canvas.overview.geometry is not None
    width = view.geometry_in_view.width
    part = canvas.overview.part(view.geometry_in_view.camera)
    assert part.width() == pytest.approx(width / 10.0, rel=0.01)
    top = canvas.area.left()
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(top + width * 0.75), 8))
    camera = view.geometry_in_view.camera
    assert camera.start + camera.span / 2.0 == pytest.approx(3000, abs=10)
    assert view.description_at(QPointF(top + 10.0, 8.0)).startswith("40")
    assert "of 4,000" in view.head.part.text()
    start, end = canvas.overview.dragged("right", width * 0.9, camera)
    assert (start, end) == pytest.approx((camera.start, 3600), abs=3)
    view.fit()
    assert canvas.overview.geometry is None
    assert not view.head.part.isVisible()


def test_the_strip_of_all_steps_is_sharp_once_its_tiles_are_there(qtbot, view, monkeypatch):
    view.show_result(make_result(timesteps=4000, hidden_size=16), "manual")
    view.zoom_time(10.0)
    qtbot.waitUntil(lambda: view.canvas.complete)
    for limit in ("_AT_ONCE", "_FIRST_AT_ONCE"):
        monkeypatch.setattr(f"rnnviz.gui.views.unrolled.heatmap.{limit}", 0)
    view.resize(650, 500)
    qtbot.waitUntil(lambda: view.canvas.width() == 650 and view.canvas.complete)
    first = view.canvas.grab().toImage()
    for theme in (THEMES["dark"], LIGHT):
        view.apply_theme(theme)
        again = view.canvas.grab().toImage()
    assert first == again


def test_a_click_or_a_drag_on_the_axis_selects_a_time_step(qtbot, view):
    view.show_result(small(timesteps=8), "manual")
    geometry, canvas = view.geometry_in_view, view.canvas
    at = canvas.area.topLeft() + QPoint(round(geometry.x_of(5)), round(geometry.bottom) + 10)
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
    assert asked.args[0].timestep == 5


LONG = "a label that is longer than anybody would wish for, and goes on and on"


def test_places_and_copies_have_the_names_of_time_steps_and_features(view):
    result = make_result(timesteps=3)
    names = Names(("Mon", LONG, ""), ("open", "", LONG))
    view.show_result(replace(result, inputs=replace(result.inputs, names=names)), "manual")
    geometry, canvas = view.geometry_in_view, view.canvas
    corner = QPointF(canvas.area.topLeft()) + QPointF(0.0, geometry.bottom + 5.0)
    below = [corner + QPointF(geometry.x_of(t), 0.0) for t in (0, 1)]
    assert [view.description_at(place) for place in below] == ["t = 0 'Mon'", f"t = 1 '{LONG}'"]
    assert canvas.axis.names_in_view(geometry)[1][1].endswith("…")
    for cell, words in (
        (CellGeometry(LANE, 1, 2), f"layer 0, forward, t = 1 '{LONG}', sample 0, unit 2\n"),
        (CellGeometry(INPUT, 0, 0), "input, t = 0 'Mon', sample 0, feature 0 'open'\n"),
        (CellGeometry(INPUT, 2, 1), "input, t = 2, sample 0, feature 1\n"),
    ):
        assert view.description_at(seen.middle_of(view, cell)).startswith(words)
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    start = rows.index(["input", "t=0 'Mon'", f"t=1 '{LONG}'", "t=2"])
    assert [row[0] for row in rows[start + 1 : start + 4]] == ["open", "1", LONG]


def test_the_most_active_unit_is_on_top_with_its_own_numbers_and_marks(qtbot, view):
    result = small(hidden_size=6, timesteps=4, edits={"manual": adding(0.5, 0, 0, 1, 0, 3)})
    view.show_result(result, "manual")
    view.session.set_order("activity")
    h, geometry = result["gluon"].hidden[0, 0, :, 0], view.geometry_in_view
    expected = np.argsort(-np.abs(h).mean(axis=0), kind="stable").tolist()

    def from_the_top():
        return sorted(range(6), key=lambda unit: geometry.rect(CellGeometry(LANE, 1, unit)).y)

    assert from_the_top() == expected
    written = seen.numbers(view)
    assert {place: written[place] for place in np.ndindex(h.shape)} == seen.rounded(dict(np.ndenumerate(h)))
    assert [(c.timestep, c.unit) for c in seen.visible_outlines(view)] == [(1, 3)]
    assert "activity" in view.head.order.text()
    lane_rect = geometry.stack.lane_rect(LANE)
    with qtbot.waitSignal(view.location_requested) as asked:
        view.canvas.pointed.emit(geometry.hit(geometry.x_of(2), geometry.top_of(lane_rect) + 0.5 * lane_rect.row))
    assert asked.args[0].unit == expected[0]
    # The next key may come before the view follows the selection.
    view.session.set_result(result)
    view.session.set_engine("gluon")
    view.session.set_location(Location(timestep=2, unit=expected[1]))
    with qtbot.waitSignal(view.location_requested) as asked:
        view.step_unit(1)
    assert asked.args[0].unit == expected[2]
    view.session.set_order("index")
    geometry = view.geometry_in_view
    assert from_the_top() == list(range(6))


def test_units_by_difference_have_those_that_moved_most_on_top(view):
    result = small(hidden_size=6, timesteps=4, edits={"manual": adding(0.5, 0, 0, 1, 0, 3)})
    view.show_result(result, "manual")
    view.session.set_order("difference")
    assert view.shown.orders.of(0, 0).units.tolist() == [3, 0, 1, 2, 4, 5]
    assert "difference" in view.head.order.text()
    view.show_result(result, None)
    assert view.shown.orders.of(0, 0).units.tolist() == list(range(6))


@pytest.mark.parametrize("quantity", ["difference", "change"])
def test_the_description_of_a_unit_in_another_order_has_its_own_values(view, quantity):
    result = make_result(hidden_size=6, timesteps=4, edits={"manual": adding(0.5, 0, 0, 1, 0, 3)})
    view.show_result(result, "manual")
    view.session.set_order("activity")
    view.session.set_color_by(quantity)
    h = {name: trace.hidden[0, 0, :, 0].astype(np.float64) for name, trace in result.traces.items()}
    expected = h["manual"][1] - h["gluon"][1] if quantity == "difference" else h["gluon"][1] - h["gluon"][0]
    for unit in range(6):
        told = view.description_at(seen.middle_of(view, CellGeometry(LANE, 1, unit)))
        assert f"unit {unit}\n" in told
        value = float(told.splitlines()[1].split(" = ")[1].split(":")[0])
        assert value == pytest.approx(expected[unit], abs=1e-6)


def config_of(**keys: object) -> Config:
    config = Config(Network(**{"cell": "lstm", "input_size": 3, "hidden_size": 4, **keys}))
    return replace(config, sequence=replace(config.sequence, timesteps=6, batch_size=2))


@pytest.fixture
def diagram(qtbot):
    made = NetworkDiagram(config_of())
    qtbot.addWidget(made)
    return made


def test_the_diagram_has_a_lane_for_each_layer_and_direction_and_says_the_sizes(diagram):
    diagram.show_config(config_of(num_layers=2, bidirectional=True))
    assert diagram.lanes() == [Lane(1, 1), Lane(1, 0), Lane(0, 1), Lane(0, 0), INPUT]
    assert diagram.timesteps() == ["0", "1", "…", "5"]
    assert diagram.shapes() == ("out (2, 6, 8)", "final state [h, c], each (4, 2, 4)")
    for text in ("layer 1 backward ←: 4 units", "input: 3 features"):
        assert text in diagram.accessibleDescription()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "keys", [{}, {"num_layers": 3, "bidirectional": True}, {"reverse": True}, {"cell": "./mine.py"}]
)
@pytest.mark.slow
def test_every_network_is_drawn_at_every_size(diagram, keys, theme):
    diagram.apply_theme(THEMES[theme])
    diagram.show_config(config_of(**keys))
    for size in (QSize(1, 1), QSize(300, 200), QSize(900, 700)):
        diagram.resize(size)
        assert size == QSize(1, 1) or len(np.unique(seen.pixels(diagram))) > 3


def test_the_diagram_follows_the_config_until_there_is_a_result(view):
    view.show_result(None, None)
    assert view.diagram.isVisible()
    before = view.diagram.accessibleDescription()
    view.session.set_config(config_of(hidden_size=5))
    assert view.diagram.accessibleDescription() != before
    view.show_result(make_result(), None)
    assert not view.diagram.isVisible()


@pytest.mark.nightly
def test_a_long_trace_takes_little_memory_at_any_position(qtbot, view):
    timesteps = 300_000
    with large_result(timesteps, 128, 1, 1, samples=1) as result:
        stored = sum(trace.hidden.nbytes for trace in (result["one"], result["other"]))
        assert {level.times for level in result["other"].pyramids["h.low"]} == {16, 64, 256}
        view.show_result(result, "other")
        qtbot.waitUntil(lambda: seen.picture_complete(view))
        before = psutil.Process().memory_info().rss
        for color_by in ("value", "error_ratio", "difference"):
            view.session.set_color_by(color_by)
            for zoom in (1.0, 8.0, 64.0, 512.0):
                view.fit()
                view.zoom_time(zoom)
                for timestep in range(0, timesteps, timesteps // 6):
                    view.show_location(Location(timestep=timestep))
                    qtbot.waitUntil(lambda: seen.picture_complete(view))
        held = psutil.Process().memory_info().rss - before
        assert stored > 300e6
        assert held < 150e6
        view.show_result(None, None)

"""The unrolled network on a screen: drawing, clicks, tooltips, and no lost values."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage

from rnnviz.core import number_format
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.theme.palettes import DARK, LIGHT, THEMES
from rnnviz.gui.views.unrolled.canvas import UnrolledCanvas
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result
from tests.gui.views.unrolled.seen import (
    lane_headers,
    legend,
    long_result,
    shown_engine,
    small,
    spoil,
    visible_numbers,
    visible_outlines,
)


def on_canvas(view: UnrolledView, cell: CellGeometry) -> QPoint:
    geometry = view.geometry_in_view
    assert geometry is not None
    x, y, width, height = geometry.rect(cell)
    return view.canvas.mapFromScene(view.box.mapToScene(QPointF(x + width / 2.0, y + height / 2.0)))


def click(qtbot: Any, view: UnrolledView, cell: CellGeometry) -> Any:
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.mouseClick(view.canvas.viewport(), Qt.MouseButton.LeftButton, pos=on_canvas(view, cell))
    return asked.args[0]


def written(value: float) -> str:
    return number_format.true_minus(number_format.short(value))


def colors(view: UnrolledView) -> set[str]:
    image = view.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint32).reshape(image.height(), -1)
    return {f"#{int(color) & 0xFFFFFF:06x}" for color in np.unique(pixels)}


@pytest.mark.parametrize("timesteps", [1, 2])
def test_a_small_network_shows_every_number_at_once(view: UnrolledView, timesteps: int) -> None:
    result = small(timesteps=timesteps, bidirectional=True)
    view.show_result(result, "manual")
    shown = {number.cell: number.text for number in visible_numbers(view)}
    expected = {}
    for direction in (0, 1):
        lane, first = Lane(0, direction), timesteps if direction else -1
        for unit in range(10):
            for t in range(timesteps):
                expected[CellGeometry(lane, t, unit)] = written(result["gluon"].hidden[0, direction, t, 0, unit])
            expected[CellGeometry(lane, first, unit)] = written(result.inputs.initial_state["h"][direction, 0, unit])
    for unit in range(5):
        for t in range(timesteps):
            expected[CellGeometry(INPUT, t, unit)] = written(result.inputs.sequence[t, 0, unit])
    assert shown == expected


def test_another_engine_sample_or_result_changes_the_numbers(view: UnrolledView) -> None:
    result = small(edits={"manual": spoil})
    view.show_result(result, "manual")
    assert shown_engine(view) == "gluon"

    def text(timestep: int, unit: int) -> str:
        cell = CellGeometry(Lane(0, 0), timestep, unit)
        return next(number.text for number in visible_numbers(view) if number.cell == cell)

    assert text(1, 7) == written(result["gluon"].hidden[0, 0, 1, 0, 7])
    view.session.set_engine("manual")
    assert shown_engine(view) == "manual"
    assert text(1, 7) == written(result["manual"].hidden[0, 0, 1, 0, 7])
    view.show_location(Location(sample=1))
    assert text(1, 7) == written(result["manual"].hidden[0, 0, 1, 1, 7])


def test_a_long_sequence_shows_numbers_only_when_zoomed_in(view: UnrolledView) -> None:
    result = make_result(hidden_size=10, timesteps=400)
    view.show_result(result, "manual")
    assert visible_numbers(view) == []
    view.show_location(Location(timestep=200))
    view.zoom_time(1e6)
    shown = {number.cell.timestep for number in visible_numbers(view)}
    assert 200 in shown
    assert len(shown) <= 5
    view.fit()
    assert visible_numbers(view) == []


@pytest.mark.parametrize("name", THEMES)
def test_a_click_selects_the_cell_under_it(qtbot: Any, view: UnrolledView, name: str) -> None:
    view.apply_theme(THEMES[name])
    view.show_result(small(num_layers=2, bidirectional=True), "manual")
    view.show_location(Location(sample=1))
    assert click(qtbot, view, CellGeometry(Lane(1, 1), 0, 3)) == Location(1, 1, 0, 1, 3)
    assert click(qtbot, view, CellGeometry(Lane(0, 0), 1, 9)) == Location(0, 0, 1, 1, 9)


def test_a_click_on_the_input_moves_the_time_step_alone(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(small(num_layers=2), "manual")
    view.show_location(Location(1, 0, 0, 0, 4))
    assert click(qtbot, view, CellGeometry(INPUT, 1, 2)) == Location(1, 0, 1, 0, 4)


def test_the_initial_state_is_the_first_step_to_a_click(qtbot: Any, view: UnrolledView) -> None:
    view.show_result(small(), "manual")
    assert click(qtbot, view, CellGeometry(Lane(0, 0), -1, 6)) == Location(0, 0, 0, 0, 6)


def test_mismatching_cells_of_the_sample_are_outlined_and_no_others(view: UnrolledView) -> None:
    view.show_result(small(edits={"manual": spoil}), "manual")
    assert visible_outlines(view) == [CellGeometry(Lane(0, 0), 1, 7)]
    assert LIGHT.outline in colors(view)
    view.show_location(Location(sample=1))
    assert visible_outlines(view) == [CellGeometry(Lane(0, 0), 1, 2)]
    view.show_result(small(), "manual")
    assert visible_outlines(view) == []
    assert LIGHT.outline not in colors(view)


def test_small_numbers_are_not_shown_as_zeros(view: UnrolledView) -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, 1, 0, :3] = -1e-5, -0.25, 0.25

    view.show_result(small(hidden_size=24, timesteps=4, edits={"manual": edit}), "manual")
    view.session.set_engine("manual")
    lane = Lane(0, 0)
    texts = {n.cell.unit: n.text for n in visible_numbers(view) if n.cell.lane == lane and n.cell.timestep == 1}
    assert [texts[unit] for unit in range(3)] == ["\N{MINUS SIGN}1e\N{MINUS SIGN}5", "\N{MINUS SIGN}0.250", "0.250"]
    assert "-0.25" in view.copy_text()


def test_the_first_mismatch_has_a_mark_in_its_sample_alone(view: UnrolledView) -> None:
    pointer = view.findChild(UnrolledCanvas).selection.first
    for timesteps in (100, 2):
        view.show_result(small(timesteps=timesteps, edits={"manual": spoil}), "manual")
        first = view.geometry_in_view.rect(CellGeometry(Lane(0, 0), 1, 7))
        assert first.y - 1.0 <= pointer.rect.center().y() <= first.y + first.height
    view.show_location(Location(sample=1))
    assert pointer.rect.isNull()


def test_lanes_are_flagged_over_all_samples(view: UnrolledView) -> None:
    view.show_result(small(bidirectional=True, edits={"manual": spoil}), "manual")
    assert [str(flag) for flag in lane_headers(view)] == [
        "layer 0 ← backward: agrees",
        "layer 0 → forward: 2 differ",
        "input",
    ]
    assert [flag.agrees for flag in lane_headers(view)] == [True, False, None]


def test_numbers_of_error_ratio_colors_are_error_ratios(view: UnrolledView) -> None:
    result = small(edits={"manual": spoil})
    view.show_result(result, "manual")
    by_value, image = visible_numbers(view), view.grab().toImage()
    view.session.set_color_by("error_ratio")
    shown, comparison = visible_numbers(view), result.comparison("manual")
    assert shown != by_value
    (text,) = [text for cell, text in shown if cell == CellGeometry(Lane(0), 1, 7)]
    ratio = 0.5 / (comparison.atol + comparison.rtol * abs(result.reference.hidden[0, 0, 1, 0, 7]))
    assert float(text) == pytest.approx(ratio, rel=0.1)
    assert view.grab().toImage() != image
    view.session.set_color_by("value")
    assert view.grab().toImage() == image


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_nonfinite_values_have_their_colors_and_a_legend(view: UnrolledView, theme: Any) -> None:
    def edit(trace: Trace) -> None:
        trace.hidden[0, 0, 50:60, 0, 5:15] = np.nan
        trace.hidden[0, 0, 90:99, 0, 5:15] = np.inf
        trace.hidden[0, 0, 150:160, 0, 5:15] = -np.inf

    view.apply_theme(theme)
    view.show_result(long_result(edit), "manual")
    view.grab()
    assert legend(view) == []
    view.session.set_engine("manual")
    shown = colors(view)
    assert {theme.nan, theme.infinite} <= shown
    assert legend(view) == ["NaN", "+infinity", "-infinity"]


def test_the_tooltip_has_every_engines_value_in_full(view: UnrolledView) -> None:
    result = small(edits={"manual": spoil})
    view.show_result(result, "manual")
    place = QPointF(view.canvas.mapToScene(on_canvas(view, CellGeometry(Lane(0, 0), 1, 7))))
    lines = view.description_at(place).splitlines()
    assert lines[0] == "layer 0, forward, t = 1, sample 0, unit 7"
    assert number_format.full(result["gluon"].hidden[0, 0, 1, 0, 7]) in lines[1]
    assert number_format.full(result["manual"].hidden[0, 0, 1, 0, 7]) in lines[2]
    assert "0.5" in lines[2]
    initial = QPointF(view.canvas.mapToScene(on_canvas(view, CellGeometry(Lane(0, 0), -1, 7))))
    assert "initial state" in view.description_at(initial)
    assert view.description_at(QPointF(-5.0, -5.0)) == ""


def test_copied_numbers_read_back_to_the_same_floats(view: UnrolledView) -> None:
    result = small()
    view.show_result(result, "manual")
    lines = view.copy_text().splitlines()
    assert lines[0].split("\t") == ["layer 0 → forward", "h0", "t=0", "t=1"]
    row = lines[1 + 4].split("\t")
    assert np.float32(row[2]) == result["gluon"].hidden[0, 0, 0, 0, 4]

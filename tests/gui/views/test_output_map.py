"""The map from final states to out: its numbers, its marks, and where a click leads."""

import numpy as np
import pytest
from PySide6.QtCore import Qt

from rnnviz.core import number_format
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.output_map import OutputMap
from rnnviz.gui.views.output_map_list import LaneRow, PlaceRow
from tests.factories import adding, make_result


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(OutputMap(), 300, 700)


def place_rows(view: OutputMap) -> dict[str, int]:
    return {row.place.text: i for i, row in enumerate(view.rows.rows) if isinstance(row, PlaceRow)}


def lane_row(view: OutputMap, layer: int, direction: int) -> int:
    return next(
        i
        for i, row in enumerate(view.rows.rows)
        if isinstance(row, LaneRow) and (row.last.layer, row.last.direction) == (layer, direction)
    )


@pytest.mark.parametrize(
    ("layout", "out", "ends"),
    [("NTC", "out[1][2][4:8]", "out[1][0][4:8]"), ("TNC", "out[2][1][4:8]", "out[0][1][4:8]")],
)
def test_the_selected_place_is_described_in_the_layout(view, layout, out, ends):
    view.show_result(make_result(num_layers=2, bidirectional=True, layout=layout), "manual")
    view.show_location(Location(1, 1, 2, 1))
    assert view.summary == f"h = {out}"
    assert ends in place_rows(view)
    view.show_location(Location(1, 1, 0, 1))
    assert view.summary == f"h = {ends} = state[0][3][1]"
    view.show_location(Location(0, 0, 2, 1))
    assert view.summary == "h is in neither output nor state"
    view.show_location(Location(0, 0, 4, 1))
    assert view.summary == "h = state[0][0][1]"


def test_each_lane_has_its_places_with_the_numbers_of_the_trace(view):
    result = make_result(num_layers=2, bidirectional=True)
    view.show_result(result, "manual")
    view.show_location(Location(0, 0, 0, 1))
    trace = result["gluon"]
    expected = {
        "out[1][4][:4]": trace.output[4, 1, :4],
        "state[0][2][1]": trace.state_h[2, 1],
        "out[1][0][4:8]": trace.output[0, 1, 4:],
        "state[0][3][1]": trace.state_h[3, 1],
        "hidden, t = 4": trace.hidden[0, 0, 4, 1],
        "state[0][0][1]": trace.state_h[0, 1],
        "hidden, t = 0": trace.hidden[0, 1, 0, 1],
        "state[0][1][1]": trace.state_h[1, 1],
    }
    assert list(place_rows(view)) == list(expected)
    for text, row in place_rows(view).items():
        shown = view.rows.index(row).data()
        assert shown == f"{text} = {' '.join(number_format.short(v) for v in expected[text])}"
    copied = dict(line.split("\t", 1) for line in view.copy_text().splitlines())
    for text, values in expected.items():
        assert np.array_equal(np.array(copied[text].split("\t"), np.float32), values)


def test_a_state_that_differs_from_the_output_is_reported_for_its_engine_and_lane_alone(view):
    view.show_result(make_result(edits={"manual": adding(0.5, 1, 0, 2, array="state.h")}, bidirectional=True), "manual")
    backward = view.rows.index(lane_row(view, 0, 1))
    assert backward.data().endswith(": copies equal")
    view.engine_box.setCurrentIndex(view.engine_box.findData("manual"))
    backward = view.rows.index(lane_row(view, 0, 1))
    assert backward.data() == "Layer 0, backward, final state and out[0][0][4:8]: differ by 0.5"
    assert "unit 2" in backward.data(Qt.ItemDataRole.ToolTipRole)
    assert view.rows.index(lane_row(view, 0, 0)).data().endswith(": copies equal")
    view.show_location(Location(0, 0, 0, 1))
    assert view.rows.index(lane_row(view, 0, 1)).data().endswith(": copies equal")


def test_clicking_a_place_asks_for_its_lane_and_step(qtbot, view):
    view.show_result(make_result(num_layers=2, bidirectional=True), "manual")
    view.show_location(Location(0, 0, 2, 1, 3))
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.click(view.list, view.rows.index(place_rows(view)["state[0][3][1]"]))
    assert asked.args == [Location(1, 1, 0, 1, 3)]


def test_the_keyboard_reaches_every_place(qtbot, view):
    view.show_result(make_result(bidirectional=True), "manual")
    view.show_location(Location(0, 0, 2, 0, 1))
    view.list.setCurrentIndex(view.rows.index(0))
    for _ in range(4):
        qtbot.keyClick(view.list, Qt.Key.Key_Down)
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.keyClick(view.list, Qt.Key.Key_Return)
    assert asked.args == [Location(0, 1, 0, 0, 1)]
    view.list.setCurrentIndex(view.rows.index(lane_row(view, 0, 1)))
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.keyClick(view.list, Qt.Key.Key_Return)
    assert asked.args == [Location(0, 1, 2, 0, 1)]


def test_an_lstm_shows_its_final_cell_state(view):
    result = make_result(cell="lstm")
    view.show_result(result, "manual")
    row = view.rows.rows[place_rows(view)["state[1][0][0]"]]
    assert np.array_equal(view.rows.values(row), result["gluon"].state_c[0, 0])

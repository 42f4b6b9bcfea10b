"""Where code finds the selected value, and the final states of all lanes: numbers, marks, and where a click leads."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from rnnviz.core import number_format
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.regions import Region
from rnnviz.gui.value.output_page import OutputPage
from tests.factories import adding, make_result


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(OutputPage(), 400, 700)


def rows(view: OutputPage) -> dict[str, int]:
    return {row.text: at for at, row in enumerate(view.model.rows)}


@pytest.mark.parametrize(("layout", "out"), [("NTC", "out[1][2][7]"), ("TNC", "out[2][1][7]")])
def test_the_place_of_the_selected_value_is_written_as_code(view, layout, out):
    view.show_result(make_result(num_layers=2, bidirectional=True, layout=layout))
    view.show_location(Location(1, 1, 2, 1, 3))
    assert f"{out}</span>" in view.in_output.text()
    assert view.in_state.text() == "Not in the final state, which is the one of t = 0."
    view.show_location(Location(1, 1, 0, 1, 3))
    assert "state[0][3][1][3]</span>" in view.in_state.text()
    view.show_location(Location(0, 0, 4, 1))
    assert "Not in the output" in view.in_output.text()
    assert "state[0][0][1][0]</span>" in view.in_state.text()


def test_each_lane_has_its_places_with_the_numbers_of_the_trace(view):
    result = make_result(cell="lstm", num_layers=2, bidirectional=True)
    view.show_result(result)
    view.show_location(Location(0, 0, 0, 1))
    trace = result["gluon"]
    expected = {
        "out[1][4][:4]": trace.output[4, 1, :4],
        "state[0][2][1]": trace.state_h[2, 1],
        "state[1][2][1]": trace.state_c[2, 1],
        "out[1][0][4:8]": trace.output[0, 1, 4:],
        "state[0][3][1]": trace.state_h[3, 1],
        "state[1][3][1]": trace.state_c[3, 1],
        "hidden, t = 4": trace.hidden[0, 0, 4, 1],
        "state[0][0][1]": trace.state_h[0, 1],
        "state[1][0][1]": trace.state_c[0, 1],
        "hidden, t = 0": trace.hidden[0, 1, 0, 1],
        "state[0][1][1]": trace.state_h[1, 1],
        "state[1][1][1]": trace.state_c[1, 1],
    }
    assert list(rows(view)) == list(expected)
    for text, row in rows(view).items():
        short = " ".join(number_format.short(value) for value in expected[text])
        assert view.model.cell(row, 2).text == number_format.true_minus(short)
    copied = [line.split("\t") for line in view.table.copy_text().splitlines()[1:]]
    for (_, text, *values), (name, numbers) in zip(copied, expected.items(), strict=True):
        assert text == name
        assert np.array_equal(np.array(values, np.float32), numbers)


def test_the_final_states_are_those_of_the_chosen_engine(view):
    view.show_result(make_result(edits={"manual": adding(0.5, 1, 0, 2, array="state.h")}, bidirectional=True))
    at = rows(view)["state[0][1][0]"]
    before = view.model.cell(at, 2).text
    view.engine_box.setCurrentIndex(view.engine_box.findData("manual"))
    assert view.model.cell(at, 2).text != before
    assert view.model.cell(rows(view)["state[0][0][0]"], 2).text == view.model.cell(rows(view)["out[0][4][:4]"], 2).text


def test_a_row_leads_to_its_lane_and_step(qtbot, view):
    view.show_result(make_result(num_layers=2, bidirectional=True))
    view.show_location(Location(0, 0, 2, 1, 3))
    at = rows(view)["state[0][3][1]"]
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.click(view.table, view.model.index(at, 1))
    assert asked.args == [Location(1, 1, 0, 1, 3)]
    view.table.setCurrentIndex(view.model.index(at - 2, 0))
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.keyClick(view.table, Qt.Key.Key_Return)
    assert asked.args == [Location(1, 0, 4, 1, 3)]


def test_the_row_under_the_pointer_is_highlighted_everywhere_until_it_leaves(qtbot, view):
    view.show_result(make_result(cell="lstm", num_layers=2))
    index = view.model.index(rows(view)["state[0][1][0]"], 0)
    with qtbot.waitSignal(view.highlight_requested) as asked:
        QTest.mouseMove(view.table.viewport(), view.table.visualRect(index).center())
    (regions,) = asked.args
    assert regions == (Region(Lane(1), range(4, 5), range(4)),)
    view.show_highlight(regions)
    highlighted = [view.model.rows[span.start].text for span in view.table.highlighted]
    assert highlighted == ["out[0][4]", "state[0][1][0]"]
    with qtbot.waitSignal(view.highlight_requested) as asked:
        QTest.mouseMove(view.in_output, QPoint(2, 2))
    assert asked.args == [()]
    # Highlights of others stay.
    view.show_highlight((Region(Lane(0), range(1), range(4)),))
    with qtbot.assertNotEmitted(view.highlight_requested):
        QTest.mouseMove(view.in_state, QPoint(2, 2))

"""Units over time: the curves are the trace's, gaps are marked, a click moves the selection."""

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt

from rnnviz.core import number_format
from rnnviz.core.masks import Mask
from rnnviz.core.trace_index import Location
from rnnviz.gui.views.units_plot import UnitsPlot
from tests.factories import make_result
from tests.oracles.gates import gates_of


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(UnitsPlot(), 900, 200)


def click_timestep(qtbot, view: UnitsPlot, timestep: float) -> None:
    plot = view.plot
    middle = plot.view_box.viewRect().center().y()
    point = plot.mapFromScene(plot.view_box.mapViewToScene(QPointF(timestep, middle)))
    qtbot.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=point)


def test_the_curves_are_the_traces_of_the_selected_unit_and_are_copied_in_full(view):
    result = make_result(num_layers=2, bidirectional=True)
    view.show_result(result, "manual")
    view.show_location(Location(1, 1, 2, 1, 3))
    for engine in ("gluon", "manual"):
        assert np.array_equal(view.curve(engine, 3), result[engine].hidden[1, 1, :, 1, 3])
    assert view.curve("gluon", 0) is None
    assert view.plot.cursor_line.value() == 2
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    assert rows[0] == ["timestep", "gluon unit 3", "manual unit 3"]
    assert np.array_equal(np.array([row[1] for row in rows[1:]], np.float32), result["gluon"].hidden[1, 1, :, 1, 3])


def test_a_gate_is_drawn_described_and_copied_in_place_of_h(view):
    result = make_result(cell="lstm", num_layers=2, bidirectional=True, timesteps=9)
    view.show_result(result, "manual")
    view.show_location(Location(1, 1, 2, 1, 3))
    view.choice.choose("f")
    for engine in ("gluon", "manual"):
        expected = gates_of(result.inputs, result[engine].hidden)["f"][1, 1, :, 1, 3]
        drawn = view.curve(engine, 3)
        assert drawn == pytest.approx(expected, abs=1e-6)
        assert (engine, number_format.short(expected[2])) in [(key.text(), key.value) for key in view.legend.keys]
    assert view.heading.text().startswith("f of unit 3")
    lines = [line.split("\t") for line in view.copy_text().splitlines()]
    assert lines[0] == ["timestep", "gluon f unit 3", "manual f unit 3"]
    assert [float(line[1]) for line in lines[1:]] == pytest.approx(drawn, abs=1e-6)
    view.show_result(make_result(cell="gru"), "manual")
    assert view.heading.text().startswith("Unit 3")


def test_a_gradient_is_drawn_of_the_engines_that_give_it(view):
    result = make_result(("gluon", "manual", "torch"), gradients=("gluon", "manual"), timesteps=6, lengths=(4, 6))
    view.show_result(result, "manual")
    view.choice.choose("grad.h")
    view.show_location(Location(0, 0, 2, 0, 1))
    for engine in ("gluon", "manual"):
        curve = view.curve(engine, 1)
        assert np.array_equal(curve, result[engine]["grad.h"][0, 0, :4, 0, 1])
    value = number_format.true_minus(number_format.short(result["gluon"]["grad.h"][0, 0, 2, 0, 1]))
    assert [key.accessibleName().split()[-1] for key in view.legend.keys] == [value, value, "none"]
    view.show_result(make_result(), "manual")
    assert view.choice.quantity == "value"


def test_a_click_selects_the_nearest_time_step_and_stays_inside(qtbot, view):
    view.show_result(make_result(timesteps=9), "manual")
    view.show_location(Location(0, 0, 0, 1, 2))
    for x, timestep in ((3.4, 3), (3.6, 4), (8.4, 8)):
        with qtbot.waitSignal(view.location_requested) as asked:
            click_timestep(qtbot, view, x)
        assert asked.args == [Location(0, 0, timestep, 1, 2)]


def test_a_pinned_unit_stays_until_it_is_released(qtbot, view):
    result = make_result()
    view.show_result(result, "manual")
    view.show_location(Location(0, 0, 0, 0, 1))
    qtbot.mouseClick(view.pin_button, Qt.MouseButton.LeftButton)
    view.show_location(Location(0, 0, 0, 0, 3))
    assert np.array_equal(view.curve("manual", 1), result["manual"].hidden[0, 0, :, 0, 1])
    key = next(key for key in view.legend.keys if key.text() == "unit 1")
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.mouseClick(key, Qt.MouseButton.LeftButton)
    assert asked.args == [Location(0, 0, 0, 0, 1)]
    view.show_location(asked.args[0])
    assert view.pin_button.text() == "Unpin unit 1"
    qtbot.mouseClick(view.pin_button, Qt.MouseButton.LeftButton)
    assert view.pinned == ()


def test_a_saved_choice_is_restored_as_far_as_it_exists(view):
    view.restore_state(("r", "2", "0", "2", "99", "-1", "nonsense"))
    assert view.save_state() == ("r", "2", "0", "99")
    view.show_result(make_result(cell="gru", hidden_size=5), "manual")
    assert view.save_state() == ("r", "2", "0")
    view.show_result(make_result(cell="lstm", hidden_size=5), "manual")
    assert view.save_state() == ("value", "2", "0")


def test_nonfinite_numbers_are_marked_and_described(view):
    def edit(trace):
        trace.hidden[0, 0, 2:4, 0, 1] = np.nan
        trace.hidden[0, 0, 6, 0, 1] = np.inf

    view.show_result(make_result(edits={"manual": edit}, timesteps=8), "manual")
    view.show_location(Location(0, 0, 2, 0, 1))
    assert {word: gaps.runs.tolist() for word, gaps in view.gaps.items()} == {"NaN": [[2, 3]], "infinity": [[6, 6]]}
    assert view.nonfinite.text() == "NaN at 2 time steps, infinity at 1 time step"
    assert [key.value for key in view.legend.keys][1] == "NaN"
    low, high = view.plot.view_box.viewRange()[1]
    assert np.isfinite([low, high]).all()
    view.show_location(Location(0, 0, 2, 0, 0))
    assert view.nonfinite.text() == ""


@pytest.mark.parametrize("quantity", ["value", "f", "norm"])
def test_padding_has_no_numbers(view, quantity):
    view.show_result(make_result(cell="lstm", bidirectional=True, timesteps=8, lengths=(8, 3)), "manual")
    view.show_location(Location(0, 1, 2, 1, 1))
    view.choice.choose(quantity)
    drawn = view.curve("gluon", 1)
    assert np.isfinite(drawn).tolist() == [True] * 3
    assert view.nonfinite.text() == ""
    assert all(not len(gaps.runs) for gaps in view.gaps.values())
    assert [line.split("\t")[0] for line in view.copy_text().splitlines()] == ["timestep", "0", "1", "2"]
    assert "nan" not in view.copy_text()
    view.show_location(Location(0, 1, 2, 0, 1))
    assert len(view.curve("gluon", 1)) == 8


def test_an_asked_number_is_neither_written_nor_copied(view):
    result = make_result(cell="lstm")
    view.show_result(result, "manual")
    view.show_location(Location(0, 0, 2, 1, 3))
    view.show_masked([Mask("h", (range(1), range(1), range(2, 3), range(1, 2), range(3, 4)))])
    assert {key.value for key in view.legend.keys} == {"?"}
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    assert [row[1] == "?" for row in rows[1:]] == [False, False, True, False, False]
    view.choice.choose("f")
    assert "?" not in {key.value for key in view.legend.keys}


def test_a_quantity_that_the_cell_lacks_is_h(view):
    result = make_result(cell="rnn_relu")
    view.show_result(result, "manual")
    view.follow_array("c")
    view.show_location(Location(timestep=1))
    view.show_result(result, "manual")
    view.show_location(Location(timestep=1))
    assert view.choice.quantity == "value"
    assert view.location.timestep == 1

"""Parameters: weights of every run, gradients once there are any, the largest errors first."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.masks import Mask
from rnnviz.core.number_format import full, short, true_minus
from rnnviz.core.parameters import Parameters
from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.parameters import ERRORS, GRADIENTS, WEIGHTS, ParametersView
from tests.factories import make_result
from tests.gui.shown import texts

BIAS, H0 = "l0_h2h_bias", "h0"


def edit(trace: Trace) -> None:
    trace[f"grad.parameters.{BIAS}"][2] += 0.5
    trace[f"grad.{H0}"][0, 1, 3] += 0.25


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(ParametersView(), 1000, 240)


@pytest.fixture
def with_gradients():
    return make_result(cell="gru", gradients=("gluon", "manual"), edits={"manual": edit})


def choose(view: ParametersView, name: str) -> None:
    view.table.choose(next(place for place, row in enumerate(view.model.rows) if row.name == name))


def turn(view: ParametersView, page: str) -> None:
    view.choice.choose(page)
    view.choice.chosen.emit(page)


def shown(view: ParametersView) -> list[list[str]]:
    model = view.matrix.model()
    return [
        [model.index(row, column).data() for column in range(model.columnCount())] for row in range(model.rowCount())
    ]


def test_without_gradients_every_weight_is_shown(view):
    result = make_result(cell="gru")
    view.show_result(result, "manual")
    assert not view.choice.isVisible()
    assert [row.name for row in view.model.rows] == list(result.inputs.parameters)
    for name, weights in result.inputs.parameters.items():
        choose(view, name)
        numbers = weights.reshape(len(weights), -1)
        assert shown(view) == [[true_minus(short(value)) for value in row] for row in numbers]
    units, model = result.shape[-1], view.matrix.matrix
    assert list(model.rows) == [
        f"{gate} {unit}" for gate in result.config.network.kind.gate_symbols for unit in range(units)
    ]
    lines = view.matrix.copy_text().splitlines()
    assert lines[1].split("\t")[1] == full(numbers[0, 0])


def test_weights_of_a_candidate_are_compared_with_those_of_the_reference(view):
    result = make_result(cell="gru")
    parameters = dict(result.inputs.parameters)
    own = Parameters(result.config.network, parameters | {BIAS: parameters[BIAS] + 0.5})
    other = replace(result, inputs=replace(result.inputs, weights={"manual": own}))
    view.show_result(other, "manual")
    view.finish_pending()
    found = {row[0]: row[2:] for row in texts(view.model)}
    changed = next(row.title for row in view.model.rows if row.name == BIAS)
    assert view.model.row(view.table.currentIndex().row()).name == BIAS
    assert found.pop(changed) == ("0.5", "shifted by 0.5")
    assert set(found.values()) == {("0", "")}
    assert [column.title for column in view.model.columns][2:] == ["weights |Δ|", "relation"]
    view.show_result(result, "manual")
    assert len(view.model.columns) == 2


def test_the_array_and_the_entry_with_the_largest_error_come_first(view, with_gradients):
    view.show_result(with_gradients, "manual")
    rows = view.model.rows
    assert {rows[0].name, rows[1].name} == {BIAS, H0}
    assert {row.name for row in rows} == {*with_gradients.config.network.parameter_shapes(), H0}
    assert texts(view.model)[0][2] == "1 differ"
    turn(view, ERRORS)
    for name, index, error in ((BIAS, (2,), 0.5), (H0, (0, 1, 3), 0.25)):
        choose(view, name)
        assert view.entry_table.isVisible()
        assert tuple(view.entries.index[0]) == index
        assert view.entries.error[0] == pytest.approx(error, rel=1e-6)
        assert texts(view.entry_model)[0][0] == str(list(index))


def test_gradients_are_a_matrix_whose_cells_lead_to_their_explanation(qtbot, view, with_gradients):
    view.show_result(with_gradients, "manual")
    turn(view, GRADIENTS)
    choose(view, BIAS)
    values = with_gradients["gluon"][f"grad.parameters.{BIAS}"]
    assert shown(view) == [[true_minus(short(value))] for value in values]
    place = parameter_place(Lane(0), "h2h_bias", (2,))
    with qtbot.waitSignal(view.parameter_selected) as selected:
        view.matrix.setCurrentIndex(view.matrix.model().index(2, 0))
    assert selected.args == [place]
    with qtbot.waitSignal(view.explanation_requested) as asked:
        view.matrix.activated.emit(view.matrix.model().index(2, 0))
    assert asked.args == [place.gradient]
    choose(view, H0)
    assert np.prod(with_gradients[("gluon")]["grad.h0"].shape) == sum(map(len, shown(view)))


def test_the_selected_array_stays_with_another_run_and_weights_return_without_gradients(view, with_gradients):
    view.show_result(with_gradients, "manual")
    turn(view, GRADIENTS)
    choose(view, BIAS)
    view.show_result(make_result(cell="gru", gradients=("gluon", "manual")), "manual")
    assert view.model.row(view.table.currentIndex().row()).name == BIAS
    assert texts(view.model)[view.table.currentIndex().row()][2] == "agrees"
    view.show_result(make_result(cell="gru"), "manual")
    assert (view.page, view.choice.isVisible()) == (WEIGHTS, False)


def test_an_initial_state_has_gradients_alone(view, with_gradients):
    view.show_result(with_gradients, "manual")
    choose(view, H0)
    assert view.page == GRADIENTS
    assert view.matrix.matrix.describe(0, 0).startswith("grad.h0")


def test_masked_weights_are_question_marks(view):
    result = make_result(cell="gru")
    view.show_result(result, "manual")
    choose(view, BIAS)
    view.show_masked((Mask(Place(f"parameters.{BIAS}", (2,)).array, (range(2, 3),)),))
    assert [row == ["?"] for row in shown(view)] == [place == 2 for place in range(len(shown(view)))]
    assert [line.endswith("?") for line in view.matrix.copy_text().splitlines()[1:4]] == [False, False, True]

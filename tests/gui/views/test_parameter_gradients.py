"""Gradients of parameters and initial states: the arrays and the entries, the largest errors first."""

import pytest

from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane
from rnnviz.gui.views.parameter_gradients import ParameterGradients
from tests.factories import make_result
from tests.gui.shown import texts

BIAS, H0 = "grad.parameters.l0_h2h_bias", "grad.h0"


def edit(trace: Trace) -> None:
    trace[BIAS][2] += 0.5
    trace[H0][0, 1, 3] += 0.25


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(ParameterGradients(), 1000, 240)


def test_the_array_and_the_entry_with_the_largest_error_come_first(qtbot, view):
    result = make_result(gradients=("gluon", "manual"), edits={"manual": edit})
    view.show_result(result, "manual")
    rows = view.model.rows
    assert {rows[0].name, rows[1].name} == {BIAS, H0}
    assert {row.name for row in rows} == {
        *(f"grad.parameters.{name}" for name in result.config.network.parameter_shapes()),
        H0,
    }
    assert texts(view.model)[0][2] == "1 differ"
    for place, (name, index, error) in enumerate((row.name, (2,), 0.5) for row in rows[:2]):
        index, error = ((0, 1, 3), 0.25) if name == H0 else (index, error)
        view.table.choose(place)
        assert tuple(view.entries.index[0]) == index
        assert view.entries.error[0] == pytest.approx(error, rel=1e-6)
        assert texts(view.entry_model)[0][0] == str(list(index))
    with qtbot.waitSignal(view.explanation_requested) as asked:
        view.entry_table.activated.emit(view.entry_model.index(0, 0))
    assert asked.args[0].of in (parameter_place(Lane(0), "h2h_bias", (2,)), Place("h0", (0, 1, 3)))
    selected: list[Place] = []
    view.parameter_selected.connect(selected.append)
    view.table.choose(next(k for k, row in enumerate(rows) if row.name == BIAS))
    view.entry_table.choose(0)
    assert selected == [parameter_place(Lane(0), "h2h_bias", (2,))]
    view.table.choose(1)
    # The selected array stays with another run.
    view.show_result(make_result(gradients=("gluon", "manual")), "manual")
    assert view.entries.row.name == rows[1].name
    assert texts(view.model)[0][2] == "agrees"

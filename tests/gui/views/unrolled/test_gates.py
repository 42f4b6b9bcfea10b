"""Gates, states, changes and norms on the lanes: their numbers, colors and marks, and what is said meanwhile."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from rnnviz.core import number_format
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.unrolled.seen import visible_numbers, visible_outlines
from tests.oracles.gates import gates_of

SIZE = (1000, 600)

LANE = Lane(0, 0)


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 1, 0, 3] += 0.5


def small(cell: str = "lstm", **changes: Any) -> RunResult:
    network = {"cell": cell, "hidden_size": 6, "input_size": 5, "timesteps": 4, "edits": {"manual": spoil}}
    return make_result(**{**network, **changes})


def texts(view: UnrolledView, lane: Lane = LANE) -> dict[tuple[int, int], str]:
    return {
        (n.cell.timestep, n.cell.unit): n.text.replace("\N{MINUS SIGN}", "-")
        for n in visible_numbers(view)
        if n.cell.lane == lane
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "quantity"),
    [
        *[("lstm", "f"), ("lstm", "c"), ("gru", "z"), ("rnn_tanh", "pre_h")],
        *[("lstm_peephole", "o"), ("lstm_coupled", "c"), ("gru_reset_before", "n")],
    ],
)
def test_the_numbers_in_the_boxes_are_the_gates(view: UnrolledView, cell: str, quantity: str) -> None:
    result = small(cell)
    view.show_result(result, "manual")
    view.session.set_color_by(quantity)
    expected = gates_of(result.inputs, result["gluon"].hidden)[quantity][0, 0, :, 0]
    written = texts(view)
    assert {place: written[place] for place in np.ndindex(expected.shape)} == {
        place: number_format.short(value) for place, value in np.ndenumerate(expected)
    }
    assert texts(view, INPUT)[2, 1] == number_format.short(result.inputs.sequence[2, 0, 1])
    # c has a comparison of its own; all others show where h differs.
    assert [(c.timestep, c.unit) for c in visible_outlines(view)] == ([] if quantity == "c" else [(1, 3)])
    assert view.color_bar.heading()[0] == quantity


def test_a_norm_is_one_number_for_each_time_step_and_leaves_the_selected_unit(qtbot: Any, view: UnrolledView) -> None:
    result = small()
    view.show_result(result, "manual")
    view.show_location(Location(timestep=2, unit=4))
    view.session.set_color_by("norm")
    norm = np.linalg.norm(result["gluon"].hidden[0, 0, :, 0].astype(np.float64), axis=1)
    written = {t: text for (t, _), text in texts(view).items() if t >= 0}
    assert written == {t: number_format.short(value) for t, value in enumerate(norm)}
    assert [(c.timestep, c.unit) for c in visible_outlines(view)] == [(1, 0)]
    geometry = view.geometry_in_view
    assert geometry is not None
    with qtbot.waitSignal(view.location_requested) as asked:
        view.box.pointed.emit(geometry.x_of(3), geometry.top_of(geometry.stack.lane_rect(LANE)) + 5.0)
    assert (asked.args[0].timestep, asked.args[0].unit) == (3, 4)


def test_a_hovered_value_is_described_in_full(view: UnrolledView) -> None:
    result = small("gru")
    view.show_result(result, "manual")
    view.session.set_color_by("r")
    geometry = view.geometry_in_view
    assert geometry is not None
    y = geometry.top_of(geometry.stack.lane_rect(LANE)) + 2.5 * geometry.stack.lane_rect(LANE).row
    told = view.description_at(view.box.mapToScene(QPointF(geometry.x_of(3), y)))
    value = float(told.split("r = ")[1].split(":")[0])
    assert value == pytest.approx(gates_of(result.inputs, result["gluon"].hidden)["r"][0, 0, 3, 0, 2], abs=1e-6)
    assert "reset gate" in told
    assert "r, reset gate" in view.copy_text()


def test_a_quantity_that_the_next_network_lacks_is_replaced_by_the_value_and_restored(view: UnrolledView) -> None:
    view.show_result(small("lstm"), "manual")
    view.session.set_color_by("f")
    view.show_result(small("gru"), "manual")
    assert view.color_bar.heading() == ("h of gluon",)
    view.show_result(small("lstm"), "manual")
    assert view.color_bar.heading()[0] == "f"

"""Units in another order on the lanes: numbers, marks, labels, the pointer and the selection follow them."""

from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QPointF

from rnnviz.core import number_format
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.factories import make_result
from tests.gui.views.unrolled.seen import order_text, visible_numbers, visible_outlines

SIZE = (1000, 600)

LANE = Lane(0, 0)


def spoil(trace: Trace) -> None:
    trace.hidden[0, 0, 1, 0, 3] += 0.5


def rows_of(view: UnrolledView) -> list[int]:
    """The units from the top down, as the boxes of one time step lie."""
    geometry = view.geometry_in_view
    assert geometry is not None
    cells = [n.cell for n in visible_numbers(view) if n.cell.lane == LANE and n.cell.timestep == 1]
    return [cell.unit for cell in sorted(cells, key=lambda cell: geometry.rect(cell).y)]


def test_the_most_active_unit_is_on_top_with_its_own_numbers_and_marks(qtbot: Any, view: UnrolledView) -> None:
    result = make_result(hidden_size=6, input_size=5, timesteps=4, edits={"manual": spoil})
    view.show_result(result, "manual")
    view.session.set_order("activity")
    h = result["gluon"].hidden[0, 0, :, 0]
    expected = np.argsort(-np.abs(h).mean(axis=0), kind="stable").tolist()
    assert rows_of(view) == expected
    for number in visible_numbers(view):
        if number.cell.lane == LANE and number.cell.timestep >= 0:
            assert number.text.replace("\N{MINUS SIGN}", "-") == number_format.short(h[number.cell[1:]])
    assert [(c.timestep, c.unit) for c in visible_outlines(view)] == [(1, 3)]
    assert "activity" in order_text(view)
    geometry = view.geometry_in_view
    assert geometry is not None
    lane_rect = geometry.stack.lane_rect(LANE)
    with qtbot.waitSignal(view.location_requested) as asked:
        view.box.pointed.emit(geometry.x_of(2), geometry.top_of(lane_rect) + 0.5 * lane_rect.row)
    assert asked.args[0].unit == expected[0]
    # The next key may come before the view follows the selection.
    view.session.set_result(result)
    view.session.set_engine("gluon")
    view.session.set_location(Location(timestep=2, unit=expected[1]))
    with qtbot.waitSignal(view.location_requested) as asked:
        view.step_unit(1)
    assert asked.args[0].unit == expected[2]
    view.session.set_order("index")
    assert rows_of(view) == list(range(6))


@pytest.mark.parametrize("quantity", ["difference", "change"])
def test_the_description_of_a_unit_has_its_own_values(view: UnrolledView, quantity: Any) -> None:
    result = make_result(hidden_size=6, timesteps=4, edits={"manual": spoil})
    view.show_result(result, "manual")
    view.session.set_order("activity")
    view.session.set_color_by(quantity)
    geometry = view.geometry_in_view
    assert geometry is not None
    h = {name: trace.hidden[0, 0, :, 0].astype(np.float64) for name, trace in result.traces.items()}
    expected = h["manual"][1] - h["gluon"][1] if quantity == "difference" else h["gluon"][1] - h["gluon"][0]
    for unit in range(6):
        rect = geometry.rect(CellGeometry(LANE, 1, unit))
        told = view.description_at(view.box.mapToScene(QPointF(rect.x + 5.0, rect.y + rect.height / 2.0)))
        assert f"unit {unit}\n" in told
        value = float(told.splitlines()[1].split(" = ")[1].split(":")[0])
        assert value == pytest.approx(expected[unit], abs=1e-6)

"""The quantities that color the lanes: their names, limits, groups and words."""

import pytest

from rnnviz.cells import CELLS
from rnnviz.reading.quantities import (
    GateQuantity,
    choices_of,
    color_names,
    gate_quantities,
    gate_quantity,
    gradient_quantities,
    heading_of,
    quantity_for,
)
from tests.cases import cases

QUANTITIES = {
    "rnn_relu": "pre_h change norm",
    "rnn_tanh": "pre_h change norm",
    "lstm_projection": "i f g o m c pre_i pre_f pre_g pre_o change norm",
    **dict.fromkeys(("lstm", "lstm_peephole"), "i f g o c pre_i pre_f pre_g pre_o change norm"),
    **dict.fromkeys(("gru", "gru_reset_before"), "r z n pre_r pre_z pre_n change norm"),
    "lstm_coupled": "i g o f c pre_i pre_g pre_o change norm",
}


def test_each_cell_has_its_own_quantities():
    assert {cell: " ".join(q.name for q in gate_quantities(CELLS[cell])) for cell in QUANTITIES} == QUANTITIES
    found = {own.name: own for own in gate_quantities(CELLS["lstm"])}
    assert found["i"] == GateQuantity("i", "input gate", 0.0, 1.0)
    assert found["g"] == GateQuantity("g", "candidate", -1.0, 1.0)
    assert (found["c"].title, found["c"].low, found["c"].high) == ("cell state", None, None)
    assert (found["pre_i"].title, found["pre_i"].per_unit) == ("pre-activation of i", True)
    assert (found["norm"].low, found["norm"].high, found["norm"].per_unit) == (0.0, None, False)


OFFERED = cases(__file__)["offered"]


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_quantities_are_offered_group_by_group_in_the_order_of_the_gates(name):
    cell, given = CELLS[name], ("grad.h", "grad.f")
    offered = [[c.name, c.group, c.text, [*heading_of(c.name, cell)]] for c in choices_of(cell, given)]
    assert offered == OFFERED[name]
    each = [c.name for c in choices_of(cell, given, per_unit=True)]
    assert each == [name for name, *_ in OFFERED[name] if name != "norm"]


def test_every_quantity_of_every_cell_is_offered_and_known():
    # The lanes have the units of h: m of a projected cell has others.
    named = {quantity.name for cell in CELLS.values() for quantity in gate_quantities(cell)} - {"m"}
    gradients = {quantity.name for cell in CELLS.values() for quantity in gradient_quantities(cell)}
    assert set(color_names()) == named | gradients | {"value", "error_ratio", "difference"}
    for cell in CELLS.values():
        offered = {"change", "norm"} if cell.projects else {quantity.name for quantity in gate_quantities(cell)}
        assert {choice.name for choice in choices_of(cell)} == offered
        given = {"grad.h", "grad.out"} if cell.projects else {quantity.name for quantity in gradient_quantities(cell)}
        assert {choice.name for choice in choices_of(cell, gradients)} == offered | given


@pytest.mark.parametrize(("wanted", "cell", "compared", "gradients", "shown"), cases(__file__)["kept"])
def test_a_quantity_that_a_network_lacks_becomes_the_value(wanted, cell, compared, gradients, shown):
    assert quantity_for(wanted, CELLS[cell], compared=compared, gradients=gradients) == shown
    if wanted in ("value", "error_ratio", "difference"):
        assert gate_quantity(wanted, CELLS[cell]) is None

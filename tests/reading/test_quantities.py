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


OFFERED = {
    "lstm": [
        ("i", "Gates", "i  input gate", ("i", "input gate")),
        ("f", "Gates", "f  forget gate", ("f", "forget gate")),
        ("g", "Gates", "g  candidate", ("g", "candidate")),
        ("o", "Gates", "o  output gate", ("o", "output gate")),
        ("c", "States", "c  cell state", ("c", "cell state")),
        ("change", "States", "change of h", ("change", "from last step")),
        ("norm", "States", "norm of h", ("norm", "‖h‖")),
        ("pre_i", "Before the activation", "pre_i  before sigmoid", ("pre_i", "before sigmoid")),
        ("pre_f", "Before the activation", "pre_f  before sigmoid", ("pre_f", "before sigmoid")),
        ("pre_g", "Before the activation", "pre_g  before tanh", ("pre_g", "before tanh")),
        ("pre_o", "Before the activation", "pre_o  before sigmoid", ("pre_o", "before sigmoid")),
        ("grad.h", "Gradients", "grad.h  hidden state", ("grad.h",)),
        ("grad.f", "Gradients", "grad.f  forget gate", ("grad.f",)),
    ],
    "rnn_relu": [
        ("change", "States", "change of h", ("change", "from last step")),
        ("norm", "States", "norm of h", ("norm", "‖h‖")),
        ("pre_h", "Before the activation", "pre_h  before relu", ("pre_h", "before relu")),
        ("grad.h", "Gradients", "grad.h  hidden state", ("grad.h",)),
    ],
}


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_quantities_are_offered_group_by_group_in_the_order_of_the_gates(name):
    cell, given = CELLS[name], ("grad.h", "grad.f")
    assert [(c.name, c.group, c.text, heading_of(c.name, cell)) for c in choices_of(cell, given)] == OFFERED[name]
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


@pytest.mark.parametrize(
    ("wanted", "cell", "compared", "gradients", "shown"),
    [
        ("value", "lstm", True, (), "value"),
        ("error_ratio", "gru", True, (), "error_ratio"),
        ("error_ratio", "gru", False, (), "value"),
        ("difference", "gru", False, (), "value"),
        ("c", "lstm", False, (), "c"),
        ("f", "gru", True, (), "value"),
        ("norm", "rnn_tanh", True, (), "norm"),
        ("grad.c", "lstm", True, (), "value"),
        ("grad.c", "lstm", True, ("grad.h", "grad.c"), "grad.c"),
        ("grad.c", "gru", True, ("grad.h", "grad.r"), "grad.h"),
    ],
)
def test_a_quantity_that_a_network_lacks_becomes_the_value(wanted, cell, compared, gradients, shown):
    assert quantity_for(wanted, CELLS[cell], compared=compared, gradients=gradients) == shown
    if wanted in ("value", "error_ratio", "difference"):
        assert gate_quantity(wanted, CELLS[cell]) is None

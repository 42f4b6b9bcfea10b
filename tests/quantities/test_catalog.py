"""Quantities of the lanes, and their names in menus and over a color bar."""

import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.gru import GRU
from rnnviz.cells.lstm import LSTM
from rnnviz.quantities.gates import (
    choices_of,
    gate_quantity,
    heading_of,
    per_unit_choices,
    quantity_for,
)

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
    ],
    "rnn_relu": [
        ("change", "States", "change of h", ("change", "from last step")),
        ("norm", "States", "norm of h", ("norm", "‖h‖")),
        ("pre_h", "Before the activation", "pre_h  before relu", ("pre_h", "before relu")),
    ],
}


@pytest.mark.parametrize("cell", sorted(OFFERED))
def test_quantities_are_offered_group_by_group_in_the_order_of_the_gates(cell: str) -> None:
    shown = [(c.name, c.group, c.text, heading_of(c.name, CELLS[cell])) for c in choices_of(CELLS[cell])]
    assert shown == OFFERED[cell]
    assert [c.name for c in per_unit_choices(CELLS[cell])] == [name for name, *_ in OFFERED[cell] if name != "norm"]


@pytest.mark.parametrize(
    ("wanted", "cell", "compared", "read"),
    [
        ("value", "lstm", True, "value"),
        ("error_ratio", "gru", True, "error_ratio"),
        ("error_ratio", "gru", False, "value"),
        ("difference", "gru", True, "difference"),
        ("difference", "gru", False, "value"),
        ("c", "lstm", False, "c"),
        ("c", "gru", True, "value"),
        ("norm", "rnn_tanh", True, "norm"),
    ],
)
def test_a_quantity_that_a_network_lacks_becomes_the_value(wanted, cell: str, compared: bool, read: str) -> None:
    assert quantity_for(wanted, CELLS[cell], compared=compared) == read


def test_a_stored_quantity_is_not_computed() -> None:
    assert gate_quantity("value", LSTM) is None
    assert gate_quantity("error_ratio", LSTM) is None
    assert gate_quantity("z", LSTM) is None
    found = gate_quantity("z", GRU)
    assert found is not None
    assert (found.name, found.title, found.low, found.high) == ("z", "update gate", 0.0, 1.0)

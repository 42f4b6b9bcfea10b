"""Gates, states and pre-activations of every cell, and the quantities that color the lanes."""

from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.cells import CELLS
from rnnviz.cells.gru import GRU
from rnnviz.cells.lstm import LSTM
from rnnviz.core.config import CELL_NAMES
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.reading import gates
from rnnviz.reading.gates import (
    GateReader,
    choices_of,
    gate_blocks,
    gate_quantities,
    gate_quantity,
    heading_of,
    per_unit_choices,
    quantity_for,
)
from tests.explain.arithmetics import breakdown_at, stored_of
from tests.oracles.computed import computed
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of


def expected(inputs: Inputs, trace: Trace, name: str, where: Location) -> float:
    """One value from the arithmetic of that step alone."""
    arithmetic = breakdown_at(inputs, trace, where)
    if name == "change":
        (before,) = (state.value for state in arithmetic.previous if state.symbol == "h")
        return stored_of(arithmetic) - before
    if name == "norm":
        return sqrt(sum(float(v) ** 2 for v in trace.hidden[where.index[:-1]]))
    line = arithmetic.by_name[name.removeprefix("pre_")]
    value = line.argument if name.startswith("pre_") else line.value
    assert value is not None
    return value


def whole(inputs: Inputs, trace: Trace, name: str, layer: int, direction: int, sample: int) -> NDArray[Any]:
    timesteps, units = inputs.timesteps, inputs.network.hidden_size
    return GateReader(inputs, trace).lane(layer, direction, sample, name, slice(0, timesteps), slice(0, units))


@given(st.data())
def test_every_quantity_equals_the_arithmetic_of_its_step(data: st.DataObject) -> None:
    inputs = load_inputs(data.draw(configs()))
    trace = computed(ManualEngine(), inputs)[0]
    if data.draw(st.booleans()):
        trace = trace.with_arrays({"c": None})
    where = Location(*(data.draw(st.integers(0, size - 1)) for size in trace.shape))
    tolerance = 1e-12 if inputs.network.dtype == "float64" else 3e-7
    for name in (quantity.name for quantity in gate_quantities(inputs.network.kind)):
        found = whole(inputs, trace, name, where.layer, where.direction, where.sample)
        assert found.dtype == inputs.network.dtype
        assert found.shape == (inputs.timesteps, 1 if name == "norm" else inputs.network.hidden_size)
        value = found[where.timestep, 0 if name == "norm" else where.unit]
        assert value == pytest.approx(expected(inputs, trace, name, where), rel=tolerance, abs=tolerance), name


@pytest.fixture(params=sorted(CELL_NAMES))
def long(request: pytest.FixtureRequest) -> tuple[Inputs, Trace]:
    inputs = inputs_of(
        {"timesteps": 60, "batch_size": 3}, cell=request.param, hidden_size=4, num_layers=2, bidirectional=True
    )
    return inputs, computed(ManualEngine(), inputs)[0].with_arrays({"c": None})


@pytest.mark.parametrize("direction", [0, 1])
def test_a_part_is_a_part_of_the_whole_in_blocks_of_any_length(
    long: tuple[Inputs, Trace], direction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, trace = long
    names = [quantity.name for quantity in gate_quantities(inputs.network.kind)]
    wholes = {name: whole(inputs, trace, name, 1, direction, 2) for name in names}
    monkeypatch.setattr(gates, "_BLOCK_VALUES", 8 * 7)
    reader = GateReader(inputs, trace)
    for times, units in ((slice(50, 60), slice(1, 3)), (slice(0, 60), slice(0, 4)), (slice(13, 14), slice(3, 4))):
        for name in names:
            part = reader.lane(1, direction, 2, name, times, units)
            own = wholes[name][times] if name == "norm" else wholes[name][times, units]
            np.testing.assert_allclose(part, own, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("direction", [0, 1])
def test_blocks_follow_each_other_in_time_and_hold_every_sample(long: tuple[Inputs, Trace], direction: int) -> None:
    inputs, trace = long
    names = [quantity.name for quantity in gate_quantities(inputs.network.kind)]
    blocks = list(gate_blocks(inputs, trace, 1, direction, names, length=17))
    assert [(times.start, times.stop) for times, _ in blocks] == [(0, 17), (17, 34), (34, 51), (51, 60)]
    for name in names:
        joined = np.concatenate([values[name] for _, values in blocks])
        for sample in range(3):
            own = whole(inputs, trace, name, 1, direction, sample)
            np.testing.assert_allclose(joined[:, sample], own, rtol=1e-6, atol=1e-7)


def test_gate_values_are_within_their_limits(long: tuple[Inputs, Trace]) -> None:
    inputs, trace = long
    for quantity in gate_quantities(inputs.network.kind):
        values = whole(inputs, trace, quantity.name, 0, 0, 0)
        assert quantity.low is None or values.min() >= quantity.low
        assert quantity.high is None or values.max() <= quantity.high


def test_each_cell_has_its_own_quantities() -> None:
    expected = {
        "rnn_relu": "pre_h change norm",
        "rnn_tanh": "pre_h change norm",
        "lstm_projection": "i f g o m c pre_i pre_f pre_g pre_o change norm",
        **dict.fromkeys(("lstm", "lstm_peephole"), "i f g o c pre_i pre_f pre_g pre_o change norm"),
        **dict.fromkeys(("gru", "gru_reset_before"), "r z n pre_r pre_z pre_n change norm"),
        "lstm_coupled": "i g o f c pre_i pre_g pre_o change norm",
    }
    assert {cell: " ".join(q.name for q in gate_quantities(CELLS[cell])) for cell in expected} == expected


def test_a_quantity_that_the_cell_lacks_is_refused(long: tuple[Inputs, Trace]) -> None:
    with pytest.raises(KeyError, match=r"it has .*norm"):
        whole(*long, "q", 0, 0, 0)


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

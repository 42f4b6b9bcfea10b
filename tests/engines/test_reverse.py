"""`network.reverse`: one direction that reads the sequence from its end, in every engine."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import known_bugs_of
from rnnviz.engines.registry import load_engine
from rnnviz.steps.states import CellStates
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare
from rnnviz.verify.consistency_checks import consistency_checks
from rnnviz.verify.mismatches import mismatch_rows, neighbor_mismatch
from tests.oracles.computed import Answer, assert_agrees, computed
from tests.oracles.recurrence import recurrence
from tests.strategies import FUSED_CELLS
from tests.verify.audit_helpers import engine_or_skip, inputs_of, with_sequence

CASES = [
    (engine, cell, dtype, layout)
    for engine in ("manual", "gluon", "onnx", "torch")
    for cell in FUSED_CELLS
    for dtype, layout in (("float32", "NTC"), ("float64", "TNC"))
    if (engine, dtype) != ("onnx", "float64")
]


def reversed_forward(inputs: Inputs) -> Answer:
    """The contract: reverse the input in time, run forward, and reverse the hidden states back."""
    config = replace(inputs.config, network=replace(inputs.network, reverse=False))
    forward = replace(with_sequence(inputs, inputs.sequence[::-1]), config=config)
    answer = recurrence(forward)
    return replace(
        answer,
        hidden=answer.hidden[:, :, ::-1],
        output=answer.output[::-1],
        cell=None if answer.cell is None else answer.cell[:, :, ::-1],
    )


@pytest.mark.parametrize(("name", "cell", "dtype", "layout"), CASES)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_an_engine_equals_the_oracle_on_the_reversed_input(
    name: str, cell: str, dtype: str, layout: str, num_layers: int
) -> None:
    engine = engine_or_skip(name)
    inputs = inputs_of(
        {"timesteps": 7, "batch_size": 3},
        cell=cell,
        hidden_size=4,
        num_layers=num_layers,
        reverse=True,
        dtype=dtype,
        layout=layout,
    )
    trace, report = computed(engine, inputs)
    rounded = name == "gluon" and cell == "rnn_relu"
    assert_agrees(trace, reversed_forward(inputs), 1e-12 if dtype == "float64" and not rounded else 2e-5)
    np.testing.assert_array_equal(trace.state_h, trace.hidden[:, 0, 0])
    for equality in report.equalities:
        np.testing.assert_allclose(equality.left, equality.right, atol=2e-6)
    assert all(check.holds for check in consistency_checks(trace, 1e-6, 1e-6))
    if not rounded or dtype == "float32":
        assert audit(inputs, trace).verdict == "right"


def test_cell_states_are_followed_from_the_end() -> None:
    inputs = inputs_of({"timesteps": 9, "batch_size": 2}, cell="lstm", hidden_size=3, num_layers=2, reverse=True)
    trace, _ = computed(load_engine("manual"), inputs)
    assert trace.cell is not None
    followed = CellStates(inputs, trace.with_arrays({"c": None}))
    for t in (8, 0, 4):
        c = followed.after(1, 0, slice(t, t + 1), slice(0, 2), slice(0, 3))
        np.testing.assert_allclose(c.value[0], trace.cell[1, 0, t], atol=1e-6)


def test_the_order_of_computation_starts_at_the_end() -> None:
    inputs = inputs_of({"timesteps": 6, "batch_size": 1}, cell="gru", hidden_size=2, num_layers=2, reverse=True)
    reference, _ = computed(load_engine("manual"), inputs)
    hidden = reference.hidden.copy()
    hidden[1, 0, [1, 4], 0, 1] += 0.5
    other = reference.with_arrays({"h": hidden})
    comparison = compare(reference, other, 1e-6, 1e-5)
    first, second = Location(1, 0, 4, 0, 1), Location(1, 0, 1, 0, 1)
    assert comparison.first_mismatch is not None
    assert comparison.first_mismatch.where == first
    assert comparison.first_mismatch.where.to_json()["direction"] == "backward"
    rows = mismatch_rows(comparison, reference, other)
    assert [rows.location(row) for row in range(len(rows))] == [first, second]
    assert [rows.row_of(where) for where in (first, second)] == [0, 1]
    assert neighbor_mismatch(comparison, reference, other, first, forward=True) == second
    assert neighbor_mismatch(comparison, reference, other, second, forward=False) == first
    wrong = audit(inputs, other).first_wrong
    assert wrong is not None
    assert (wrong.where.location, str(wrong.where.location).split(", ")[1]) == (first, "backward")


def test_the_bugs_of_the_direction_apply_and_the_others_do_not() -> None:
    inputs = inputs_of({"timesteps": 5}, cell="rnn_tanh", hidden_size=3, reverse=True)
    names = {bug.name for bug in known_bugs_of(inputs.network)}
    assert {"reverse-not-reversed", "reverse-not-realigned", "final-state-at-last-timestep"} <= names
    assert "concat-swapped" not in names
    right, _ = computed(load_engine("manual"), inputs)
    turned, _ = computed(load_engine("bug:reverse-not-realigned"), inputs)
    np.testing.assert_allclose(turned.hidden, right.hidden[:, :, ::-1], atol=1e-5)


def test_both_directions_and_reverse_are_refused() -> None:
    network = {"cell": "gru", "input_size": 2, "hidden_size": 2, "bidirectional": True, "reverse": True}
    with pytest.raises(ConfigError, match=r"network\.reverse = true needs network\.bidirectional = false"):
        Config.from_mapping({"network": network})

"""Known bugs of the backward pass as engines: each computes the gradients of a user's code with the bug."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import CELL_NAMES, Backward, Config
from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.backward import BackwardPasses
from rnnviz.engines.known_bugs.engine import KnownBugEngine, faulty_trace
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PREFIX, gradient_bugs_in, known_bugs_in
from rnnviz.io.inputs import load_inputs
from tests.engines.backward_bugs import WAYS, users_gradients
from tests.engines.test_gradients import losses, with_gradients
from tests.engines.test_lengths import padded_inputs
from tests.oracles.computed import assert_near
from tests.oracles.gradients import oracle_gradients

PARAMETERS = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
LSTM_SLOPES = [("g",), ("",), ("g", ""), ("i", "f", "o")]
RELU_SLOPES = [{"slope": "input"}, {"slope": "input", "slope_of": ("h",)}, {"slope": "previous"}]
PREVIOUS = BugVariant(slope="previous")
BUGS = [name for name, bug in KNOWN_BUGS.items() if bug.of_gradients]


def inputs_of(cell: str, loss: dict[str, Any] | None = None, **network: Any) -> Inputs:
    """Two layers in two directions, on three samples of which two have padding."""
    tables = {
        "network": {"cell": cell, "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True, **network},
        "sequence": {"batch_size": 3, "timesteps": 5, "lengths": [5, 2, 4]},
        "parameters": {"initializer": "normal", "scale": 0.5, "bias": "uniform"},
        "initial_state": {"source": "normal"},
        "backward": {"enabled": True, "loss": "normal", "final_state": "normal", **(loss or {})},
    }
    return load_inputs(Config.from_mapping(tables))


@given(data=st.data())
def test_a_backward_pass_without_a_bug_is_that_of_plain_loops(data):
    pytest.importorskip("torch")
    inputs = data.draw(losses(data.draw(padded_inputs())))
    expected, trace = oracle_gradients(inputs), faulty_trace(BugVariant(), inputs)
    tolerance = 1e-10 if inputs.network.dtype == "float64" else 1e-4
    for name, index, array in BackwardPasses(inputs, trace, "float64").once(BugVariant()):
        assert_near(array, expected[name][index], tolerance, name)


@pytest.mark.parametrize("name", BUGS)
def test_a_bug_has_the_gradients_of_a_users_code(name):
    inputs = inputs_of("gru" if name == "reset-gate-gradient-missing" else "lstm", dtype="float64")
    trace, _ = with_gradients(KnownBugEngine(PREFIX + name), inputs)
    correct, expected = users_gradients(inputs), users_gradients(inputs, name)
    assert any(not np.allclose(correct[key], expected[key]) for key in correct)
    for key, array in expected.items():
        assert_near(trace[key], array, 1e-12, key)
    assert_near(trace.hidden, faulty_trace(BugVariant(), inputs).hidden, 0.0)


def test_only_a_run_with_a_backward_pass_has_them():
    inputs = inputs_of("lstm")
    without = load_inputs(replace(inputs.config, backward=Backward()))
    assert gradient_bugs_in(without) == []
    assert [bug.name for bug in gradient_bugs_in(inputs)] == [n for n in BUGS if n != "reset-gate-gradient-missing"]
    assert not {bug.name for bug in known_bugs_in(inputs)} & set(BUGS)
    assert KnownBugEngine("bug:no-h2h-bias").gradients(inputs.network) == ()


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_bugs_of_a_cell_and_of_directions(cell):
    found = {bug.name for bug in gradient_bugs_in(inputs_of(cell, bidirectional=False))}
    assert ("cell-gradient-dropped" in found) == cell.startswith("lstm")
    assert ("reset-gate-gradient-missing" in found) == cell.startswith("gru")
    assert "backward-direction-not-reversed-in-gradient" not in found


@pytest.mark.parametrize(
    ("bug", "cell", "expected"),
    [
        (
            "derivative-at-wrong-pre-activation",
            "lstm",
            [
                *({"slope": s, "slope_of": of} for s in ("value", "formula") for of in ((), *LSTM_SLOPES)),
                *({"slope": "input", "slope_of": of} for of in ((), ("g",), ("g", ""), ("i", "f", "o"))),
                {"slope": "previous"},
            ],
        ),
        ("derivative-at-wrong-pre-activation", "rnn_relu", RELU_SLOPES),
        (
            "weight-gradient-not-summed-over-time",
            "gru",
            [
                {"kept": kept, "kept_step": step}
                for step in ("last", "first")
                for kept in (PARAMETERS, ("i2h_weight", "h2h_weight"), ("h2h_weight",))
            ],
        ),
        (
            "forward-bias-used-twice",
            "gru",
            [
                {"doubled": biases, "doubled_forward": forward}
                for forward in (False, True)
                for biases in (("i2h_bias", "h2h_bias"), ("i2h_bias",), ("h2h_bias",))
            ],
        ),
        ("reset-gate-gradient-missing", "gru_reset_before", [{"constant": ("r",)}, {"not_passed": ("r",)}]),
    ],
)
def test_the_variants_of_a_cell(bug, cell, expected):
    assert KNOWN_BUGS[bug].variants[cell] == tuple(BugVariant(**fields) for fields in expected)


def test_a_derivative_at_the_previous_pre_activation():
    """Before the first time step comes the last one, as Python's index -1 does."""
    inputs = inputs_of("rnn_tanh", num_layers=1, bidirectional=False, dtype="float64")
    inputs = replace(inputs, lengths=())
    trace = faulty_trace(BugVariant(), inputs)
    found = {name: array for name, _, array in BackwardPasses(inputs, trace, "float64").once(PREVIOUS)}
    assert inputs.loss is not None
    passed, weight = inputs.loss.state["h"][0], inputs.parameters["l0_h2h_weight"]
    direct = inputs.loss.direct(inputs.network, 0, 0, range(inputs.timesteps), inputs.batch_size)
    assert direct is not None
    for t in reversed(range(inputs.timesteps)):
        of_h = direct[t] + passed
        assert_near(found["grad.h"][t], of_h, 1e-12)
        passed = (of_h * (1.0 - trace.hidden[0, 0, t - 1] ** 2)) @ weight
    assert_near(found["grad.h0"], passed, 1e-12)


def test_every_way_of_a_users_code_is_of_a_known_bug():
    assert list(WAYS) == BUGS

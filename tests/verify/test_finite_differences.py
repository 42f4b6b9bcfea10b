"""Difference quotients agree with correct gradients, contradict others, and are not made where they say nothing."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.gradients import OF_PARAMETERS
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import finite_differences as module
from rnnviz.verify.backward_audit import gradient_audit
from rnnviz.verify.backward_result import FiniteDifferences
from rnnviz.verify.finite_differences import finite_differences
from tests.verify.audit_helpers import engine_or_skip, with_parameters
from tests.verify.gradient_traces import backward_inputs, traced

ENGINE = "manual"


def differences(inputs: Inputs, trace: Trace | None = None) -> FiniteDifferences:
    found = finite_differences(inputs, {ENGINE: trace or traced(engine_or_skip(ENGINE), inputs)})
    assert found is not None
    return found


NETWORKS = {
    "lstm": backward_inputs(num_layers=2, bidirectional=True, sequence={"lengths": [4, 9, 1]}),
    "gru": backward_inputs(cell="gru", reverse=True, dtype="float64", sequence={"lengths": [9, 2, 5]}),
    "value": backward_inputs(cell="rnn_tanh", num_layers=2, backward={"loss": "value", "value": [0, 0, 5, 1, 2]}),
    "relu": backward_inputs(cell="rnn_relu", num_layers=2, bidirectional=True, dtype="float64"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_correct_gradients_agree(name: str) -> None:
    inputs = NETWORKS[name]
    found = differences(inputs)
    assert found.wrong == {}
    assert found.skipped <= 2
    kinds = {entry.where.array.rpartition("_")[0].rpartition("_")[2] or entry.where.array for entry in found.entries}
    assert {"grad.input", "grad.h0", "i2h", "h2h"} <= kinds
    digits = {"float32": 1e-4, "float64": 1e-7}[inputs.network.dtype]
    largest = max(abs(entry.value) for entry in found.entries)
    assert max(entry.limits[ENGINE] for entry in found.entries) < digits * largest


@pytest.mark.parametrize("part", ["grad.input", "grad.h0", "grad.c0", f"{OF_PARAMETERS}l0_h2h_weight"])
def test_other_gradients_are_contradicted(part: str) -> None:
    inputs = backward_inputs()
    trace = traced(engine_or_skip(ENGINE), inputs)
    trace[part][...] *= 1.001
    found = differences(inputs, trace)
    assert found.wrong.keys() == {ENGINE}
    assert {entry.where.array for entry in found.entries if entry.contradicts(ENGINE)} == {part}


def test_gradients_that_the_first_engine_lacks_are_those_of_another() -> None:
    inputs = backward_inputs()
    trace = traced(engine_or_skip(ENGINE), inputs)
    every = {name: array for name, array in trace.items() if name.startswith("grad.")}
    lacking = {name: None for name in every if not name.startswith(OF_PARAMETERS)}
    recorded = replace(trace.with_arrays(lacking), engine="recording:a.npz")
    both = finite_differences(inputs, {recorded.engine: recorded, ENGINE: trace})
    alone = finite_differences(inputs, {recorded.engine: recorded})
    assert both is not None
    assert alone is not None
    assert both.wrong == alone.wrong == {}
    assert {entry.where.array for entry in both.entries} > {entry.where.array for entry in alone.entries}
    assert all(entry.where.array.startswith(OF_PARAMETERS) for entry in alone.entries)


def test_rounding_of_recorded_gradients_is_no_contradiction() -> None:
    inputs = backward_inputs()
    trace = traced(engine_or_skip(ENGINE), inputs)
    rounded = {name: array.astype(np.float16).astype(np.float32) for name, array in trace.items()}
    recorded = replace(trace.with_arrays(rounded), precision="float16", computed_in="float32")
    assert differences(inputs, recorded).wrong == {}
    assert differences(inputs, trace.with_arrays(rounded)).wrong != {}
    assert gradient_audit(inputs, recorded).wrong == 0


def test_a_kink_is_skipped() -> None:
    """Where a relu has the argument 0, the quotients of both sides differ."""
    inputs = backward_inputs(cell="rnn_relu", sequence={"timesteps": 1, "source": "impulse"}, dtype="float64")
    weights = {name: 0.0 * array for name, array in inputs.parameters.items()}
    found = differences(with_parameters(inputs, lambda name, _: weights[name]))
    biases = [entry for entry in found.entries if entry.where.array.endswith("bias")]
    assert found.skipped > 0
    assert not biases


@pytest.mark.parametrize("seed", range(2))
def test_correct_gradients_of_an_exploding_network_are_not_contradicted(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding grows until two correct engines have nothing in common, in float64, too."""
    monkeypatch.setattr(module, "_CALLS", 1 << 30)
    config = backward_inputs(cell="rnn_tanh", hidden_size=32, dtype="float64", sequence={"timesteps": 100}).config
    inputs = load_inputs(replace(config, parameters=replace(config.parameters, scale=0.8, seed=seed)))
    found = differences(inputs)
    assert found.skipped > 10
    assert found.wrong == {}


def test_reasons_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = backward_inputs(backward={"truncate": 2})
    trace = traced(engine_or_skip(ENGINE), inputs)
    assert "truncated" in differences(inputs, trace).reason
    monkeypatch.setattr(module, "_MOST_VALUES", 1)
    assert "longer" in differences(NETWORKS["lstm"]).reason
    assert finite_differences(inputs, {"engine": Trace("engine", {"h": trace.hidden})}) is None

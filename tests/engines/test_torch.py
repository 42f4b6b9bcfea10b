"""PyTorch as a second opinion: our parameters in its modules, layer by layer."""

import sys

import numpy as np
import pytest
from hypothesis import given

from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError
from rnnviz.engines import registry
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import consistency_checks
from tests.oracles.computed import assert_agrees, assert_near, computed, empty_trace
from tests.oracles.recurrence import recurrence
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of


@given(config=configs())
def test_every_number_equals_the_float64_oracle(config: Config) -> None:
    pytest.importorskip("torch")
    inputs = load_inputs(config)
    trace, _ = computed(load_engine("torch"), inputs)
    assert_agrees(trace, recurrence(inputs), 2e-5 if config.network.dtype == "float32" else 1e-12)
    assert audit(inputs, trace).verdict == "right"
    assert all(check.holds for check in consistency_checks(trace, *config.tolerances))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_cell_states_inside_are_not_known_but_the_final_ones_are(dtype: str) -> None:
    pytest.importorskip("torch")
    inputs = inputs_of({"timesteps": 4}, cell="lstm", hidden_size=6, num_layers=2, bidirectional=True, dtype=dtype)
    engine = load_engine("torch")
    trace, _ = computed(engine, inputs)
    assert not engine.provides_cell_state
    assert trace.cell is None
    assert trace.state_c is not None
    expected = recurrence(inputs).state_c
    assert expected is not None
    assert_near(trace.state_c, expected, 2e-5)


def test_progress_grows_to_one_and_the_inputs_stay() -> None:
    pytest.importorskip("torch")
    inputs = inputs_of({}, cell="lstm", hidden_size=3, num_layers=3)
    before = {name: np.array(array) for name, array in inputs.parameters.items()}
    told: list[float] = []
    load_engine("torch").run(inputs, empty_trace(inputs, cell=False), told.append)
    assert told == [1 / 3, 2 / 3, 1.0]
    for name, array in before.items():
        np.testing.assert_array_equal(inputs.parameters[name], array)


def test_a_missing_torch_is_refused_with_the_command_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(
        EngineError, match=r"^The engine torch needs PyTorch, which is not installed \(.* installs it\)\.$"
    ):
        load_engine("torch")


def test_a_package_of_the_program_without_torch_does_not_send_to_a_pip_that_it_has_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    reason = registry.ENGINES["torch"].unavailable
    assert reason is not None
    assert "pip install" not in reason

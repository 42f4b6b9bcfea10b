"""Cell states are consistent with their hidden states: those of correct engines do, and a single other one does not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify import consistency_checks as module
from rnnviz.verify.consistency_checks import cell_checks
from tests.oracles.computed import computed
from tests.strategies import configs
from tests.verify.audit_helpers import inputs_of

CELL, STATE = "cell follows from the hidden states", "state[1] follows from the hidden states"


def run_of(**network: object) -> tuple[Inputs, Trace]:
    sizes = {"cell": "lstm", "hidden_size": 4, "num_layers": 2, "bidirectional": True, **network}
    inputs = inputs_of({"timesteps": 7, "batch_size": 3}, **sizes)
    return inputs, computed(ManualEngine(), inputs)[0]


def details(inputs: Inputs, trace: Trace) -> dict[str, str]:
    """The details of failed checks of an engine called "mine"."""
    checks = cell_checks(inputs, replace(trace, engine="mine"))
    assert all(check.engine == "mine" and isinstance(check.holds, bool) for check in checks)
    return {check.name: check.detail for check in checks if not check.holds}


@given(config=configs(cell="lstm"), block=st.sampled_from((1, 50, 1 << 18)))
def test_a_right_engine_passes(config: Config, block: int) -> None:
    inputs = load_inputs(config)
    trace, _ = computed(ManualEngine(), inputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_VALUES", block)
        checks = cell_checks(inputs, trace)
    assert [check.name for check in checks] == [CELL, STATE]
    assert all(check.holds for check in checks), checks


@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_a_right_engine_passes_over_many_time_steps(scale: float) -> None:
    inputs = inputs_of({"timesteps": 1000, "batch_size": 2}, {"scale": scale}, cell="lstm", hidden_size=32)
    trace, _ = computed(ManualEngine(), inputs)
    assert details(inputs, trace) == {}
    assert details(inputs, trace.with_arrays({"c": None})) == {}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("index", [(0, 0, 0, 0, 0), (1, 0, 6, 2, 3), (1, 1, 0, 1, 2), (0, 1, 4, 0, 1)])
def test_one_changed_cell_state_breaks_its_check_alone(dtype: str, index: tuple[int, ...]) -> None:
    inputs, trace = run_of(dtype=dtype)
    assert trace.cell is not None
    trace.cell[index] += 0.01
    assert details(inputs, trace) == {CELL: "1 of 336 values differ by more than rounding, by up to 0.01"}


@pytest.mark.parametrize("row", range(4))
def test_one_changed_final_cell_state_breaks_its_check_alone(row: int) -> None:
    inputs, trace = run_of()
    assert trace.state_c is not None
    trace.state_c[row, 1, 2] -= np.float32(0.5)
    assert details(inputs, trace) == {STATE: "1 of 48 values differ by more than rounding, by up to 0.5"}


def test_of_many_cell_states_the_last_of_each_lane_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, trace = run_of()
    assert trace.cell is not None
    monkeypatch.setattr(module, "FULL", 336)
    assert cell_checks(inputs, trace)[0].detail == "all 336 values agree, to rounding"
    monkeypatch.setattr(module, "FULL", 335)
    assert cell_checks(inputs, trace)[0].detail == "all 48 checked values (of 336) agree, to rounding"
    trace.cell[:, 0, -1] += np.float32(0.5)
    assert list(details(inputs, trace)) == [CELL]


def test_missing_arrays_are_not_checked() -> None:
    inputs, trace = run_of()
    assert [check.name for check in cell_checks(inputs, trace.with_arrays({"c": None}))] == [STATE]
    assert cell_checks(inputs, trace.with_arrays({"c": None, "state.c": None})) == []
    assert cell_checks(*run_of(cell="gru")) == []


def test_the_largest_difference_is_that_of_a_value_outside_its_bound() -> None:
    tally = module.CellStateTally()
    expected = BoundedArray(np.array([1.0, 0.0, 0.0]), np.array([1e-9, np.inf, 1e9]), 2.0**-52)
    tally.add(np.array([1.5, 1e9, 1e8]), expected, "")
    assert tally.check(CELL, "manual", 3).detail == "1 of 3 values differ by more than rounding, by up to 0.5"

"""Cell states that a trace does not hold: right wherever one looks first, and found without reading the whole past."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.steps import states
from rnnviz.steps.states import CellStates
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of, with_parameters

T, H = 3000, 3
FORGETS, NEVER_FORGETS = 0.0, 40.0


def lstm(forget_bias: float, timesteps: int = T) -> tuple[Inputs, Trace]:
    """A float64 LSTM in both directions, whose engine knows its cell states."""
    inputs = inputs_of(
        {"timesteps": timesteps, "batch_size": 2}, cell="lstm", hidden_size=H, bidirectional=True, dtype="float64"
    )

    def change(name: str, array: FloatArray) -> FloatArray:
        if name.endswith("h2h_bias"):
            array[H : 2 * H] += forget_bias
        return array

    inputs = with_parameters(inputs, change)
    return inputs, computed(ManualEngine(), inputs)[0]


CASES = {bias: lstm(bias) for bias in (FORGETS, NEVER_FORGETS)}


def before(cells: CellStates, direction: int, t: int) -> FloatArray:
    return cells.before(0, direction, t, slice(0, 2), slice(0, H)).value


def expected(inputs: Inputs, trace: Trace, direction: int, t: int) -> FloatArray:
    """c[t-1] of the step at t as the engine itself had it."""
    assert trace.cell is not None
    assert inputs.initial_state.get("c") is not None
    previous = t + 1 if direction else t - 1
    if previous in (-1, inputs.timesteps):
        return inputs.initial_state["c"][direction]
    return trace.cell[0, direction, previous]


@given(
    st.sampled_from((FORGETS, NEVER_FORGETS)),
    st.sampled_from((1 << 9, 1 << 20)),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, T - 1)), min_size=1, max_size=4),
)
def test_c_equals_that_of_the_engine_at_any_step(bias: float, budget: int, looks: list[tuple[int, int]]) -> None:
    inputs, trace = CASES[bias]
    cells = CellStates(inputs, trace.with_arrays({"c": None}), budget)
    for direction, t in looks:
        np.testing.assert_allclose(
            before(cells, direction, t), expected(inputs, trace, direction, t), rtol=1e-9, atol=1e-11
        )


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("bias", [FORGETS, NEVER_FORGETS])
def test_c_after_each_step_of_some_time_steps(bias: float, direction: int) -> None:
    inputs, trace = CASES[bias]
    cells = CellStates(inputs, trace.with_arrays({"c": None}))
    found = cells.after(0, direction, slice(1000, 1040), slice(1, 2), slice(1, 3))
    assert trace.cell is not None
    np.testing.assert_allclose(found.value, trace.cell[0, direction, 1000:1040, 1:2, 1:3], rtol=1e-9, atol=1e-11)


@pytest.fixture
def steps_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many time steps each reading of the trace took."""
    read: list[int] = []
    real = states.layer_input

    def counting(inputs: Inputs, trace: Trace, layer: int, times: slice, samples: Any) -> FloatArray:
        read.append(times.stop - times.start)
        return real(inputs, trace, layer, times, samples)

    monkeypatch.setattr(states, "layer_input", counting)
    return read


def test_a_network_that_forgets_is_read_a_little_way_back_only(steps_read: list[int]) -> None:
    inputs, trace = CASES[FORGETS]
    before(CellStates(inputs, trace.with_arrays({"c": None})), 0, T - 1)
    assert sum(steps_read) < 500


def test_a_network_that_does_not_forget_is_read_whole_once(
    steps_read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "_LARGEST_LOOK", 128)
    monkeypatch.setattr(states, "_BLOCK_VALUES", 600)
    inputs, trace = CASES[NEVER_FORGETS]
    cells = CellStates(inputs, trace.with_arrays({"c": None}))
    before(cells, 1, 0)
    assert sum(steps_read) >= T - 1
    steps_read.clear()
    for t in (0, 1, 5, 700, 1500, 2998):
        before(cells, 1, t)
    assert sum(steps_read) < 6 * 200


def test_known_cell_states_are_not_computed(steps_read: list[int]) -> None:
    inputs, trace = CASES[NEVER_FORGETS]
    cells = CellStates(inputs, trace)
    np.testing.assert_array_equal(before(cells, 1, 12), expected(inputs, trace, 1, 12))
    assert steps_read == []


def test_a_long_path_can_be_interrupted_and_continues_from_there() -> None:
    inputs, trace = lstm(forget_bias=12.0)
    cells = CellStates(inputs, trace.with_arrays({"c": None}))

    class GivenUpError(Exception):
        pass

    def give_up() -> None:
        raise GivenUpError

    cells.interrupt = give_up
    with pytest.raises(GivenUpError):
        before(cells, 0, T - 1)
    cells.interrupt = lambda: None
    assert before(cells, 0, T - 1) == pytest.approx(expected(inputs, trace, 0, T - 1), abs=1e-5)

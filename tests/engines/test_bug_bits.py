"""A few steps of one lane, with all that they read taken from the engine itself: a bug meets what it made there."""

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import StepWindow, expected_and_found, faulty_trace
from rnnviz.engines.known_bugs.registry import known_bugs_of
from rnnviz.engines.manual import ManualEngine
from tests.oracles.computed import computed
from tests.verify.audit_helpers import inputs_of

CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
STEPS = 3


def network(cell: str, *, bidirectional: bool = True) -> Inputs:
    """Two layers of 4 units over 5 time steps and 6 samples."""
    sizes = {"num_layers": 2, "bidirectional": bidirectional, "dtype": "float64"}
    return inputs_of({"timesteps": 5, "batch_size": 6}, cell=cell, hidden_size=4, **sizes)


def parts(inputs: Inputs, *samples: int) -> list[StepWindow]:
    lanes = [(layer, d) for layer in (0, 1) for d in range(inputs.network.directions)]
    return [StepWindow(*lane, STEPS, samples) for lane in lanes]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_first_steps_of_every_lane_equal_the_simulated_bug(cell, bidirectional):
    inputs = network(cell, bidirectional=bidirectional)
    for bug in known_bugs_of(inputs.network):
        for fault in bug.variants[cell]:
            trace = faulty_trace(fault, inputs)
            for part in parts(inputs, 1, 3):
                expected, found = expected_and_found(fault, inputs, trace, part)
                assert found.shape == expected.shape == (STEPS, 2, 4)
                np.testing.assert_allclose(expected, found, rtol=0, atol=1e-12, err_msg=f"{bug.name} {part}")


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        (BugVariant(), {0: [0, 1, 2], 1: [4, 3, 2]}),
        (BugVariant(backward="not_reversed"), {0: [0, 1, 2], 1: [0, 1, 2]}),
        (BugVariant(backward="not_realigned"), {0: [0, 1, 2], 1: [0, 1, 2]}),
    ],
)
def test_the_steps_are_the_first_in_the_order_of_computation(fault, stored):
    inputs = network("lstm")
    trace = computed(ManualEngine(), inputs)[0]
    for part in parts(inputs, 5, 0):
        _, found = expected_and_found(fault, inputs, trace, part)
        there = trace.hidden[part.layer, part.direction][stored[part.direction]][:, [5, 0]]
        np.testing.assert_array_equal(found, there)


def test_a_step_continues_from_the_previous_state_of_the_engine():
    inputs = network("lstm")
    trace = computed(ManualEngine(), inputs)[0]
    for part in parts(inputs, 2):
        right, found = expected_and_found(BugVariant(), inputs, trace, part)
        np.testing.assert_allclose(right, found, rtol=0, atol=1e-12)
        second = -2 if part.direction else 1
        there = trace.hidden[part.layer, part.direction, second, 2]
        there += 0.5
        after, found = expected_and_found(BugVariant(), inputs, trace, part)
        off = np.abs(after - found).max(axis=(1, 2)) > 1e-3
        assert off.tolist() == [False, True, True]
        there -= 0.5


def test_of_exchanged_axes_the_samples_are_the_steps():
    inputs = network("gru")
    fault = BugVariant(batch_as_time=True)
    trace = faulty_trace(fault, inputs)
    # The sixth sample would be a sixth time step.
    expected, found = expected_and_found(fault, inputs, trace, StepWindow(1, 1, 4, (0, 4, 5)))
    np.testing.assert_allclose(expected, found, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found, trace.hidden[1, 1, [0, 4], :1:-1].swapaxes(0, 1))
    whole, _ = expected_and_found(fault, inputs, trace, StepWindow(0, 0, 9, (0,)))
    assert whole.shape == (6, 1, 4)

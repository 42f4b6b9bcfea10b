"""One thing is changed in a network; exactly the cells that can know of it are flagged."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.compare import Comparison, compare
from tests.oracles.computed import computed

SMOOTH = ("rnn_tanh", "lstm", "gru")
"""Cells whose every number moves with every number that it depends on; a relu may hide a change."""

Cells = NDArray[np.bool_]
KINDS = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")


def compared(inputs: Inputs, other: Inputs) -> Comparison:
    """Without any tolerance: the slightest difference is flagged."""
    return compare(computed(ManualEngine(), inputs)[0], computed(ManualEngine(), other)[0], 0.0, 0.0)


def flagged(inputs: Inputs, other: Inputs) -> Cells:
    """(L, D, T): where any value differs."""
    return np.asarray(compared(inputs, other).mismatched_over_time > 0)


def with_input(inputs: Inputs, t: int, sample: int = 0) -> Inputs:
    sequence = np.array(inputs.sequence)
    sequence[t, sample] += 1.0
    return replace(inputs, sequence=sequence)


def with_parameter(inputs: Inputs, name: str, row: int = 0) -> Inputs:
    arrays = {key: np.array(array) for key, array in inputs.parameters.items()}
    arrays[name][row] += 0.5
    return replace(inputs, parameters=Parameters(inputs.network, arrays))


def with_initial_state(inputs: Inputs, place: int, sample: int = 0) -> Inputs:
    h = np.array(inputs.initial_state["h"])
    h[place, sample] += 1.0
    return replace(inputs, initial_state={**inputs.initial_state, "h": h})


def knows_of_input(inputs: Inputs, t: int) -> Cells:
    """Forward lanes of the first layer from t on, backward ones up to t; above, whatever the directions pass on."""
    layers, directions, timesteps, _, _ = inputs.hidden_shape
    cells = np.zeros((layers, directions, timesteps), bool)
    cells[0, 0, t:] = True
    if directions == 2:
        cells[0, 1, : t + 1] = True
        cells[1:] = True
    else:
        cells[1:, 0, t:] = True
    return cells


def knows_of_lane(inputs: Inputs, layer: int, direction: int) -> Cells:
    """The lane itself and every layer above it."""
    cells = np.zeros(inputs.hidden_shape[:3], bool)
    cells[layer, direction] = True
    cells[layer + 1 :] = True
    return cells


def network(cell: str, *, bidirectional: bool, state: str = "normal") -> Inputs:
    return load_inputs(
        Config.from_mapping(
            {
                "network": {
                    "cell": cell,
                    "input_size": 3,
                    "hidden_size": 5,
                    "num_layers": 3,
                    "bidirectional": bidirectional,
                    "dtype": "float64",
                },
                "sequence": {"batch_size": 3, "timesteps": 5},
                "parameters": {"initializer": "uniform", "scale": 0.7},
                "initial_state": {"source": state},
            }
        )
    )


@pytest.fixture(params=[(cell, both) for cell in SMOOTH for both in (False, True)], ids=str)
def inputs(request: pytest.FixtureRequest) -> Inputs:
    cell, both = request.param
    return network(cell, bidirectional=both)


@pytest.mark.parametrize("t", range(5))
def test_a_changed_time_step_flags_the_values_computed_after_it(inputs: Inputs, t: int) -> None:
    np.testing.assert_array_equal(flagged(inputs, with_input(inputs, t)), knows_of_input(inputs, t))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", range(3))
def test_a_changed_parameter_flags_its_lane_and_the_layers_above(inputs: Inputs, layer: int, kind: str) -> None:
    for direction, side in enumerate("lr"[: inputs.network.directions]):
        changed = with_parameter(inputs, f"{side}{layer}_{kind}")
        np.testing.assert_array_equal(flagged(inputs, changed), knows_of_lane(inputs, layer, direction))


@pytest.mark.parametrize("layer", range(3))
def test_a_changed_initial_state_flags_its_lane_and_the_layers_above(inputs: Inputs, layer: int) -> None:
    directions = inputs.network.directions
    for direction in range(directions):
        changed = with_initial_state(inputs, layer * directions + direction)
        np.testing.assert_array_equal(flagged(inputs, changed), knows_of_lane(inputs, layer, direction))


@pytest.mark.parametrize("sample", range(3))
@pytest.mark.parametrize(
    "change",
    [lambda i, n: with_input(i, 2, n), lambda i, n: with_initial_state(i, 0, n)],
    ids=["input", "initial state"],
)
def test_a_change_in_one_sample_flags_no_other(
    inputs: Inputs, change: Callable[[Inputs, int], Inputs], sample: int
) -> None:
    comparison = compared(inputs, change(inputs, sample))
    touched = (comparison.error_ratio_by_column > 0).any(axis=(0, 1, 3))
    np.testing.assert_array_equal(touched, np.arange(3) == sample)


def test_a_changed_recurrent_weight_shows_only_after_the_first_step_with_a_zero_state() -> None:
    inputs = network("lstm", bidirectional=True, state="zeros")
    cells = flagged(inputs, with_parameter(inputs, "r0_h2h_weight"))
    np.testing.assert_array_equal(cells[0, 0], [False] * 5)
    np.testing.assert_array_equal(cells[0, 1], [True, True, True, True, False])
    # With a zero initial state, one time step does not depend on the recurrent weights.
    single = replace(inputs, sequence=inputs.sequence[:1])
    assert not flagged(single, with_parameter(single, "r0_h2h_weight")).any()
    assert flagged(single, with_parameter(single, "r0_h2h_bias")).any()

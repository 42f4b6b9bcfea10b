"""Gradients by the tape equal central finite differences in float64."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.cells.gru import GRU
from rnnviz.cells.gru_reset_before import GRU_RESET_BEFORE
from rnnviz.cells.interpreters.arrays import gate_parts, step_values, values_of_parts
from rnnviz.cells.interpreters.tape import RecordedStep, full_gradients, record_step
from rnnviz.cells.lstm import LSTM
from rnnviz.cells.lstm_peephole import LSTM_PEEPHOLE
from tests.cells.layers import ALL_CELLS, DrawnLayer, draw_layer, drawn_layers

STEP = 1e-6
SMOOTH = [name for name in ACTIVATIONS if "relu" not in name and "hard" not in name]


def differences(array: NDArray[np.float64], loss: Callable[[], float]) -> NDArray[np.float64]:
    """Central finite differences of a loss with respect to every element of an array, which is changed in place."""
    found = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + STEP
        above = loss()
        array[index] = kept - STEP
        found[index] = (above - loss()) / (2.0 * STEP)
        array[index] = kept
    return found


def weights_of(values: dict[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
    """A loss that reads every named value, each with a random weight."""
    generator = np.random.default_rng(1)
    return {name: generator.normal(size=array.shape) for name, array in values.items()}


def weighted(values: dict[str, NDArray[np.float64]], weights: dict[str, NDArray[np.float64]]) -> float:
    return float(sum((weights[name] * values[name]).sum() for name in weights))


def assert_full_gradients(layer: DrawnLayer) -> None:
    cell, p, x, state = layer.cell, layer.parameters, layer.x[0], layer.state
    recorded = record_step(cell, p, x, state)
    weights = weights_of(recorded.values)

    def loss() -> float:
        return weighted(step_values(cell, p, x, state), weights)

    d_x, d_state, d_p = full_gradients(cell, p, x, state, recorded.gradients(weights))
    assert list(d_state) == list(state)
    assert sorted(d_p) == sorted(p)
    arrays = {"x": (x, d_x)} | {k: (state[k], d_state[k]) for k in state} | {k: (p[k], d_p[k]) for k in p}
    for name, (array, gradient) in arrays.items():
        assert gradient.shape == array.shape
        np.testing.assert_allclose(gradient, differences(array, loss), rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", ALL_CELLS)
@given(data=st.data())
def test_gradients_of_everything_a_step_reads(name: str, data: st.DataObject) -> None:
    layer = data.draw(drawn_layers(ALL_CELLS[name]))
    # A kink of relu in the way of a finite difference is so unlikely that no draw has met it.
    assert_full_gradients(layer)


@pytest.mark.parametrize("name", ALL_CELLS)
def test_gradients_of_the_parts_of_a_step(name: str) -> None:
    """u and v by gate, the state by itself, and the parameters that the step reads."""
    layer = draw_layer(ALL_CELLS[name], seed=3)
    cell, p, state = layer.cell, layer.parameters, layer.state
    u = gate_parts(cell.gate_symbols, p, "i2h", layer.x[0])
    v = gate_parts(cell.recurrent_gates, p, "h2h", state["h"])
    recorded = RecordedStep(cell, p, u, v, state)
    weights = weights_of(recorded.values)
    found = recorded.gradients(weights)

    def loss() -> float:
        return weighted(values_of_parts(cell, p, u, v, state), weights)

    for arrays, gradients in ((u, found.u), (v, found.v), (state, found.state)):
        assert list(gradients) == list(arrays)
        for key, array in arrays.items():
            np.testing.assert_allclose(gradients[key], differences(array, loss), rtol=1e-6, atol=1e-7, err_msg=key)
    for key, gradient in found.parameters.items():
        np.testing.assert_allclose(gradient, differences(p[key], loss), rtol=1e-6, atol=1e-7, err_msg=key)


@pytest.mark.parametrize("name", [*SMOOTH, "relu", "leaky_relu", "hard_sigmoid", "keras_hard_sigmoid", "hard_tanh"])
@pytest.mark.parametrize("cell", [LSTM, GRU], ids=lambda cell: cell.name)
def test_gradients_of_every_activation(cell: CellSpec, name: str) -> None:
    for role, _ in cell.activations:
        changed = cell.with_activations(**{role: ACTIVATIONS[name]})
        assert_full_gradients(draw_layer(changed, seed=5, batch_size=2, hidden_size=3, scale=0.4))


def test_gradients_of_a_clipped_cell() -> None:
    assert_full_gradients(draw_layer(LSTM_PEEPHOLE.with_clip(0.5), seed=2))


def test_gradients_add_up_and_can_be_requested_again() -> None:
    """A loss on c and h is the sum of a loss on each; asking twice gives the same."""
    layer = draw_layer(LSTM)
    recorded = record_step(layer.cell, layer.parameters, layer.x[0], layer.state)
    one = {"h": np.ones((3, 4))}, {"c": np.full((3, 4), 2.0)}
    parts = [recorded.gradients(given) for given in one]
    both = recorded.gradients(one[0] | one[1])
    for gate in "ifgo":
        np.testing.assert_allclose(both.u[gate], parts[0].u[gate] + parts[1].u[gate], rtol=1e-12)
        assert np.array_equal(both.u[gate], recorded.gradients(one[0] | one[1]).u[gate])
        # Where u is added to v, both have the gradient of the pre-activation.
        assert np.array_equal(both.u[gate], both.v[gate])


def test_a_gate_read_by_recurrent_leaves_its_own_part_alone() -> None:
    layer = draw_layer(GRU_RESET_BEFORE)
    recorded = record_step(layer.cell, layer.parameters, layer.x[0], layer.state)
    found = recorded.gradients({"h": np.ones((3, 4))})
    assert not found.v["n"].any()
    rows = found.parameters["h2h_weight"].reshape(3, 4, 4)
    assert not rows[:2].any()
    assert rows[2].all()


def test_gradients_of_named_values() -> None:
    """The gradient with respect to a gate is what the loss owes to it by way of everything after it."""
    layer = draw_layer(CELLS["lstm"])
    recorded = record_step(layer.cell, layer.parameters, layer.x[0], layer.state)
    found, values = recorded.gradients({"h": np.ones((3, 4))}), recorded.values
    np.testing.assert_allclose(found.values["o"], np.tanh(values["c"]), rtol=1e-12)
    into_c = values["o"] * (1.0 - np.tanh(values["c"]) ** 2)
    np.testing.assert_allclose(found.values["c"], into_c, rtol=1e-12)
    np.testing.assert_allclose(found.values["f"], into_c * layer.state["c"], rtol=1e-12)

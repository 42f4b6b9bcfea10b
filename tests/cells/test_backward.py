"""The gradients of a layer equal central finite differences in float64."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.cells import CellSpec, Gate, ParameterSpec, Step
from rnnviz.cells.activations import ACTIVATIONS, tanh
from rnnviz.cells.gru import GRU, GRU_RESET_BEFORE
from rnnviz.cells.interpreters import numpy_backward
from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.numpy_backward import NumpyBackward, pass_nothing
from rnnviz.cells.lstm import LSTM, LSTM_PEEPHOLE
from tests.cells.layers import ALL_CELLS, Arrays, DrawnLayer, draw_layer, drawn_layers, gradients_of, stepwise_states
from tests.profiles import nightly_except

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


def random_loss(layer: DrawnLayer) -> tuple[NDArray[np.float64], Arrays]:
    """The weight of h at each step, and those of the last states."""
    generator = np.random.default_rng(1)
    final = {name: generator.normal(size=array.shape) for name, array in layer.state.items()}
    return generator.normal(size=(len(layer.x), *layer.state["h"].shape)), final


def assert_gradients(layer: DrawnLayer) -> None:
    direct, final = random_loss(layer)

    def loss() -> float:
        states = stepwise_states(layer)
        last = sum(float((final[name] * array[-1]).sum()) for name, array in states.items())
        return float((direct * states["h"][1:]).sum()) + last

    found = gradients_of(layer, direct, final)
    assert list(found.before) == list(layer.state)
    assert sorted(found.parameters) == sorted(layer.parameters)
    arrays = {"x": (layer.x, found.x)}
    arrays |= {name: (array, found.before[name]) for name, array in layer.state.items()}
    arrays |= {name: (array, found.parameters[name]) for name, array in layer.parameters.items()}
    for name, (array, gradient) in arrays.items():
        assert gradient.shape == array.shape
        expected = differences(array, loss)
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max(), err_msg=name)


@pytest.mark.parametrize("name", ALL_CELLS)
def test_gradients_of_everything_that_a_layer_reads(name):
    assert_gradients(draw_layer(ALL_CELLS[name], timesteps=3, batch_size=2, hidden_size=3))


@pytest.mark.nightly
@pytest.mark.parametrize("name", ALL_CELLS)
@given(data=st.data())
def test_gradients_of_drawn_layers(name, data):
    assert_gradients(data.draw(drawn_layers(ALL_CELLS[name])))


@pytest.mark.parametrize(
    "name",
    nightly_except(
        [*SMOOTH, "relu", "leaky_relu", "hard_sigmoid", "keras_hard_sigmoid", "hard_tanh"], "softsign", "relu"
    ),
)
@pytest.mark.parametrize("cell", [LSTM, GRU], ids=lambda cell: cell.name)
def test_gradients_of_every_activation(cell, name):
    changed = cell.with_activations(**{role: ACTIVATIONS[name] for role, _ in cell.activations})
    assert_gradients(draw_layer(changed, seed=5, timesteps=2, batch_size=1, input_size=2, hidden_size=2, scale=0.4))


def test_gradients_of_a_clipped_cell():
    assert_gradients(draw_layer(LSTM_PEEPHOLE.with_clip(0.5), seed=2, timesteps=3, batch_size=2, hidden_size=3))


def test_gradients_of_a_cell_of_parameters_alone():
    def step(u, v, state, p):
        return Step(h=p.w @ tanh(p.y))

    own = ParameterSpec("y"), ParameterSpec("w", ("H", "H"), "weight")
    assert_gradients(draw_layer(CellSpec("constant", "", step, (Gate("a", ""),), parameters=own)))


@pytest.mark.parametrize("cell", [LSTM, GRU_RESET_BEFORE], ids=lambda cell: cell.name)
def test_a_block_goes_on_from_the_one_after_it(cell):
    """Two blocks give what one gives, and without truncation the same as with a cut that carries nothing."""
    layer = draw_layer(cell, timesteps=6)
    direct, final = random_loss(layer)
    whole, cut = gradients_of(layer, direct, final), gradients_of(layer, direct, final, pass_on={4: pass_nothing})
    states = stepwise_states(layer)
    later, earlier = (
        DrawnLayer(cell, layer.sizes, layer.parameters, x, {name: array[t] for name, array in states.items()})
        for x, t in ((layer.x[4:], 4), (layer.x[:4], 0))
    )
    second = gradients_of(later, direct[4:], final)
    zeros = {name: np.zeros_like(array) for name, array in final.items()}
    for carried, expected in ((second.before, whole), (zeros, cut)):
        first = gradients_of(earlier, direct[:4], carried)
        for name, array in expected.states.items():
            joined = np.concatenate([first.states[name], second.states[name]])
            np.testing.assert_allclose(joined, array, rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(first.before[name], expected.before[name], rtol=1e-12, atol=1e-14)
        for name, array in expected.parameters.items():
            both = first.parameters[name] + second.parameters[name]
            np.testing.assert_allclose(both, array, rtol=1e-10, atol=1e-12)
    assert not np.array_equal(whole.before["h"], cut.before["h"])


def test_gradients_of_the_parts_of_a_gate():
    """Where u is added to v, both have one gradient; the reset gate scales that of v.n; recurrent() leaves v alone."""
    direct, final = random_loss(draw_layer(LSTM))
    lstm = gradients_of(draw_layer(LSTM), direct, final)
    assert all(np.array_equal(lstm.u[gate], lstm.v[gate]) for gate in "ifgo")
    layer = draw_layer(GRU)
    gru, states = gradients_of(layer, direct, {"h": final["h"]}), stepwise_states(layer)
    r = step_values(GRU, layer.parameters, layer.x[2], {"h": states["h"][2]})["r"]
    np.testing.assert_allclose(gru.v["n"][2], gru.u["n"][2] * r, rtol=1e-12)
    assert "n" not in gradients_of(draw_layer(GRU_RESET_BEFORE), direct, {"h": final["h"]}).v


@pytest.mark.parametrize("way", ["tiles", "features"])
@pytest.mark.parametrize("name", ["lstm", "gru", "lstm_projection", "gru_reset_before"])
def test_the_memory_order_changes_no_gradient(name, way, monkeypatch):
    layer = draw_layer(ALL_CELLS[name], hidden_size=4, projection_size=2 if name == "lstm_projection" else None)
    direct, final = random_loss(layer)
    expected = gradients_of(layer, direct, final)
    if way == "tiles":
        monkeypatch.setattr(numpy_backward, "SMALL_PRODUCT", 1)
        monkeypatch.setattr(numpy_backward, "has_small_products", lambda: True)
        monkeypatch.setattr(numpy_backward, "tile_columns", lambda rows, inputs, size: 2)
    monkeypatch.setattr(numpy_backward, "choose_order", lambda *sizes: "features")
    found = gradients_of(layer, direct, final)
    for symbol, array in expected.states.items():
        np.testing.assert_allclose(found.states[symbol], array, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(found.before[symbol], expected.before[symbol], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("cell", [LSTM, GRU], ids=lambda cell: cell.name)
def test_the_order_of_the_steps_in_memory_changes_no_gradient(cell):
    layer = draw_layer(cell, timesteps=6)
    direct, final = random_loss(layer)
    expected, states = gradients_of(layer, direct, final, pass_on={4: pass_nothing}), stepwise_states(layer)
    before, after = (
        {name: array[part][::-1] for name, array in states.items()} for part in (slice(-1), slice(1, None))
    )
    run = NumpyBackward(cell, layer.parameters).run
    found = run(layer.x[::-1], before, after, direct[::-1], final, {4: pass_nothing}, reverse=True)
    np.testing.assert_allclose(found.x[::-1], expected.x, rtol=1e-12, atol=1e-15)
    for kind in ("states", "u", "v"):
        for name, array in getattr(expected, kind).items():
            np.testing.assert_allclose(getattr(found, kind)[name][::-1], array, rtol=1e-12, atol=1e-15)
    for kind in ("before", "parameters"):
        for name, array in getattr(expected, kind).items():
            np.testing.assert_allclose(getattr(found, kind)[name], array, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", ALL_CELLS)
def test_known_gates_change_no_gradient(name, monkeypatch):
    """Gates that the forward pass stored are not computed again, and rows are computed in parts of any length."""
    layer = draw_layer(ALL_CELLS[name])
    direct, final = random_loss(layer)
    expected, states = gradients_of(layer, direct, final), stepwise_states(layer)
    cell, values = layer.cell, {gate: [] for gate in layer.cell.gate_symbols if gate in trace(layer.cell).values}
    for t, x in enumerate(layer.x):
        step = step_values(cell, layer.parameters, x, {symbol: array[t] for symbol, array in states.items()})
        for gate, found in values.items():
            found.append(step[gate])
    known = {gate: np.stack(found) for gate, found in values.items()}
    before, after = ({name: array[part] for name, array in states.items()} for part in (slice(-1), slice(1, None)))
    monkeypatch.setattr(numpy_backward, "_CACHED_VALUES", 20)
    found = NumpyBackward(cell, layer.parameters).run(layer.x, before, known | after, direct, final)
    for symbol, array in expected.parameters.items():
        np.testing.assert_allclose(found.parameters[symbol], array, rtol=1e-11, atol=1e-13, err_msg=symbol)

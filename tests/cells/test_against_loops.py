"""Every interpreter of every cell agrees with plain loops that were written from the papers."""

import math
from itertools import cycle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CELLS, Sizes
from rnnviz.cells.activations import ACTIVATIONS, Activation
from rnnviz.cells.interpreters.arrays import NamedFunctions, step_values
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.layout import Order
from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.cells.interpreters.symbols import code_lines, helper_lines
from tests.cells.layers import ALL_CELLS, DrawnLayer, draw_layer, drawn_layers, lines_of_step
from tests.oracles.cell_loops import Arrays, cell_values, defaults_of, function, logistic

TOLERANCES = {"float32": 3e-5, "float64": 1e-12}


def assert_near(actual: Arrays, expected: Arrays, tolerance: float) -> None:
    assert sorted(actual) == sorted(expected)
    for name, array in expected.items():
        scale = max(1.0, float(np.abs(array).max()))
        np.testing.assert_allclose(actual[name], array, rtol=0.0, atol=tolerance * scale, err_msg=name)


def program_values(layer: DrawnLayer, *, order: Order | None = None, backward: bool = False) -> tuple[Arrays, Arrays]:
    """Every named value over time, and the final state."""
    names = tuple(name for name in trace(layer.cell).values if name not in layer.cell.state_symbols)
    out = layer.outputs(names)
    program = NumpyProgram(layer.cell, layer.parameters, layer.batch_size, names, order)
    return out, program.run(layer.x, layer.state, out, backward=backward)


@pytest.mark.parametrize("name", ALL_CELLS)
@given(data=st.data())
def test_a_step_equals_the_papers_equations(name, data):
    layer = data.draw(drawn_layers(ALL_CELLS[name]))
    state = layer.state
    expected = cell_values(name, layer.parameters, layer.x, state)
    for t, x in enumerate(layer.x):
        values = step_values(layer.cell, layer.parameters, x, state)
        assert_near(values, {key: array[t] for key, array in expected.items()}, 1e-12)
        state = {key: values[key] for key in state}


@pytest.mark.parametrize("name", ALL_CELLS)
@given(
    data=st.data(),
    backward=st.booleans(),
    order=st.sampled_from(["samples", "features", None]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_a_program_computes_every_value(name, data, backward, order, dtype):
    layer = data.draw(drawn_layers(ALL_CELLS[name])).in_type(dtype)
    out, final = program_values(layer, order=order, backward=backward)
    expected = cell_values(name, layer.parameters, layer.x, layer.state, backward=backward)
    assert_near(out, expected, TOLERANCES[dtype])
    last = 0 if backward else -1
    for symbol, array in final.items():
        assert np.array_equal(array, out[symbol][last])
        assert array.dtype == dtype


@pytest.mark.parametrize("name", ALL_CELLS)
@given(data=st.data(), backward=st.booleans())
def test_bounded_values_are_those_of_the_step_and_bounds_hold(name, data, backward):
    """A float32 engine is within four bounds of the values that follow from its own previous state."""
    layer = data.draw(drawn_layers(ALL_CELLS[name])).in_type("float32")
    out, _ = program_values(layer, backward=backward)
    bounded = BoundedLayer(layer.cell, layer.parameters)
    carried = {symbol: bounded.leaf(array) for symbol, array in layer.state.items() if symbol != "h"}
    before = layer.before(out["h"], backward=backward)
    values, _ = BoundedBlock(bounded, layer.x, before, out, 0).follow(carried, tuple(out), backward=backward)
    for key, array in out.items():
        assert values[key].value.shape == array.shape
        assert (np.abs(values[key].value - array) <= 4 * values[key].bound).all(), key
        assert (values[key].bound <= 1e-4 * (1.0 + np.abs(array))).all(), key


@pytest.mark.parametrize("name", ALL_CELLS)
@given(data=st.data())
def test_bounded_values_from_exact_states_equal_the_oracle(name, data):
    layer = data.draw(drawn_layers(ALL_CELLS[name]))
    expected = cell_values(name, layer.parameters, layer.x, layer.state)
    bounded = BoundedLayer(layer.cell, layer.parameters)
    carried = {symbol: bounded.leaf(array) for symbol, array in layer.state.items() if symbol != "h"}
    block = BoundedBlock(bounded, layer.x, layer.before(expected["h"]), {}, 0)
    values, last = block.follow(carried, tuple(trace(layer.cell).values))
    assert_near({key: value.value for key, value in values.items()}, expected, 1e-12)
    assert_near({key: value.value for key, value in last.items()}, {key: expected[key][-1] for key in last}, 1e-12)


@pytest.mark.parametrize("name", ALL_CELLS)
@given(data=st.data())
def test_the_arithmetic_of_a_unit_is_that_of_the_oracle(name, data):
    layer = data.draw(drawn_layers(ALL_CELLS[name]))
    expected = cell_values(name, layer.parameters, layer.x[:1], layer.state)
    state = {key: array[0] for key, array in layer.state.items()}
    named = trace(layer.cell).values
    for size in ("H", "P") if layer.cell.projects else ("H",):
        units = layer.sizes.of(size)
        unit = data.draw(st.integers(0, units - 1))
        lines = lines_of_step(layer.cell, layer.parameters, layer.x[0, 0], state, unit, size)
        assert [line.name for line in lines] == [key for key, node in named.items() if node.shape == (size,)]
        for line in lines:
            assert line.value == pytest.approx(expected[line.name][0, 0, unit], abs=1e-12)
            if line.argument is not None:
                total = sum(part.scale * part.total for part in line.parts)
                assert total == pytest.approx(line.argument, abs=1e-12)


@pytest.mark.parametrize("name", ALL_CELLS)
@given(data=st.data())
def test_the_source_of_a_notebook_computes_the_same(name, data):
    layer = data.draw(drawn_layers(ALL_CELLS[name]))
    expected = cell_values(name, layer.parameters, layer.x, layer.state)
    lines = code_lines(layer.cell, "l0_")
    source = "\n".join([*helper_lines(lines), *lines])
    names = {f"l0_{key}": array for key, array in layer.parameters.items()} | dict(layer.state)
    for t, x in enumerate(layer.x):
        names |= {"x": x, "np": np, "math": math}
        exec(source, names)
        for symbol in layer.state:
            np.testing.assert_allclose(names[symbol], expected[symbol][t], rtol=0.0, atol=1e-11)


FUNCTIONS = {**ACTIVATIONS, "leaky_relu of a negative slope": ACTIVATIONS["leaky_relu"].with_constants(-0.3)}


def oracle_of(activation: Activation, clip: float | None = None):
    return function(activation.name, activation.alpha, activation.beta, clip)


@pytest.mark.parametrize("clip", [None, 0.4])
@pytest.mark.parametrize(("name", "cell"), [*zip(FUNCTIONS, cycle(("rnn_tanh", "lstm", "gru")), strict=False)])
def test_every_activation_in_every_role(cell, name, clip):
    activation = FUNCTIONS[name]
    for role, _ in CELLS[cell].activations:
        changed = CELLS[cell].with_activations(**{role: activation})
        changed = changed if clip is None else changed.with_clip(clip)
        functions = defaults_of(cell)
        cuts = dict.fromkeys(functions, clip) | {"output": None}
        if clip is not None:
            functions = {key: function(_DEFAULT_NAMES[key], clip=cuts[key]) for key in functions}
        functions[role] = oracle_of(activation, cuts[role])
        layer = draw_layer(changed, timesteps=2, scale=0.3)
        expected = cell_values(cell, layer.parameters, layer.x, layer.state, functions)
        for order in ("samples", "features"):
            out, _ = program_values(layer, order=order)
            assert_near(out, expected, 1e-12)
        state = layer.state
        for t, x in enumerate(layer.x):
            values = step_values(changed, layer.parameters, x, state)
            assert_near(values, {key: array[t] for key, array in expected.items()}, 1e-12)
            state = {key: values[key] for key in state}


_DEFAULT_NAMES = {"gate": "sigmoid", "candidate": "tanh", "output": "tanh", "activation": "tanh"}


@pytest.mark.nightly
def test_a_layer_with_many_samples_and_blocks_of_time():
    """Long enough that the input parts are computed in several blocks, in both directions and orders."""
    for name in ("lstm", "gru_reset_before", "lstm_projection"):
        layer = draw_layer(
            CELLS[name], timesteps=90, batch_size=40, input_size=5, hidden_size=96, projection_size=24, scale=0.1
        ).in_type("float32")
        small = draw_layer(CELLS[name], timesteps=1, scale=0.1)
        assert small.sizes != Sizes(5, 96, 24)
        for backward in (False, True):
            found = [program_values(layer, order=order, backward=backward) for order in ("samples", "features")]
            assert_near(found[0][0], found[1][0], 2e-5)
            state = {key: array.astype(np.float64) for key, array in layer.state.items()}
            p = {key: array.astype(np.float64) for key, array in layer.parameters.items()}
            for t in range(90)[:: -1 if backward else 1]:
                state = {k: v for k, v in step_values(layer.cell, p, layer.x[t], state).items() if k in state}
                np.testing.assert_allclose(found[0][0]["h"][t], state["h"], rtol=0.0, atol=2e-5)


def test_constants_in_float32():
    rounded = Activation("scaled_tanh", 0.1, 0.7).in_float32()
    assert (rounded.name, rounded.alpha, rounded.beta) == ("scaled_tanh", np.float32(0.1), np.float32(0.7))
    assert Activation("elu", 1.0).in_float32() == Activation("elu", 1.0)


@pytest.mark.parametrize(
    "name", ["sigmoid", "tanh", "relu", "leaky_relu", "elu", "softsign", "softplus", "gelu", "exponential", "hard_tanh"]
)
def test_activations_of_another_library_are_those_of_the_papers(name):
    library = NamedFunctions(lambda x, w: x @ w.T, np.vectorize(logistic), np.vectorize(math.erf), np)
    activation = ACTIVATIONS[name]
    x = np.linspace(-3.0, 3.0, 25)
    expected = [function(activation.name, activation.alpha, activation.beta)(v) for v in x]
    np.testing.assert_allclose(library.activate(activation, x), expected, rtol=1e-12, atol=1e-14)

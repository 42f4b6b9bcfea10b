"""The source of a step's backward pass computes the same gradients as the backward pass on arrays."""

import math

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.activations import ACTIVATIONS, clip, tanh
from rnnviz.cells.base import CellSpec, Gate, ParameterSpec, Sizes, StateSpec, Step, recurrent
from rnnviz.cells.interpreters.backward_source import backward_lines
from rnnviz.cells.interpreters.symbols import helper_lines
from tests.cells.layers import DrawnLayer, gradients_of


def two_state_step(u, v, state, p):
    a = u.a - v.a
    m = 0.5 * state.m - a * state.h
    return Step(a=a, m=m, h=-(a * m) + state.h)


CUSTOM = CellSpec("custom", "custom", two_state_step, gates=(Gate("a", "a"),), states=(StateSpec("h"), StateSpec("m")))


def projected_step(u, v, state, p):
    """The recurrent part of a is read from another value, and that of b from none."""
    a = tanh(u.a + recurrent("a", 0.5 * state.h))
    return Step(a=a, h=p.r_weight @ (a * tanh(u.b)))


PROJECTED = CellSpec(
    "projected",
    "projected",
    projected_step,
    gates=(Gate("a", "a"), Gate("b", "b"), Gate("d", "d")),
    states=(StateSpec("h", "P"),),
    parameters=(ParameterSpec("r_weight", ("P", "H"), "weight"),),
)


@pytest.mark.parametrize("cell", [*CELLS.values(), CUSTOM, PROJECTED], ids=lambda cell: cell.name)
def test_gradients_are_those_of_the_backward_pass(cell):
    cell = cell if cell in (CUSTOM, PROJECTED) else cell.with_clip(2.0)
    rng = np.random.default_rng(0)
    sizes = Sizes(3, 4, 2 if cell.states[0].size == "P" else None)
    parameters = {name: rng.normal(size=shape) for name, shape in cell.parameter_shapes(sizes).items()}
    x = rng.normal(size=(5, 3))
    state, given = ({s.symbol: rng.normal(size=(5, sizes.of(s.size))) for s in cell.states} for _ in range(2))
    lines = backward_lines(cell)
    names = {"np": np, "math": math, "x": x, **state, **parameters, **{f"d_{s}": d for s, d in given.items()}}
    exec("\n".join([*helper_lines(lines), *lines]), names)
    found = gradients_of(DrawnLayer(cell, sizes, parameters, x[np.newaxis], state), None, given)
    np.testing.assert_allclose(names["d_x"], found.x[0])
    for symbol, expected in found.before.items():
        np.testing.assert_allclose(names[f"d_{symbol}_before"], expected)
    for name, expected in found.parameters.items():
        np.testing.assert_allclose(names[f"d_{name}"], expected)


@pytest.mark.parametrize(
    "activation", dict.fromkeys([*ACTIVATIONS.values(), clip.with_constants(0.5)]), ids=lambda a: a.key
)
def test_the_source_of_a_slope_is_the_slope(activation):
    x = np.linspace(-3.0, 3.0, 25)
    y = activation.values(x)
    lines = [f"slope = x * 0 + 1.0 * {activation.slope_code('x', 'y')}"]
    names = {"np": np, "math": math, "x": x, "y": y}
    exec("\n".join([*helper_lines(lines), *lines]), names)
    np.testing.assert_allclose(names["slope"], activation.slopes(x, y), rtol=1e-12, atol=1e-14)


def test_the_lines_are_those_of_a_textbook():
    assert backward_lines(CELLS["rnn_tanh"])[4:7] == [
        "d_u = d_h * (1 - h ** 2)",
        "d_x = np.dot(d_u, i2h_weight)",
        "d_i2h_weight = np.dot(d_u.T, x)",
    ]

"""The text of cells: equations, TeX, source, and the arithmetic of a unit."""

import math

import numpy as np
import pytest

from rnnviz.cells import CELLS, CellSpec, Gate, StateSpec, Step, Values
from rnnviz.cells.activations import ACTIVATIONS, gelu, hard_sigmoid, leaky_relu, tanh
from rnnviz.cells.gru import GRU
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.symbols import code_lines, equations, equations_of_all_units, expression, helper_lines
from rnnviz.cells.lstm import LSTM
from rnnviz.cells.rnn import RNN_RELU
from tests.cases import cases

EQUATIONS = cases(__file__)["equations"]


@pytest.mark.parametrize("name", EQUATIONS)
def test_equations(name):
    assert [line.text for line in equations(CELLS[name])] == EQUATIONS[name]


def test_activations_with_constants_are_named_with_them():
    cell = GRU.with_activations(gate=hard_sigmoid, candidate=leaky_relu).with_clip(3)
    assert [line.text for line in equations(cell)[:3]] == [
        "r = hard_sigmoid[0.2, 0.5](clip[3](u_r + v_r))",
        "z = hard_sigmoid[0.2, 0.5](clip[3](u_z + v_z))",
        "n = leaky_relu[0.01](clip[3](u_n + r · v_n))",
    ]


def test_the_source_of_a_gru():
    assert code_lines(GRU, "l0_") == [
        "u = np.dot(x, l0_i2h_weight.T) + l0_i2h_bias",
        "u_r, u_z, u_n = np.split(u, 3, axis=-1)",
        "v = np.dot(h, l0_h2h_weight.T) + l0_h2h_bias",
        "v_r, v_z, v_n = np.split(v, 3, axis=-1)",
        "r = sigmoid(u_r + v_r)",
        "z = sigmoid(u_z + v_z)",
        "n = np.tanh(u_n + r * v_n)",
        "h = (1 - z) * n + z * h",
    ]


def brackets(u: Values, v: Values, state: Values, p: Values) -> Step:
    c = state.c - (u.i - v.i) - (u.i + v.i) * (state.h - 2) + 3 * state.c
    h = c * (state.c * (u.i * c))
    return Step(c=c, h=h)


def test_brackets_are_there_where_they_matter():
    cell = CellSpec("brackets", "", brackets, (Gate("i", ""),), states=(StateSpec("h"), StateSpec("c")))
    assert [line.text for line in equations(cell)] == [
        "c = c[t-1] - (u_i - v_i) - (u_i + v_i) · (h[t-1] - 2) + 3 · c[t-1]",
        "h = c · c[t-1] · u_i · c",
    ]


def test_a_state_that_is_read_after_its_update_keeps_its_previous_value():
    cell = CellSpec("brackets", "", brackets, (Gate("i", ""),), states=(StateSpec("h"), StateSpec("c")))
    assert code_lines(cell)[2:] == [
        "c_next = c - (u - v) - (u + v) * (h - 2) + 3 * c",
        "h = c_next * c * u * c_next",
        "c = c_next",
    ]


def test_the_source_of_a_product_in_the_step_takes_the_rows_of_its_gate():
    def step(u, v, state, p):
        return Step(h=u.a + (u.a * state.h).recurrent("a"))

    for symbols, rows in (("a", "W.T) + b"), ("ba", "np.split(W, 2)[1].T) + np.split(b, 2)[1]")):
        *first, last = code_lines(CellSpec("x", "", step, tuple(Gate(symbol, "") for symbol in symbols)))
        assert first[1:] == (["_, u_a = np.split(u, 2, axis=-1)"] if len(symbols) == 2 else [])
        assert last.replace("h2h_weight", "W").replace("h2h_bias", "b").endswith(f", {rows}")


def test_the_source_of_an_activation_of_a_difference():
    a, b = np.array([0.5, -2.0, 3.0]), np.array([1.0, 0.25, -1.0])
    for name, activation in ACTIVATIONS.items():
        code, names = activation.code("a - b"), {"np": np, "math": math, "a": a, "b": b}
        exec("\n".join(helper_lines([code])), names)
        np.testing.assert_allclose(eval(code, names), activation.values(a - b), rtol=1e-12, err_msg=name)


def test_the_source_of_an_activation_keeps_float32():
    # A number of NumPy's type, such as np.sqrt(2), makes float64 of it with NumPy 2, and not with 1.26.
    names = {"np": np, "x": np.array([0.5, -2.0, 3.0], np.float32), "erf": np.abs, "sigmoid": np.abs}
    codes = {name: activation.code("x") for name, activation in ACTIVATIONS.items()}
    for name, code in (codes | {"slope of gelu": gelu.slope_code("x", "y")}).items():
        assert eval(code, names).dtype == np.float32, name


def test_helpers_are_those_that_the_lines_use():
    assert helper_lines(code_lines(RNN_RELU)) == []
    assert helper_lines(code_lines(GRU))[0] == "def sigmoid(v):"
    assert "erf = np.vectorize(math.erf)" in helper_lines(code_lines(GRU.with_activations(candidate=gelu)))


def test_a_second_name_of_a_value_is_the_first_one():
    def step(u, v, state, p):
        a = tanh(u.a + v.a)
        return Step(a=a, h=a)

    cell = CellSpec("x", "x", step, (Gate("a", "a"),))
    (first, second) = equations(cell)
    assert (first.text, second.text) == ("a = tanh(u_a + v_a)", "h = a")
    (symbol,) = second.symbols
    assert symbol.node is first.node is second.node


def test_each_name_in_an_equation_belongs_to_the_value_that_it_names():
    values = trace(LSTM).values
    (c,) = (equation for equation in equations(LSTM) if equation.name == "c")
    assert {s.text: s.node for s in c.symbols if s.text in values} == {name: values[name] for name in "fig"}


def test_a_value_by_its_operation_and_gates_that_are_computed_alike():
    assert "".join(symbol.text for symbol in expression(LSTM, trace(LSTM).values["c"])) == "f · c[t-1] + i · g"
    alike = equations_of_all_units(LSTM)
    assert alike == ("i, f, o = sigmoid(u + v)", "g = tanh(u + v)", "c = f · c[t-1] + i · g", "h = o · tanh(c)")

"""Graphs of steps: limits, dependence, decay and pre-activations."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.cells import CellError, CellSpec, Gate, ParameterSpec, StateSpec, Step, Values
from rnnviz.cells.activations import relu, sigmoid, tanh
from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.interpreters.backward_graph import backward_graph
from rnnviz.cells.interpreters.graph import Graph, trace, value_limits
from rnnviz.cells.lstm import LSTM, LSTM_PEEPHOLE, LSTM_PROJECTION
from rnnviz.core.config import Network
from tests.cells.layers import ALL_CELLS, draw_layer


def graph_of(step, gates: str = "a b", states: str = "h", parameters: tuple[ParameterSpec, ...] = ()) -> Graph:
    """The graph of a cell with that step."""
    symbols = tuple(Gate(symbol, symbol) for symbol in gates.split())
    return trace(CellSpec("x", "x", step, symbols, states=tuple(map(StateSpec, states.split())), parameters=parameters))


def binary(op: str) -> Graph:
    """h = op(a, b) of two input parts."""

    def step(u: Values, v: Values, state: Values, p: Values) -> Step:
        a, b = u.a, u.b
        return Step(h={"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b}[op]())

    return graph_of(step)


BINARY = {op: binary(op) for op in "+-*"}
INTERVALS = st.tuples(st.integers(-4, 4), st.integers(-4, 4)).map(lambda ends: tuple(map(float, sorted(ends))))


@pytest.mark.parametrize("op", BINARY)
@given(a=INTERVALS, b=INTERVALS)
def test_limits_of_an_operation_are_its_extremes_over_the_corners(op, a, b):
    node = BINARY[op].values["h"]
    corners = [{"+": x + y, "-": x - y, "*": x * y}[op] for x in a for y in b]
    low, high = value_limits(node, dict(zip(node.args, (a, b), strict=True)))
    assert (float(low), float(high)) == (min(corners), max(corners))


def test_zero_times_no_limit_is_zero():
    times = BINARY["*"].values["h"]
    left, right = times.args
    for known, expected in (
        ({}, (-np.inf, np.inf)),
        ({left: (0.0, 0.0)}, (0.0, 0.0)),
        ({left: (0.0, 1.0), right: (0.0, np.inf)}, (0.0, np.inf)),
    ):
        assert tuple(map(float, value_limits(times, known))) == expected


@pytest.mark.parametrize("name", ALL_CELLS)
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_every_value_of_a_step_is_within_its_limits(name, scale):
    layer = draw_layer(ALL_CELLS[name], seed=6, batch_size=50, scale=scale)
    values = step_values(layer.cell, layer.parameters, layer.x[0], layer.state)
    graph = trace(layer.cell)
    known = {
        node: (layer.parameters[node.name], layer.parameters[node.name])
        for node in graph.nodes
        if node.op == "parameter"
    }
    reach = np.abs(layer.state["h"])
    known |= {node: (-reach, reach) for node in graph.nodes if node.op == "state" and node.name == "h"}
    for key, value in values.items():
        low, high = value_limits(graph.values[key], known)
        assert (value >= low).all(), key
        assert (value <= high).all(), key


def test_a_weighted_mean_is_within_its_operands():
    """(1 - z) n + z h is never outside of n and h, whichever is written first."""

    def mean(u, v, state, p):
        z, n = sigmoid(u.a), tanh(u.b)
        return Step(h=(1 - z) * n + z * state.h)

    def turned(u, v, state, p):
        z, n = sigmoid(u.a), tanh(u.b)
        return Step(h=state.h * z + n * (1 - z))

    def not_one(u, v, state, p):
        z, n = sigmoid(u.a), tanh(u.b)
        return Step(h=(2 - z) * n + z * state.h)

    def unlimited(u, v, state, p):
        z, n = relu(u.a), tanh(u.b)
        return Step(h=(1 - z) * n + z * state.h)

    def limits(step):
        graph = graph_of(step)
        h = next(node for node in graph.nodes if node.op == "state")
        return tuple(map(float, value_limits(graph.values["h"], {h: (-0.5, 3.0)})))

    assert limits(mean) == (-1.0, 3.0)
    assert limits(turned) == (-1.0, 3.0)
    # 2 - z is between 1 and 2, and z h between -0.5 and 3.
    assert limits(not_one) == (-2.5, 5.0)
    assert limits(unlimited) == (-np.inf, np.inf)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [((0.0, 1.0), (-1.0, 3.0)), ((0.25, 0.5), (-1.0, 3.0)), ((0.0, 2.0), (-4.0, 8.0)), ((-1.0, 1.0), (-5.0, 7.0))],
)
def test_a_mean_by_a_weight_of_known_limits(weight, expected):
    """Between its operands for weights between 0 and 1; else the corners of (1 - z) a + z b, each term by itself."""

    def step(u, v, state, p):
        return Step(h=(1 - u.a) * u.b + u.a * state.h)

    graph = graph_of(step)
    z, a, b = (next(n for n in graph.nodes if (n.op, n.name) == k) for k in (("u", "a"), ("u", "b"), ("state", "h")))
    found = value_limits(graph.values["h"], {z: weight, a: (-1.0, 2.0), b: (-1.0, 3.0)})
    assert tuple(map(float, found)) == expected


def test_limits_of_a_matrix_product():
    graph = trace(LSTM_PROJECTION)
    weight = np.array([[1.0, -2.0], [0.5, 0.0]])
    matrix = next(node for node in graph.nodes if node.op == "parameter")
    low, high = value_limits(graph.values["h"], {matrix: (weight, weight)})
    np.testing.assert_array_equal(high, [3.0, 0.5])
    np.testing.assert_array_equal(low, [-3.0, -0.5])
    assert value_limits(graph.values["h"]) == (-np.inf, np.inf)
    low, high = value_limits(graph.values["h"], {matrix: (weight - 1.0, weight)})
    np.testing.assert_array_equal(high, [1.0 + 3.0, 0.5 + 1.0])
    np.testing.assert_array_equal(low, -high)


@pytest.mark.parametrize("name", ALL_CELLS)
def test_a_pre_activation_is_the_argument_of_the_activation(name):
    cell = ALL_CELLS[name]
    graph = trace(cell)
    for key, node in graph.values.items():
        before = graph.pre_activation(key)
        assert (before is None) == (node.op != "activation")
        assert before is None or node.args == (before,)


def test_a_pre_activation_may_be_a_named_value_that_an_activation_gives():
    def step(u, v, state, p):
        a = sigmoid(u.a + v.a)
        return Step(a=a, h=tanh(a))

    graph = graph_of(step, "a")
    assert graph.pre_activation("h") is graph.values["a"]


def test_the_pre_activation_of_a_value_that_is_cut_is_that_of_its_activation():
    cut = Network("rnn_relu", 3, 4, clip=0.5).graph
    assert cut.values["h"].args[0].op == "activation"
    assert cut.pre_activation("h").op == "plus"


def test_c_decays_by_f_where_f_is_at_most_one_and_the_rest_has_a_limit():
    graph = trace(LSTM)
    assert graph.decay("c") == (graph.values["f"], 1.0)
    assert graph.decay("h") is None
    # Peepholes read c, a relu has no limit, and a sum of relu's is more than 1.
    assert trace(LSTM_PEEPHOLE).decay("c") is None
    assert trace(LSTM.with_activations(candidate=relu)).decay("c") is None
    assert trace(LSTM.with_activations(gate=relu)).decay("c") is None


def test_a_decay_is_found_in_any_order_of_the_operands():
    def turned(u, v, state, p):
        a, b = sigmoid(u.a + v.a), tanh(u.b + v.b)
        return Step(c=(b + b) + state.c * a, h=b)

    graph = graph_of(turned, states="h c")
    found = graph.decay("c")
    assert found is not None
    assert (found[0].activation, found[1]) == (sigmoid, 2.0)

    def of_h(u, v, state, p):
        a = sigmoid(u.a + v.a)
        return Step(c=a * state.h + a, h=a)

    assert graph_of(of_h, states="h c").decay("c") is None


def test_dependence_is_on_a_value_itself_and_on_all_that_it_reads():
    graph = trace(LSTM)
    reads = {
        (name, other): graph.depends(graph.values[name], lambda node, other=other: node is graph.values[other])
        for name in "ifgoch"
        for other in "ifgoch"
    }
    expected = {(name, name) for name in "ifgoch"} | {("c", x) for x in "ifg"} | {("h", x) for x in "ifgoc"}
    assert {pair for pair, true in reads.items() if true} == expected


def test_the_same_operation_on_the_same_values_is_one_node():
    def step(u, v, state, p):
        return Step(x=u.a + v.a, y=u.a + v.a, z=v.a + u.a, h=2 * u.a - 3 * u.a)

    values = graph_of(step, "a").values
    assert values["x"] is values["y"]
    assert values["x"] is not values["z"]
    assert [arg.args[0].number for arg in values["h"].args] == [2.0, 3.0]


def test_numbers_as_either_operand_of_an_operation():
    """1 - z, z - 1, 2 * z, z * 2, z + 1, 1 + z and -z are all of the algebra."""

    def step(u, v, state, p):
        return Step(h=(1 - u.h) * 2 + (3 + v.h) - (u.h - 4) + 0.5 * v.h + True + -u.h)

    cell = CellSpec("numbers", "", step, (Gate("h", ""),))
    p = {"i2h_weight": np.eye(1), "h2h_weight": np.eye(1), "i2h_bias": np.zeros(1), "h2h_bias": np.zeros(1)}
    values = step_values(cell, p, np.array([[0.3]]), {"h": np.array([[0.7]])})
    assert values["h"] == pytest.approx((1 - 0.3) * 2 + (3 + 0.7) - (0.3 - 4) + 0.5 * 0.7 + 1 - 0.3)


OUTSIDE: dict[str, Callable[..., object]] = {
    "returns nothing": lambda u, v, state, p: None,
    "returns a value": lambda u, v, state, p: u.f,
    "returns int": lambda u, v, state, p: 3,
    "does not give the state h": lambda u, v, state, p: Step(n=u.n),
    "gives h = 2.5,": lambda u, v, state, p: Step(h=2.5),
    "gives h = str,": lambda u, v, state, p: Step(h="x"),
    "gives h of the size P": lambda u, v, state, p: Step(h=p.m @ u.f),
    "reads u.q, but the cell declares f, n.": lambda u, v, state, p: Step(h=u.q),
    "reads state.c, but the cell declares h.": lambda u, v, state, p: Step(h=state.c),
    "reads p.w2, but the cell declares w, m.": lambda u, v, state, p: Step(h=p.w2),
    "reads step.q, but the cell declares h, x.": lambda u, v, state, p: Step(h=Step(h=1, x=2).q),
    "uses the number inf": lambda u, v, state, p: Step(h=u.f * 1e400),
    "decides by the number": lambda u, v, state, p: Step(h=u.f or u.n),
    "uses the matrix m with +": lambda u, v, state, p: Step(h=u.f + p.m),
    "uses the matrix m with -": lambda u, v, state, p: Step(h=u.f - p.m),
    "uses the matrix m with *": lambda u, v, state, p: Step(h=p.m * u.f),
    "@ with something else than a matrix": lambda u, v, state, p: Step(h=p.w @ u.f),
    "shape (P, H) with a value of the size P.": lambda u, v, state, p: Step(h=p.m @ (p.m @ u.f)),
    "shape (P, H) with a value of the size P, H.": lambda u, v, state, p: Step(h=p.m @ p.m),
    "* on values of the sizes H and P": lambda u, v, state, p: Step(h=u.f * (p.m @ u.f)),
    "the gates with recurrent rows are f, n.": lambda u, v, state, p: Step(h=u.f.recurrent("q")),
    "gives recurrent a value of the size P": lambda u, v, state, p: Step(h=(p.m @ u.f).recurrent("n")),
    "takes tanh of a matrix": lambda u, v, state, p: Step(h=tanh(p.m)),
    "takes tanh of a number": lambda u, v, state, p: Step(h=tanh(u.f.constant(2.0))),
}


@pytest.mark.parametrize("words", OUTSIDE)
def test_what_a_step_does_outside_of_the_algebra_is_named(words):
    parameters = ParameterSpec("w", ("H",)), ParameterSpec("m", ("P", "H"), "weight")
    with pytest.raises(CellError) as caught:
        graph_of(OUTSIDE[words], "f n", parameters=parameters)
    assert words in str(caught.value)


def test_what_a_cell_does_not_have_is_named():
    with pytest.raises(CellError, match=r"p\.w, but the cell declares none\.$"):
        graph_of(lambda u, v, state, p: Step(h=p.w))
    # Python itself asks for such names.
    assert not hasattr(Values("p", {}), "__deepcopy__")
    with pytest.raises(CellError, match=r"no activation q: it has gate, candidate, output\.$"):
        LSTM.with_activations(q=relu)


@pytest.mark.parametrize("count", [300, 301])
def test_a_step_has_at_most_300_operations(count):
    def step(u, v, state, p):
        h = u.a
        for _ in range(count):
            h = tanh(h)
        return Step(h=h)

    if count == 300:
        assert len(graph_of(step).nodes) == 301
        return
    with pytest.raises(CellError, match="more than 300 operations"):
        graph_of(step)


def test_partial_derivatives_of_an_lstm():
    graph = trace(LSTM)
    h, c = backward_graph(graph).shared
    assert (h.symbols, c.symbols) == (("h",), ("c",))
    o, squashed = graph.values["h"].args
    (of_c,) = (derivative for node, derivative in h.partial.items() if node is c.node)
    assert of_c.args[0] is o
    assert (of_c.op, of_c.args[1].op, of_c.args[1].args) == ("times", "slope", (squashed, squashed))
    of_o = [derivative for node, derivative in h.partial.items() if node.op in ("u", "v")]
    assert of_o[0] is of_o[1]
    assert of_o[0].args[0] is squashed
    # The slope of a sigmoid follows from its value, and what is read is no gradient.
    assert set(h.contributions.read) >= {o, squashed, of_c.args[1]}
    assert h.contributions.gradient not in h.contributions.read


def test_a_product_is_a_shared_node():
    h, c = backward_graph(trace(LSTM_PROJECTION)).shared
    assert (h.is_product, c.is_product) == (True, False)
    assert h.contributions.gradient.shape == ("H",)


def test_numbers_are_multiplied_and_added_at_once():
    def step(u, v, state, p):
        return Step(h=(0.5 - (0.25 - u.a)) + v.a + v.a)

    (h,) = backward_graph(trace(CellSpec("numbers", "", step, (Gate("a", ""),)))).shared
    assert {node.op: (d.op, d.number) for node, d in h.partial.items()} == {
        "u": ("number", 1.0), "v": ("number", 2.0),
    }  # fmt: skip


def test_the_activation_of_a_gate_is_told_by_its_name():
    assert (trace(LSTM).activation("i"), trace(LSTM).activation("g")) == ("sigmoid", "tanh")
    assert trace(LSTM).activation("c") == "linear"

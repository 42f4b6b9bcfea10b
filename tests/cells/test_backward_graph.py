"""The backward pass of a step as a graph: shared nodes, partial derivatives, and what contributions read."""

from rnnviz.cells import CellSpec, Gate, Step, Values
from rnnviz.cells.interpreters.backward_graph import backward_graph
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.lstm import LSTM, LSTM_PROJECTION


def test_partial_derivatives_of_an_lstm() -> None:
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


def test_a_product_is_a_shared_node() -> None:
    h, c = backward_graph(trace(LSTM_PROJECTION)).shared
    assert (h.is_product, c.is_product) == (True, False)
    assert h.contributions.gradient.shape == ("H",)


def test_numbers_are_multiplied_and_added_at_once() -> None:
    def step(u: Values, v: Values, state: Values, p: Values) -> Step:
        return Step(h=(0.5 - (0.25 - u.a)) + v.a + v.a)

    (h,) = backward_graph(trace(CellSpec("numbers", "", step, (Gate("a", ""),)))).shared
    assert {node.op: (d.op, d.number) for node, d in h.partial.items()} == {
        "u": ("number", 1.0), "v": ("number", 2.0),
    }  # fmt: skip

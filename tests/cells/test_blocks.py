"""Blocks of plain arrays: named values that follow from recorded hidden values, with carried states."""

from typing import Any

import numpy as np
import pytest

from rnnviz.cells import CellSpec, StateSpec, Step, Values
from rnnviz.cells.activations import sigmoid, tanh
from rnnviz.cells.interpreters.arrays import ArrayBlock, ArrayLayer, gate_parts, reordered_rows, step_values
from rnnviz.cells.interpreters.graph import Node, trace
from rnnviz.cells.lstm import LSTM
from tests.cells.layers import ALL_CELLS, DrawnLayer, draw_layer
from tests.oracles.cell_loops import Arrays, cell_values


class Block(ArrayBlock):
    """All time steps of a layer whose hidden values (T, N, H) are known."""

    def __init__(self, layer: DrawnLayer, hidden: np.ndarray, *, backward: bool = False) -> None:
        super().__init__(trace(layer.cell), len(layer.x))
        cell, p = layer.cell, layer.parameters
        self._before = layer.before(hidden, backward=backward)
        self._leaves = {
            "u": gate_parts(cell.gate_symbols, p, "i2h", layer.x),
            "v": gate_parts(cell.recurrent_gates, p, "h2h", self._before),
            "parameter": p,
            "state": {"h": self._before},
        }
        self.layer = ArrayLayer.of(cell, p)

    def leaf(self, node: Node) -> Any:
        return node.number if node.op == "number" else self._leaves[node.op][node.name]


def followed(layer: DrawnLayer, hidden: np.ndarray, names: tuple[str, ...] = (), *, backward: bool = False) -> Arrays:
    """Values by name, and the carried states after the last computed step as "last.c"."""
    block = Block(layer, hidden, backward=backward)
    carried = {name: array for name, array in layer.state.items() if name != "h"}
    values, last = block.follow(carried, names, backward=backward)
    return values | {f"last.{k}": v for k, v in last.items()}


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", ALL_CELLS)
def test_values_of_a_block_are_those_of_the_oracle(name, backward):
    layer = draw_layer(ALL_CELLS[name], seed=4, timesteps=5)
    expected = cell_values(name, layer.parameters, layer.x, layer.state, backward=backward)
    found = followed(layer, expected["h"], tuple(trace(layer.cell).values), backward=backward)
    last = {f"last.{key}": expected[key][0 if backward else -1] for key in layer.state if key != "h"}
    assert sorted(found) == sorted(expected | last)
    for key, array in (expected | last).items():
        np.testing.assert_allclose(found[key], array, rtol=0.0, atol=1e-12, err_msg=key)


def test_the_last_states_of_a_block_are_a_copy():
    layer = draw_layer(ALL_CELLS["lstm"])
    hidden = cell_values("lstm", layer.parameters, layer.x, layer.state)["h"]
    found = followed(layer, hidden)
    found["c"][:] = np.nan
    assert np.isfinite(found["last.c"]).all()


def state_by_a_product(u: Values, v: Values, state: Values, p: Values) -> Step:
    """The new c reads the previous c of all units."""
    i = sigmoid(u.i + v.i)
    c = tanh(u.g + (i * state.c).recurrent("g"))
    return Step(i=i, c=c, h=i * c)


def four_states(u: Values, v: Values, state: Values, p: Values) -> Step:
    """Two names of one new state, one that reads only inputs, and previous states that are read after the loop."""
    c, k = tanh(u.i + v.i) * state.c + state.m, u.g + v.g
    return Step(c=c, m=c, k=k, late=state.k - state.c, h=tanh(c + state.k))


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(("step", "states"), [(state_by_a_product, "hc"), (four_states, "hcmk")])
def test_carried_states_of_every_kind(step, states, backward):
    cell = CellSpec("x", "", step, LSTM.gates[:1] + LSTM.gates[2:3], states=tuple(map(StateSpec, states)))
    layer = draw_layer(cell, timesteps=4)
    state, order = layer.state, slice(None, None, -1 if backward else 1)
    steps = []
    for x in layer.x[order]:
        state = step_values(cell, layer.parameters, x, state)
        steps.append(state)
    expected = {name: np.stack([values[name] for values in steps])[order] for name in state}
    found = followed(layer, expected["h"], tuple(expected), backward=backward)
    for name, array in (expected | {f"last.{name}": state[name] for name in states[1:]}).items():
        np.testing.assert_allclose(found[name], array, rtol=0.0, atol=1e-13, err_msg=name)


def test_rows_of_gates_in_another_order():
    rows = np.arange(8.0).reshape(4, 2)
    expected = [[4.0, 5.0], [6.0, 7.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0], [2.0, 3.0]]
    np.testing.assert_array_equal(reordered_rows(rows, ("i", "o"), ("o", "f", "i")), expected)
    np.testing.assert_array_equal(reordered_rows(rows, ("i", "o"), ("o",)), rows[2:])

"""Cells as JSON text: the same values, and an error for damaged text."""

import json
import pickle

import numpy as np
import pytest

from rnnviz.cells import CELLS, CellError
from rnnviz.cells.activations import elu, hard_sigmoid
from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.cell_json import cell_from_json, cell_to_json
from tests.cells.layers import ALL_CELLS, draw_layer


@pytest.mark.parametrize("cell", ALL_CELLS.values(), ids=ALL_CELLS)
def test_a_cell_from_its_text_gives_the_same_values(cell):
    layer = draw_layer(cell)
    values = [
        step_values(c, layer.parameters, layer.x[0], layer.state) for c in (cell, cell_from_json(cell_to_json(cell)))
    ]
    assert values[0].keys() == values[1].keys()
    for name in values[0]:
        assert np.array_equal(values[0][name], values[1][name]), name


@pytest.mark.parametrize("cell", ALL_CELLS.values(), ids=ALL_CELLS)
def test_a_cell_from_its_text_is_equal_and_reads_the_same(cell):
    one, other = (cell_from_json(cell_to_json(cell)) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert equations_of_all_units(one) == equations_of_all_units(cell)
    assert cell_to_json(one) == cell_to_json(cell)


def changed(**changes: object) -> str:
    return json.dumps(json.loads(cell_to_json(ALL_CELLS["mgu"])) | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        changed(operations=[["u", "f"], ["plus", 0, 1]]),
        changed(operations=[["u", "f"], ["plus", 0, -1]]),
        changed(operations=[["u", "f"], ["activation", 0, "__class__", 0.0, 0.0]]),
        changed(operations=[["u", "__class__"]]),
        changed(operations=[["number", float("nan")]]),
        changed(operations=[["exec", "f"]]),
        changed(names={"f": 0}),
        changed(names={"h": 10**6}),
        changed(parameters=[["a b", ["H"], "weight"]]),
        changed(parameters=[["w", ["Q"], "weight"]]),
        changed(states={"h": "P"}),
        changed(gates=3),
    ],
)
def test_damaged_text_is_an_error(text):
    with pytest.raises(CellError, match=r"The stored cell is damaged: (?!None).+\.$"):
        cell_from_json(text)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_goes_to_another_process(name):
    for cell in (CELLS[name], CELLS[name].with_clip(2.0)):
        there = pickle.loads(pickle.dumps(cell))
        assert there == cell
        assert hash(there) == hash(cell)


def test_constants_of_activations_are_kept():
    made = {"gate": hard_sigmoid.with_constants(0.3, 0.4), "candidate": elu.with_constants(1.7)}
    assert (made["gate"].alpha, made["gate"].beta, made["candidate"].beta) == (0.3, 0.4, elu.beta)
    assert hard_sigmoid.with_constants(beta=0.4) == hard_sigmoid.with_constants(hard_sigmoid.alpha, 0.4)
    cell = CELLS["gru"].with_activations(**made)
    read = cell_from_json(cell_to_json(cell))
    for name, gate in (("r", "gate"), ("n", "candidate")):
        assert trace(read).values[name].activation == made[gate]

"""The shapes that follow from a network's sizes."""

from typing import Any

import pytest
from hypothesis import given

from rnnviz.core.config import Config, Network
from tests.strategies import config_mappings


@pytest.mark.parametrize(("cell", "rows"), [("rnn_relu", 4), ("rnn_tanh", 4), ("lstm", 16), ("gru", 12)])
def test_the_shapes_of_three_layers_in_both_directions_are_standard(cell: str, rows: int) -> None:
    network = Network(cell, 3, 4, num_layers=3, bidirectional=True)
    assert network.directions == 2
    assert [network.layer_input_size(layer) for layer in range(3)] == [3, 8, 8]
    assert list(network.parameter_shapes().items()) == [
        (f"{side}{layer}_{name}", shape)
        for layer, features in enumerate((3, 8, 8))
        for side in "lr"
        for name, shape in (
            ("i2h_weight", (rows, features)),
            ("h2h_weight", (rows, 4)),
            ("i2h_bias", (rows,)),
            ("h2h_bias", (rows,)),
        )
    ]
    assert network.parameter_count == 2 * rows * ((3 + 4 + 2) + 2 * (8 + 4 + 2))
    assert network.state_shape(5) == (6, 5, 4)
    assert network.hidden_shape(7, 5) == (3, 2, 7, 5, 4)
    assert network.output_shape(7, 5) == (5, 7, 8)
    assert Network(cell, 3, 4, bidirectional=True, layout="TNC").output_shape(7, 5) == (7, 5, 8)


@given(config_mappings())
def test_the_derived_shapes_fit_each_other(values: dict[str, Any]) -> None:
    network = Config.from_mapping(values).network
    gates = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}[network.cell]
    size, directions = network.hidden_size, 2 if network.bidirectional else 1
    shapes = network.parameter_shapes()
    assert list(shapes)[:4] == ["l0_i2h_weight", "l0_h2h_weight", "l0_i2h_bias", "l0_h2h_bias"]
    assert len(shapes) == 4 * directions * network.num_layers
    for layer in range(network.num_layers):
        features = network.input_size if layer == 0 else directions * size
        for side in "lr"[:directions]:
            assert shapes[f"{side}{layer}_i2h_weight"] == (gates * size, features)
            assert shapes[f"{side}{layer}_h2h_weight"] == (gates * size, size)
            assert shapes[f"{side}{layer}_i2h_bias"] == shapes[f"{side}{layer}_h2h_bias"] == (gates * size,)
    count = 0
    for shape in shapes.values():
        count += shape[0] * (shape[1] if len(shape) == 2 else 1)
    assert network.parameter_count == count
    assert network.state_shape(3) == (network.num_layers * directions, 3, size)

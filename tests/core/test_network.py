"""The shapes that follow from a network's sizes."""

import pytest

from rnnviz.core.config import Network


@pytest.mark.parametrize(("cell", "rows"), [("rnn_relu", 4), ("rnn_tanh", 4), ("lstm", 16), ("gru", 12)])
def test_the_shapes_of_three_layers_in_both_directions_are_standard(cell, rows):
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

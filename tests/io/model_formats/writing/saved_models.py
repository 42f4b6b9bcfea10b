"""A network with weights to write, and its expected results in every reader."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config, InitialStateSource, Network, ParameterSource, SequenceSource
from rnnviz.core.inputs import Inputs, draw_initial_state
from rnnviz.core.parameters import draw_parameters
from rnnviz.core.sequence import draw_sequence
from rnnviz.io.model_formats.load import format_for
from tests.oracles.computed import assert_near
from tests.oracles.recurrence import recurrence

INPUT, HIDDEN = 3, 4
NETWORKS = [(cell, *sizes) for cell in ("rnn_relu", "lstm") for sizes in ((1, False), (3, True))]
NETWORKS += [(cell, *sizes) for cell in ("rnn_tanh", "gru") for sizes in ((1, True), (3, False))]


def made(cell: str, layers: int = 1, both: bool = False, dtype: str = "float32", scale: float = 0.5) -> Inputs:
    """A network of random weights, biases, states and inputs, none of them zero."""
    network = Network(cell, INPUT, HIDDEN, layers, both, dtype=dtype)
    config = Config(
        network,
        SequenceSource(batch_size=2, timesteps=5),
        ParameterSource(initializer="normal", scale=scale, seed=7),
        InitialStateSource(source="normal"),
    )
    return Inputs(
        config,
        draw_sequence(config.sequence, network.input_size, network.dtype),
        draw_parameters(network, config.parameters),
        draw_initial_state(network, config.initial_state, 2),
    )


def write(inputs: Inputs, path: Path) -> Path:
    """Write the weights in the format of the path's ending."""
    format_for(path).write(inputs.network, inputs.parameters, path)
    return path


def assert_reproduces(inputs: Inputs, out: NDArray[np.floating], states: Sequence[NDArray[np.floating]]) -> None:
    """A library's out (T, N, D·H) and final states equal the oracle with the weights written."""
    answer = recurrence(inputs)
    assert_near(out, answer.output, 1e-5, "out")
    expected = [answer.state_h] if answer.state_c is None else [answer.state_h, answer.state_c]
    for name, found, right in zip("hc", states, expected, strict=False):
        assert_near(found, right, 1e-5, name)
    assert len(states) == len(expected)

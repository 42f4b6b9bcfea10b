"""The state before the first step."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from rnnviz.core.config import InitialStateSource, Network
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import checked_state, draw_initial_state
from tests.strategies import SEEDS, network_tables

LSTM = Network("lstm", 3, 4, num_layers=2, bidirectional=True, dtype="float64")
GRU = Network("gru", 3, 4, dtype="float64")
NETWORKS = network_tables(dtype="float64").map(lambda table: Network(**table))


@given(NETWORKS, SEEDS)
def test_a_random_state_is_pinned_to_numpys_generator_h_before_c(network: Network, seed: int) -> None:
    state = draw_initial_state(network, InitialStateSource("normal", seed), 3)
    generator = np.random.default_rng(seed)
    shape = (network.num_layers * (2 if network.bidirectional else 1), 3, network.hidden_size)
    np.testing.assert_array_equal(state["h"], generator.normal(size=shape))
    assert (state.get("c") is not None) == (network.cell == "lstm")
    if state.get("c") is not None:
        np.testing.assert_array_equal(state.get("c"), generator.normal(size=shape))
    assert not any(array.flags.writeable for array in state.values())


def test_a_state_of_zeros_is_zero_and_float32_rounds_the_same_numbers() -> None:
    zeros = draw_initial_state(LSTM, InitialStateSource("zeros", 5), 3)
    assert not zeros["h"].any()
    assert not zeros["c"].any()
    exact = draw_initial_state(LSTM, InitialStateSource("normal", 5), 3)
    rounded = draw_initial_state(replace(LSTM, dtype="float32"), InitialStateSource("normal", 5), 3)
    for left, right in zip(exact.values(), rounded.values(), strict=True):
        assert (left.shape, right.dtype) == ((4, 3, 4), np.float32)
        np.testing.assert_array_equal(left.astype(np.float32), right)


@pytest.mark.parametrize(
    ("network", "shapes", "sentence"),
    [
        (LSTM, {"c": (4, 3, 4)}, "The initial state lacks h, which must have the shape (4, 3, 4)."),
        (LSTM, {"h": (4, 3, 4)}, "The initial state lacks c, which must have the shape (4, 3, 4)."),
        (
            LSTM,
            {"h": (4, 3, 4), "c": (3, 4, 4)},
            "c of the initial state has the shape (3, 4, 4), but the network needs (4, 3, 4).",
        ),
        (GRU, {"h": (1, 3, 4), "c": (1, 3, 4)}, "The initial state holds c, but the cell gru has only h."),
    ],
)
def test_missing_misshapen_and_unknown_states_are_named(
    network: Network, shapes: dict[str, tuple[int, ...]], sentence: str
) -> None:
    with pytest.raises(InputError) as caught:
        checked_state(network, 3, {name: np.zeros(shape) for name, shape in shapes.items()})
    assert str(caught.value) == sentence

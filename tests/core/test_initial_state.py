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


def test_float32_rounds_the_same_numbers() -> None:
    exact = draw_initial_state(LSTM, InitialStateSource("normal", 5), 3)
    rounded = draw_initial_state(replace(LSTM, dtype="float32"), InitialStateSource("normal", 5), 3)
    for left, right in zip(exact.values(), rounded.values(), strict=True):
        assert right.dtype == np.float32
        np.testing.assert_array_equal(left.astype(np.float32), right)


def test_a_state_of_zeros_is_zero_whatever_the_seed() -> None:
    state = draw_initial_state(LSTM, InitialStateSource("zeros", 5), 3)
    assert state["h"].shape == (4, 3, 4)
    assert not state["h"].any()
    assert not state["c"].any()


@pytest.mark.parametrize("missing", ["h", "c"])
def test_a_missing_array_is_named_with_its_shape(missing: str) -> None:
    arrays = {name: np.zeros((4, 3, 4)) for name in "hc" if name != missing}
    with pytest.raises(InputError, match=rf"^The initial state lacks {missing}, .* the shape \(4, 3, 4\)\.$"):
        checked_state(LSTM, 3, arrays)


@pytest.mark.parametrize("name", ["h", "c"])
def test_shape_error_has_both_shapes(name: str) -> None:
    arrays = {"h": np.zeros((4, 3, 4)), "c": np.zeros((4, 3, 4)), name: np.zeros((3, 4, 4))}
    with pytest.raises(InputError) as caught:
        checked_state(LSTM, 3, arrays)
    assert str(caught.value) == f"{name} of the initial state has the shape (3, 4, 4), but the network needs (4, 3, 4)."


def test_a_cell_state_is_refused_where_the_cell_has_none() -> None:
    with pytest.raises(InputError, match=r"^The initial state holds c, but the cell gru has only h\.$"):
        checked_state(GRU, 3, {"h": np.zeros((1, 3, 4)), "c": np.zeros((1, 3, 4))})

"""Weights and biases: drawn once in Gluon's order, determined by the seed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Network, ParameterSource
from rnnviz.core.errors import InputError
from rnnviz.core.parameters import Parameters, draw_parameters
from tests.strategies import SEEDS, network_tables

NETWORK = Network("lstm", 3, 4, num_layers=2, bidirectional=True, dtype="float64")
NETWORKS = network_tables().map(lambda table: Network(**table))
SOURCES = st.builds(
    ParameterSource,
    st.sampled_from(("xavier", "normal", "uniform", "orthogonal")),
    st.sampled_from(("zeros", "uniform")),
    st.floats(0.01, 10.0),
    SEEDS,
)


def named(network: Network, **changes: Any) -> dict[str, np.ndarray]:
    arrays = {name: np.zeros(shape) for name, shape in network.parameter_shapes().items()}
    return {**arrays, **changes}


@given(NETWORKS, SOURCES)
def test_seed_determines_the_parameters(network, source):
    first, second = draw_parameters(network, source), draw_parameters(network, source)
    other = draw_parameters(network, replace(source, seed=source.seed ^ 1))
    for name, shape in network.parameter_shapes().items():
        assert first[name].shape == shape
        assert first[name].dtype == network.dtype
        np.testing.assert_array_equal(first[name], second[name])
        assert not first[name].flags.writeable
        if name.endswith("bias"):
            limit = 0.0 if source.bias == "zeros" else source.scale
            assert np.abs(first[name]).max() <= limit * (1 + 1e-7)
            assert (first[name] == 0.0).all() == (source.bias == "zeros")
    if source.initializer != "orthogonal":
        assert not np.array_equal(first["l0_h2h_weight"], other["l0_h2h_weight"])


@given(NETWORKS, SOURCES)
def test_dtypes_share_the_draws(network, source):
    exact = draw_parameters(replace(network, dtype="float64"), source)
    rounded = draw_parameters(replace(network, dtype="float32"), source)
    for name, array in exact.items():
        np.testing.assert_array_equal(array.astype(np.float32), rounded[name])


def test_draws_follow_numpy_in_gluons_order():
    generator = np.random.default_rng(7)
    expected = {}
    for layer, features in enumerate((3, 8)):
        for side in "lr":
            for kind, columns in (("i2h", features), ("h2h", 4)):
                width = np.sqrt(6.0 / (16 + columns))
                expected[f"{side}{layer}_{kind}_weight"] = generator.uniform(-width, width, (16, columns))
            for kind in ("i2h", "h2h"):
                expected[f"{side}{layer}_{kind}_bias"] = generator.uniform(-0.25, 0.25, 16)
    drawn = draw_parameters(NETWORK, ParameterSource("xavier", "uniform", 0.25, 7))
    assert list(drawn) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(drawn[name], array, rtol=1e-15, atol=0.0, err_msg=name)


@pytest.mark.parametrize("initializer", ["normal", "uniform"])
def test_normal_and_uniform_draws(initializer):
    generator = np.random.default_rng(7)
    shape = (16, 3)
    expected = generator.normal(0, 0.25, shape) if initializer == "normal" else generator.uniform(-0.25, 0.25, shape)
    drawn = draw_parameters(NETWORK, ParameterSource(initializer, "zeros", 0.25, 7))
    np.testing.assert_array_equal(drawn["l0_i2h_weight"], expected)


@pytest.mark.parametrize("features", [3, 4, 6], ids=["tall", "square", "wide"])
def test_orthogonal_weights_follow_gram_schmidt(features):
    drawn = draw_parameters(
        Network("rnn_tanh", features, 4, dtype="float64"), ParameterSource("orthogonal", "zeros", seed=7)
    )["l0_i2h_weight"]
    vectors = np.random.default_rng(7).normal(size=(max(4, features), min(4, features))).T
    found: list[np.ndarray] = []
    for vector in vectors:
        rest = vector - sum(before * (before @ vector) for before in found)
        found.append(rest / np.sqrt(rest @ rest))
    np.testing.assert_allclose(drawn if features > 4 else drawn.T, found, atol=1e-13)


def test_an_orthogonal_row_has_the_length_1():
    drawn = draw_parameters(Network("lstm_peephole", 3, 4), ParameterSource("orthogonal"))["l0_c2i_weight"]
    assert drawn.shape == (4,)
    assert np.linalg.norm(drawn) == pytest.approx(1.0)


def test_orthogonal_signs_are_balanced():
    network = Network("rnn_tanh", 1, 3, dtype="float64")
    draws = [draw_parameters(network, ParameterSource("orthogonal", seed=seed))["l0_h2h_weight"] for seed in range(400)]
    # Without the correction by R's diagonal the first column's first number would always be negative.
    assert 120 < sum(draw[0, 0] > 0 for draw in draws) < 280
    assert 120 < sum(np.linalg.det(draw) > 0 for draw in draws) < 280


def test_each_lane_has_four_arrays():
    drawn = draw_parameters(NETWORK, ParameterSource())
    for layer in range(2):
        for direction, side in enumerate("lr"):
            own = drawn.layer(layer, direction)
            for kind in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"):
                np.testing.assert_array_equal(getattr(own, kind), drawn[f"{side}{layer}_{kind}"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"r1_i2h_weight": None}, "The weights lack r1_i2h_weight, which must have the shape (16, 8)."),
        ({"l0_i2h_weight": (3, 16)}, "l0_i2h_weight has the shape (3, 16), but the network needs (16, 3)."),
        ({"l0_i2h_weight": ()}, "l0_i2h_weight has the shape (), but the network needs (16, 3)."),
        (
            {"l2_i2h_weight": (16, 4)},
            "The weights hold l2_i2h_weight, which this network does not have: it has l0_i2h_weight, l0_h2h_weight, ",
        ),
    ],
    ids=str,
)
def test_missing_misshapen_and_unknown_arrays_are_named(changes, sentence):
    arrays = named(NETWORK, **{name: np.zeros(shape or ()) for name, shape in changes.items()})
    arrays = {name: array for name, array in arrays.items() if changes.get(name, ()) is not None}
    with pytest.raises(InputError) as caught:
        Parameters(NETWORK, arrays)
    assert str(caught.value).startswith(sentence)


def test_float32_overflow_is_infinity():
    network = Network("rnn_tanh", 1, 1)
    arrays = named(network, l0_i2h_weight=np.array([[1e300]]), l0_h2h_weight=np.array([[np.nan]]))
    kept = Parameters(network, arrays)
    assert kept["l0_i2h_weight"][0, 0] == np.inf
    assert np.isnan(kept["l0_h2h_weight"][0, 0])

"""Loss gradients: drawn, read, stored, and their places in the backward pass."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import check_loss_shapes, gradient_names, gradient_shapes
from rnnviz.core.inputs import open_inputs, save_inputs
from rnnviz.io.inputs import load_inputs
from tests.cases import cases
from tests.refusals import refused_key

NETWORK = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2, "bidirectional": True}


def config(network=NETWORK, lengths=None, **backward):
    sequence = {"timesteps": 5, "batch_size": 2, **({"lengths": lengths} if lengths else {})}
    return Config.from_mapping({"network": network, "sequence": sequence, "backward": {"enabled": True, **backward}})


def test_without_a_backward_pass_there_is_no_loss():
    assert load_inputs(config(enabled=False)).loss is None


@pytest.mark.parametrize(
    ("loss", "final_state"), [("sum", "zeros"), ("normal", "ones"), ("sum", "normal"), ("value", "ones")]
)
def test_stored_loss_gradients_are_the_drawn_ones(tmp_path, loss, final_state):
    value = {"value": [1, 0, 2, 1, 3]} if loss == "value" else {}
    inputs = load_inputs(config(lengths=[3, 5], loss=loss, final_state=final_state, truncate=2, **value))
    kept = open_inputs(save_inputs(tmp_path / "inputs", inputs).folder)
    assert kept.lengths == (3, 5)
    for found in (inputs.loss, kept.loss):
        expected = {"sum": 1.0, "normal": None}.get(loss)
        assert (found.out is None) == (loss == "value")
        if expected:
            np.testing.assert_array_equal(found.out[:3], 1.0)
        if found.out is not None:
            assert found.out.shape == (5, 2, 8)
            assert not found.out[3:, 0].any()
        assert {name: array.shape for name, array in found.state.items()} == {"h": (4, 2, 4), "c": (4, 2, 4)}
        assert found.state["c"].any() == (final_state != "zeros")
        np.testing.assert_array_equal(found.state["h"], inputs.loss.state["h"])
        assert (found.value, found.truncate) == (tuple(value["value"]) if value else None, 2)


def test_the_direct_part_is_the_lanes_half_of_out_in_the_top_layer():
    loss, network = load_inputs(config(loss="normal")).loss, config().network
    assert loss.direct(network, 0, 0, range(5), 2) is None
    np.testing.assert_array_equal(loss.direct(network, 1, 1, range(1, 4), 2), loss.out[1:4, :, 4:])


def test_one_value_is_the_direct_part_of_its_own_step():
    loss, network = load_inputs(config(value=[0, 1, 2, 1, 3])).loss, config().network
    direct = loss.direct(network, 0, 1, range(1, 4), 2)
    assert direct[1, 1, 3] == 1.0
    assert direct.sum() == 1.0
    assert loss.direct(network, 0, 1, range(3, 5), 2) is None
    assert loss.direct(network, 1, 1, range(5), 2) is None


def test_truncation_cuts_between_chunks_and_not_before_the_first():
    loss = load_inputs(config(truncate=2)).loss
    assert [t for t in range(5) if loss.cuts(t)] == [2, 4]
    assert not any(replace(loss, truncate=None).cuts(t) for t in range(5))


def test_some_samples_have_their_own_loss_gradients():
    inputs = load_inputs(config(lengths=[3, 5], loss="normal", final_state="normal"))
    some = inputs.of_samples(np.array([1]))
    np.testing.assert_array_equal(some.loss.out[:, 0], inputs.loss.out[:, 1])
    np.testing.assert_array_equal(some.loss.state["c"][:, 0], inputs.loss.state["c"][:, 1])
    assert inputs.of_samples(np.array([0])).lengths == (3,)
    one = load_inputs(config(value=[0, 1, 2, 1, 3]))
    assert one.of_samples(np.array([1])).loss.value == (0, 1, 2, 0, 3)
    assert one.of_samples(np.array([0])).loss is None


def test_a_file_has_the_loss_gradients(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"output": rng.normal(size=(5, 2, 8)), "cell_state": rng.normal(size=(4, 2, 4))}
    np.savez(tmp_path / "loss.npz", **arrays)
    loss = load_inputs(config(path=str(tmp_path / "loss.npz"))).loss
    np.testing.assert_array_equal(loss.out, arrays["output"].astype(np.float32))
    np.testing.assert_array_equal(loss.state["c"], arrays["cell_state"].astype(np.float32))
    assert not loss.state["h"].any()
    np.savez(tmp_path / "loss.npz", cell_state=arrays["cell_state"])
    loss = load_inputs(config(path=str(tmp_path / "loss.npz"))).loss
    assert (loss.out.shape, loss.out.any(), loss.state["c"].any()) == ((5, 2, 8), False, True)


@pytest.mark.parametrize("shapes", [{}, {"output": (2, 5, 8)}, {"grad": (5, 2, 8)}])
def test_other_arrays_in_the_file_are_refused(shapes):
    with pytest.raises(InputError):
        check_loss_shapes(config(), shapes)


@pytest.mark.parametrize("backward", cases(__file__)["contradicting-keys"])
def test_keys_that_contradict_each_other_are_refused(backward):
    assert refused_key(config, **backward).key.startswith("backward.")


@pytest.mark.parametrize(
    ("value", "lengths"), [([2, 0, 0, 0, 0], None), ([0, 0, 5, 0, 0], None), ([0, 0, 3, 0, 0], [3, 5])]
)
def test_a_value_outside_the_network_or_in_padding_is_refused(value, lengths):
    assert refused_key(load_inputs, config(value=value, lengths=lengths)).key == "backward.value"


def test_gradients_have_the_shapes_of_what_they_are_gradients_of():
    network = config(network={**NETWORK, "projection_size": 2}).network
    names = gradient_names(network)
    assert names == ("grad.h", "grad.c", "grad.i", "grad.f", "grad.g", "grad.o", "grad.out")
    shapes = gradient_shapes(network, 5, 2, names)
    assert shapes["grad.h"] == shapes["grad.out"] == (2, 2, 5, 2, 2)
    assert shapes["grad.o"] == shapes["grad.c"] == (2, 2, 5, 2, 4)
    assert shapes["grad.h0"] == (4, 2, 2)
    assert shapes["grad.input"] == (5, 2, 3)
    assert shapes["grad.parameters.r1_h2r_weight"] == (2, 4)
    assert gradient_shapes(network, 5, 2, ()) == {}

"""Arrays by name: which networks they are, whatever is around them, and why some are none."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import entries_of, read_network
from tests.io.model_formats.sources import in_torch_names, network, read_parameters, weights_of
from tests.strategies import FUSED_CELLS

Arrays = dict[str, NDArray[np.generic]]


@pytest.mark.slow
@pytest.mark.parametrize("torch_names", [False, True])
@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("cell", FUSED_CELLS)
def test_numpy_files_hold_both_names(tmp_path, cell, folder, torch_names):
    asked = network(cell, 2, True)
    weights = weights_of(asked)
    named = in_torch_names(weights, "a.") if torch_names else {f"a_{name}": array for name, array in weights.items()}
    path = tmp_path / ("w" if folder else "w.npz")
    if folder:
        path.mkdir()
        for name, array in named.items():
            np.save(path / f"{name}.npy", np.asfortranarray(array))
    else:
        np.savez_compressed(path, **named)
    (entry,) = entries_of(path)
    assert (entry.name, entry.dtype, entry.supported) == ("a", "float32", True)
    read = read_parameters(path, "a", asked)
    for name, array in weights.items():
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("hidden", [1, 3, 4, 12])
@pytest.mark.parametrize("cell", ["rnn_tanh", "gru", "lstm"])
def test_the_cell_is_recognized_where_rows_fit_several_cells(tmp_path, cell, hidden):
    """12 rows are a GRU of 4 units as well as an LSTM of 3: the recurrent weight's columns decide."""
    np.savez(tmp_path / "w.npz", **in_torch_names(weights_of(Network(cell, 2, hidden))))
    (entry,) = entries_of(tmp_path / "w.npz")
    assert cell == entry.cell or (entry.cell is None and cell in entry.cells)
    assert (entry.hidden_size, entry.input_size, entry.supported) == (hidden, 2, True)


LSTM = network("lstm", 2, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight_hh_l0": None}, "lacks the weight_hh that"),
        ({"bias_ih_l1": None}, "lacks the bias_ih that"),
        ({"weight_hh_l0": np.ones((16, 5), np.float32)}, "weight_hh_l0 has the shape (16, 5): it must be H, 3H or 4H"),
        (
            {"weight_ih_l1": np.ones((16, 4), np.float32)},
            "weight_ih_l1 has the shape (16, 4), where the other arrays call for (16, 8)",
        ),
        ({"weight_hh_l0": np.ones((0, 0), np.float32)}, "it must have 2 sizes of at least 1"),
        ({"weight_hh_l0": np.ones(64, np.float32)}, "it must have 2 sizes of at least 1"),
        ({"bias_hh_l0": np.ones(16, np.int8)}, "stored as int8"),
        (
            {f"{kind}_l1_reverse": None for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
            "it lacks the backward direction of layer 1",
        ),
    ],
    ids=["no-h2h", "one-bias", "no-cell", "not-stacked", "empty", "flat", "integers", "one-direction"],
)
def test_an_entry_that_is_not_a_network_is_listed_with_the_reason(tmp_path, changes, words):
    arrays = {**in_torch_names(weights_of(LSTM), "x."), **{f"x.{name}": array for name, array in changes.items()}}
    path = tmp_path / "w.npz"
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    (entry,) = entries_of(path)
    assert not entry.supported
    assert words in entry.reason
    with pytest.raises(InputError, match="x cannot be run: "):
        read_parameters(path, "x", LSTM)


def test_an_entry_must_be_named_where_there_are_several(tmp_path):
    path = tmp_path / "w.npz"
    weights = weights_of(network("gru", 1, False))
    np.savez(path, **in_torch_names(weights, "a."), **in_torch_names(weights, "b."))
    with pytest.raises(InputError, match=r'2 recurrent networks, and entry must name one of them: "a", "b"'):
        read_parameters(path, None, network("gru", 1, False))
    with pytest.raises(InputError, match=r'no recurrent network "c": entry must be one of "a", "b"'):
        read_parameters(path, "c", network("gru", 1, False))
    with pytest.raises(InputError, match=r'can be run as the cell "gru".*, not as "lstm"'):
        read_parameters(path, "a", network("lstm", 1, False))
    np.savez(path, x=np.ones(3))
    with pytest.raises(InputError, match=r'w\.npz contains no recurrent layer .* 1 array: "x" \(3,\)'):
        read_parameters(path, None, network("gru", 1, False))


OTHERS: dict[str, tuple[Arrays, bool]] = {
    "peepholes": ({"w_ci": np.ones((1, 4)), "w_cf": np.ones((1, 4)), "w_co": np.ones((1, 4))}, False),
    "a decay of the state": ({"W_d": np.ones((4, 4)), "b_d": np.ones(4)}, False),
    "a constant of each unit": ({"tau_m": np.ones(4)}, False),
    "rows of gates": ({"fc.weight": np.ones((16, 4))}, False),
    "the layers around": ({"embedding.weight": np.ones((9, 3)), "fc.weight": np.ones((2, 4))}, True),
}


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", "net."])
@pytest.mark.parametrize("names", ["torch", "torch cell", "gluon", "gluon cell"])
@pytest.mark.parametrize("kind", OTHERS)
def test_other_arrays_of_a_layer_are_named(tmp_path, kind, names, prefix):
    """A layer whose module may compute with them is refused, and the others say that they are not read."""
    arrays = weights_of(network("lstm", 1, False))
    arrays = in_torch_names(arrays) if "torch" in names else arrays
    if "cell" in names:
        arrays = {name.replace("_l0", "").replace("l0_", ""): array for name, array in arrays.items()}
    others, runs = OTHERS[kind]
    np.savez(tmp_path / "w.npz", **{prefix + name: array for name, array in {**arrays, **others}.items()})
    (entry,) = open_model(tmp_path / "w.npz").entries
    assert entry.supported == runs
    clauses = entry.assumptions if runs else (entry.reason,)
    assert any(prefix + name in clause for clause in clauses for name in others)


@pytest.mark.parametrize(("cell", "gates"), [("lstm", "ifgo"), ("lstm", "ifco"), ("gru", "rzn")])
def test_one_array_for_each_gate_is_read_in_the_order_of_the_cell(tmp_path, cell, gates):
    made = network(cell, 1, False)
    arrays = {name.removesuffix("_l0"): array for name, array in in_torch_names(weights_of(made)).items()}
    single = {
        f"{name}_{gate}": part
        for name, array in arrays.items()
        for gate, part in reversed(list(zip(gates, np.split(array, len(gates)), strict=True)))
    }
    np.savez(tmp_path / "w.npz", **single)
    model = open_model(tmp_path / "w.npz")
    (entry,) = model.entries
    assert entry.cell == cell
    np.testing.assert_array_equal(model.parameters(entry.name)["l0_h2h_weight"], arrays["weight_hh"])


@pytest.mark.parametrize("torch_names", [False, True])
@pytest.mark.parametrize(
    ("asked", "settings"),
    [
        (Network("lstm", 5, 6), {"network.input_size": 3, "network.hidden_size": 4}),
        (
            Network("lstm", 3, 4, num_layers=2, bidirectional=True),
            {"network.num_layers": 1, "network.bidirectional": False},
        ),
        (Network("lstm", 3, 4, projection_size=2), {"network.projection_size": None}),
    ],
)
def test_weights_of_another_shape_say_the_sizes_that_they_have(tmp_path, torch_names, asked, settings):
    arrays = weights_of(network("lstm", 1, False))
    np.savez(tmp_path / "w.npz", **in_torch_names(arrays) if torch_names else arrays)
    with pytest.raises(InputError) as raised:
        read_network(tmp_path / "w.npz", None, asked)
    assert raised.value.settings == settings
    assert all(key in str(raised.value) for key in settings)


TRAINING = ("exp_avg.{}", "exp_avg_sq.{}", "{}.exp_avg", "{}.momentum_buffer", "Adam/m/{}", "{}/Adam_1", "{}.grad")


@pytest.mark.parametrize("name", TRAINING)
def test_gradients_and_moments_of_an_optimizer_are_no_networks(tmp_path, name):
    arrays = in_torch_names(weights_of(network("gru", 1, False)), "net.")
    np.savez(tmp_path / "w.npz", **arrays, **{name.format(key): array for key, array in arrays.items()})
    assert [(entry.name, entry.supported) for entry in open_model(tmp_path / "w.npz").entries] == [("net", True)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("prefix", ["", "x."])
def test_a_weight_that_is_not_finite_is_named(tmp_path, prefix, value):
    path, asked = tmp_path / "w.npz", network("gru", 1, False)
    weights = weights_of(asked)
    weights["l0_h2h_weight"][2, 1] = value
    np.savez(path, **{prefix + name: array for name, array in weights.items()})
    with pytest.raises(InputError, match=rf"l0_h2h_weight holds {value} at \[2, 1\]: every weight must be a finite"):
        read_parameters(path, None, asked)


def test_two_networks_of_one_name_get_distinct_names(tmp_path):
    path = tmp_path / "w.npz"
    weights = weights_of(network("gru", 1, False))
    np.savez(path, **{f"x.{name}": array for name, array in weights.items()}, **in_torch_names(weights, "x."))
    assert [entry.name for entry in entries_of(path)] == ["x", "x (2)"]
    assert set(open_model(path).parameters("x (2)")) == set(weights)

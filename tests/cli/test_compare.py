"""rnnviz compare: planted differences between files of two frameworks, conversions that say the same, exit codes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import save_file

from rnnviz.core.config import Network
from rnnviz.core.parameters import Parameters
from rnnviz.core.resources import resource_path
from rnnviz.execution.file_comparison import compare_files
from rnnviz.io.inputs import load_inputs
from rnnviz.io.model_formats.load import WEIGHT_FORMATS, config_of, entries_of
from rnnviz.io.model_formats.onnx import write_weights
from tests.cli.calls import write
from tests.io.model_formats import test_keras
from tests.io.model_formats.sources import in_torch_names, network, weights_of

pytestmark = pytest.mark.usefixtures("shared_worker", "no_subprocess")

NETWORK = network("lstm", 2, True)
H = NETWORK.hidden_size
Arrays = dict[str, NDArray[np.float32]]
Change = Callable[[Arrays], dict[str, Any]]


def gates(array: Any, *order: int) -> Any:
    return np.concatenate([np.split(array, 4)[gate] for gate in order])


def with_gate(array: Any, gate: int, change: Callable[[Any], Any]) -> Any:
    parts = np.split(array, 4)
    parts[gate] = change(parts[gate])
    return np.concatenate(parts)


def with_value(array: Any, place: tuple[int, ...], value: float) -> Any:
    array = np.array(array)
    array[place] = value
    return array


LANE = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
PLANTED: dict[str, tuple[Change, str]] = {
    "gate order": (
        lambda w: {"l0_h2h_weight": gates(w["l0_h2h_weight"], 0, 1, 3, 2)},
        "rows permuted: gates in the order i, f, o, g instead of i, f, g, o",
    ),
    "gate order of a bias": (
        lambda w: {"r1_i2h_bias": gates(w["r1_i2h_bias"], 1, 0, 2, 3)},
        "rows permuted: gates in the order f, i, g, o instead of i, f, g, o",
    ),
    "transposed": (
        lambda w: {"r0_h2h_weight": np.concatenate([block.T for block in np.split(w["r0_h2h_weight"], 4)])},
        "each gate: transposed",
    ),
    "in another memory order": (
        lambda w: {"l1_i2h_weight": w["l1_i2h_weight"].T.reshape(w["l1_i2h_weight"].shape)},
        "transposed: the numbers are in the order of the columns",
    ),
    "biases exchanged": (
        lambda w: {"l1_i2h_bias": w["l1_h2h_bias"], "l1_h2h_bias": w["l1_i2h_bias"]},
        "the two biases are exchanged",
    ),
    "directions exchanged": (
        lambda w: {f"{a}1_{kind}": w[f"{b}1_{kind}"] for a, b in ("lr", "rl") for kind in LANE},
        "the directions are exchanged: equal to ",
    ),
    "layer repeated": (
        lambda w: {"r1_h2h_weight": w["l1_h2h_weight"]},
        "layer repeated: equal to l1_h2h_weight",
    ),
    "scaled": (lambda w: {"l0_i2h_weight": 0.5 * w["l0_i2h_weight"]}, "scaled by 0.5"),
    "forget bias": (
        lambda w: {"l0_h2h_bias": with_gate(w["l0_h2h_bias"], 1, lambda part: part + 1)},
        "gate f: shifted by 1",
    ),
    "columns permuted": (
        lambda w: {"l1_i2h_weight": np.roll(w["l1_i2h_weight"], H, axis=1)},
        "columns permuted",
    ),
    "units permuted": (
        lambda w: {"l1_i2h_weight": w["l1_i2h_weight"][np.random.default_rng(3).permutation(4 * H)]},
        "rows permuted",
    ),
    "a bias of zeros": (lambda w: {"l1_h2h_bias": 0 * w["l1_h2h_bias"]}, "all zeros in B"),
    "rounded": (
        lambda w: {"r0_i2h_weight": w["r0_i2h_weight"].astype(np.float16).astype(np.float32)},
        "rounded to float16 in B",
    ),
    "the sign of a gate": (
        lambda w: {"r1_h2h_weight": with_gate(w["r1_h2h_weight"], 2, np.negative)},
        "gate g: the sign is changed",
    ),
    "one number": (
        lambda w: {"l0_i2h_weight": with_value(w["l0_i2h_weight"], (2, 1), 3.0)},
        "only [2, 1] differs",
    ),
}


def in_pytorch(folder: Path, arrays: Arrays, name: str = "a.safetensors") -> Path:
    named = {name: np.ascontiguousarray(array) for name, array in in_torch_names(arrays).items()}
    save_file(named, folder / name)
    return folder / name


def in_onnx(folder: Path, arrays: Arrays, network: Network = NETWORK) -> Path:
    write_weights(network, Parameters(network, arrays), folder / "b.onnx")
    return folder / "b.onnx"


@pytest.fixture
def compared(rnnviz):
    """The exit code and the JSON of a comparison, which follows the schema."""

    def compare(*words: str | Path) -> tuple[int, dict[str, Any]]:
        jsonschema = pytest.importorskip("jsonschema")
        answer = rnnviz("compare", *words, "--json", "-")
        found = json.loads(answer.out)
        schema = json.loads(resource_path("schemas", "summary.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema).validate(found)
        return answer.code, found

    return compare


@pytest.mark.parametrize(("change", "relation"), PLANTED.values(), ids=PLANTED)
def test_a_planted_difference_is_found_by_name(change, relation, tmp_path, compared):
    arrays = weights_of(NETWORK)
    changed = change(arrays)
    code, found = compared(in_pytorch(tmp_path, arrays), in_onnx(tmp_path, arrays | changed))
    # An LSTM only adds its two biases.
    added = relation == "the two biases are exchanged"
    assert (code, found["verdict"], found["structure"]) == ((0, "same", []) if added else (1, "differ", []))
    related = {own["name"]: own["relation"] for own in found["parameters"] if own["relation"] is not None}
    assert related.keys() == changed.keys()
    assert all(own.startswith(relation) for own in related.values()), related
    largest = {own["name"]: own["max_abs_difference"] for own in found["parameters"]}
    for name, array in arrays.items():
        assert largest[name] == pytest.approx(np.abs(changed.get(name, array) - array).max())
    first = found["first_divergence"]
    if added:
        assert (first, found["units"]) == (None, [])
        return
    lanes = {(int(name[1]), "lr".index(name[0])) for name in changed}
    assert (first["layer"], ("forward", "backward").index(first["direction"])) == min(lanes)


def test_biases_with_the_same_sum_are_the_same_network(tmp_path, compared):
    rng = np.random.default_rng(4)
    kernel, recurrent, bias = rng.normal(size=(2, 12)), rng.normal(size=(3, 12)), rng.normal(size=12)
    test_keras.write(tmp_path / "b.weights.h5", [array.astype(np.float32) for array in (kernel, recurrent, bias)])
    arrays = {
        "l0_i2h_weight": kernel.T,
        "l0_h2h_weight": recurrent.T,
        "l0_i2h_bias": bias / 4,
        "l0_h2h_bias": 0.75 * bias,
    }
    torch = in_pytorch(tmp_path, {name: array.astype(np.float32) for name, array in arrays.items()})
    code, found = compared(torch, tmp_path / "b.weights.h5")
    assert (code, found["verdict"], found["first_divergence"]) == (0, "same", None)
    relations = {own["name"]: own["relation"] for own in found["parameters"]}
    assert relations == {
        "l0_i2h_weight": None,
        "l0_h2h_weight": None,
        "l0_i2h_bias": "the sum of the two biases is equal",
        "l0_h2h_bias": "the sum of the two biases is equal",
    }


def test_exchanged_biases_differ_where_the_cell_does_not_only_add_them(tmp_path, compared):
    """The candidate of a GRU multiplies the recurrent bias by the reset gate."""
    gru = network("gru", 1, False)
    arrays = weights_of(gru)
    exchanged = {"l0_i2h_bias": arrays["l0_h2h_bias"], "l0_h2h_bias": arrays["l0_i2h_bias"]}
    code, found = compared(in_pytorch(tmp_path, arrays), in_onnx(tmp_path, arrays | exchanged, gru))
    assert (code, found["verdict"]) == (1, "differ")
    assert {own["relation"] for own in found["parameters"]} == {None, "the two biases are exchanged"}
    assert found["first_divergence"] is not None


def test_the_units_that_moved_most_come_first(tmp_path, compared):
    """Of one layer without recurrent weights, a shift of one unit's bias moves only that unit."""
    rnn = network("rnn_tanh", 1, False)
    arrays = weights_of(rnn)
    arrays["l0_h2h_weight"] *= 0
    moved = dict(arrays)
    moved["l0_i2h_bias"] = arrays["l0_i2h_bias"] + np.array([0, 0.1, 0, 0.4], np.float32)
    a, b = in_pytorch(tmp_path, arrays), in_onnx(tmp_path, moved, rnn)
    np.save(tmp_path / "x.npy", np.random.default_rng(2).normal(size=(2, 6, 3)).astype(np.float32))
    _, found = compared(a, b, "--input", tmp_path / "x.npy")
    x = np.load(tmp_path / "x.npy").astype(np.float64)
    pre = x @ arrays["l0_i2h_weight"].T.astype(np.float64) + arrays["l0_i2h_bias"] + arrays["l0_h2h_bias"]
    error = np.abs(np.tanh(pre + np.array([0, 0.1, 0, 0.4])) - np.tanh(pre))
    assert [own["unit"] for own in found["units"]] == [3, 1]
    for own in found["units"]:
        of_unit = error[..., own["unit"]]
        assert own["mean_abs_difference"] == pytest.approx(of_unit.mean(), rel=1e-4)
        assert own["max_abs_difference"] == pytest.approx(of_unit.max(), rel=1e-4)
        assert of_unit[own["sample"], own["timestep"]] == of_unit.max()


def test_configs_with_a_custom_cell_are_compared(tmp_path, compared, rnnviz):
    (tmp_path / "mgu.py").write_text(resource_path("cells", "mgu.py").read_text(encoding="utf-8"), encoding="utf-8")
    tables = {"network": {"cell": "./mgu.py"}, "compare": {"candidates": []}}
    a, b = (write(tmp_path, f"{name}.toml", parameters={"seed": k}, **tables) for k, name in enumerate("ab"))
    assert "runs only if --cell names it" in rnnviz.refused("compare", a, b)
    code, found = compared(a, b, "--cell", tmp_path / "mgu.py")
    assert (code, found["structure"]) == (1, [])
    assert found["first_divergence"]["timestep"] == 0
    assert compared(a, a, "--cell", tmp_path / "mgu.py")[0] == 0
    assert "must be the .py file" in rnnviz.refused("compare", a, b, "--cell", "lstm")
    lstm = write(tmp_path, "c.toml")
    assert "leave it out" in rnnviz.refused("compare", lstm, lstm, "--cell", tmp_path / "mgu.py")


def test_a_bias_that_is_used_twice_is_not_called_exchanged(tmp_path, compared):
    arrays = weights_of(NETWORK)
    twice = in_onnx(tmp_path, arrays | {"l1_i2h_bias": arrays["l1_h2h_bias"]})
    _, found = compared(in_pytorch(tmp_path, arrays), twice)
    assert [own["relation"] for own in found["parameters"] if own["name"] == "l1_i2h_bias"] == [None]


def test_another_structure_is_said_key_by_key(tmp_path, compared):
    other = replace(NETWORK, num_layers=1, hidden_size=5)
    arrays = weights_of(NETWORK)
    code, found = compared(in_pytorch(tmp_path, arrays), in_onnx(tmp_path, weights_of(other), other))
    assert code == 1
    assert {own["name"]: (own["a"], own["b"]) for own in found["structure"]} == {
        "hidden_size": ("4", "5"),
        "num_layers": ("2", "1"),
    }
    assert found["first_divergence"] is None
    relations = {own["name"]: own["relation"] for own in found["parameters"]}
    assert relations["l1_h2h_bias"] == "only A has it"
    assert relations["l0_i2h_weight"] == "the shapes are 16 × 3 and 20 × 3"


def test_two_configs_are_compared_with_their_inputs(tmp_path, compared):
    a, b = write(tmp_path, "a.toml"), write(tmp_path, "b.toml", sequence={"seed": 3})
    code, found = compared(a, b)
    assert code == 1
    assert [own["name"] for own in found["inputs"]] == ["sequence"]
    assert found["first_divergence"] is None
    np.save(tmp_path / "x.npy", np.ones((2, 5, 3), np.float32))
    assert compared(a, b, "--input", tmp_path / "x.npy")[0] == 0


def test_two_recordings_are_compared_as_they_are(tmp_path, compared):
    hidden = np.random.default_rng(0).normal(size=(1, 1, 5, 2, 4)).astype(np.float32)
    paths = []
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", hidden=hidden)
        compare = {"reference": f"recording:{name}.npz"}
        paths.append(write(tmp_path, f"{name}.toml", sequence={"timesteps": 5, "batch_size": 2}, compare=compare))
    assert compared(*paths)[0] == 0
    hidden[0, 0, 3, 1, 2] += 0.5
    np.savez(tmp_path / "b.npz", hidden=hidden)
    code, found = compared(*paths)
    assert code == 1
    first = found["first_divergence"]
    assert [first[key] for key in ("layer", "timestep", "sample", "unit")] == [0, 3, 1, 2]
    assert first["b"] - first["a"] == pytest.approx(0.5)


def test_inputs_of_two_recordings_come_first(tmp_path, compared, rnnviz):
    hidden, x = np.zeros((1, 1, 5, 2, 4), np.float32), np.random.default_rng(1).normal(size=(2, 5, 3))
    paths = []
    for name, later in (("a", 0.0), ("b", 0.25)):
        np.savez(tmp_path / f"{name}.npz", hidden=hidden + later)
        changed = x.copy()
        changed[1, 3, 2] += later
        changed[0, 4, 0] += 2 * later
        np.save(tmp_path / f"{name}.npy", changed.astype(np.float32))
        sequence = {"source": "file", "path": f"{name}.npy", "timesteps": 5, "batch_size": 2}
        paths.append(write(tmp_path, f"{name}.toml", sequence=sequence, compare={"reference": f"recording:{name}.npz"}))
    _, found = compared(*paths)
    (difference,) = found["inputs"]
    assert difference["first"] == [3, 1, 2]
    assert difference["max_abs_difference"] == pytest.approx(0.5)
    lines = rnnviz("compare", *paths).out.splitlines()
    assert lines[2].startswith("Inputs: sequence differs in A and B, first at t = 3, sample 1, feature 2;")
    assert "Inputs: the same." in rnnviz("compare", paths[0], paths[0]).out.splitlines()


def test_the_text_says_what_differs_and_which_input_was_used(tmp_path, rnnviz):
    arrays = weights_of(NETWORK)
    changed = {"l0_i2h_weight": 0.5 * arrays["l0_i2h_weight"]}
    a, b = in_pytorch(tmp_path, arrays), in_onnx(tmp_path, arrays | changed)
    answer = rnnviz("compare", a, b)
    assert answer.code == 1
    lines = answer.out.splitlines()
    assert lines[:4] == [f"A: {a}", f"B: {b}", "Structure: the same.", "Parameters: 1 of 16 differ:"]
    assert lines[5].split()[0] == "l0_i2h_weight"
    assert lines[5].endswith("scaled by 0.5")
    assert "Input: random numbers (seed 0), 16 time steps of 3 samples; --input FILE reads another one." in lines
    assert lines[-1] == "A and B differ."
    same = rnnviz("compare", a, a)
    assert same.code == 0
    assert same.out.splitlines()[-1].startswith("A and B are the same within the tolerance")


def test_a_file_without_a_network_to_compare_is_refused(tmp_path, rnnviz):
    arrays = weights_of(network("gru", 1, False))
    both = {**in_torch_names(arrays, "one."), **in_torch_names(arrays, "two.")}
    np.savez(tmp_path / "two.npz", **both)
    a = in_pytorch(tmp_path, arrays)
    assert '"one", "two"' in rnnviz.refused("compare", a, tmp_path / "two.npz")
    assert rnnviz("compare", a, tmp_path / "two.npz", "--entry-b", "two").code == 0
    assert "leave --entry-a or --entry-b out" in rnnviz.refused("compare", a, write(tmp_path), "--entry-b", "two")
    assert "absent.pt" in rnnviz.refused("compare", a, tmp_path / "absent.pt")


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(("lstm", "gru", "rnn_tanh")),
    st.integers(1, 2),
    st.booleans(),
    st.sampled_from([form for form in WEIGHT_FORMATS if form.library != "gluon"]),
    st.integers(0, 99),
)
def test_a_file_and_its_conversion_are_the_same(tmp_path_factory, cell, layers, both, form, seed):
    net, folder = network(cell, layers, both), tmp_path_factory.mktemp("converted")
    parameters = Parameters(net, weights_of(net, seed))
    configs = []
    for path, one in ((folder / "a.npz", WEIGHT_FORMATS[-1]), (folder / f"b{form.ending}", form)):
        one.write(net, parameters, path)
        (entry,) = [entry for entry in entries_of(path) if not entry.part]
        start = "uniform" if entry.leaves_initial_state_open else None
        configs.append(config_of(path, entry, cell if entry.cell is None else None, start))
    found = compare_files(load_inputs, *configs, both_bring=False)
    assert found.same
    assert found.structure == ()

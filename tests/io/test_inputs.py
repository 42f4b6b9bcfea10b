"""The inputs of a run, drawn or read: every refusal carries the key of the config that is wrong."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import draw_initial_state
from rnnviz.core.parameters import draw_parameters
from rnnviz.core.sequence import draw_sequence
from rnnviz.io.inputs import load_inputs, read_state
from tests.refusals import refused_key
from tests.strategies import configs


def config(**tables: dict[str, Any]) -> Config:
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 4, **tables.pop("network", {})}
    return Config.from_mapping({"network": network, **tables})


@given(configs())
def test_inputs_are_drawn_from_the_three_seeds_alone(asked):
    inputs = load_inputs(asked)
    assert inputs.config == asked
    again = load_inputs(replace(asked, compare=replace(asked.compare, rtol=0.5)))
    np.testing.assert_array_equal(inputs.sequence, again.sequence)
    np.testing.assert_array_equal(
        inputs.sequence, draw_sequence(asked.sequence, asked.network.input_size, asked.network.dtype)
    )
    parameters = draw_parameters(asked.network, asked.parameters)
    for name, array in inputs.parameters.items():
        np.testing.assert_array_equal(array, parameters[name])
    state = draw_initial_state(asked.network, asked.initial_state, asked.sequence.batch_size)
    for left, right in zip(inputs.initial_state.values(), state.values(), strict=True):
        np.testing.assert_array_equal(left, right)


@given(configs(dtype="float64"))
def test_a_float32_run_reads_the_rounded_numbers_of_the_float64_run(asked):
    exact = load_inputs(asked)
    rounded = load_inputs(replace(asked, network=replace(asked.network, dtype="float32")))
    pairs = [(exact.sequence, rounded.sequence)]
    pairs += [(exact.parameters[name], rounded.parameters[name]) for name in exact.parameters]
    pairs += list(zip(exact.initial_state.values(), rounded.initial_state.values(), strict=True))
    for left, right in pairs:
        assert (left.dtype, right.dtype) == (np.float64, np.float32)
        np.testing.assert_array_equal(left.astype(np.float32), right)


def test_a_file_brings_its_own_sizes_to_the_sequence_and_the_state(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 7, 3)))
    inputs = load_inputs(config(sequence={"path": str(tmp_path / "x.npy"), "timesteps": 99, "batch_size": 99}))
    assert inputs.sequence.shape == (7, 5, 3)
    assert (inputs.config.sequence.timesteps, inputs.config.sequence.batch_size) == (7, 5)
    assert inputs.initial_state["h"].shape == (1, 5, 4)
    assert inputs.sequence.dtype == np.float32
    assert not inputs.sequence.flags.writeable


STATE = {name: np.zeros((1, 16, 4)) for name in ("h", "c")}


@pytest.mark.parametrize(
    ("table", "changes", "words"),
    [
        ("parameters", {"l0_h2h_bias": None}, "lack l0_h2h_bias, which must have the shape (16,)"),
        ("parameters", {"l0_h2h_bias": np.array(["a"] * 16)}, "they must be real numbers"),
        ("initial_state", {"c": None}, "lacks c, which must have the shape (1, 16, 4)"),
        ("initial_state", {"c": np.full((1, 16, 4), "a")}, "they must be real numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_the_paths_fault(tmp_path, table, changes, words):
    path = tmp_path / "arrays.npz"
    asked = config(**{table: {"path": str(path)}})
    given = {name: np.full(shape, 0.5) for name, shape in asked.network.parameter_shapes().items()}
    arrays = {**(given if table == "parameters" else STATE), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    error = refused_key(load_inputs, asked)
    assert error.key == f"{table}.path"
    assert words in error.sentence
    assert str(path) in error.sentence


def test_a_state_of_another_shape_is_refused_before_a_number_of_it_is_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "s.npz", h=np.zeros((1, 10**6, 4)), c=np.zeros((1, 16, 4)))
    monkeypatch.setattr("rnnviz.core.npz.NpzFile.read", lambda *_: pytest.fail("it was read"))
    assert (
        "(1, 1000000, 4)" in refused_key(load_inputs, config(initial_state={"path": str(tmp_path / "s.npz")})).sentence
    )


NETWORK = Network("lstm", 3, 4, num_layers=2, bidirectional=True)
SHAPE = (4, 5, 4)


def arrays() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(11)
    return {name: generator.normal(size=SHAPE) for name in ("h", "c")}


@pytest.mark.parametrize("prefix", ["", "initial_state."])
def test_h_and_c_are_read_alone_and_from_the_export_of_a_run(tmp_path, prefix):
    expected = arrays()
    others = {"gluon.state": np.zeros(2), "config": np.array("x")} if prefix else {}
    np.savez(tmp_path / "s.npz", **{f"{prefix}{name}": array for name, array in expected.items()}, **others)
    state = read_state(tmp_path / "s.npz", NETWORK, 5)
    np.testing.assert_array_equal(state["h"], expected["h"].astype(np.float32))
    np.testing.assert_array_equal(state.get("c"), expected["c"].astype(np.float32))
    assert not state["h"].flags.writeable


def archive(path: Path, finals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The archive of a run with an initial state, and final states of its engines."""
    begun = arrays()
    np.savez(path, **{f"initial_state.{name}": array for name, array in begun.items()}, **finals)
    return begun


def test_the_final_state_of_an_engine_is_read_where_it_is_named(tmp_path):
    path, final = tmp_path / "run.npz", {name: 2.0 * array for name, array in arrays().items()}
    begun = archive(path, {"manual.state": final["h"], "manual.cell_state": final["c"], "torch.state": final["h"]})
    np.testing.assert_array_equal(read_state(path, NETWORK, 5)["h"], begun["h"].astype(np.float32))
    state = read_state(path, NETWORK, 5, "manual")
    np.testing.assert_array_equal(state["h"], final["h"].astype(np.float32))
    np.testing.assert_array_equal(state.get("c"), final["c"].astype(np.float32))
    with pytest.raises(InputError, match="lacks c"):
        read_state(path, NETWORK, 5, "torch")
    with pytest.raises(InputError, match="must be manual or torch"):
        read_state(path, NETWORK, 5, "gluon")
    archive(path, {})
    with pytest.raises(InputError, match="no final states"):
        read_state(path, NETWORK, 5, "manual")


def test_an_initial_state_of_a_run_that_has_a_final_one_is_an_assumption(tmp_path):
    path, other = tmp_path / "run.npz", tmp_path / "state.npz"
    final = {"manual.state": arrays()["h"], "manual.cell_state": arrays()["c"], "input": np.zeros((5, 3, 3))}
    archive(path, final)
    archive(other, {})

    def assumptions(state, sequence):
        network = {"num_layers": 2, "bidirectional": True}
        return load_inputs(config(network=network, sequence=sequence, initial_state=state)).assumptions

    drawn = {"timesteps": 3, "batch_size": 5}
    (clause,) = assumptions({"path": str(path)}, drawn)
    assert "initial_state.final_of" in clause
    assert assumptions({"path": str(path), "final_of": "manual"}, drawn) == ()
    assert assumptions({"path": str(path)}, {"path": str(path), "array": "input"}) == ()
    assert assumptions({"path": str(other)}, drawn) == ()

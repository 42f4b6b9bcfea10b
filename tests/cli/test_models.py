"""rnnviz inspect, and rnnviz config --from: what a model file holds, and a config that runs it."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnviz.cli.models import table
from rnnviz.core.errors import InputError
from rnnviz.core.parameters import Parameters
from rnnviz.io.model_formats.load import choose, entries_of
from rnnviz.io.model_formats.model_file import Entry
from rnnviz.io.model_formats.onnx import write_weights
from tests.cli.calls import write
from tests.io.model_formats.corpus.onnx_graphs import Graph
from tests.io.model_formats.samples import write_keras_weights
from tests.io.model_formats.sources import in_torch_names, network, weights_of
from tests.needs import needs

pytestmark = pytest.mark.usefixtures("shared_worker", "no_subprocess")


@pytest.fixture
def model(tmp_path):
    """An LSTM, an RNN and a layer that is none."""
    path = tmp_path / "w.npz"
    lstm, rnn = weights_of(network("lstm", 2, True)), weights_of(network("rnn_relu", 1, False))
    broken = {"broken.weight_hh_l0": np.ones((7, 2), np.float32)}
    np.savez(path, **in_torch_names(lstm, "encoder.lstm."), **in_torch_names(rnn, "rnn."), **broken)
    return path


def test_inspect_lists_every_layer(model, rnnviz):
    lines = rnnviz("inspect", model).out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["name", "cell", "input", "hidden", "layers", "directions", "biases", "initial", "state", "type"],
        ["encoder.lstm", "lstm", "3", "4", "2", "both", "yes", "unknown", "float32"],
        ["rnn", "rnn", "3", "4", "1", "forward", "yes", "unknown", "float32"],
    ]
    assert lines[3] == '  the file does not contain the activation: give cell = "rnn_tanh" or cell = "rnn_relu"'
    assert lines[4].split()[:2] == ["broken", "?"]
    assert lines[5].startswith("  not supported: broken.weight_hh_l0 has the shape (7, 2)")


def test_inspect_shows_the_direction_and_the_layout_of_each_node(tmp_path, rnnviz):
    graph = Graph(inputs={"x": None}, outputs=["upper_y"])
    graph.read('lower = LSTM <direction = "reverse"> (x)\nupper = LSTM <layout = 1, weights = "lower"> (x)')
    answer = rnnviz("inspect", graph.save(tmp_path / "w.onnx"))
    assert "  node lower: LSTM, direction reverse, layout 0 (time first)" in answer.out.splitlines()
    assert "  node upper: LSTM, direction forward, layout 1 (samples first)" in answer.out.splitlines()


@pytest.mark.parametrize("to_file", [False, True])
def test_inspect_json_equals_the_table(model, tmp_path, rnnviz, to_file):
    target = str(tmp_path / "list.json") if to_file else "-"
    answer = rnnviz("inspect", model, "--json", target)
    text = Path(target).read_text(encoding="utf-8") if to_file else answer.out
    lstm, rnn, broken = json.loads(text)["entries"]
    assert lstm == {
        "name": "encoder.lstm",
        "cell": "lstm",
        "input_size": 3,
        "hidden_size": 4,
        "num_layers": 2,
        "bidirectional": True,
        "dtype": "float32",
        "supported": True,
        "reason": "",
        "cells": [],
        "biases": True,
        "initial_state": "unknown",
        "masking": "",
        "assumptions": [],
        "batch_size": None,
        "reverse": False,
        "projection_size": None,
        "clip": None,
        "activations": None,
        "lengths": [],
        "part": False,
        "nodes": [],
    }
    assert (rnn["cell"], rnn["cells"], rnn["supported"]) == (None, ["rnn_tanh", "rnn_relu"], True)
    assert not broken["supported"]


def test_the_keys_of_a_cell_are_shown_and_written_to_the_config(tmp_path, rnnviz):
    keys = 'cell = "gru_reset_before"\nclip = 0.5\nactivations = ["hard_sigmoid", "leaky_relu(0.1)"]\n'
    (tmp_path / "c.toml").write_text(f"[network]\ninput_size = 3\nhidden_size = 4\n{keys}")
    model, archive = str(tmp_path / "m.onnx"), str(tmp_path / "m.npz")
    assert rnnviz("convert", tmp_path / "c.toml", model, "--quiet").code == 0
    assert 'clip = 0.5, activations = ["hard_sigmoid", "leaky_relu(0.1)"]' in rnnviz("inspect", model).out
    network = tomllib.loads(config := rnnviz("config", "--from", model, "--initial-state", "zeros").out)["network"]
    assert (network["cell"], network["clip"]) == ("gru_reset_before", 0.5)
    assert network["activations"] == ["hard_sigmoid", "leaky_relu(0.1)"]
    (tmp_path / "m.toml").write_text(config)
    assert rnnviz("run", tmp_path / "m.toml", "--quiet", "--engines", "onnx,manual").code == 0
    assert 'cell = "gru_reset_before", activations = ' in rnnviz("convert", model, archive).out
    assert (
        tomllib.loads(rnnviz("config", "--from", archive, "--cell", "gru_reset_before").out)["network"]["cell"]
        == "gru_reset_before"
    )


def test_config_of_an_entry_runs_with_its_weights(model, tmp_path, rnnviz):
    text = rnnviz("config", "--from", model, "--entry", "encoder.lstm").out
    assert tomllib.loads(text)["parameters"] == {"initializer": "file", "path": str(model), "entry": "encoder.lstm"}
    tables = tomllib.loads(text)
    assert tables["initial_state"]["source"] == "uniform"
    assert (tables["sequence"]["timesteps"], tables["sequence"]["batch_size"]) == (16, 3)
    assert "candidates" not in tables["compare"]
    config, result = tmp_path / "elsewhere" / "c.toml", tmp_path / "r.npz"
    config.parent.mkdir()
    config.write_text(text, encoding="utf-8")
    assert rnnviz("run", config, "--engines", "manual,onnx", "--quiet", "--npz", result).code == 0
    with np.load(result) as arrays:
        for name, array in weights_of(network("lstm", 2, True)).items():
            np.testing.assert_array_equal(arrays[f"parameters.{name}"], array)


def test_unknown_cell_needs_the_option(model, rnnviz):
    error = rnnviz.refused("config", "--from", model, "--entry", "rnn")
    assert 'give cell = "rnn_tanh" or cell = "rnn_relu"' in error
    assert "--cell" in error
    assert (
        tomllib.loads(rnnviz("config", "--from", model, "--entry", "rnn", "--cell", "rnn_relu").out)["network"]["cell"]
        == "rnn_relu"
    )
    assert '"lstm"' in rnnviz.refused("config", "--from", model, "--entry", "encoder.lstm", "--cell", "gru")


@pytest.mark.slow
@needs("mxnet", "PySide6")
def test_run_repeats_assumptions_in_every_output(model, tmp_path, rnnviz):
    captured = rnnviz("config", "--from", model, "--entry", "rnn", "--cell", "rnn_relu")
    assumption = "the file does not say the activation: rnn_relu was chosen"
    assert captured.err == f"{model}: rnn: {assumption}.\n"
    config, words = tmp_path / "c.toml", tmp_path / "r.json"
    config.write_text(captured.out, encoding="utf-8")
    outputs = [tmp_path / "r.html", tmp_path / "r.ipynb"]
    arguments = ["--json", str(words), "--report", str(outputs[0]), "--notebook", str(outputs[1])]
    assert f"Assumption: {assumption}." in rnnviz("run", config, "--engines", "manual,onnx", *arguments).out
    assert json.loads(words.read_text(encoding="utf-8"))["assumptions"] == [assumption]
    assert assumption in outputs[0].read_text(encoding="utf-8")
    assert "Assumption: the file does not say the activation: rnn" in outputs[1].read_text(encoding="utf-8")
    place = ["--layer", "0", "--timestep", "0", "--unit", "0"]
    assert rnnviz("explain", config, *place, "--engines", "manual,onnx", "--json", words).out.endswith(
        f"\nAssumption: {assumption}.\n"
    )
    assert json.loads(words.read_text(encoding="utf-8"))["assumptions"] == [assumption]


@pytest.fixture
def open_state(model, monkeypatch):
    """The same file, in which the model computes the initial state of its LSTM."""
    from rnnviz.cli import models

    entry = models.entries_in_subprocess(model)[0]
    computed = replace(entry, initial_state="computed", assumptions=('it starts from the final state of "enc"',))
    monkeypatch.setattr(models, "entries_in_subprocess", lambda path: (computed,))
    return model


@needs("mxnet")
def test_open_initial_state_must_be_chosen(open_state, tmp_path, rnnviz):
    error = rnnviz.refused("config", "--from", open_state)
    assert 'it starts from the final state of "enc"' in error
    assert "--initial-state" in error
    assert "--initial-state must be zeros, uniform, normal or" in rnnviz.refused(
        "config", "--from", open_state, "--initial-state", "zero"
    )
    np.savez(tmp_path / "s.npz", h=np.ones((4, 2, 4)), c=np.ones((4, 2, 4)))
    for choice in ("zeros", "normal", str(tmp_path / "s.npz")):
        captured = rnnviz("config", "--from", open_state, "--initial-state", choice)
        chosen = tomllib.loads(captured.out)["initial_state"]
        named = {"source": "file", "path": choice} if choice.endswith(".npz") else {"source": choice}
        assert {key: chosen.get(key) for key in named} == named
        assert captured.err.count("\n") == 2
    assert rnnviz("convert", open_state, tmp_path / "converted.npz").code == 0


@pytest.mark.parametrize(
    ("bidirectional", "reverse", "shown"),
    [(False, False, "forward"), (False, True, "backward"), (True, False, "both"), (None, False, "?")],
)
def test_table_shows_directions(bidirectional, reverse, shown):
    entry = Entry("enc", "lstm", 3, 4, 1, bidirectional, "float32", reverse=reverse)
    assert table([entry]).splitlines()[1].split()[5] == shown


def test_config_prints_assumptions_on_standard_error(tmp_path, rnnviz):
    model = str(tmp_path / "w.weights.h5")
    write_keras_weights(Path(model))
    assert "--cell gru" in rnnviz.refused("config", "--from", model, "--entry", "uni3_0")
    captured = rnnviz("config", "--from", model, "--entry", "uni3_0", "--cell", "gru")
    assert tomllib.loads(captured.out)["network"]["cell"] == "gru"
    assert "go_backwards" in captured.err


def test_a_network_whose_layers_are_listed_too_needs_no_name(tmp_path):
    path, written = tmp_path / "w.onnx", network("lstm", 3, True)
    write_weights(written, Parameters(written, weights_of(written)), path)
    stack, *layers = entries_of(path)
    assert [entry.part for entry in (stack, *layers)] == [False, True, True, True]
    assert choose((*layers, stack), None, path) == stack
    with pytest.raises(InputError):
        choose(layers, None, path)


def test_model_options_need_a_model_file(rnnviz):
    for option in ("--entry", "--initial-state"):
        assert f"{option} needs --from FILE" in rnnviz.refused("config", option, "x")
    assert "--from FILE, not both" in rnnviz.refused("config", "lstm", "--from", "x.pt")


def test_unreadable_file_is_refused(tmp_path, rnnviz):
    assert "missing.pt does not exist" in rnnviz.refused("inspect", tmp_path / "missing.pt")
    (tmp_path / "w.pt").write_bytes(b"no model")
    assert "w.pt is not a valid PyTorch file" in rnnviz.refused("config", "--from", tmp_path / "w.pt")


def test_a_file_without_recognized_layers_lists_its_arrays(tmp_path, rnnviz):
    path = tmp_path / "w.npz"
    np.savez(path, **{f"layer{k}.kernel": np.ones((k + 1, 8), np.float32) for k in range(12)})
    out = rnnviz("inspect", path).out
    assert "12 arrays" in out
    assert '"layer0.kernel" (1, 8)' in out
    assert all(name in out for name in ("l0_i2h_weight", "weight_ih_l0", "recurrent_kernel"))
    listed = json.loads(rnnviz("inspect", path, "--json", "-").out)
    assert (listed["entries"], len(listed["arrays"])) == ([], 12)
    assert listed["arrays"][3] == {"name": "layer3.kernel", "shape": [4, 8]}
    assert "12 arrays" in rnnviz.refused("config", "--from", path)
    config = write(tmp_path, network={"cell": "gru"}, parameters={"path": str(path), "entry": "x"})
    assert "12 arrays" in rnnviz.refused("run", config, "--engines", "manual,onnx", "--quiet")

"""A dense layer behind the network: recorded results of PyTorch's models are compared with it, and known bugs are named
through it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs, open_inputs, save_inputs
from rnnviz.engines.recorded_outputs import check_recording, open_recording
from rnnviz.io.export.data import npz_arrays, summary
from rnnviz.io.inputs import load_inputs
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.verdict import Verdict
from tests.engines.recordings import recorded
from tests.refusals import refused_key
from tests.shared_worker import run_shared

__all__ = ["run_shared"]

torch = pytest.importorskip("torch")
T, N, F, H, K = 6, 2, 3, 4, 5
ACTIVATIONS = {"linear": torch.nn.Identity(), "softmax": torch.nn.Softmax(-1), "sigmoid": torch.nn.Sigmoid()}


class Model:
    """A bidirectional GRU of two layers with a dense layer behind it, its file, and the inputs of a run of it."""

    def __init__(self, folder: Path, layout: str = "NTC", activation: str = "softmax", **tables: Any) -> None:
        torch.manual_seed(3)
        self.layer = torch.nn.GRU(F, H, 2, bidirectional=True, batch_first=layout == "NTC")
        self.dense = torch.nn.Linear(2 * H, K)
        self.activation, self.layout = ACTIVATIONS[activation], layout
        parts = {"rnn": self.layer, "fc": self.dense}
        torch.save({f"{n}.{k}": v for n, part in parts.items() for k, v in part.state_dict().items()}, folder / "m.pt")
        network = {"cell": "gru", "input_size": F, "hidden_size": H, "num_layers": 2, "bidirectional": True}
        self.mapping: dict[str, Any] = {
            "network": {**network, "layout": layout},
            "sequence": {"timesteps": T, "batch_size": N},
            "parameters": {"path": str(folder / "m.pt")},
            "initial_state": {"source": "uniform"},
            "head": {"weight": "fc.weight", "bias": "fc.bias", "activation": activation},
            **tables,
        }

    @property
    def inputs(self) -> Inputs:
        return load_inputs(Config.from_mapping(self.mapping))

    def result(self, state: Any = None) -> Any:
        """The model's result, in its layout, from another initial state if one is given."""
        inputs = self.inputs
        state = np.array(inputs.initial_state["h"]) if state is None else state
        x = inputs.sequence if self.layout == "TNC" else inputs.sequence.swapaxes(0, 1)
        with torch.no_grad():
            out, _ = self.layer(torch.tensor(np.array(x)), torch.tensor(state))
            return self.activation(self.dense(out)).numpy()

    def config(self, *engines: str) -> Config:
        return Config.from_mapping(self.mapping).with_engines(engines)


@pytest.mark.parametrize(("layout", "activation"), [("NTC", "linear"), ("TNC", "softmax"), ("TNC", "sigmoid")])
def test_the_recorded_result_of_torch_agrees(tmp_path, run_shared, layout, activation):
    model = Model(tmp_path, layout, activation)
    np.savez(tmp_path / "a.npz", head=model.result())
    result = run_shared(model.config("manual", f"recording:{tmp_path / 'a.npz'}"))
    (comparison,) = result.comparisons
    assert result.verdict is Verdict.AGREE
    assert comparison.elements == 0
    assert comparison.head is not None
    assert (comparison.head.elements, comparison.head.mismatched) == (T * N * K, 0)
    assert comparison.head.max_abs_error < 1e-6
    assert summary(result)["arrays"]["head"]["elements"] == T * N * K


@pytest.mark.parametrize("form", ["npy", "bin"])
def test_the_result_is_read_from_other_files(tmp_path, run_shared, form):
    model = Model(tmp_path)
    path = tmp_path / "head.npy"
    if form == "bin":
        path = tmp_path / "out"
        path.mkdir()
        np.ascontiguousarray(model.result().swapaxes(0, 1), "<f4").tofile(path / "head.bin")
    else:
        np.save(path, model.result())
    assert run_shared(model.config("manual", f"recording:{path}")).verdict is Verdict.AGREE


def test_a_known_bug_is_named_through_the_dense_layer(tmp_path, run_shared):
    model = Model(tmp_path)
    with torch.no_grad():
        for name, parameter in model.layer.named_parameters():
            if name.startswith("bias_hh"):
                parameter.zero_()
    np.savez(tmp_path / "a.npz", head=model.result())
    engine = f"recording:{tmp_path / 'a.npz'}"
    result = run_shared(model.config("manual", engine))
    assert result.verdict is Verdict.DISAGREE
    assert [found["name"] for found in summary(result)["diagnosis"]] == ["no-h2h-bias"]
    assert verdict_sentence(result, engine).first_mismatch is None


@pytest.mark.slow
@pytest.mark.parametrize("where", ["everywhere", "layer"])
def test_an_initial_state_of_zeros_is_named_through_the_dense_layer(tmp_path, run_shared, where):
    model = Model(tmp_path)
    state = np.array(model.inputs.initial_state["h"])
    state[2 if where == "layer" else 0 :] = 0.0
    np.savez(tmp_path / "a.npz", head=model.result(state))
    (cause,) = summary(run_shared(model.config("manual", f"recording:{tmp_path / 'a.npz'}")))["diagnosis"]
    assert cause["name"] == "initial-state-ignored"
    assert cause["where"]["layers"] == ([1] if where == "layer" else [])


@pytest.mark.slow
def test_random_weights_get_no_cause(tmp_path, run_shared):
    model = Model(tmp_path)
    with torch.no_grad():
        for parameter in model.layer.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    np.savez(tmp_path / "a.npz", head=model.result())
    result = run_shared(model.config("manual", f"recording:{tmp_path / 'a.npz'}"))
    assert result.verdict is Verdict.DISAGREE
    assert summary(result)["diagnosis"] == []


def test_a_result_that_does_not_follow_from_the_recorded_output_is_wrong(tmp_path, run_shared):
    model = Model(tmp_path)
    arrays = recorded(model.inputs)
    head = model.result()
    head[1, 4, 2] += 0.01
    np.savez(tmp_path / "a.npz", **arrays, head=head)
    result = run_shared(model.config("manual", f"recording:{tmp_path / 'a.npz'}"))
    assert result.verdict is Verdict.DISAGREE
    assert [check.name for check in result.checks if check.fails] == ["head follows from the output"]
    first = result.comparisons[0].head.first_mismatch
    assert first.place.index == (4, 1, 2)


def test_every_engine_has_the_result_and_an_archive_holds_it(tmp_path, run_shared):
    model = Model(tmp_path)
    result = run_shared(model.config("manual", "bug:no-h2h-bias"))
    np.testing.assert_allclose(npz_arrays(result)["manual.head"], model.result(), atol=1e-6)
    (comparison,) = result.comparisons
    assert comparison.head.mismatched == T * N * K


def test_the_result_is_0_in_padding(tmp_path, run_shared):
    sequence = {"timesteps": T, "batch_size": N, "lengths": [2, T]}
    result = run_shared(Model(tmp_path, sequence=sequence).config("manual"))
    head = result.reference["head"]
    assert not head[2:, 0].any()
    assert head[:2, 0].all()


def test_a_result_without_a_dense_layer_and_another_weight_are_refused(tmp_path):
    model = Model(tmp_path)
    np.savez(tmp_path / "a.npz", head=model.result())
    model.mapping["head"] = {"weight": "rnn.weight_hh_l0"}
    with pytest.raises(InputError, match=r"rnn\.weight_hh_l0 .* expected \(K, D·H\) = \(K, 8\)"):
        load_inputs(model.config("manual"))
    assert refused_key(Config.from_mapping, {**model.mapping, "head": {"bias": "b"}}).key == "head.weight"
    without_file = {**model.mapping, "parameters": {}, "head": {"weight": "fc.weight"}}
    assert refused_key(Config.from_mapping, without_file).key == "head.path"
    del model.mapping["head"]
    with pytest.raises(InputError, match=r"head\.weight"):
        check_recording(open_recording(f"recording:{tmp_path / 'a.npz'}"), model.inputs)


def test_stored_inputs_have_the_dense_layer(tmp_path):
    model = Model(tmp_path)
    save_inputs(tmp_path / "inputs", model.inputs)
    head = open_inputs(tmp_path / "inputs").head
    assert head is not None
    np.testing.assert_array_equal(head.weight, model.dense.weight.detach().numpy())
    np.testing.assert_array_equal(head.bias, model.dense.bias.detach().numpy())
    assert head.activation == "softmax"

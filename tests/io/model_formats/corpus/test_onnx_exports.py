"""ONNX models from both exporters of PyTorch, compared with PyTorch."""

from pathlib import Path
from typing import Any

import pytest

from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.model_formats.model_file import Entry
from tests.cases import cases
from tests.io.model_formats.corpus.cases import computed_on
from tests.io.model_formats.corpus.torch_exports import CELLS, FEATURES, Module, export
from tests.oracles.computed import assert_near
from tests.profiles import nightly_except

torch: Any = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

T, N = 3, 2


@pytest.fixture(autouse=True)
def no_thread_behind_bars(monkeypatch):
    """The default exporter shows progress bars, which a thread would watch until the process ends."""
    monkeypatch.setattr("tqdm.tqdm.monitor_interval", 0)


def compared(module: Module, path: Path, **options: Any) -> Entry:
    module.eval()
    batch_first = module.rnn.batch_first
    x = torch.randn(N, T, FEATURES) if batch_first else torch.randn(T, N, FEATURES)
    export(module, path, x, *module.given, **options)
    with torch.no_grad():
        out = module(x, *module.given)
        inner = torch.tanh(module.before(x))
    layers = module.rnn.num_layers
    entry = next(entry for entry in entries_of(path) if entry.num_layers == layers)
    assert len(entries_of(path)) == (1 if layers == 1 else layers + 1)
    state = dict(zip("hc", [state.numpy() for state in module.given], strict=False)) or None
    samples, steps = (inner, out.swapaxes(0, 1)) if batch_first else (inner.swapaxes(0, 1), out)
    assert_near(computed_on(path, samples.numpy(), entry.name, state=state).out, steps.numpy(), 1e-5)
    assert entry.initial_state == {"none": "zeros", "learned": "stored", "given": "input"}[module.states]
    assert entry.biases is module.rnn.bias
    return entry


@pytest.mark.parametrize("states", ["none", "learned", "given"])
@pytest.mark.parametrize("layers", nightly_except((1, 3), 3))
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", nightly_except(CELLS, "lstm", "rnn_relu"))
def test_the_older_exporter(cell, both, layers, states, tmp_path):
    torch.manual_seed(layers)
    module = Module(cell, layers, states, bidirectional=both, batch_first=both)
    dynamic = {"x": [0, 1]} if states == "none" else {}
    entry = compared(module, tmp_path / "m.onnx", dynamo=False, input_names=["x"], dynamic_axes=dynamic)
    assert (entry.cell, entry.bidirectional) == (cell, both)


OLDER = cases(__file__)["older"]


@pytest.mark.parametrize(("cell", "export", "options"), OLDER)
def test_options_of_the_older_exporter(cell, export, options, tmp_path):
    torch.manual_seed(3)
    compared(Module(cell, 2, "none", **options), tmp_path / "m.onnx", dynamo=False, input_names=["x"], **export)


DYNAMIC = torch.export.Dim.DYNAMIC
DEFAULT = [
    ("lstm", 3, "none", {"bidirectional": True, "batch_first": True}, {}),
    ("gru", 2, "learned", {}, {}),
    ("lstm", 2, "given", {}, {}),
    ("gru", 2, "none", {"bidirectional": True}, {"dynamic_shapes": ({1: DYNAMIC},)}),
    ("lstm", 2, "none", {"batch_first": True}, {"dynamic_shapes": ({0: DYNAMIC},), "optimize": False}),
    ("gru", 2, "given", {}, {"dynamic_shapes": ({1: DYNAMIC}, ({1: DYNAMIC},))}),
    # The exporter writes each time step of nn.RNN as separate nodes.
    ("rnn_tanh", 2, "none", {"bidirectional": True, "batch_first": True}, {}),
    ("rnn_relu", 2, "given", {"bidirectional": True}, {}),
    ("rnn_tanh", 2, "learned", {}, {"dynamic_shapes": ({1: DYNAMIC},), "optimize": False}),
    ("rnn_relu", 1, "none", {"bias": False}, {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "layers", "states", "options", "export"), DEFAULT)
def test_the_default_exporter(cell, layers, states, options, export, tmp_path):
    torch.manual_seed(layers)
    compared(Module(cell, layers, states, **options), tmp_path / "m.onnx", dynamo=True, **export)


@pytest.mark.slow
def test_a_first_time_step_that_is_folded_into_a_constant_is_not_read(tmp_path):
    """The state does not follow from the product of a learned initial state."""
    torch.manual_seed(5)
    export(Module("rnn_tanh", 1, "learned").eval(), tmp_path / "m.onnx", torch.randn(T, N, FEATURES), dynamo=True)
    assert entries_of(tmp_path / "m.onnx") == ()


@pytest.mark.parametrize("folding", [True, False])
def test_weights_stored_as_direction_and_length_are_combined(folding, tmp_path):
    torch.manual_seed(6)
    module = Module("lstm", 1)
    torch.nn.utils.parametrizations.weight_norm(module.rnn, "weight_hh_l0")
    compared(module, tmp_path / "m.onnx", dynamo=False, input_names=["x"], do_constant_folding=folding)

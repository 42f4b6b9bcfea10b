"""Written weights read back unchanged in every format; unsupported networks are refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Network, ParameterSource
from rnnviz.core.errors import InputError
from rnnviz.core.parameters import draw_parameters
from rnnviz.engines.registry import ENGINES
from rnnviz.execution.export_weights import check_roundtrip
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import (
    NUMPY_ARCHIVE,
    ONNX_MODEL,
    WEIGHT_FORMATS,
    config_of,
    entries_of,
    format_for,
    of_weights,
    read_weights,
)
from tests.io.model_formats.writing.saved_models import NETWORKS, made, write

CASES = [
    pytest.param(form.ending, dtype, id=f"{form.ending}-{dtype}") for form in WEIGHT_FORMATS for dtype in form.dtypes
]

CELLS = {
    "peepholes": (Network("lstm_peephole", 3, 4, 2, True), (".onnx", ".npz")),
    "coupled": (Network("lstm_coupled", 3, 4, 2, True), (".onnx", ".npz")),
    "reset before": (Network("gru_reset_before", 3, 4, 3), (".onnx", ".npz")),
    "projection": (Network("lstm", 3, 4, 2, True, projection_size=2), (".params", ".safetensors", ".npz")),
    "clip": (Network("lstm", 3, 4, clip=0.3), (".onnx", ".npz")),
    "clip in reverse": (Network("gru_reset_before", 3, 4, reverse=True, clip=0.123456789), (".onnx", ".npz")),
    "activations with constants": (
        Network("gru", 3, 4, 2, True, activations=("hard_sigmoid(0.3, 0.4)", "leaky_relu(0.1)")),
        (".onnx", ".npz"),
    ),
    "hard sigmoid of Keras": (
        Network("lstm_peephole", 3, 4, activations=("keras_hard_sigmoid", "tanh", "softsign")),
        (".onnx", ".npz"),
    ),
    "linear": (Network("rnn_tanh", 3, 4, activations=("linear",)), (".onnx", ".npz")),
    "activation that ONNX lacks": (Network("rnn_tanh", 3, 4, activations=("swish",)), (".npz",)),
}
"""Networks of other cells, and the formats whose frameworks have them."""


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "dtype"), CASES)
@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_a_written_file_reads_back_to_the_same_numbers(tmp_path, cell, layers, both, ending, dtype):
    inputs = made(cell, layers, both, dtype)
    path = write(inputs, tmp_path / f"w{ending}")
    read = format_for(path).read(inputs.network, path)
    assert list(read) == list(inputs.parameters)
    for name, array in inputs.parameters.items():
        assert read[name].dtype == dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize(("cell", "layers", "both"), [("gru", 1, False), ("lstm", 2, False), ("lstm", 1, True)])
def test_a_file_of_another_network_is_not_taken_for_it(tmp_path, cell, layers, both):
    for form in WEIGHT_FORMATS:
        path = write(made(cell, layers, both), tmp_path / f"w{form.ending}")
        if (form, cell, layers) == (ONNX_MODEL, "lstm", 2):
            continue  # its upper layer alone is a network, too
        with pytest.raises(InputError, match="holds 0 networks like the one"):
            form.read(made("lstm").network, path)
    path = write(made(cell, layers, both, "float64"), tmp_path / "w.npz")
    with pytest.raises(InputError, match="holds 0 networks"):
        NUMPY_ARCHIVE.read(made(cell, layers, both).network, path)


def test_another_ending_is_refused_with_those_that_are_known():
    with pytest.raises(InputError, match=r'w\.pt .* ending is "\.pt", .* \.params, \.safetensors, \.onnx, \.npz\.$'):
        format_for(Path("w.pt"))
    assert format_for(Path("W.ONNX")) is ONNX_MODEL


@pytest.mark.slow
@pytest.mark.parametrize("form", WEIGHT_FORMATS, ids=lambda form: form.ending)
@pytest.mark.parametrize("name", CELLS)
def test_cells_are_written_where_the_framework_has_them(name, form, tmp_path):
    network, endings = CELLS[name]
    path = tmp_path / f"w{form.ending}"
    if form.ending not in endings:
        with pytest.raises(InputError, match="cannot be written"):
            form.check(network, path)
        return
    form.check(network, path)
    parameters = draw_parameters(network, ParameterSource(initializer="normal", scale=0.5))
    form.write(network, parameters, path)
    check = check_roundtrip(network, parameters, path, form.read(network, path), form.library)
    assert bool(check.library) == (form.library is not None and ENGINES[form.library].unavailable is None)
    entry = entries_of(path)[0]
    stated = entry.network(network.cell if entry.cell != network.cell else None)
    assert stated == replace(network, clip=stated.clip, activations=stated.activations, reverse=stated.reverse)
    if form is ONNX_MODEL:
        assert stated == replace(network, clip=stated.clip)
        assert (stated.clip or 0.0) == pytest.approx(network.clip or 0.0, rel=1e-7)
    else:
        assert (stated == network and entry.cell == network.cell) == (not form.note(network))


def test_a_network_without_the_clip_of_a_file_is_refused(tmp_path):
    network = replace(made("gru").network, clip=0.5)
    parameters = draw_parameters(network, ParameterSource())
    ONNX_MODEL.write(network, parameters, tmp_path / "w.onnx")
    model = open_model(tmp_path / "w.onnx")
    assert read_weights(model, model.entries[0], network).keys() == parameters.keys()
    for clip in (None, 0.25):
        with pytest.raises(InputError, match=r"clip = 0\.5"):
            read_weights(model, model.entries[0], replace(network, clip=clip))


def test_a_cell_that_the_names_do_not_state_is_an_assumption(tmp_path):
    inputs = made("gru_reset_before")
    entry = entries_of(write(inputs, tmp_path / "w.npz"))[0]
    assert of_weights(entry, config_of(tmp_path / "w.npz", entry)) == ()
    (clause,) = of_weights(entry, config_of(tmp_path / "w.npz", entry, "gru_reset_before"))
    assert "gru_reset_before" in clause

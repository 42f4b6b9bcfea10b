"""Written weights read back unchanged in every format; unsupported networks are refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.model_formats.save.formats import NUMPY_ARCHIVE, ONNX_MODEL, WEIGHT_FORMATS, format_for
from tests.io.model_formats.writing.saved_models import NETWORKS, made, write

CASES = [
    pytest.param(form.ending, dtype, id=f"{form.ending}-{dtype}") for form in WEIGHT_FORMATS for dtype in form.dtypes
]


@pytest.mark.parametrize(("ending", "dtype"), CASES)
@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_a_written_file_reads_back_to_the_same_numbers(
    tmp_path: Path, cell: str, layers: int, both: bool, ending: str, dtype: str
) -> None:
    inputs = made(cell, layers, both, dtype)
    path = write(inputs, tmp_path / f"w{ending}")
    read = format_for(path).read(inputs.network, path)
    assert list(read) == list(inputs.parameters)
    for name, array in inputs.parameters.items():
        assert read[name].dtype == dtype
        np.testing.assert_array_equal(read[name], array)


@pytest.mark.parametrize("form", WEIGHT_FORMATS, ids=lambda form: form.ending)
@pytest.mark.parametrize("cell", ["rnn_relu", "gru"])
def test_a_written_file_is_a_model_file_like_any_other(tmp_path: Path, form, cell: str) -> None:
    inputs = made(cell, 2, True)
    entry = entries_of(write(inputs, tmp_path / f"w{form.ending}"))[0]
    assert entry.supported
    assert (entry.cell is None) == bool(form.note(inputs.network))
    assert entry.network(None if entry.cell else cell) == inputs.network


def test_numpy_itself_reads_the_archive(tmp_path: Path) -> None:
    inputs = made("lstm", 1, True)
    path = write(inputs, tmp_path / "w.npz")
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays.files == list(inputs.parameters)
        for name, array in inputs.parameters.items():
            np.testing.assert_array_equal(arrays[name], array)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(("cell", "layers", "both"), [("gru", 1, False), ("lstm", 2, False), ("lstm", 1, True)])
def test_a_file_of_another_network_is_not_taken_for_it(tmp_path: Path, cell: str, layers: int, both: bool) -> None:
    for form in WEIGHT_FORMATS:
        path = write(made(cell, layers, both), tmp_path / f"w{form.ending}")
        if (form, cell, layers) == (ONNX_MODEL, "lstm", 2):
            continue  # its upper layer alone is a network, too
        with pytest.raises(InputError, match="holds 0 networks like the one"):
            form.read(made("lstm").network, path)


def test_the_type_of_the_numbers_belongs_to_the_network(tmp_path: Path) -> None:
    path = write(made("gru", dtype="float64"), tmp_path / "w.npz")
    with pytest.raises(InputError, match="holds 0 networks"):
        NUMPY_ARCHIVE.read(made("gru").network, path)


def test_another_ending_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(InputError, match=r'w\.pt .* ending is "\.pt", .* \.params, \.safetensors, \.onnx, \.npz\.$'):
        format_for(Path("w.pt"))
    assert format_for(Path("W.ONNX")) is ONNX_MODEL


def test_what_onnx_runtime_cannot_compute_is_refused() -> None:
    network = made("lstm", dtype="float64").network
    with pytest.raises(InputError, match=r'w\.onnx .* network\.dtype is "float64", .* only in float32'):
        ONNX_MODEL.check(network, Path("w.onnx"))
    for form in WEIGHT_FORMATS:
        form.check(made("lstm").network, Path("w"))

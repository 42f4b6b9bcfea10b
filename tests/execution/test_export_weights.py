"""Weights are written only after verification; a failed one is a sentence that names the file."""

from functools import partial

import numpy as np
import pytest

from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.inputs import open_inputs, save_inputs
from rnnviz.core.progress import watched
from rnnviz.execution.export_weights import write_verified
from rnnviz.io.model_formats import mxnet_params
from rnnviz.io.model_formats.load import GLUON_PARAMS, NUMPY_ARCHIVE
from tests.io.model_formats.writing.saved_models import made


def test_the_parameters_of_a_finished_run_are_written(tmp_path):
    inputs = made("gru", 2, True)
    save_inputs(tmp_path / "inputs", inputs)
    load = partial(open_inputs, tmp_path / "inputs")
    told: list[float] = []
    with watched(told.append):
        found = write_verified(load, NUMPY_ARCHIVE, tmp_path / "t", tmp_path / "w.npz")
    assert told == sorted(told)
    assert {0.0, 0.2, 0.3, 0.5} < set(told)
    assert told[-1] <= 1.0
    assert found.numbers == inputs.network.parameter_count
    with np.load(tmp_path / "t") as arrays:
        for name, array in inputs.parameters.items():
            np.testing.assert_array_equal(arrays[name], array)


def test_a_file_that_does_not_read_back_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(mxnet_params, "write_weights", lambda network, parameters, path: path.write_bytes(b"\0" * 99))
    inputs = made("gru")
    with pytest.raises(
        EngineError, match=r"w\.params was not written, .*: w\.params is not a valid MXNet parameter file"
    ):
        write_verified(lambda: inputs, GLUON_PARAMS, tmp_path / "t", tmp_path / "w.params")


def test_a_full_disk_is_a_sentence(tmp_path, monkeypatch):
    def full(network, parameters, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mxnet_params, "write_weights", full)
    inputs = made("gru")
    with pytest.raises(InputError, match=r"w\.params cannot be written: No space left on device\.$"):
        write_verified(lambda: inputs, GLUON_PARAMS, tmp_path / "t", tmp_path / "w.params")

"""`.params` files are MXNet's own, byte for byte, and Gluon's layers compute from them what the recurrence does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.io.model_formats.writing.saved_models import HIDDEN, INPUT, NETWORKS, assert_reproduces, made, write
from tests.needs import needs

pytestmark = needs("mxnet")


@pytest.fixture(scope="module")
def mx() -> Any:
    from rnnviz.engines.gluon import mx

    return mx


def layer(mx: Any, cell: str, layers: int, both: bool, dtype: str = "float32") -> Any:
    rnn, options = mx.gluon.rnn, {"bidirectional": both, "input_size": INPUT, "dtype": dtype}
    if cell in ("lstm", "gru"):
        return {"lstm": rnn.LSTM, "gru": rnn.GRU}[cell](HIDDEN, layers, **options)
    return rnn.RNN(HIDDEN, layers, activation=cell.removeprefix("rnn_"), **options)


@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_gluon_s_layer_loads_the_file_and_computes_the_same(
    mx: Any, tmp_path: Path, cell: str, layers: int, both: bool
) -> None:
    inputs = made(cell, layers, both)
    block = layer(mx, cell, layers, both)
    block.load_parameters(str(write(inputs, tmp_path / "w.params")))
    states = [mx.nd.array(array) for array in inputs.initial_state.values()]
    out, final = block(mx.nd.array(inputs.sequence), states)
    assert_reproduces(inputs, out.asnumpy(), [state.asnumpy() for state in final])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_file_is_identical_to_that_of_mxnet(mx: Any, tmp_path: Path, dtype: str) -> None:
    inputs = made("gru", 2, True, dtype)
    arrays = {name: mx.nd.array(array, dtype=dtype) for name, array in inputs.parameters.items()}
    mx.nd.save(str(tmp_path / "theirs.params"), arrays)
    assert write(inputs, tmp_path / "ours.params").read_bytes() == (tmp_path / "theirs.params").read_bytes()


def test_float64_is_preserved(mx: Any, tmp_path: Path) -> None:
    inputs = made("lstm", 1, False, "float64")
    block = layer(mx, "lstm", 1, False, "float64")
    block.load_parameters(str(write(inputs, tmp_path / "w.params")))
    np.testing.assert_array_equal(block.l0_h2h_weight.data().asnumpy(), inputs.parameters["l0_h2h_weight"])

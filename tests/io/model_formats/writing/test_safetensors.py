"""`.safetensors` files are state_dicts: PyTorch's modules load them and compute what the recurrence does."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats import safetensors
from tests.io.model_formats.writing.saved_models import HIDDEN, INPUT, NETWORKS, assert_reproduces, made, write

torch = pytest.importorskip("torch")


def module(cell: str, layers: int, both: bool, dtype: str) -> Any:
    options: dict[str, Any] = {"bidirectional": both, "dtype": getattr(torch, dtype)}
    if cell in ("lstm", "gru"):
        return {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](INPUT, HIDDEN, layers, **options)
    return torch.nn.RNN(INPUT, HIDDEN, layers, nonlinearity=cell.removeprefix("rnn_"), **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_pytorch_s_module_loads_the_file_and_computes_the_same(
    tmp_path: Path, cell: str, layers: int, both: bool, dtype: str
) -> None:
    from safetensors.torch import load_file

    inputs = made(cell, layers, both, dtype)
    loaded = load_file(write(inputs, tmp_path / "w.safetensors"))
    assert {tensor.dtype for tensor in loaded.values()} == {getattr(torch, dtype)}
    theirs = module(cell, layers, both, dtype)
    theirs.load_state_dict(loaded)
    states = tuple(torch.from_numpy(np.array(array)) for array in inputs.initial_state.values())
    with torch.no_grad():
        out, final = theirs(torch.from_numpy(np.array(inputs.sequence)), states if cell == "lstm" else states[0])
    assert_reproduces(inputs, out.numpy(), [state.numpy() for state in (final if cell == "lstm" else (final,))])


def test_the_file_is_marked_as_one_of_pytorch(tmp_path: Path) -> None:
    with safe_open(write(made("gru"), tmp_path / "w.safetensors"), framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_a_write_error_of_the_library_is_a_sentence(tmp_path: Path) -> None:
    inputs = made("gru")
    with pytest.raises(InputError, match=r"w\.safetensors cannot be written: .*[^.]\.$"):
        safetensors.write_weights(inputs.network, inputs.parameters, tmp_path / "gone" / "w.safetensors")

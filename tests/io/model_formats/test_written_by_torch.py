"""PyTorch's own files: their weights are found, read without running code, and compute what the module does."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import entries_of
from tests.io.model_formats.sources import (
    HIDDEN,
    INPUT,
    NETWORKS,
    Source,
    assert_computes,
    read_parameters,
    sequence_and_states,
)
from tests.profiles import nightly_except

torch = pytest.importorskip("torch")


def module(cell: str, layers: int = 1, both: bool = False, **options: Any) -> Any:
    kinds = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
    if cell not in kinds:
        options["nonlinearity"] = cell.removeprefix("rnn_")
    torch.manual_seed(7)
    made = kinds.get(cell, torch.nn.RNN)(INPUT, HIDDEN, layers, bidirectional=both, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.0, 0.5)
    return made


def answer(made: Any, cell: str, layers: int, both: bool) -> Source:
    inputs = sequence_and_states(cell, layers, both)
    states = tuple(torch.tensor(np.array(state)) for state in inputs.initial_state.values())
    with torch.no_grad():
        out, final = made(torch.tensor(np.array(inputs.sequence)), states if cell == "lstm" else states[0])
    return Source(out.numpy(), tuple(state.numpy() for state in (final if cell == "lstm" else (final,))))


def save(state: Any, path: Path, form: str) -> None:
    if form == "safetensors":
        from safetensors.torch import save_file

        save_file(dict(state), path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")


@pytest.mark.parametrize("form", nightly_except(("zip", "legacy", "safetensors"), "zip"))
@pytest.mark.parametrize(("cell", "layers", "both"), NETWORKS)
def test_a_state_dict_computes_the_results_of_the_module(
    tmp_path: Path, cell: str, layers: int, both: bool, form: str
) -> None:
    made, path = module(cell, layers, both), tmp_path / f"w.{form}"
    save(made.state_dict(), path, form)
    (entry,) = entries_of(path)
    told = None if cell.startswith("rnn") else cell
    assert (entry.cell, entry.num_layers, entry.bidirectional) == (told, layers, both)
    assert (entry.input_size, entry.hidden_size, entry.dtype, entry.supported) == (INPUT, HIDDEN, "float32", True)
    assert ("rnn_tanh" in entry.reason) == (told is None)
    assert_computes(path, cell, answer(made, cell, layers, both))


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_narrow_weights_are_widened_exactly_and_wide_ones_preserved(tmp_path: Path, form: str, dtype: str) -> None:
    made, path = module("gru").to(getattr(torch, dtype)), tmp_path / "w.pt"
    save(made.state_dict(), path, form)
    (entry,) = entries_of(path)
    assert entry.dtype == dtype
    read = read_parameters(path, None, entry.network())
    expected = made.weight_hh_l0.detach().to(torch.float64).numpy()
    np.testing.assert_array_equal(read["l0_h2h_weight"].astype(np.float64), expected)
    assert read["l0_h2h_weight"].dtype == ("float64" if dtype == "float64" else "float32")


class Spy:
    """Unpickling it runs a command."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_code_in_a_pickle_is_not_run(tmp_path: Path, form: str) -> None:
    path, trace = tmp_path / "w.pt", tmp_path / "was-run"
    save({"weight_ih_l0": Spy(f"touch {trace}")}, path, form)
    with pytest.raises(InputError, match=r"holds more than tensors \((posix|nt)\.system\)"):
        open_model(path)
    assert not trace.exists()


def test_another_byte_order_is_refused(tmp_path: Path) -> None:
    import zipfile

    path, other = tmp_path / "w.pt", tmp_path / "big.pt"
    torch.save(module("gru").state_dict(), path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, b"big" if info.filename.endswith("byteorder") else old.read(info))
    with pytest.raises(InputError, match="big-endian"):
        open_model(other)

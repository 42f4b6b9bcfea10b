"""PyTorch's own files: their weights are found, read without running code, and compute what the module does."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.formats import open_model
from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.model_formats.model_file import Entry
from tests.io.model_formats.sources import (
    HIDDEN,
    INPUT,
    NETWORKS,
    Source,
    assert_computes,
    network,
    read_parameters,
    sequence_and_states,
)
from tests.profiles import slow_except

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


@pytest.mark.parametrize("form", slow_except(("zip", "legacy", "safetensors"), "zip"))
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


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru"])
def test_a_module_without_biases_has_biases_of_zeros(tmp_path: Path, cell: str) -> None:
    made, path = module(cell, 2, True, bias=False), tmp_path / "w.pt"
    torch.save(made.state_dict(), path)
    assert_computes(path, cell, answer(made, cell, 2, True))
    assert not read_parameters(path, None, network(cell, 2, True))["r1_h2h_bias"].any()


@pytest.mark.parametrize("form", ["zip", "safetensors"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cell", ["rnn_relu", "rnn_tanh", "lstm", "gru"])
def test_a_cell_computes_its_own_results_step_by_step(tmp_path: Path, cell: str, bias: bool, form: str) -> None:
    kinds = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell}
    options = {} if cell in kinds else {"nonlinearity": cell.removeprefix("rnn_")}
    torch.manual_seed(8)
    made = kinds.get(cell, torch.nn.RNNCell)(INPUT, HIDDEN, bias=bias, **options)
    inputs, path, out = sequence_and_states(cell, 1, False), tmp_path / "w.bin", []
    states = tuple(torch.tensor(np.array(state[0])) for state in inputs.initial_state.values())
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.0, 0.5)
        for x in torch.tensor(np.array(inputs.sequence)):
            states = made(x, states) if cell == "lstm" else (made(x, states[0]),)
            out.append(states[0].numpy())
    save({f"net.step.{name}": array for name, array in made.state_dict().items()}, path, form)
    (entry,) = entries_of(path)
    assert (entry.name, entry.num_layers, entry.bidirectional) == ("net.step", 1, False)
    assert_computes(path, cell, Source(np.stack(out), tuple(state.numpy()[None] for state in states)))


class Tagger(torch.nn.Module):
    """Recurrent modules of every kind among others."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(9, INPUT)
        self.encoder = torch.nn.ModuleDict({"lstm": module("lstm", 2, True), "gru": module("gru")})
        self.cells = torch.nn.ModuleList([torch.nn.LSTMCell(INPUT, 5), torch.nn.GRUCell(INPUT, 6)])
        self.rnn = torch.nn.RNNCell(INPUT, HIDDEN)
        self.head = torch.nn.Linear(HIDDEN, 2)


def layout(entry: Entry) -> tuple[Any, ...]:
    return entry.name, entry.cell, entry.hidden_size, entry.num_layers, entry.bidirectional


TAGGER = [
    ("encoder.lstm", "lstm", HIDDEN, 2, True),
    ("encoder.gru", "gru", HIDDEN, 1, False),
    ("cells.0", "lstm", 5, 1, False),
    ("cells.1", "gru", 6, 1, False),
    ("rnn", None, HIDDEN, 1, False),
]


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_every_recurrent_module_is_found_among_others(tmp_path: Path, form: str) -> None:
    tagger, path = Tagger(), tmp_path / "w.bin"
    save(tagger.state_dict(), path, form)
    assert sorted(map(layout, entries_of(path)), key=str) == sorted(TAGGER, key=str)
    made = tagger.encoder["lstm"]
    assert_computes(path, "lstm", answer(made, "lstm", 2, True), "encoder.lstm")


def test_a_checkpoint_s_dict_within_a_dict_is_found(tmp_path: Path) -> None:
    made, path = module("gru"), tmp_path / "w.ckpt"
    torch.save({"epoch": 3, "model": made.state_dict(), "rate": 0.1, "name": "x", "list": [1, None, True]}, path)
    assert [entry.name for entry in entries_of(path)] == ["model"]
    assert_computes(path, "gru", answer(made, "gru", 1, False))


def turned(tensor: Any) -> Any:
    return tensor.mT if tensor.ndim == 2 else tensor


def test_parameters_and_views_of_one_storage_are_read(tmp_path: Path) -> None:
    """A layer that was on a GPU has all its weights in one storage, some of them transposed."""
    made, path = module("lstm"), tmp_path / "w.pt"
    flat = torch.cat([turned(parameter.detach()).reshape(-1) for parameter in made.parameters()])
    state, begin = {}, 0
    for name, parameter in made.named_parameters():
        part = flat[begin : begin + parameter.numel()].reshape(turned(parameter).shape)
        state[name], begin = torch.nn.Parameter(turned(part)), begin + parameter.numel()
    torch.save(state, path)
    assert_computes(path, "lstm", answer(made, "lstm", 1, False))


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


def test_float64_weights_are_not_rounded_unasked(tmp_path: Path) -> None:
    made, path = module("gru").double(), tmp_path / "w.pt"
    torch.save({name: array / 3 for name, array in made.state_dict().items()}, path)
    with pytest.raises(InputError, match=r'l0_i2h_weight is stored in float64.* network.dtype must be "float64"'):
        read_parameters(path, None, network("gru", 1, False))
    exact = {name: torch.round(array * 8) for name, array in made.state_dict().items()}
    torch.save(exact, path)
    read = read_parameters(path, None, network("gru", 1, False))
    np.testing.assert_array_equal(read["l0_h2h_bias"], exact["bias_hh_l0"].numpy())


def test_a_projection_has_its_own_size(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    torch.save(module("lstm", proj_size=2).state_dict(), path)
    (entry,) = entries_of(path)
    assert (entry.cell, entry.hidden_size, entry.projection_size) == ("lstm", HIDDEN, 2)


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_a_whole_module_is_refused_with_the_fix(tmp_path: Path, form: str) -> None:
    path = tmp_path / "w.pt"
    save(module("lstm"), path, form)
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.rnn\.LSTM.*code in a file is never run.*state_dict"):
        open_model(path)


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

"""NumPy and safetensors files as users save them: each network computes what the module does, or has the reason."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.load import arrays_of, entries_of
from tests.io.model_formats.corpus.torch_modules import check, gru, lstm, rnn, seeded
from tests.profiles import nightly_except

torch = pytest.importorskip("torch")
safetensors = pytest.importorskip("safetensors.torch")

MODULES: Mapping[str, Any] = {
    "lstm": lstm(num_layers=2, bidirectional=True),
    "gru": gru(num_layers=3),
    "rnn": rnn(bidirectional=True, nonlinearity="relu"),
    "cell": seeded(torch.nn.LSTMCell(3, 4)),
}


def arrays(made: Any, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": tensor.numpy() for name, tensor in made.state_dict().items()}


def named(separator: str) -> dict[str, Any]:
    return {k: v for name, made in MODULES.items() for k, v in arrays(made, f"net{separator}{name}{separator}").items()}


def by_name(separator: str) -> dict[str, Any]:
    return {f"net{separator}{name}": made for name, made in MODULES.items()}


@pytest.mark.parametrize("separator", nightly_except("./_", "/", "_"))
def test_names_in_an_npz_with_every_separator(tmp_path, separator):
    np.savez(tmp_path / "w.npz", **named(separator))
    check(tmp_path / "w.npz", by_name(separator))


@pytest.mark.parametrize("kind", [">f4", "<f4", "f8"])
def test_types_of_an_npz(tmp_path, kind):
    made = seeded(torch.nn.GRU(3, 4, 2)).to(torch.float64 if kind == "f8" else torch.float32)
    np.savez_compressed(tmp_path / "w.npz", **{name: array.astype(kind) for name, array in arrays(made).items()})
    check(tmp_path / "w.npz", {"gru": made})


def as_npz(state: Mapping[str, Any], folder: Path) -> Path:
    np.savez(folder / "w.npz", **state)
    return folder / "w.npz"


def as_safetensors(state: Mapping[str, Any], folder: Path, **options: Any) -> Path:
    tensors = {name: torch.as_tensor(tensor).clone() for name, tensor in state.items()}
    safetensors.save_file(tensors, folder / "w.safetensors", **options)
    return folder / "w.safetensors"


NUMPY_TYPES = {"longdouble": "float", "c8": "complex64", "i1": "int8", "O": "pickled"}
TORCH_TYPES = ("float8_e4m3fn", "float8_e5m2", "int8", "uint8", "uint16", "bool", "complex64")


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("save", "kind", "word"),
    [(as_npz, *row) for row in NUMPY_TYPES.items()] + [(as_safetensors, kind, kind) for kind in TORCH_TYPES],
)
def test_arrays_of_other_types_have_the_reason(tmp_path, save, kind, word, whole):
    state: dict[str, Any] = arrays(MODULES["gru"], "a.")
    for name, array in state.items():
        if whole or "weight_hh_l0" in name:
            state[name] = array.astype(kind) if save is as_npz else torch.from_numpy(array).to(getattr(torch, kind))
    check(save(state, tmp_path), {"a": word})


def test_a_pickled_state_dict_in_an_npz_is_refused(tmp_path):
    np.savez(tmp_path / "w.npz", model=np.array(arrays(MODULES["gru"]), dtype=object))
    check(tmp_path / "w.npz", "never unpickled")


def test_arrays_without_names_are_listed(tmp_path):
    np.savez(tmp_path / "w.npz", *arrays(MODULES["gru"]).values())
    assert entries_of(tmp_path / "w.npz") == ()
    assert list(arrays_of(tmp_path / "w.npz"))[:2] == ["arr_0", "arr_1"]


@pytest.mark.parametrize(
    ("name", "shape"),
    [("h0", (4, 1, 4)), ("init_hidden", (4,)), ("hidden_init", (4, 4)), ("initial_state", (4, 1, 4)), ("c_0", (4,))],
)
def test_a_learned_initial_state_is_an_assumption(tmp_path, name, shape):
    made = MODULES["lstm"]
    for prefix in ("net.", "net.lstm."):
        np.savez(tmp_path / "w.npz", **arrays(made, "net.lstm."), **{prefix + name: np.ones(shape)})
        (entry,) = entries_of(tmp_path / "w.npz")
        assert entry.initial_state == "unknown"
        assert f'"{prefix}{name}"' in " ".join(entry.assumptions)


def test_safetensors_of_many_networks(tmp_path):
    state = {f"net.{name}.{key}": v for name, made in MODULES.items() for key, v in made.state_dict().items()}
    state |= {"empty": torch.zeros(0, 3), "steps": torch.tensor(3), "u": torch.ones(2, dtype=torch.uint16)}
    check(as_safetensors(state, tmp_path, metadata={"format": "pt"}), by_name("."))


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64"])
def test_types_of_safetensors(tmp_path, kind):
    made = seeded(torch.nn.LSTM(3, 4, 2)).to(getattr(torch, kind))
    path = as_safetensors(made.state_dict(), tmp_path)
    check(path, {"lstm": made.double() if kind == "float64" else made.float()})


def test_a_json_file_that_is_not_an_index_is_refused(tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    for content in ("{", "[]", '{"weight_map": {"a": 1}}', "[" * 100_000):
        path.write_text(content)
        with pytest.raises(InputError):
            entries_of(path)

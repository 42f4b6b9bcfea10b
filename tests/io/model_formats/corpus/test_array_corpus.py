"""NumPy and safetensors files as users save them: each network computes what the module does, or has the reason."""

from collections.abc import Callable, Mapping
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
def test_names_in_an_npz_with_every_separator(tmp_path: Path, separator: str) -> None:
    np.savez(tmp_path / "w.npz", **named(separator))
    check(tmp_path / "w.npz", by_name(separator))


@pytest.mark.parametrize("kind", [">f4", "<f4", "f8"])
def test_types_of_an_npz(tmp_path: Path, kind: str) -> None:
    made = seeded(torch.nn.GRU(3, 4, 2)).to(torch.float64 if kind == "f8" else torch.float32)
    np.savez_compressed(tmp_path / "w.npz", **{name: array.astype(kind) for name, array in arrays(made).items()})
    check(tmp_path / "w.npz", {"gru": made})


OTHERS: Mapping[str, Callable[[Any], Any]] = {
    "float16": lambda array: array.astype("f2"),
    "longdouble": lambda array: array.astype(np.longdouble),
    "complex": lambda array: array.astype("c8"),
    "int8": lambda array: (array * 50).astype("i1"),
    "objects": lambda array: array.astype(object),
}


@pytest.mark.parametrize(
    ("change", "word"), [("longdouble", "float"), ("complex", "complex64"), ("int8", "int8"), ("objects", "pickled")]
)
def test_arrays_of_other_types_have_the_reason(tmp_path: Path, change: str, word: str) -> None:
    changed = {name: OTHERS[change](array) for name, array in arrays(MODULES["gru"], "a.").items()}
    np.savez(tmp_path / "w.npz", **changed)
    check(tmp_path / "w.npz", {"a": word})


def test_one_pickled_array_among_others_is_the_reason(tmp_path: Path) -> None:
    held = arrays(MODULES["lstm"], "a.")
    held["a.bias_hh_l1"] = held["a.bias_hh_l1"].astype(object)
    np.savez(tmp_path / "w.npz", **held)
    check(tmp_path / "w.npz", {"a": "pickled"})


def test_a_pickled_state_dict_in_an_npz_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", model=np.array(arrays(MODULES["gru"]), dtype=object))
    check(tmp_path / "w.npz", "never unpickled")


def test_arrays_without_names_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", *arrays(MODULES["gru"]).values())
    assert entries_of(tmp_path / "w.npz") == ()
    assert list(arrays_of(tmp_path / "w.npz"))[:2] == ["arr_0", "arr_1"]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("h0", (4, 1, 4)),
        ("init_hidden", (4,)),
        pytest.param("hidden_init", (4, 4), marks=pytest.mark.slow),
        pytest.param("initial_state", (4, 1, 4), marks=pytest.mark.slow),
        pytest.param("c_0", (4,), marks=pytest.mark.slow),
    ],
)
def test_a_learned_initial_state_is_an_assumption(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    made = MODULES["lstm"]
    for prefix in ("net.", "net.lstm."):
        np.savez(tmp_path / "w.npz", **arrays(made, "net.lstm."), **{prefix + name: np.ones(shape)})
        (entry,) = entries_of(tmp_path / "w.npz")
        assert entry.initial_state == "unknown"
        assert f'"{prefix}{name}"' in " ".join(entry.assumptions)
        check(tmp_path / "w.npz", {"net.lstm": made})


def save(state: Mapping[str, Any], path: Path, **options: Any) -> Path:
    safetensors.save_file({name: tensor.clone() for name, tensor in state.items()}, path, **options)
    return path


def test_safetensors_of_many_networks(tmp_path: Path) -> None:
    state = {f"net.{name}.{key}": v for name, made in MODULES.items() for key, v in made.state_dict().items()}
    state |= {"empty": torch.zeros(0, 3), "steps": torch.tensor(3), "u": torch.ones(2, dtype=torch.uint16)}
    check(save(state, tmp_path / "w.safetensors", metadata={"format": "pt"}), by_name("."))


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64"])
def test_types_of_safetensors(tmp_path: Path, kind: str) -> None:
    made = seeded(torch.nn.LSTM(3, 4, 2)).to(getattr(torch, kind))
    path = save(made.state_dict(), tmp_path / "w.safetensors")
    check(path, {"lstm": made.double() if kind == "float64" else made.float()})


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("float8_e4m3fn", "float8_e4m3fn"),
        ("float8_e5m2", "float8_e5m2"),
        ("int8", "int8"),
        ("uint8", "uint8"),
        ("uint16", "uint16"),
        ("bool", "bool"),
        ("complex64", "complex64"),
    ],
)
def test_other_types_of_safetensors_have_the_reason(tmp_path: Path, kind: str, word: str) -> None:
    made = torch.nn.GRU(3, 4)
    state = {f"a.{name}": tensor.to(getattr(torch, kind)) for name, tensor in made.state_dict().items()}
    check(save(state, tmp_path / "w.safetensors"), {"a": word})


def test_one_array_of_another_type_is_the_reason(tmp_path: Path) -> None:
    state = torch.nn.GRU(3, 4).state_dict()
    state["weight_hh_l0"] = state["weight_hh_l0"].to(torch.float8_e4m3fn)
    check(save(state, tmp_path / "w.safetensors"), {"gru": "float8_e4m3fn"})


def test_a_network_without_units_has_the_reason(tmp_path: Path) -> None:
    state = {"a.weight_ih_l0": torch.zeros(0, 3), "a.weight_hh_l0": torch.zeros(0, 0)}
    check(save(state, tmp_path / "w.safetensors"), {"a": "at least 1"})


def test_a_json_file_that_is_not_an_index_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    for content in ("{", "[]", '{"weight_map": {"a": 1}}', "[" * 100_000):
        path.write_text(content)
        with pytest.raises(InputError):
            entries_of(path)

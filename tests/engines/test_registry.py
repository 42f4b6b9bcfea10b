"""Engines by name, and the reason where one is missing."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnviz.engines import registry
from rnnviz.engines.registry import (
    ENGINES,
    EngineEntry,
    find_engine,
    known_mistakes,
    load_engine,
    recordings_in,
    with_present_reference,
)
from rnnviz.model.config import Compare, Config, Network
from rnnviz.model.errors import ConfigError, EngineError


def test_an_unknown_engine_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(ConfigError) as caught:
        find_engine("tensorflow", "compare.reference")
    assert caught.value.key == "compare.reference"
    for word in ("compare.reference", '"tensorflow"', "gluon", "manual"):
        assert word in caught.value.sentence


def test_a_recording_is_found_by_its_path_and_needs_nothing_installed(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    with pytest.raises(
        ConfigError, match=r'compare\.candidates names "trace:.*golden\.npz#torch", but there is no such'
    ):
        find_engine(f"trace:{path}#torch")
    np.savez(path, **{"torch.hidden": np.ones(1), "manual.state": np.ones(1)})
    assert recordings_in(path) == (f"trace:{path}#torch", f"trace:{path}#manual")
    entry = find_engine(f"trace:{path}#torch")
    assert (entry.unavailable, entry.unfit(Network("gru", 2, 3, dtype="float64")), entry.own) == (None, None, None)
    assert load_engine(entry.name).version.startswith("golden.npz, saved ")
    np.savez(path, hidden=np.ones(1))
    assert recordings_in(path) == (f"trace:{path}",)


def test_the_manual_engine_is_available_everywhere() -> None:
    assert ENGINES["manual"].unavailable is None
    assert load_engine("manual").version == f"numpy {ENGINES['manual'].version}"


def test_a_missing_package_is_a_sentence_that_names_it() -> None:
    entry = replace(ENGINES["manual"], name="other", package="no_such_package")
    assert entry.unavailable == "The engine other needs the package no_such_package, which is not installed."
    assert entry.version is None


def missing(monkeypatch: pytest.MonkeyPatch, *packages: str, system: str = "Windows", machine: str = "AMD64") -> None:
    """Another machine, on which these packages are not installed."""
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name in packages else object())
    monkeypatch.setattr(registry.platform, "system", lambda: system)
    monkeypatch.setattr(registry.platform, "machine", lambda: machine)


def test_a_missing_mxnet_tells_the_system_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, "mxnet")
    with pytest.raises(EngineError, match=r"no wheel for Windows AMD64: onnx can be the reference instead, by .*--eng"):
        load_engine("gluon")


def test_where_mxnet_can_be_installed_it_is_said_how(monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, "mxnet", system="Linux", machine="x86_64")
    with pytest.raises(EngineError, match=r"is not installed \(pip install mxnet==1\.9\.1 brings it\): onnx can"):
        load_engine("gluon")


@pytest.mark.parametrize(
    ("dtype", "candidates", "packages", "reference"),
    [
        ("float32", ("manual",), ["mxnet"], "onnx"),
        ("float32", ("manual", "onnx"), ["mxnet"], "torch"),
        ("float32", ("onnx",), ["mxnet", "torch"], "manual"),
        ("float64", ("manual",), ["mxnet"], "torch"),
        ("float64", ("manual",), ["mxnet", "torch"], None),
        ("float32", ("manual",), ["torch"], None),
    ],
)
def test_the_usual_reference_is_stood_in_for_by_one_that_can_run(
    monkeypatch: pytest.MonkeyPatch,
    dtype: str,
    candidates: tuple[str, ...],
    packages: list[str],
    reference: str | None,
) -> None:
    missing(monkeypatch, *packages)
    config = Config(Network("gru", 2, 3, dtype=dtype), compare=Compare(candidates=candidates))
    changed, told = with_present_reference(config)
    if reference is None:
        assert (changed, told) == (config, "")
    else:
        assert changed == replace(config, compare=Compare(reference, candidates))
        why = "which has no wheel for Windows AMD64."
        assert told == f"{reference} is the reference here: the engine gluon needs mxnet 1.9.1, {why}"


@pytest.mark.parametrize("error", [ImportError, OSError, AttributeError])
def test_an_engine_whose_import_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def load() -> None:
        raise error("libgfortran.so.4 is missing")

    broken = EngineEntry("broken", "broken", None, load)
    monkeypatch.setitem(ENGINES, "broken", broken)
    with pytest.raises(EngineError, match=r"The engine broken could not be loaded: libgfortran\.so\.4 is missing\."):
        load_engine("broken")


def test_listing_the_engines_imports_none_of_them() -> None:
    code = (
        "import sys; from rnnviz.engines.registry import ENGINES; [entry.unavailable for entry in ENGINES.values()];"
        "print('mxnet' in sys.modules, 'rnnviz.engines.manual' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.split() == ["False", "False"]


@pytest.mark.parametrize("cell", ["rnn_tanh", "lstm", "gru"])
def test_the_known_mistakes_of_a_network_are_those_that_its_engine_entries_accept(cell: str) -> None:
    network = Network(cell, 2, 3)
    entries = known_mistakes(network)
    assert entries
    assert all(find_engine(entry.engine).unfit(network) is None for entry in entries)
    both = known_mistakes(replace(network, bidirectional=True))
    new = [entry for entry in both if entry not in entries]
    assert {"concat-swapped", "final-state-at-last-timestep"} <= {entry.name for entry in new}
    assert all(find_engine(entry.engine).unfit(network) is not None for entry in new)

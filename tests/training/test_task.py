"""Tasks: their files, their defaults, and sentences about keys that are not possible."""

import pytest

from rnnviz.core.errors import ConfigError, EngineError
from rnnviz.engines import registry
from rnnviz.training.loop import TrainingLoop
from rnnviz.training.task import TrainingTask, is_task, load_task, save_task
from tests.cases import cases

TORCH = {"library": "torch"}


def test_the_default_is_an_lstm_with_a_forget_bias(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text('[problem]\nkind = "characters"\npath = "text.txt"\n', encoding="utf-8")
    task = load_task(path)
    assert (task.network.cell, task.network.hidden_size, task.training.forget_bias) == ("lstm", 64, 1.0)
    assert task.problem.path == str(tmp_path / "text.txt")
    save_task(task, tmp_path / "other.toml")
    assert 'path = "text.txt"' in (tmp_path / "other.toml").read_text(encoding="utf-8")
    assert load_task(tmp_path / "other.toml") == task
    assert is_task(path)
    path.write_text('[network]\ncell = "lstm"\n', encoding="utf-8")
    assert not is_task(path)


@pytest.mark.parametrize("case", cases(__file__)["impossible"])
def test_keys_that_are_not_possible(case):
    with pytest.raises(ConfigError) as caught:
        TrainingTask.from_mapping({name: table for name, table in case.items() if name != "key"})
    assert caught.value.key == case["key"]


@pytest.mark.parametrize(("missing", "other"), [(("torch",), True), (("torch", "mxnet"), False)])
def test_a_library_that_is_missing_names_libraries_that_are_not(monkeypatch, missing, other):
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name in missing else object())
    monkeypatch.setattr(registry, "_why_mxnet_cannot_be_loaded", lambda: None)
    with pytest.raises(EngineError) as caught:
        TrainingLoop(TrainingTask.from_mapping({"training": TORCH}))
    sentence = str(caught.value)
    assert ("gluon" in sentence) == other
    assert "leave the library out" in sentence
    assert "--engines" not in sentence

"""Tasks: their files, their defaults, and sentences about keys that are not possible."""

import pytest

from rnnviz.core.errors import ConfigError, EngineError
from rnnviz.engines import registry
from rnnviz.training.loop import TrainingLoop
from rnnviz.training.task import TrainingTask, is_task, load_task, save_task

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


@pytest.mark.parametrize(
    ("key", "tables"),
    [
        ("optimizer", {"optimizer": {}}),
        ("network.input_size", {"network": {"input_size": 3}}),
        ("network.cell", {"network": {"cell": "./mine.py"}}),
        ("network.projection_size", {"network": {"cell": "gru", "projection_size": 2}}),
        ("network.reverse", {"network": {"reverse": True, "bidirectional": True}}),
        ("network.bidirectional", {"problem": {"kind": "sine"}, "network": {"bidirectional": True}}),
        ("problem.path", {"problem": {"path": "text.txt"}}),
        ("problem.timesteps", {"problem": {"kind": "copy", "timesteps": 10}}),
        ("parameters.initializer", {"parameters": {"initializer": "file"}}),
        ("parameters.initializer", {"parameters": {"path": "weights.npz"}}),
        ("training.learning_rate", {"training": {"learning_rate": 0.0}}),
        ("training.learning_rate", {"training": {"learning_rate": 1e300}}),
        ("training.clip_norm", {"training": {"clip_norm": 1e300}}),
        ("training.forget_bias", {"training": {"forget_bias": -1e300}}),
        ("training.library", {"training": {"library": "onnx"}}),
        ("training.library", {"training": TORCH, "network": {"cell": "lstm_peephole"}}),
        ("training.library", {"training": TORCH, "network": {"projection_size": 2}}),
        ("training.library", {"training": {"library": "gluon"}, "network": {"clip": 1.0}}),
        ("training.library", {"training": TORCH, "network": {"reverse": True}}),
        ("training.truncate", {"training": {"truncate": 5, **TORCH}, "network": {"bidirectional": True}}),
    ],
)
def test_keys_that_are_not_possible(key, tables):
    with pytest.raises(ConfigError) as caught:
        TrainingTask.from_mapping(tables)
    assert caught.value.key == key


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

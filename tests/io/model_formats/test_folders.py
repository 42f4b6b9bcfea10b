"""Folders that hold a model file, and files of formats that are not read."""

import json
import pickle

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.model_formats import NUMPY, SAFETENSORS, SHARDS
from rnnviz.io.model_formats.formats import format_of, is_model_file, model_in
from rnnviz.io.model_formats.load import config_of, entries_of
from rnnviz.io.session import files_to_copy
from tests.io.model_formats.samples import NETWORK, write_safetensors
from tests.io.model_formats.sources import in_torch_names, read_parameters, weights_of


def test_the_model_file_of_a_folder_is_opened_despite_other_files(tmp_path):
    write_safetensors(tmp_path / "model.safetensors")
    for other in ("optimizer.pt", "training_args.bin", "config.json"):
        (tmp_path / other).write_bytes(b"x")
    assert format_of(tmp_path) is SAFETENSORS
    (entry,) = entries_of(tmp_path)
    read = read_parameters(tmp_path, entry.name, NETWORK)
    for name, array in weights_of(NETWORK).items():
        np.testing.assert_array_equal(read[name], array)
    (copied,) = files_to_copy(config_of(tmp_path, entry))
    assert [name for name, _ in copied.parts] == [f"{tmp_path.name}/model.safetensors"]


@pytest.mark.parametrize("named", ["", "model.safetensors.index.json", "model-00001-of-00002.safetensors"])
def test_the_shards_of_a_folder_are_read_and_copied_together(tmp_path, named):
    from safetensors.numpy import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    arrays = in_torch_names(weights_of(NETWORK), "enc.")
    shards = {name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(arrays)}
    for shard in set(shards.values()):
        save_file({name: arrays[name] for name, place in shards.items() if place == shard}, folder / shard)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}), encoding="utf-8")
    path = folder / named if named else folder
    (entry,) = entries_of(path)
    (copied,) = files_to_copy(config_of(path, entry))
    assert sorted(name.rpartition("/")[2] for name, _ in copied.parts) == sorted(
        [*set(shards.values()), "model.safetensors.index.json"]
    )


def test_a_folders_index_is_preferred_to_its_shards_and_npy_files_are_a_model(tmp_path):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", np.ones(2))
    assert (model_in(tmp_path), format_of(tmp_path)) == (tmp_path, NUMPY)
    for name in ("model.safetensors.index.json", "model-00001-of-00002.safetensors", "model.safetensors"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert format_of(tmp_path) is SHARDS
    assert model_in(tmp_path).name == "model.safetensors.index.json"
    assert format_of(tmp_path / "model.safetensors.index.json") is SHARDS


def test_a_sequence_next_to_a_model_is_ignored_but_weights_are_not(tmp_path):
    write_safetensors(tmp_path / "m.safetensors")
    np.save(tmp_path / "x_train.npy", np.ones(2))
    assert model_in(tmp_path) == tmp_path / "m.safetensors"
    np.save(tmp_path / "rnn.weight_hh_l0.npy", np.ones((4, 4)))
    assert model_in(tmp_path) == tmp_path


def test_a_folder_lists_its_model_files_or_reports_that_it_has_none(tmp_path):
    with pytest.raises(InputError, match="contains no model file"):
        entries_of(tmp_path)
    for name in ("model.safetensors", "pytorch_model.bin"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=r'"model\.safetensors", "pytorch_model\.bin"'):
        entries_of(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("m.tflite", b"x"),
        ("m.bin", b"\x1c\0\0\0TFL3"),
        ("m.pte", b"\x1c\0\0\0ET12"),
        ("model.ckpt.index", b"x"),
        ("model.ckpt.data-00000-of-00001", b"x"),
        ("model.json", json.dumps({"format": "layers-model"}).encode()),
        ("model.json", json.dumps({"class_name": "Sequential"}).encode()),
        ("m.weights.json", b"{}"),
        ("net-symbol.json", b'{"nodes": []}'),
        ("m.gguf", b"GGUF\x03"),
        ("m.xml", b'<?xml version="1.0"?><net name="m">'),
        ("m.pdparams", pickle.dumps({})),
        ("m.safetensors.gz", b"\x1f\x8b"),
        ("params.pkl", pickle.dumps({})),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n"),
        ("model.pt", b"<!DOCTYPE html><html>"),
    ],
)
def test_a_file_of_an_unsupported_format_is_recognized(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"format that is not read.*export the model to ONNX"):
        entries_of(path)
    assert is_model_file(path)

"""Sessions: what was saved comes back elsewhere, and what cannot be saved leaves an older one as it was."""

import gc
import json
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.cell_json import cell_to_json
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import declarations
from rnnviz.io.inputs import load_inputs
from rnnviz.io.session import (
    MANIFEST,
    SavedDocument,
    SavedViewState,
    files_to_copy,
    read_session,
    size_of,
    write_session,
)
from tests.cells.layers import EXAMPLES
from tests.full_disk import files_of_at_most
from tests.io.session.session_factories import LOOK, X, never, saved
from tests.profiles import nightly_except


def test_a_session_with_copies_brings_its_files_wherever_it_is_opened(tmp_path, config):
    path, elsewhere = tmp_path / "here" / "a.rnnviz", tmp_path / "elsewhere"
    before = load_inputs(config)
    files = files_to_copy(config)
    told: list[float] = []
    size = write_session(saved(config), path, files, told.append)
    assert size == path.stat().st_size > size_of(files) > X.nbytes
    assert told[-1] == 1.0
    elsewhere.mkdir()
    moved = Path(shutil.move(path, elsewhere / "b.rnnviz"))
    shutil.rmtree(tmp_path / "here")
    session = read_session(moved, lambda: elsewhere)
    assert session.look == LOOK
    assert session.document == SavedDocument("mine.toml", modified=True)
    assert session.unpacked is not None
    assert session.unpacked.parent == elsewhere
    assert session.unpacked.stat().st_mode & 0o077 == 0
    after = load_inputs(session.config)
    np.testing.assert_array_equal(after.sequence, before.sequence)
    np.testing.assert_array_equal(after.initial_state["h"], before.initial_state["h"])
    assert after.names == before.names
    assert [Path(name).name for name in session.config.compare.candidates] == ["onnx", "mine.py", "golden.npz#torch"]
    assert b"here" not in moved.read_bytes()


def test_a_session_without_copies_finds_its_files_relative_to_it_and_then_by_absolute_path(tmp_path, config):
    path = tmp_path / "here" / "a.rnnviz"
    write_session(saved(config), path)
    assert read_session(path, never).config == config
    moved = tmp_path / "b.rnnviz"
    shutil.copy(path, moved)
    assert read_session(moved, never).config == config
    shutil.move(tmp_path / "here", tmp_path / "there")
    there = read_session(tmp_path / "there" / "a.rnnviz", never)
    assert there.config.sequence.path == str(tmp_path / "there" / "data" / "x.npy")
    assert load_inputs(there.config).sequence.shape == (2, 3, 4)


def test_every_file_that_belongs_to_a_named_one_is_copied(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    folder = tmp_path / "weights"
    folder.mkdir()
    np.save(folder / "l0_i2h_weight.npy", X)
    (folder / "notes.txt").write_text("mine")
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [64], np.arange(64, dtype=np.float32).tobytes(), raw=True)
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=0)
    np.savez(tmp_path / "loss.npz", output=np.full((1, 1, 3), 0.5))
    backward = {"enabled": True, "loss": "file", "path": str(tmp_path / "loss.npz"), "truncate": 2}
    (tmp_path / "net-0001.params").write_bytes(b"weights")
    (tmp_path / "net-symbol.json").write_text("{}")
    named = {"parameters": {"path": str(folder)}, "sequence": {"text": "a", "vocabulary": str(tmp_path / "v.txt")}}
    named |= {"backward": backward, "initial_state": {"path": str(tmp_path / "net-0001.params")}}
    (tmp_path / "v.txt").write_text("a\nb\n")
    named["sequence"]["embedding_path"] = str(tmp_path / "m.onnx")
    config = Config.from_mapping({"network": {"cell": "gru", "hidden_size": 3}, **named})
    write_session(saved(config), tmp_path / "s.rnnviz", files_to_copy(config))
    session = read_session(tmp_path / "s.rnnviz", lambda: tmp_path)
    assert [file.name for file in Path(session.config.parameters.path or "").iterdir()] == ["l0_i2h_weight.npy"]
    model_copy = Path(session.config.sequence.embedding_path or "")
    assert (model_copy.parent / "m.bin").read_bytes() == (tmp_path / "m.bin").read_bytes()
    assert Path(session.config.backward.path or "").read_bytes() == (tmp_path / "loss.npz").read_bytes()
    copy = Path(session.config.initial_state.path or "")
    assert sorted(file.name for file in copy.parent.iterdir()) == ["net-0001.params", "net-symbol.json"]


def test_a_missing_file_cannot_be_copied_and_an_older_session_stays(tmp_path, config):
    path = tmp_path / "a.rnnviz"
    files = files_to_copy(config)
    (tmp_path / "here" / "data" / "x.npy").unlink()
    path.write_text("older")
    with pytest.raises(InputError, match=r"x\.npy cannot be copied: No such file"):
        write_session(saved(config), path, files)
    with pytest.raises(InputError, match=r"x\.npy cannot be copied: No such file"):
        files_to_copy(config)
    assert path.read_text() == "older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.rnnviz", "here"]


def test_unpacked_files_are_removed_when_stopped(tmp_path, config):
    path, folder = tmp_path / "a.rnnviz", tmp_path / "unpacked"
    folder.mkdir()
    write_session(saved(config), path, files_to_copy(config))

    def stop(_fraction):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_session(path, lambda: folder, stop)
    assert list(folder.iterdir()) == []


def test_every_field_of_the_view_state_is_saved(tmp_path, config):
    """A key that is added to the look and left out of `LOOK` would not be seen to come back."""
    new_window = SavedViewState()
    assert [key for key in declarations(SavedViewState) if getattr(LOOK, key) == getattr(new_window, key)] == []
    write_session(saved(config), tmp_path / "a.rnnviz")
    with zipfile.ZipFile(tmp_path / "a.rnnviz") as archive:
        assert json.loads(archive.read(MANIFEST))["look"] == vars(LOOK)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of that kind")
@pytest.mark.parametrize("room", nightly_except((0, 100, 900, 1600), 900))
def test_a_disk_that_takes_no_more_is_a_sentence_and_leaves_an_older_session_as_it_was(tmp_path, config, room):
    path, files = tmp_path / "a.rnnviz", files_to_copy(config)
    path.write_text("older")
    with pytest.raises(InputError, match=r"a\.rnnviz cannot be written: File too large"), files_of_at_most(room):
        write_session(saved(config), path, files)
    gc.collect()
    assert path.read_text() == "older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.rnnviz", "here"]


def test_a_custom_cell_is_stored_without_its_code(tmp_path, config):
    file = tmp_path / "mgu.py"
    file.write_text("raise AssertionError", encoding="utf-8")
    network = replace(config.network, cell=str(file), custom=EXAMPLES["mgu"])
    before = replace(saved(replace(config, network=network)), look=replace(LOOK, colors="f"))
    path = tmp_path / "a.rnnviz"
    write_session(before, path)
    after = read_session(path, never)
    custom = after.config.network.custom
    assert custom is not None
    assert custom.gates == EXAMPLES["mgu"].gates
    assert cell_to_json(custom) == cell_to_json(EXAMPLES["mgu"])
    assert after.look.colors == "f"

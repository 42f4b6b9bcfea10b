"""Files dropped on the window: configs, arrays, weights, states, and files of no use."""

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.engines.registry import engines_of
from rnnviz.gui.commands.file_commands import config_with
from rnnviz.lessons.index import lessons


@pytest.mark.parametrize("names", [("hidden",), ("output", "state"), ("hidden", "cell", "note")])
def test_a_recording_is_compared_as_well(tmp_path, names):
    path = tmp_path / "golden.npz"
    np.savez(path, **dict.fromkeys(names, np.zeros(1)))
    before = lessons()[0].config
    after = config_with(before, path).checked()
    assert after.compare.engines == (*engines_of(before), f"recording:{path}")
    assert replace(after, compare=before.compare) == before
    assert config_with(after, path) == after


def test_an_archive_without_weights_or_state_is_refused_with_its_arrays(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **{"gluon.hidden": np.zeros(1), "gluon.output": np.zeros(1)})
    with pytest.raises(InputError, match=r"got gluon\.hidden"):
        config_with(lessons()[0].config, path)


@pytest.mark.parametrize("name", ["x.npy", "x.csv", "x.WAV", "x.npz", "x.txt"])
def test_an_array_or_a_sound_becomes_the_sequence_in_place_of_a_text(tmp_path, name):
    path = tmp_path / name
    np.savez(tmp_path / "x.npz", recorded=np.zeros((2, 3)), lengths=[3, 2])
    network = {"cell": "gru", "hidden_size": 2}
    how = {"tokens": "words", "vocabulary": "v.txt", "unknown": "?", "embedding_path": "e.npy"}
    before = Config.from_mapping({"network": network, "sequence": {"text": "a", **how, "labels": "l.txt"}})
    # A file of texts is read as the text before it.
    kept = how if name == "x.txt" else {}
    sequence = {"path": str(path), "batch_size": 1, "timesteps": 1, "labels": "l.txt", **kept}
    expected = Config.from_mapping({"network": {**network, "input_size": 1}, "sequence": sequence})
    assert config_with(before, path).checked().sequence == expected.sequence


def test_an_archive_of_an_unsupported_version_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "newer.npz"
    np.savez(path, hidden=np.zeros(1))
    content = bytearray(path.read_bytes())
    # The version that is needed to extract, in the archive's directory.
    content[content.index(b"PK\x01\x02") + 6] = 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"newer\.npz is not a valid \.npz file"):
        config_with(lessons()[0].config, path)


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_a_dropped_array_becomes_the_sequence(qtbot, window, tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    array = np.linspace(-1, 1, 4 * window.session.config.network.input_size).reshape(4, -1)
    np.save(path, array) if ending == "npy" else np.savetxt(path, array, delimiter=",")
    with qtbot.finished(window):
        qtbot.drop(window, path)
    np.testing.assert_allclose(window.session.result.inputs.sequence[:, 0], array, rtol=1e-6)
    assert window.session.result.shape[2] == 4


@pytest.mark.slow
def test_opening_a_recording_compares_it(window, tmp_path):
    network = window.session.config.network
    np.savez(tmp_path / "port.npz", hidden=np.zeros((network.num_layers, 1, 2, 1, network.hidden_size)))
    window.files.open(tmp_path / "port.npz")
    assert f"recording:{tmp_path / 'port.npz'}" in window.session.config.compare.candidates


@pytest.mark.slow
def test_weights_and_state_are_dropped_together(qtbot, window, tmp_path):
    config = window.session.config
    np.savez(tmp_path / "s.npz", h=np.full(config.network.state_shape(config.sequence.batch_size), 0.5))
    shapes = config.network.parameter_shapes()
    np.savez(tmp_path / "w.npz", **{name: np.full(shape, 0.25, np.float32) for name, shape in shapes.items()})
    with qtbot.finished(window):
        qtbot.drop(window, tmp_path / "w.npz", tmp_path / "s.npz")
    assert np.all(window.session.result.inputs.parameters["l0_h2h_weight"] == 0.25)
    assert np.all(window.session.result.inputs.initial_state["h"] == 0.5)


WRONG = {
    "notes.pdf": (b"hello", "notes.pdf"),
    "broken.npz": (b"PK not really", "broken.npz"),
    "wrong.toml": (b"[network]\ncell = 'gru'\nhidden_siz = 3\n", "hidden_siz"),
    "sweep.toml": (b"[network]\ncell = 'gru'\n[grid]\nnetwork.size = [1]\n", "grid.network.size is not a known key"),
    "w.pt": (b"no model", "w.pt is not a valid PyTorch file"),
    "a.rnnviz": (b"hello", "a.rnnviz is not a valid session"),
}
"""Files that nothing can be read from, by name: their bytes, and words of the sentence that says so."""


@pytest.mark.slow
def test_a_file_of_no_use_is_refused_in_a_sentence_and_changes_nothing(qtbot, window, tmp_path):
    for name, (content, _) in WRONG.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "other.npz", a=np.zeros(2), b=np.zeros(2))
    zipfile.ZipFile(tmp_path / "empty.npz", "w").close()
    others = {name: name for name in ("other.npz", "empty.npz", "missing.npz")}
    before = window.session.config
    for name, words in ({name: words for name, (_, words) in WRONG.items()} | others).items():
        qtbot.drop(window, tmp_path / name)
        assert words in qtbot.acknowledge(window)
    assert window.session.config == before
    assert window.files.recent.paths() == []
    assert window.sweeps.window is None

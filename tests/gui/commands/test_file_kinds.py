"""The use of a dropped archive, by the names in it alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.gui.commands.file_kinds import config_with
from rnnviz.lessons.index import lessons


def test_the_weights_of_an_exported_run_are_read(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, **{"gluon.hidden": np.zeros(1), "parameters.l0_i2h_weight": np.zeros(1), "config": np.array("x")})
    config = config_with(lessons()[0].config, path)
    assert (config.parameters.initializer, config.parameters.path) == ("file", str(path))


@pytest.mark.parametrize("names", [("hidden",), ("output", "state"), ("hidden", "cell", "note")])
def test_a_recording_is_compared_as_well(tmp_path: Path, names: tuple[str, ...]) -> None:
    path = tmp_path / "golden.npz"
    np.savez(path, **dict.fromkeys(names, np.zeros(1)))
    before = lessons()[0].config
    after = config_with(before, path).checked()
    assert after.compare.candidates == (*before.compare.candidates, f"recording:{path}")
    assert replace(after, compare=before.compare) == before
    assert config_with(after, path) == after


def test_an_archive_without_weights_or_state_is_refused_with_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, **{"gluon.hidden": np.zeros(1), "gluon.output": np.zeros(1)})
    with pytest.raises(InputError, match=r"got gluon\.hidden"):
        config_with(lessons()[0].config, path)


@pytest.mark.parametrize("name", ["x.npy", "x.csv", "x.WAV", "x.npz"])
def test_an_array_or_a_sound_becomes_the_sequence_in_place_of_a_text(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    np.savez(tmp_path / "x.npz", recorded=np.zeros((2, 3)))
    network = {"cell": "gru", "hidden_size": 2}
    text = {"text": "a", "tokens": "words", "vocabulary": "v.txt", "unknown": "?", "embedding_path": "e.npy"}
    before = Config.from_mapping({"network": network, "sequence": {**text, "labels": "l.txt"}})
    after = config_with(before, path).checked()
    assert (
        after.sequence
        == Config.from_mapping(
            {
                "network": {**network, "input_size": 1},
                "sequence": {"path": str(path), "batch_size": 1, "timesteps": 1, "labels": "l.txt"},
            }
        ).sequence
    )


def test_an_archive_of_an_unsupported_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "newer.npz"
    np.savez(path, hidden=np.zeros(1))
    content = bytearray(path.read_bytes())
    # The version that is needed to extract, in the archive's directory.
    content[content.index(b"PK\x01\x02") + 6] = 0xFF
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"newer\.npz is not a valid \.npz file"):
        config_with(lessons()[0].config, path)

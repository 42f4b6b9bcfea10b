"""Sessions and captures on the command line and in Python: they run as configs do."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import rnnviz as api
from rnnviz.io.config_toml import UNPACKED, as_in_session, load_config, parse_config
from rnnviz.io.session import SavedDocument, SavedSession, files_to_copy, write_session
from tests.cli.calls import DISAGREEING, write
from tests.needs import needs

pytestmark = pytest.mark.usefixtures("shared_worker")


def session(folder: Path, **tables: dict[str, object]) -> Path:
    """A session with copies of its files, which are then removed."""
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32))
    compare = DISAGREEING | tables.pop("compare", {})
    config = load_config(write(folder, sequence={"path": "x.npy", "seams": [2, 3]}, compare=compare, **tables))
    path = folder / "a.rnnviz"
    write_session(SavedSession(config, SavedDocument("a")), path, files_to_copy(config))
    for name in ("x.npy", "config.toml"):
        (folder / name).unlink()
    return path


def test_a_session_runs_and_is_explained_like_a_config(tmp_path, rnnviz):
    path = session(tmp_path)
    answer = rnnviz("run", path, "--json", "-")
    assert answer.code == 1
    assert json.loads(answer.out)["verdict"] == "disagree"
    assert rnnviz("run", path, "--engines", "manual,onnx", "--quiet").code == 0
    answer = rnnviz("explain", path, "--layer", "0", "--timestep", "4", "--unit", "3")
    assert (answer.code, answer.err) == (0, "")
    config = api.load_config(path)
    assert config.sequence.seams == (2, 3)
    assert api.run(config).inputs.sequence.shape == (5, 1, 3)


@pytest.mark.slow
def test_the_config_of_a_session_names_the_copies_in_it(tmp_path, rnnviz):
    path = session(tmp_path)
    answer = rnnviz("config", "--from", path)
    zipfile.ZipFile(path).extractall(tmp_path / "unzipped")
    config = parse_config(answer.out, tmp_path / "unzipped")
    assert config.sequence.path == str(tmp_path / "unzipped/files/0/x.npy")
    assert Path(config.sequence.path).exists()
    assert answer.err.count("\n") == 1
    assert "--entry" in rnnviz.refused("config", "--from", path, "--entry", "lstm")
    assert rnnviz("convert", path, tmp_path / "w.npz", "--quiet").code == 0


@pytest.mark.slow
@needs("PySide6")
def test_results_name_the_copies_as_the_session_does(tmp_path, rnnviz):
    path = session(tmp_path)
    arrays, report, notebook = (tmp_path / f"x.{ending}" for ending in ("npz", "html", "ipynb"))
    rnnviz("run", path, "--npz", arrays, "--report", report, "--notebook", notebook, "--quiet")
    for text in (str(np.load(arrays)["config"]), report.read_text(), notebook.read_text()):
        assert "files/0/x.npy" in text
        assert f"/{UNPACKED}" not in text
    assert as_in_session(f'"recording:/tmp/a/{UNPACKED}b_c/files/0/x.npz#y"') == '"recording:files/0/x.npz#y"'


def test_code_in_a_session_does_not_run(tmp_path, rnnviz):
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    path = session(tmp_path, compare={"candidates": ["./mine.py"]})
    for words in (["run"], ["explain", "--layer", "0", "--timestep", "0", "--unit", "0"]):
        assert "Python code" in rnnviz.refused(words[0], path, *words[1:])
    with pytest.raises(api.InputError):
        api.run(api.load_config(path), trusted=["./mine.py", "mine.py", str(tmp_path / "mine.py")])
    assert not (tmp_path / "ran").exists()
    assert rnnviz("run", path, "--engines", "manual,onnx", "--quiet").code == 0


def test_a_damaged_session_is_one_sentence(tmp_path, rnnviz):
    path = session(tmp_path)
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"[network]\n"):
        path.write_bytes(damaged)
        assert str(path) in rnnviz.refused("run", path)
        assert str(path) in rnnviz.refused("config", "--from", path)
    path.unlink()
    rnnviz.refused("explain", path, "--layer", "0", "--timestep", "0", "--unit", "0")

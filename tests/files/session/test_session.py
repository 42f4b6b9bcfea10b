"""Sessions: what was saved comes back elsewhere, and what is no session is refused in a sentence."""

import gc
import json
import random
import shutil
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rnnviz.files.config_toml import parse_config
from rnnviz.files.inputs import load_inputs
from rnnviz.files.session.contents import Document, Look, SavedSession
from rnnviz.files.session.manifest import FORMAT
from rnnviz.files.session.named_files import files_to_copy, size_of
from rnnviz.files.session.reading import CONFIG, MANIFEST, read_session
from rnnviz.files.session.writing import write_session
from rnnviz.model.config import Config
from rnnviz.model.errors import InputError
from rnnviz.model.fields import declarations
from tests.files.models.damage import damaged
from tests.full_disk import files_of_at_most

X = np.random.default_rng(1).normal(size=(3, 2, 4)).astype(np.float32)
TEXT = """
network = { cell = "rnn_tanh", input_size = 4, hidden_size = 3 }
sequence = { path = "data/x.npy", labels = "data/days: a?.txt" }
initial_state = { path = "h0.npz" }
compare = { candidates = ["manual", "mine.py", "trace:data/golden.npz#torch"] }
"""
LOOK = Look(1, 1, 2, 0, 2, "change", "activity", "manual", "manual", True, -0.5, 3.0, 1.5, 0.0, "Checks", whole=0.25)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A config that reads files, in a folder of its own."""
    folder = tmp_path / "here"
    (folder / "data").mkdir(parents=True)
    np.save(folder / "data" / "x.npy", X)
    (folder / "data" / "days: a?.txt").write_text("mon\ntue\n")
    np.savez(folder / "h0.npz", h=X[:1, :1, :3].repeat(3, axis=1))
    np.savez(folder / "data" / "golden.npz", hidden=X)
    (folder / "mine.py").write_text("def step(x, state, p):\n    return state\n")
    return parse_config(TEXT, folder)


def saved(config: Config) -> SavedSession:
    return SavedSession(config, Document("mine.toml", modified=True), LOOK)


def test_a_session_with_copies_brings_its_files_wherever_it_is_opened(tmp_path: Path, config: Config) -> None:
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
    assert session.document == Document("mine.toml", modified=True)
    assert session.unpacked is not None
    assert session.unpacked.parent == elsewhere
    assert session.unpacked.stat().st_mode & 0o077 == 0
    after = load_inputs(session.config)
    np.testing.assert_array_equal(after.sequence, before.sequence)
    np.testing.assert_array_equal(after.initial_state.arrays[0], before.initial_state.arrays[0])
    assert after.names == before.names
    assert [Path(name).name for name in session.config.compare.candidates] == ["manual", "mine.py", "golden.npz#torch"]
    assert b"here" not in moved.read_bytes()


def test_a_session_without_copies_finds_its_files_beside_it_first_and_then_where_they_were(
    tmp_path: Path, config: Config
) -> None:
    path = tmp_path / "here" / "a.rnnviz"
    write_session(saved(config), path)
    assert read_session(path, _never).config == config
    moved = tmp_path / "b.rnnviz"
    shutil.copy(path, moved)
    assert read_session(moved, _never).config == config
    shutil.move(tmp_path / "here", tmp_path / "there")
    there = read_session(tmp_path / "there" / "a.rnnviz", _never)
    assert there.config.sequence.path == str(tmp_path / "there" / "data" / "x.npy")
    assert load_inputs(there.config).sequence.shape == (2, 3, 4)


def test_a_folder_of_weights_and_an_onnx_model_s_weights_beside_it_are_copied_with_it(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    folder = tmp_path / "weights"
    folder.mkdir()
    np.save(folder / "l0_i2h_weight.npy", X)
    (folder / "notes.txt").write_text("mine")
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [64], np.arange(64, dtype=np.float32).tobytes(), raw=True)
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=0)
    named = {"parameters": {"path": str(folder)}, "sequence": {"text": "a", "vocabulary": str(tmp_path / "v.txt")}}
    (tmp_path / "v.txt").write_text("a\nb\n")
    named["sequence"]["embedding_path"] = str(tmp_path / "m.onnx")
    config = Config.from_mapping({"network": {"cell": "gru", "hidden_size": 3}, **named})
    write_session(saved(config), tmp_path / "s.rnnviz", files_to_copy(config))
    session = read_session(tmp_path / "s.rnnviz", lambda: tmp_path)
    assert [file.name for file in Path(session.config.parameters.path or "").iterdir()] == ["l0_i2h_weight.npy"]
    model_copy = Path(session.config.sequence.embedding_path or "")
    assert (model_copy.parent / "m.bin").read_bytes() == (tmp_path / "m.bin").read_bytes()


def test_the_symbol_of_a_checkpoint_is_copied_with_its_weights(tmp_path: Path) -> None:
    (tmp_path / "net-0001.params").write_bytes(b"weights")
    (tmp_path / "net-symbol.json").write_text("{}")
    text = {"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}}
    config = Config.from_mapping({**text, "parameters": {"path": str(tmp_path / "net-0001.params")}})
    write_session(saved(config), tmp_path / "s.rnnviz", files_to_copy(config))
    copy = Path(read_session(tmp_path / "s.rnnviz", lambda: tmp_path).config.parameters.path or "")
    assert sorted(file.name for file in copy.parent.iterdir()) == ["net-0001.params", "net-symbol.json"]


def test_a_file_that_is_gone_cannot_be_copied_and_an_older_session_stays(tmp_path: Path, config: Config) -> None:
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


def test_what_was_unpacked_is_removed_when_it_is_stopped(tmp_path: Path, config: Config) -> None:
    path, folder = tmp_path / "a.rnnviz", tmp_path / "unpacked"
    folder.mkdir()
    write_session(saved(config), path, files_to_copy(config))

    def stop(_fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_session(path, lambda: folder, stop)
    assert list(folder.iterdir()) == []


def _never() -> Path:
    raise AssertionError("nothing is to be unpacked")


def manifest(**changes: object) -> dict[str, object]:
    return {"format": FORMAT, "program": "0.1", "document": {"title": "t"}, "look": {}, "files": [], **changes}


CONFIG_TEXT = '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 3\n'
READS = CONFIG_TEXT + '[sequence]\npath = "files/0/x.npy"\n'


def write_zip(path: Path, table: object = None, config: str = CONFIG_TEXT, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            MANIFEST, table if isinstance(table, str) else json.dumps(manifest() if table is None else table)
        )
        archive.writestr(CONFIG, config)
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("table", "config", "sentence"),
    [
        (manifest(format=FORMAT + 1), CONFIG_TEXT, "a newer rnnviz wrote it, in format 2, and this one reads format 1"),
        (manifest(format="x"), CONFIG_TEXT, 'manifest.format = "x" is not allowed: it must be a whole number'),
        (manifest(look={"timestep": -1}), CONFIG_TEXT, "look.timestep = -1 is not allowed"),
        (manifest(look={"colours": "pink"}), CONFIG_TEXT, 'look.colours = "pink" is not allowed'),
        (manifest(choices=["x"]), CONFIG_TEXT, "choices = ['x'] must be a table"),
        (manifest(choices={"Units over time": [3]}), CONFIG_TEXT, "choices.Units over time = [3] must be a list"),
        (manifest(choices={"a": ["x" * 101]}), CONFIG_TEXT, "texts of at most 100 characters"),
        (manifest(look={"span": float("nan")}), CONFIG_TEXT, "look.span = nan is not allowed"),
        (manifest(extra=1), CONFIG_TEXT, "manifest.extra = 1 is not a known key"),
        (manifest(document=[]), CONFIG_TEXT, "document = [] is not allowed: it must be a table"),
        (manifest(files={}), CONFIG_TEXT, "must be a list of at most 10,000 files"),
        ("[" * 100_000, CONFIG_TEXT, "its manifest is nested too deep"),
        ("[]", CONFIG_TEXT, "its manifest holds no table"),
        (None, "[network]\n", "network.cell is missing"),
        (None, READS, 'its config reads "files/0/x.npy", which its manifest does not name'),
        (manifest(files=[{"path": "files/0/x.npy", "copied": True}]), READS, 'the copy "files/0/x.npy"'),
        (manifest(files=[{"path": "../x.npy", "copied": True}]), CONFIG_TEXT, 'the copy "../x.npy"'),
    ],
)
def test_what_is_wrong_in_a_session_is_said_in_a_sentence(tmp_path, table, config, sentence):
    path = tmp_path / "a.rnnviz"
    write_zip(path, table, config)
    with pytest.raises(InputError) as raised:
        read_session(path, _never)
    assert sentence in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "../x.npy",
        "/x.npy",
        "files/0/../../x.npy",
        "files/0/..",
        "files/0/a\\..\\x",
        "files/0/C:x",
        "x.npy",
        "files/0/ .",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused_and_nothing_is_written(tmp_path, name):
    path, folder = tmp_path / "a.rnnviz", tmp_path / "to"
    folder.mkdir()
    table = manifest(files=[{"path": "files/0/x.npy", "copied": True}])
    write_zip(path, table, READS, **{"files/0/x.npy": b"x", name: b"x"})
    with pytest.raises(InputError, match="is no session, or a damaged one"):
        read_session(path, lambda: folder)
    assert list(folder.iterdir()) == []


def test_what_would_unpack_to_more_than_the_file_is_refused(tmp_path):
    path = tmp_path / "a.rnnviz"
    table = manifest(files=[{"path": "files/0/x.npy", "copied": True}])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(table))
        archive.writestr(CONFIG, READS)
        archive.writestr("files/0/x.npy", bytes(1 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="is no session"):
        read_session(path, _never)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, " " * (64 << 20))
        archive.writestr(CONFIG, CONFIG_TEXT)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="is no session"):
        read_session(path, _never)


def test_copies_that_lie_on_top_of_each_other_are_refused(tmp_path):
    """As in archives that unpack to gigabytes out of kilobytes: many names for the same bytes."""
    path = tmp_path / "a.rnnviz"
    count, content = 200, bytes(100_000)
    table = manifest(files=[{"path": f"files/{n}/x", "copied": True} for n in range(count)])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(table))
        archive.writestr(CONFIG, CONFIG_TEXT)
        archive.writestr("files/0/x", content)
        first = archive.infolist()[-1]
        for n in range(1, count):
            twin = zipfile.ZipInfo(f"files/{n}/x")
            twin.header_offset, twin.CRC = first.header_offset, first.CRC
            twin.file_size = twin.compress_size = len(content)
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
        archive._didModify = True
    with pytest.raises(InputError, match="is no session"):
        read_session(path, _never)


def test_what_is_no_zip_or_not_there_is_a_sentence(tmp_path):
    path = tmp_path / "a.rnnviz"
    with pytest.raises(InputError, match=r"a\.rnnviz cannot be opened: No such file"):
        read_session(path, _never)
    path.write_text("hello")
    with pytest.raises(InputError, match=r"a\.rnnviz is no session"):
        read_session(path, _never)
    with pytest.raises(InputError, match="cannot be opened: Is a directory"):
        read_session(tmp_path, _never)


def damages(config: Config, folder: Path, cases: int) -> Counter[str]:
    """What came of so many damaged sessions; anything but a session or one sentence raises."""
    path, unpacked = folder / "a.rnnviz", folder / "unpacked"
    unpacked.mkdir()
    write_session(saved(config), path, files_to_copy(config))
    content, outcomes = path.read_bytes(), Counter[str]()
    for seed in range(cases):
        path.write_bytes(damaged(content, random.Random(seed)))
        try:
            session = read_session(path, lambda: unpacked)
        except InputError as error:
            outcomes["sentence" if str(path) in str(error) and "\n" not in str(error) else str(error)] += 1
        else:
            outcomes["read"] += 1
            if session.unpacked is not None:
                shutil.rmtree(session.unpacked)
        assert list(unpacked.iterdir()) == []
    return outcomes


def test_damaged_sessions_are_read_or_refused_in_a_sentence(tmp_path, config):
    outcomes = damages(config, tmp_path, 60)
    assert set(outcomes) <= {"read", "sentence"}
    assert outcomes["sentence"] > 30


@pytest.mark.slow
def test_thousands_of_damaged_sessions_are_read_or_refused_in_a_sentence(tmp_path, config, capsys):
    outcomes = damages(config, tmp_path, 4000)
    with capsys.disabled():
        print("\nsessions:", ", ".join(f"{what}: {count}" for what, count in sorted(outcomes.items())))
    assert set(outcomes) <= {"read", "sentence"}
    assert outcomes["sentence"] > 2000


def test_a_wrong_clock_does_not_keep_a_session_from_being_written(tmp_path, config, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 0.0)
    write_session(saved(config), tmp_path / "a.rnnviz", files_to_copy(config))
    assert read_session(tmp_path / "a.rnnviz", lambda: tmp_path).look == LOOK


def test_every_part_of_the_look_is_saved(tmp_path, config):
    """A key that is added to the look and left out here would not be seen to come back."""
    assert set(declarations(Look)) == set(vars(LOOK))
    write_session(saved(config), tmp_path / "a.rnnviz")
    with zipfile.ZipFile(tmp_path / "a.rnnviz") as archive:
        assert json.loads(archive.read(MANIFEST))["look"]["span"] == 3.0


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of that kind")
@pytest.mark.parametrize("room", [0, 100, 900, 1600])
def test_a_disk_that_takes_no_more_is_a_sentence_and_leaves_an_older_session_as_it_was(tmp_path, config, room):
    path, files = tmp_path / "a.rnnviz", files_to_copy(config)
    path.write_text("older")
    with pytest.raises(InputError, match=r"a\.rnnviz cannot be written: File too large"), files_of_at_most(room):
        write_session(saved(config), path, files)
    gc.collect()
    assert path.read_text() == "older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.rnnviz", "here"]

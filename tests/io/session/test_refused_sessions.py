"""Invalid and damaged sessions, and those with outside paths, are refused and leave nothing."""

import json
import zipfile
from pathlib import Path

import pytest

from rnnviz.core.errors import InputError
from rnnviz.io.session import CONFIG, FORMAT, MANIFEST, read_session
from tests.cases import cases
from tests.io.session.session_factories import never
from tests.refusals import refused

CONFIG_TEXT = '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 3\n'
READS = CONFIG_TEXT + '[sequence]\npath = "files/0/x.npy"\n'


def manifest(**changes: object) -> dict[str, object]:
    return {"format": FORMAT, "program": "0.1", "document": {"title": "t"}, "look": {}, "files": [], **changes}


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
        (manifest(format="x"), CONFIG_TEXT, 'manifest.format = "x" is not allowed: it must be an integer'),
        (manifest(look={"timestep": -1}), CONFIG_TEXT, "look.timestep = -1 is not allowed"),
        (manifest(look={"colors": "pink"}), CONFIG_TEXT, 'look.colors = "pink" is not allowed'),
        (manifest(choices=["x"]), CONFIG_TEXT, "choices = ['x'] must be a table"),
        (manifest(choices={"Units over time": [3]}), CONFIG_TEXT, "choices.Units over time = [3] must be a list"),
        (manifest(choices={"a": ["x" * 101]}), CONFIG_TEXT, "texts of at most 100 characters"),
        (manifest(look={"span": float("nan")}), CONFIG_TEXT, "look.span = nan is not allowed"),
        (manifest(extra=1), CONFIG_TEXT, "manifest.extra = 1 is not a known key"),
        (manifest(document=[]), CONFIG_TEXT, "document = [] is not allowed: it must be a table"),
        (manifest(files={}), CONFIG_TEXT, "must be a list of at most 10,000 files"),
        ("[" * 100_000, CONFIG_TEXT, "its manifest is nested too deep"),
        ("[]", CONFIG_TEXT, "its manifest contains no table"),
        (None, "[network]\n", "network.cell is missing"),
        (None, READS, 'its config reads "files/0/x.npy", which its manifest does not name'),
        (manifest(files=[{"path": "files/0/x.npy", "copied": True}]), READS, 'the copy "files/0/x.npy"'),
        (manifest(files=[{"path": "../x.npy", "copied": True}]), CONFIG_TEXT, 'the copy "../x.npy"'),
    ],
)
def test_an_invalid_session_is_refused_in_a_sentence(tmp_path, table, config, sentence):
    path = tmp_path / "a.rnnviz"
    write_zip(path, table, config)
    assert sentence in refused(read_session, path, never)


@pytest.mark.parametrize("name", cases(__file__)["refused-names"])
def test_a_name_that_could_lead_elsewhere_is_refused_and_nothing_is_written(tmp_path, name):
    path, folder = tmp_path / "a.rnnviz", tmp_path / "to"
    folder.mkdir()
    table = manifest(files=[{"path": "files/0/x.npy", "copied": True}])
    write_zip(path, table, READS, **{"files/0/x.npy": b"x", name: b"x"})
    with pytest.raises(InputError, match="is not a valid session"):
        read_session(path, lambda: folder)
    assert list(folder.iterdir()) == []


def test_a_session_that_unpacks_to_more_than_its_size_is_refused(tmp_path):
    path = tmp_path / "a.rnnviz"
    table = manifest(files=[{"path": "files/0/x.npy", "copied": True}])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(table))
        archive.writestr(CONFIG, READS)
        archive.writestr("files/0/x.npy", bytes(1 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="is not a valid session"):
        read_session(path, never)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, " " * (17 << 20))
        archive.writestr(CONFIG, CONFIG_TEXT)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match="is not a valid session"):
        read_session(path, never)


def test_overlapping_copies_are_refused(tmp_path):
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
    with pytest.raises(InputError, match="is not a valid session"):
        read_session(path, never)


def test_a_missing_session_or_another_file_is_refused(tmp_path):
    path = tmp_path / "a.rnnviz"
    with pytest.raises(InputError, match=r"a\.rnnviz does not exist"):
        read_session(path, never)
    path.write_text("hello")
    with pytest.raises(InputError, match=r"a\.rnnviz is not a valid session"):
        read_session(path, never)
    with pytest.raises(InputError, match="is a folder"):
        read_session(tmp_path, never)

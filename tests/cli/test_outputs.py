"""An output that cannot be written is told of before anything is computed."""

from pathlib import Path

import pytest

from rnnviz.cli.outputs import check_output
from rnnviz.model.errors import InputError


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/x.csv", "the folder .*no does not exist"),
        ("file/x.csv", "the folder .*file does not exist"),
        ("folder", "it is a folder"),
        ("n" * 400, "File name too long"),
        ("a\0b", "embedded null"),
    ],
)
def test_what_cannot_be_written_is_a_sentence(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"cannot be written: {reason}"):
        check_output(tmp_path / name)


def test_what_is_there_or_may_come_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "there.csv").touch()
    for path in (None, tmp_path / "new.csv", str(tmp_path / "there.csv"), "new.csv"):
        check_output(path)

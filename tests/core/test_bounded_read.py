"""Files are read in pieces and up to a limit, and texts in UTF-8."""

from io import BytesIO

import pytest

from rnnviz.core import bounded_read
from rnnviz.core.bounded_read import read_pieces, read_plain_text
from rnnviz.core.errors import InputError
from rnnviz.core.progress import expect, watched


@pytest.mark.parametrize(("size", "told"), [(7, [3 / 8, 6 / 8, 7 / 8]), (100, [3 / 8, 6 / 8, 1.0]), (0, [])])
def test_a_chunked_read_reports_progress_and_ends_with_the_file(size, told, monkeypatch):
    monkeypatch.setattr(bounded_read, "PIECE_BYTES", 3)
    found: list[float] = []
    with watched(found.append):
        expect(8)
        assert bytes(read_pieces(BytesIO(b"12345678"), size)) == b"12345678"[:size]
    assert found == told


def test_a_mark_before_a_text_is_not_in_it(tmp_path):
    path = tmp_path / "x"
    path.write_bytes("\ufeffa\r\nb\rc\n".encode())
    assert read_plain_text(path) == "a\nb\nc\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("ab".encode("utf-16"), "it is UTF-16: save it as UTF-8."),
        ("ab".encode("utf-16-be"), "it is binary, or UTF-16: save text as UTF-8."),
        (b"ab\xff", "byte 2 is not UTF-8 text."),
        (b"a" * 11, "it has more than 10 bytes."),
    ],
)
def test_a_file_that_is_not_a_text_is_refused_with_the_reason(content, reason, tmp_path, monkeypatch):
    monkeypatch.setattr(bounded_read, "LARGEST_TEXT", 10)
    path = tmp_path / "x"
    path.write_bytes(b"a" * 10)
    assert read_plain_text(path) == "a" * 10
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read_plain_text(path, "TOML")
    assert str(refused.value) == f"{path} is not a valid TOML file: {reason}"

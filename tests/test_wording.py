"""The search for retired words."""

from pathlib import Path

import pytest

from tests.cases import cases
from tests.wording import search


def words(path: Path, text: str) -> list[tuple[int, str]]:
    path.write_text(text, encoding="utf-8")
    return [(finding.line, finding.words) for finding in search(path)]


@pytest.mark.parametrize(("name", "text", "line"), cases(__file__)["found-words"])
def test_a_retired_word_is_found(tmp_path, name, text, line):
    assert [found for found, _ in words(tmp_path / name, text)] == [line]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("module.py", '# told\nx = {"cursor": "told"}\n'),
        *(("page.md", text) for text in ("a stand-alone part", "`told` and `timesteps`", "there is no file")),
        *(("page.md", text) for text in ("timesteps = 3", "What is h?")),
    ],
)
def test_ordinary_words_identifiers_and_code_pass(tmp_path, name, text):
    assert words(tmp_path / name, text) == []

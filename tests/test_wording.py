"""The search for retired words."""

from pathlib import Path

import pytest

from tests.wording import main, search


def words(path: Path, text: str) -> list[tuple[int, str]]:
    path.write_text(text, encoding="utf-8")
    return [(finding.line, finding.words) for finding in search(path)]


def test_the_project_is_within_its_limits() -> None:
    assert main([]) == 0


def test_strings_and_docstrings_of_a_module_are_searched(tmp_path: Path) -> None:
    source = '"""One\n\nIt tells."""\nx = f"{1} stands there"\n# told\ny = {"cursor": "Told"}\n'
    assert words(tmp_path / "a.py", source) == [(3, "tells"), (4, "stands"), (6, "Told")]


@pytest.mark.parametrize("text", ["a stand-alone part", "`told` and `timesteps`", "there is no file", "timesteps = 3"])
def test_ordinary_words_and_code_pass(tmp_path: Path, text: str) -> None:
    assert words(tmp_path / "a.md", text) == []


@pytest.mark.parametrize("text", ["they part here", "it is no text", "of its own", "carried out", "every timestep"])
def test_retired_phrases_are_found(tmp_path: Path, text: str) -> None:
    assert len(words(tmp_path / "a.md", text)) == 1

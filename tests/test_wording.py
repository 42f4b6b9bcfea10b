"""The search for retired words."""

from pathlib import Path

import pytest

from tests.wording import search


def words(path: Path, text: str) -> list[tuple[int, str]]:
    path.write_text(text, encoding="utf-8")
    return [(finding.line, finding.words) for finding in search(path)]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("module.py", '"""Noun phrase.\n\nIt tells.\n"""\n', 3),
        ("module.py", 'def f():\n    """What it is."""\n', 2),
        ("module.py", 'x = f"{1} stands there"\n', 1),
        ("module.py", 'x = {"cursor": "Told"}\n', 1),
        ("page.md", "# Title\n\nTwo engines drift apart.\n", 3),
        ("lesson.md", '## Step\n\n```step\nconfig = "gru"\n```\nCompute it by hand.\n', 6),
        ("config.toml", "# Every timestep\n", 1),
        *(("page.md", text, 1) for text in ("they part here", "it is no text", "of its own", "carried out")),
        *(("page.md", text, 1) for text in ("held, alone, against it", "own recurrence")),
    ],
)
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

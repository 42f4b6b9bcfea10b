"""rnnviz figure: a config becomes a PDF, SVG or PNG."""

import re

import pytest

from tests.cli.calls import WRONG, write
from tests.needs import needs

pytestmark = [pytest.mark.usefixtures("shared_worker"), needs("PySide6")]


def test_a_config_becomes_a_figure_of_the_size(rnnviz, tmp_path):
    out = tmp_path / "flow.svg"
    words = ("--view", "gradient-flow", "--width", "100mm", "--height", "6cm", "--engines", "manual,bug:no-h2h-bias")
    answer = rnnviz("figure", write(tmp_path), "-o", out, *words)
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert re.search(r'width="100mm" height="60mm"', out.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("-o", "x.jpg"), ["-o must end in .pdf, .svg or .png"]),
        (("-o", "x.pdf", "--width", "wide"), ["--width must be a length"]),
        (("-o", "x.pdf", "--view", "all"), ["--view must be one of lanes"]),
        (("-o", "x.pdf", "--layer", "1"), ["--layer must be 0"]),
        (("-o", "x.pdf", "--direction", "backward"), ["forward direction only"]),
        (("-o", "x.pdf", "--engine", "torch"), ["--engine must be one of manual, bug:no-h2h-bias"]),
        ((), ["-o"]),
    ],
)
def test_an_option_that_is_not_valid_is_one_sentence(rnnviz, tmp_path, monkeypatch, words, parts):
    path = write(tmp_path)
    monkeypatch.chdir(tmp_path)
    sentence = rnnviz.refused("figure", path, "--engines", WRONG, *words)
    assert [part for part in parts if part not in sentence] == [], sentence
    assert list(tmp_path.iterdir()) == [path]

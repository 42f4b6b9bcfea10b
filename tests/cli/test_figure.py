"""rnnviz figure: a config becomes a PDF, SVG or PNG."""

import re

import pytest

from tests.cases import cases
from tests.cli.calls import WRONG, write
from tests.needs import needs

pytestmark = [pytest.mark.usefixtures("shared_worker"), needs("PySide6")]


def test_a_config_becomes_a_figure_of_the_size(rnnviz, tmp_path):
    out = tmp_path / "flow.svg"
    words = ("--view", "gradient-flow", "--width", "100mm", "--height", "6cm", "--engines", "manual,bug:no-h2h-bias")
    answer = rnnviz("figure", write(tmp_path), "-o", out, *words)
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert re.search(r'width="100mm" height="60mm"', out.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("words", "parts"), cases(__file__)["refused-figures"])
def test_an_option_that_is_not_valid_is_one_sentence(rnnviz, tmp_path, monkeypatch, words, parts):
    path = write(tmp_path)
    monkeypatch.chdir(tmp_path)
    sentence = rnnviz.refused("figure", path, "--engines", WRONG, *words)
    assert [part for part in parts if part not in sentence] == [], sentence
    assert list(tmp_path.iterdir()) == [path]

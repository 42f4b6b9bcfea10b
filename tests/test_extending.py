"""What a new engine, format or output option changes: few files, which the guide lists."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from manual_page import manual_page

from rnnviz.core.config import Config, Network
from rnnviz.core.model_formats import FORMATS
from rnnviz.engines import registry
from rnnviz.engines.registry import ENGINES, EngineEntry, engines_of, find_engine, load_engine
from rnnviz.execution.log import bug_report
from tests.packaging.test_desktop_files import DAY

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "resources" / "guide" / "extending.md").read_text(encoding="utf-8")
EXAMPLES = {
    "Add an engine": "onnx",
    "Add an output option": "report",
    "Add a model format": "mxnet_params",
    "Add a lesson": "lstm",
}
SHARED = {".safetensors", ".onnx", ".npz", ".bin", ".index.json"}
"""Endings that belong to other files, too, such as character models."""


@pytest.mark.parametrize("title", EXAMPLES)
def test_the_guide_lists_at_most_five_files_which_exist(title):
    section = GUIDE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    (line,) = re.findall(r"^Files: (.+)\.$", section, re.MULTILINE)
    files = [name.strip("`").replace("NAME", EXAMPLES[title]) for name in line.split(", ")]
    assert 0 < len(files) <= 5
    for name in files:
        assert (ROOT / name).exists(), name


def test_every_part_of_the_program_reads_the_record_of_an_engine(monkeypatch):
    new = EngineEntry("another", "Another", "manual:ManualEngine", "The equations, once more.", package="numpy")
    monkeypatch.setitem(registry.EXTRAS, "another", {"numpy": "NumPy"})
    monkeypatch.setitem(ENGINES, "another", new)
    monkeypatch.setattr(registry, "find_spec", lambda name: object() if name == "numpy" else None)
    assert find_engine("another") is new
    assert isinstance(load_engine("another"), type(load_engine("manual")))
    assert engines_of(Config(Network("gru", 2, 3))) == ("manual", "another")
    assert "The equations, once more." in manual_page(DAY)
    assert "another: installed" in bug_report()


def constants(source: str) -> Iterator[str]:
    """The texts in a module that are not docstrings."""
    nodes = list(ast.walk(ast.parse(source)))
    said = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value


def test_no_other_module_repeats_an_ending_of_a_model_format():
    endings = {ending for known in FORMATS for ending in known.endings} - SHARED
    pattern = re.compile(f"(?:{'|'.join(map(re.escape, endings))})(?![.\\w])")
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in ("rnnviz", "packaging")
        for path in (ROOT / folder).rglob("*.py")
        # The capture helper stands alone, and names the framework of a file by its ending.
        if "model_formats" not in path.as_posix() and path.name != "rnn_capture.py"
    }
    # Few of them have an ending at all, and to parse every module takes seconds.
    suspect = {name: source for name, source in sources.items() if pattern.search(source)}
    repeated = [(name, text) for name, source in suspect.items() for text in constants(source) if pattern.search(text)]
    assert repeated == []

"""Files that declare a cell, read in a separate process."""

import sys
from pathlib import Path

import pytest

from rnnviz.core.cell_json import cell_to_json
from rnnviz.core.errors import EngineError
from rnnviz.engines.custom_code import parent
from rnnviz.engines.custom_code.parent import custom_cell, custom_program
from tests.cells.layers import EXAMPLES, ROOT
from tests.engines.custom_code.files import IMPATIENT, without_path, written

STEP = "def step(u, v, state, p):\n    return Step(h=tanh(u.h + v.h))\n"


def sentence_of(path: Path) -> str:
    with pytest.raises(EngineError) as caught:
        custom_cell(str(path))
    return without_path(str(caught.value), path)


def test_an_example_is_a_cell_and_a_program():
    path = str(ROOT / "resources" / "cells" / "mingru.py")
    assert cell_to_json(custom_cell(path)) == cell_to_json(EXAMPLES["mingru"])
    assert "h = " in custom_program(path)


@pytest.mark.slow
def test_a_file_may_import_another_one_in_its_folder(tmp_path):
    written(tmp_path, "title = 'Shared'\n", "shared.py")
    cell = custom_cell(str(written(tmp_path, f"from shared import title\n\ngates = 'h'\n\n{STEP}")))
    assert cell.title == "Shared"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        pytest.param("import os\nos._exit(3)\n", " ended its process (exit code 3).", marks=pytest.mark.slow),
        ("import ctypes\nctypes.string_at(0)\n", " ended its process (killed by SIGSEGV)."),
        ("print('here')\nraise ValueError('no')\n", ", line 2: ValueError: no. Last it printed: here"),
        pytest.param("raise BaseException('no')\n", ": BaseException: no.", marks=pytest.mark.slow),
    ],
)
def test_the_sentence_of_a_file_that_declares_no_cell(code, sentence, tmp_path):
    assert sentence_of(written(tmp_path, code)) == sentence


@pytest.mark.parametrize(
    ("code", "line"),
    [("while True:\n    pass\n", 1), (f"gates = 'h'\n\n{STEP.splitlines()[0]}\n    while True:\n        u.h\n", 4)],
)
@pytest.mark.slow
def test_a_file_without_end_is_stopped(code, line, tmp_path, monkeypatch):
    monkeypatch.setattr(parent, "_command", lambda: [sys.executable, "-P", "-c", IMPATIENT])
    sentence = sentence_of(written(tmp_path, code))
    assert int(sentence.removeprefix(", line ").partition(":")[0]) in (line, line + 1)
    assert sentence.endswith("the custom cell was stopped: it did not return within 0 s.")

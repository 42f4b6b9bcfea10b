"""The template of a custom step computes its cell."""

import re

import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.io.templates import starter, write_starter
from tests.cells.layers import EXAMPLES
from tests.configs import config_of
from tests.needs import needs
from tests.profiles import nightly_except
from tests.shared_worker import run_shared

__all__ = ["run_shared"]


@pytest.mark.slow
@needs("mxnet")
@pytest.mark.parametrize("cell", nightly_except(CELLS, "lstm_projection"))
def test_the_starter_of_every_cell_agrees_with_gluon_and_is_right_at_every_step(cell, tmp_path, run_shared):
    path = tmp_path / "mine.py"
    write_starter(cell, path)
    kind = {"projection_size": 3} if cell == "lstm_projection" else {"cell": cell}
    drawn = {"source": "normal"}
    config = config_of("manual", str(path), num_layers=2, bidirectional=True, initial_state=drawn, **kind)
    result = run_shared(config, trusted=frozenset({str(path)}))
    assert result.verdict == "agree"
    assert result.judgment is not None
    assert result.judgment.audits[str(path)].verdict == "right"


@pytest.mark.parametrize("cell", CELLS)
def test_the_docstring_has_the_equations(cell):
    assert starter(cell).split('"""')[1].startswith("\n".join(equations_of_all_units(CELLS[cell])))


@pytest.mark.parametrize("name", ["indrnn", "sru"])
def test_the_docstring_of_a_custom_cell_has_its_own_parameters_only(name):
    cell = EXAMPLES[name]
    text = starter(cell)
    line = next(line for line in text.splitlines() if line.startswith("p  "))
    named = re.findall(r"p\.(\w+) \(", line)
    assert named == list(cell.initializers())

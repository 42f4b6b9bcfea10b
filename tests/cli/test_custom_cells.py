"""Custom cells on the command line: permission, runs, audits, explanations, exports."""

import json
from pathlib import Path
from typing import Any

import pytest

from rnnviz.core.resources import resource_path
from tests.cells.layers import EXAMPLES
from tests.cli.calls import write
from tests.needs import missing

pytestmark = pytest.mark.usefixtures("shared_worker")

SEQUENCE = {"timesteps": 4, "batch_size": 2}
ENGINES = [name for name, package in (("gluon", "mxnet"), ("torch", "torch")) if not missing(package)]


def example(name: str) -> str:
    return str(resource_path("cells", f"{name}.py"))


def config_of(folder: Path, cell: str, **tables: dict[str, Any]) -> Path:
    network = {"cell": cell, "num_layers": 2, "bidirectional": True} | tables.pop("network", {})
    compare = {"reference": "manual", "candidates": ENGINES or ["bug:no-i2h-bias"]}
    given = {"sequence": SEQUENCE, "initial_state": {"source": "normal"}, "compare": compare} | tables
    return write(folder, network=network, **given)


def test_a_config_alone_is_not_a_permission(rnnviz, tmp_path):
    ran = tmp_path / "ran"
    (tmp_path / "mine.py").write_text(f"open({str(ran)!r}, 'w')\n", encoding="utf-8")
    config = config_of(tmp_path, "./mine.py")
    where = ("--layer", "0", "--timestep", "0", "--unit", "0")
    for words in (("run", config), ("explain", config, *where)):
        assert "--cell" in rnnviz.refused(*words)
        assert not ran.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "named"), [("lstmm", "--cell"), ("none.py", "none.py"), ("folder.py", "folder.py")])
def test_the_sentence_of_a_cell_that_is_none(cell, named, rnnviz, tmp_path):
    (tmp_path / "folder.py").mkdir()
    given = cell if named == "--cell" else str(tmp_path / cell)
    assert named in rnnviz.refused("run", config_of(tmp_path, "gru"), "--cell", given)


def test_an_error_in_the_file_is_a_sentence_with_its_line(rnnviz, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text("gates = 'h'\n\ndef step(u, v, state, p):\n    return Step(h=u.h / 2)\n", encoding="utf-8")
    sentence = rnnviz.refused("run", config_of(tmp_path, str(mine)), "--cell", mine)
    assert f"{mine}, line 4: The step uses / on a value" in sentence


@pytest.mark.slow
def test_the_program_of_a_cell_is_printed_beside_the_lines_of_its_file(rnnviz, capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        rnnviz("explain", "--program", example("mgu"))
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "f = sigmoid(u.f + v.f)"
    assert lines[-1] == "    add(v_n, v_f, h_next)"
    (tmp_path / "mine.py").write_text("1 / 0\n", encoding="utf-8")
    assert "line 1: ZeroDivisionError" in rnnviz.refused("explain", "--program", tmp_path / "mine.py")
    assert "--program" in rnnviz.refused("explain", "--program", "mgu")


def test_onnx_has_no_custom_cell(rnnviz, tmp_path):
    config = config_of(tmp_path, example("mgu"), compare={"reference": "manual", "candidates": ["onnx"]})
    assert "ONNX Runtime" in rnnviz.refused("run", config, "--cell", example("mgu"))


@pytest.mark.slow
def test_a_sweep_of_cells(rnnviz, tmp_path):
    compare = {"reference": "manual", "candidates": ["bug:no-i2h-bias"]}
    sweep = write(tmp_path, network={"cell": "gru"}, compare=compare, grid={"network.cell": ["gru", example("mgu")]})
    refused = json.loads(rnnviz("sweep", sweep, "--workers", "1", "--json", "-", "--quiet").out)
    assert [row["verdict"] for row in refused["rows"]] == ["disagree", "refused"]
    cells = f"gru,{example('mgu')},{example('ugrnn')}"
    rows = json.loads(rnnviz("sweep", sweep, "--workers", "1", "--cell", cells, "--json", "-", "--quiet").out)["rows"]
    assert [row["verdict"] for row in rows] == ["disagree"] * 3


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_printed(name, rnnviz):
    answer = rnnviz("config", "--example-cell", name)
    assert answer.code == 0
    assert answer.out == Path(example(name)).read_text(encoding="utf-8")

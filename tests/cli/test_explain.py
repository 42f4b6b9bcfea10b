"""rnnviz explain: the arithmetic of one value as text and as JSON, and one sentence for every place that is none."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.numpy_program import program_source
from rnnviz.cli import main
from tests.cases import cases
from tests.cli.calls import DISAGREEING, Called, write

pytestmark = pytest.mark.usefixtures("shared_worker")

AT = ("--layer", "0", "--direction", "forward", "--timestep", "1", "--unit", "3")


@pytest.fixture
def notebook(tmp_path):
    """The notebook's first network, two timesteps, by engines that need no framework."""
    network = {"cell": "rnn_relu", "input_size": 5, "hidden_size": 10}
    return str(write(tmp_path, network=network, compare=DISAGREEING))


def called(rnnviz: Called, *words: str | Path) -> tuple[int, str, str]:
    answer = rnnviz("explain", *words)
    return answer.code, answer.out, answer.err


def test_wrong_engine_is_explained_with_exit_code_0(notebook, rnnviz):
    code, out, _ = called(rnnviz, notebook, "--layer", "0", "--timestep", "0", "--unit", "3")
    assert code == 0
    assert "bug:no-h2h-bias is wrong here: it returned h = " in out
    assert (
        out.rstrip().splitlines()[-1].startswith("Likely cause: hidden-to-hidden bias missing. With it the equations")
    )
    assert "\nTo fix: " in out


def test_json_to_standard_output(notebook, rnnviz):
    code, out, err = called(rnnviz, notebook, *AT, "--json", "-", "--top", "2")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert found["where"] == {"layer": 0, "direction": "forward", "timestep": 1, "sample": 0, "unit": 3}
    assert list(found["value"]) == ["manual", "bug:no-h2h-bias"]
    (gate,) = found["gates"]
    assert (gate["name"], gate["activation"], len(gate["terms"])) == ("h", "relu", 15)
    total = sum(term["product"] for term in gate["terms"]) + gate["i2h_bias"] + gate["h2h_bias"]
    assert total == pytest.approx(gate["sum"], abs=1e-14)
    assert max(total, 0.0) == pytest.approx(found["value"]["manual"], abs=1e-6)


@pytest.mark.parametrize(("words", "sentence"), cases(__file__)["refused-places"])
def test_invalid_position_is_refused_before_the_run(words, sentence, notebook, rnnviz, monkeypatch):
    monkeypatch.setattr("rnnviz.execution.supervisor.run", lambda *_: pytest.fail("it ran"))
    assert called(rnnviz, notebook, *AT, *words) == (2, "", f"rnnviz: {sentence}\n")


@pytest.mark.parametrize("cell", CELLS)
def test_the_program_of_a_cell_has_all_its_lines_and_calls(cell, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["explain", "--program", cell])
    out, err = capsys.readouterr()
    assert (ended.value.code, err) == (0, "")
    calls = [line.strip() for line in out.splitlines() if line.startswith(" ")]
    assert calls == [call for call, _ in program_source(CELLS[cell]).lines]
    lines = [line for line in out.splitlines() if not line.startswith(" ")]
    assert len(lines) > len(CELLS[cell].gates) - 1
    assert all(" = " in line or "h=" in line for line in lines)


def test_a_program_of_an_unknown_cell_is_refused_with_those_there_are(rnnviz):
    sentence = rnnviz.refused("explain", "--program", "gur")
    assert all(cell in sentence for cell in CELLS)


@pytest.fixture
def gru(tmp_path):
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3, "num_layers": 2, "bidirectional": True}
    sequence = {"timesteps": 3, "batch_size": 2, "lengths": [3, 2]}
    return str(write(tmp_path, network=network, sequence=sequence, compare=DISAGREEING))


def test_gradients_are_printed_and_written(gru, rnnviz):
    at = ("--layer", "0", "--direction", "backward", "--timestep", "1", "--unit", "2", "--sample", "1")
    code, out, err = called(rnnviz, gru, *at, "--gradient", "--top", "2")
    assert (code, err) == (0, "")
    assert out.startswith("grad.h[t=1, u=2] of layer 0, backward, sample 1: GRU\n")
    assert "\n  grad.out = above → + above ←\n" in out
    assert "\n  grad.h = grad.out + Wᵀ grad.v[t+1] + grad.h[t+1] · z[t+1]\n" in out
    assert "\n  grad.z = (grad.h · h[t-1] - grad.h · n) · z · (1 - z)\n" in out
    code, out, _ = called(rnnviz, gru, "--gradient", "r1_h2h_weight[7, 2]", "--json", "-")
    figures = json.loads(out)
    assert (figures["parameter"], figures["index"]) == ("r1_h2h_weight", [7, 2])
    manual = figures["engines"]["manual"]
    (line,) = manual["lines"]
    assert sum(manual["over_time"]) == pytest.approx(line["value"])
    assert sum(term["factor"] * term["gradient"] for part in line["parts"] for term in part["terms"]) == pytest.approx(
        line["value"]
    )
    assert line["own"]["right"]


def test_contributions_are_written_by_time_step_and_unit(gru, tmp_path, rnnviz):
    table, number = tmp_path / "contributions.csv", ("--gradient", "r1_h2h_weight[7, 2]")
    code, out, err = called(rnnviz, gru, *number, "--csv", str(table), "--json", "-")
    assert (code, err) == (0, "")
    over_time = json.loads(out)["engines"]["manual"]["over_time"]
    with table.open(newline="", encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["unit"] == "1"]
    assert {row["parameter"] for row in rows} == {"r1_h2h_weight[7, 2]"}
    assert {(row["layer"], row["direction"]) for row in rows} == {("1", "backward")}
    assert [float(row["manual"]) for row in rows] == pytest.approx(over_time)
    at = ("--layer", "0", "--timestep", "1", "--unit", "0")
    for options in (("--gradient", "h", *at), ("--gradient", "x[0]", "--timestep", "0"), at):
        assert "--csv" in rnnviz.refused("explain", gru, *options, "--csv", tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()


@pytest.mark.parametrize(("options", "named"), cases(__file__)["missing-places"])
def test_a_gradient_or_value_that_is_not_there_is_refused(options, named, notebook, rnnviz):
    assert named in rnnviz.refused("explain", notebook, *options)


STEP = ("--layer", "0", "--direction", "backward", "--timestep", "1")


@pytest.fixture
def projection(tmp_path):
    """Without biases, the engines compute the same."""
    network = {"input_size": 2, "hidden_size": 7, "projection_size": 3, "bidirectional": True}
    tables = {"sequence": {"timesteps": 3}, "parameters": {"bias": "zeros"}, "compare": DISAGREEING}
    return str(write(tmp_path, network=network, **tables))


def explained(rnnviz: Called, *words: str) -> dict[str, Any]:
    code, out, err = called(rnnviz, *words, "--json", "-", "--quiet")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "unit", "line"),
    [("h", 2, "h"), ("out", 2, "out"), ("c", 6, "c"), ("i", 6, "i"), ("m", 6, "m"), ("h0", 2, "h0"), ("c0", 6, "c0")],
)
def test_each_gradient_of_a_step_is_that_of_its_name(name, unit, line, projection, rnnviz):
    at = STEP[:4] if name.endswith("0") else STEP
    figures = explained(rnnviz, projection, *at, "--unit", str(unit), "--gradient", name)
    assert figures["gradient"].partition(" of ")[0].endswith(f"u={unit}]")
    assert figures["gradient"].startswith(f"grad.{line}[")
    found = {each["name"]: each for each in figures["engines"]["manual"]["lines"]}[f"grad.{line}"]
    assert name == "m" or found["own"]["right"]
    assert "--unit" in rnnviz.refused("explain", projection, *at, "--unit", str(unit + 1), "--gradient", name)


def test_without_a_place_the_first_wrong_step_is_explained(notebook, rnnviz):
    code, out, err = called(rnnviz, notebook)
    assert (code, err) == (0, "")
    assert out.startswith(
        "First wrong step of bug:no-h2h-bias: layer 0, forward, t = 0, sample 0, unit 1.\n\nh[t=0, u=1]"
    )
    figures = explained(rnnviz, notebook, "--gradient")
    assert (figures["gradient"].partition(" ")[0], figures["chosen"][:14]) == ("grad.h[t=0,", "First wrong st")

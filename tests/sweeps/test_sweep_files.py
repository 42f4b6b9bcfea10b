"""Sweeps as files: what is asked for, and what was found."""

import csv
from math import inf, nan
from pathlib import Path

import pytest

from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.trace_index import Location
from rnnviz.sweeps.driver import finding
from rnnviz.sweeps.grid import Sweep, is_sweep, is_sweep_results, load_sweep
from rnnviz.sweeps.results import (
    FirstWrong,
    SweepResult,
    SweepRow,
    SweepTable,
    load_sweep_results,
    write_sweep_csv,
    write_sweep_json,
)
from tests.cases import cases
from tests.factories import make_result

NETWORK = '[network]\ncell = "gru"\ninput_size = 2\nhidden_size = 3\n'


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_base_is_read_and_single_keys_of_it_are_changed(tmp_path):
    (tmp_path / "configs").mkdir()
    write(tmp_path / "configs" / "base.toml", NETWORK + '[parameters]\npath = "w.npz"\n')
    text = 'base = "configs/base.toml"\n[network]\nhidden_size = 7\n[sequence]\npath = "x.npy"\n'
    sweep = load_sweep(write(tmp_path / "s.toml", text))
    (point,) = sweep.points()
    assert point.config is not None
    assert (point.config.network.cell, point.config.network.hidden_size) == ("gru", 7)
    assert point.config.parameters.path == str(tmp_path / "configs" / "w.npz")
    assert point.config.sequence.path == str(tmp_path / "x.npy")


@pytest.mark.parametrize("grid", ['[grid]\n"sequence.path" = ["a.npy"]', '[grid]\nsequence.path = ["a.npy"]'])
def test_dots_may_be_in_quotes_or_not_and_paths_are_relative_to_the_file(tmp_path, grid):
    engines = '["./mine.py", "onnx", "recording:a.npz#torch"]'
    sweep = load_sweep(write(tmp_path / "s.toml", f"engines = {engines}\n{NETWORK}{grid}\n"))
    assert sweep.keys == ("sequence.path", "engine")
    assert list(sweep.axes.values()) == [
        (str(tmp_path / "a.npy"),),
        (str(tmp_path / "mine.py"), "onnx", f"recording:{tmp_path / 'a.npz'}#torch"),
    ]


def test_a_repeated_key_is_refused(tmp_path):
    text = f'{NETWORK}[grid]\n"network.hidden_size" = [1]\nnetwork.hidden_size = [2]\n'
    with pytest.raises(ConfigError, match=r"grid\.network\.hidden_size is given twice"):
        load_sweep(write(tmp_path / "s.toml", text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("base = 3", "base = 3 is not allowed: it must be the path of a config."),
        ('base = "none.toml"', "none.toml does not exist in "),
        ("grid = [", "s.toml is not a valid TOML file"),
        ('base = "other.toml"', "other.toml, which base names, is not a config: seeds is not one of network,"),
    ],
)
def test_a_file_that_is_not_a_sweep_is_a_sentence(tmp_path, text, sentence):
    write(tmp_path / "other.toml", "seeds = [1]\n")
    with pytest.raises(InputError) as raised:
        load_sweep(write(tmp_path / "s.toml", text))
    assert sentence in str(raised.value)


def test_sweeps_and_configs_are_distinguished(tmp_path):
    assert is_sweep(write(tmp_path / "a.toml", NETWORK + "[grid]\n"))
    assert is_sweep(write(tmp_path / "b.toml", "seeds = [1]\n" + NETWORK))
    assert not is_sweep(write(tmp_path / "c.toml", NETWORK))
    assert not is_sweep(write(tmp_path / "d.toml", "grid = ["))
    assert not is_sweep(tmp_path / "none.toml")


@pytest.fixture
def table():
    """Every kind of value and of number; one row is not a config and one has not been computed."""
    grid = {"network.bidirectional": [True, False], "parameters.scale": [0.1], "compare.reference": ["gluon", "manual"]}
    tables = {"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}, "grid": grid, "seeds": [9]}
    sweep = Sweep.from_mapping({**tables, "engines": ["manual", "bug:no-h2h-bias"]})
    findings = [
        SweepResult("agree", "Same.", 0.1, 1.0 / 3.0, 0.25, None, {"gluon": 0.5, "manual": 0.25}),
        SweepResult(
            "disagree", 'It says "no", twice,\nreally.', inf, nan, 1e300, FirstWrong("manual", Location(1, 1, 2))
        ),
        SweepResult("refused", "No."),
        SweepResult("failed", "The process ended."),
        None,
        SweepResult("drift", "", 2.0, 0.0, None, None, {"gluon": 1e-7, "gluon.fused": 3.0}),
        SweepResult("refused", "No."),
        SweepResult("disagree", "", 0.0, 0.0, 0.0, assumptions=("One.", "Two."), backward_verdict="disagree"),
    ]
    return SweepTable(sweep.keys, tuple(map(SweepRow, sweep.points(), findings)))


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_written_results_read_back(tmp_path, table, ending):
    path = tmp_path / f"rows.{ending}"
    (write_sweep_csv if ending == "csv" else write_sweep_json)(table, path)
    assert is_sweep_results(path)
    found = load_sweep_results(path)
    assert found.keys == table.keys
    written = [row for row in table.rows if row.finding is not None]
    assert [row.point.values for row in found.rows] == [row.point.values for row in written]
    assert [row.point.config for row in found.rows] == [row.point.config for row in written]
    # NaN is not equal to itself, but its words are.
    assert [repr(row.finding) for row in found.rows] == [repr(row.finding) for row in written]


def test_a_table_that_a_spreadsheet_saved_reads_back(tmp_path, table):
    path = tmp_path / "rows.csv"
    write_sweep_csv(table, path)
    written = load_sweep_results(path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    assert repr(load_sweep_results(path)) == repr(written)


def test_the_verdict_on_gradients_is_found_and_a_list_in_a_row_reads_back(tmp_path):
    result = make_result(gradients=("gluon", "manual"), edits={"manual": lambda trace: trace["grad.h"].fill(9.0)})
    found = finding(result)
    assert (found.verdict, found.backward_verdict) == ("disagree", "disagree")
    tables = {"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}}
    backward = {"enabled": True, "loss": "value"}
    sweep = Sweep.from_mapping({**tables, "backward": backward, "grid": {"backward.value": [[0, 0, 1, 0, 2]]}})
    table = SweepTable(sweep.keys, tuple(map(SweepRow, sweep.points(), [found])))
    write_sweep_csv(table, tmp_path / "rows.csv")
    assert load_sweep_results(tmp_path / "rows.csv") == table


def test_the_columns_of_the_table(tmp_path, table):
    write_sweep_csv(table, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        first, second, *_ = rows = list(csv.DictReader(file))
    place = [f"first_wrong.{name}" for name in ("engine", "layer", "direction", "timestep", "sample", "unit")]
    keys = ["network.bidirectional", "parameters.scale", "compare.reference", "seed", "engine"]
    numbers = ["max_error_ratio", "max_abs_error", "audit_worst_ratio"]
    seconds = ["seconds.gluon", "seconds.manual", "seconds.gluon.fused"]
    rest = ["reason", "assumptions", "backward_verdict", "config"]
    assert list(first) == [*keys, "verdict", *numbers, *place, *seconds, *rest]
    assert len(rows) == 7
    assert [first[key] for key in keys] == ["true", "0.1", "gluon", "9", "manual"]
    assert float(first["max_abs_error"]) == 1.0 / 3.0
    assert second["first_wrong.direction"] == "backward"


@pytest.mark.parametrize(("name", "text"), cases(__file__)["refused-files"])
def test_another_file_is_refused_with_its_name(tmp_path, name, text):
    path = write(tmp_path / name, text)
    assert not is_sweep_results(path)
    with pytest.raises(InputError, match=rf"{name} is not a table written by rnnviz sweep"):
        load_sweep_results(path)

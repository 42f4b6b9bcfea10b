"""Rows that meet their targets, the table, its file, the comparison with another run, and the fit of growth."""

import math

import numpy as np
import pytest

from tools.benchmarks.bench_growth import fit, geometric
from tools.benchmarks.table import Row, Table, as_text, compared, main, read_run, write_run


@pytest.mark.parametrize(
    ("figure", "op", "passed"),
    [
        (0.8, "<=", True),
        (0.81, "<=", False),
        (math.nan, "<=", False),
        (5.0, ">=", True),
        (4.9, ">=", False),
        (math.nan, ">=", False),
    ],
)
def test_a_figure_is_compared_with_its_target(figure, op, passed):
    assert Row("a", "b", figure, "x", 0.8 if op == "<=" else 5.0, op).passed is passed


def test_the_table_shows_target_figure_and_pass_or_fail():
    lines = as_text(
        [
            Row("start", "seconds", 0.4, "s"),
            Row("start", "window / bare window", 1.43, "x", 1.5),
            Row("csv", "values", 4.2, "M/s", 5.0, ">="),
        ]
    ).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["start", "window", "/", "bare", "window", "<=", "1.5", "x", "1.43", "x", "pass"],
        ["csv", "values", ">=", "5", "M/s", "4.2", "M/s", "FAIL"],
        ["start", "seconds", "0.4", "s"],
    ]


def test_a_written_run_reads_back(tmp_path):
    table = Table()
    table.add(Row("frames", "pan p95", 14.0, "ms", 16.0), Row("memory", "not measured", math.nan, "MB", 256.0))
    table.details["memory"] = {"sizes": [1, 2]}
    run = read_run(write_run(table, tmp_path / "new" / "run.json", quick=True))
    assert run.rows[0] == table.rows[0]
    assert math.isnan(run.rows[1].figure)
    assert run.rows[1].passed is False
    assert run.quick
    assert run.machine["cores"] >= 1


def test_runs_are_compared_row_by_row():
    before = (Row("a", "kept", 1.0, "x", 1.5), Row("a", "lost", 1.0, "x", 1.5), Row("a", "dropped", 3.0, "s"))
    after = (Row("a", "lost", 2.0, "x", 1.5), Row("a", "kept", 1.1, "x", 1.5), Row("a", "added", 2.0, "s"))
    lines = {line.split()[1]: line for line in compared(before, after).splitlines()[1:]}
    assert list(lines) == ["lost", "kept", "added", "dropped"]
    assert "+100%" in lines["lost"]
    assert lines["lost"].endswith("FAILS NOW")
    assert "+10%" in lines["kept"]
    assert lines["kept"].endswith("<= 1.5 x")
    assert lines["added"].endswith("new")
    assert lines["dropped"].endswith("gone")


@pytest.mark.parametrize(("figure", "code"), [(1.4, 0), (1.6, 1)])
def test_comparing_fails_where_a_met_target_is_missed(tmp_path, figure, code, capsys):
    paths = []
    for name, value in (("before", 1.3), ("after", figure)):
        table = Table()
        table.add(Row("start", "window / bare window", value, "x", 1.5))
        paths.append(str(write_run(table, tmp_path / f"{name}.json", quick=False)))
    assert main(paths) == code
    assert "window / bare window" in capsys.readouterr().out


@pytest.mark.parametrize(("noise", "exponent"), [(0.0, 1.7), (0.1, 1.0), (0.0, 0.0)])
def test_the_law_that_made_the_costs_is_fitted(noise, exponent):
    sizes = geometric(100, 1_000_000)
    errors = np.random.default_rng(0).normal(0.0, noise, len(sizes))
    found, r_squared = fit(
        sizes, [3e-6 * size**exponent * np.exp(error) for size, error in zip(sizes, errors, strict=True)]
    )
    assert found == pytest.approx(exponent, abs=noise / 2 + 1e-9)
    assert r_squared > 0.99 or exponent == 0.0

"""Missing arrays of a recording are neither checked nor treated as returned."""

import csv
from dataclasses import replace
from pathlib import Path

from rnnviz.core.trace_index import Location
from rnnviz.gui.regions import vector_at
from rnnviz.io.export.data import npz_arrays, write_csv
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import explain_at
from tests.factories import make_result

GOLDEN = "recording:/far/away/golden.npz"


def result_without(*missing: str) -> RunResult:
    result = make_result(("manual", GOLDEN), bidirectional=True)
    trace = replace(result[GOLDEN], missing=frozenset(missing))
    return replace(result, traces={**result.traces, GOLDEN: trace})


def test_an_unrecorded_vector_has_no_column_and_one_that_no_engine_has_no_component() -> None:
    result = result_without("h", "out")
    last, first = (Location(0, 0, timestep) for timestep in (4, 0))
    assert [name for name, _ in vector_at(result, GOLDEN, last, "hidden").columns] == ["manual", GOLDEN]
    assert [name for name, _ in vector_at(result, GOLDEN, first, "hidden").columns] == ["manual"]
    alone = replace(result, traces={GOLDEN: result[GOLDEN], "manual": result[GOLDEN]})
    assert len(vector_at(alone, GOLDEN, first, "hidden")) == 0
    explanation = explain_at(result, first)
    assert list(explanation.breakdowns) == ["manual"]
    assert {name: unread.stored for name, unread in explanation.unread.items()} == {GOLDEN: None}


def test_a_value_that_was_not_recorded_is_empty_in_a_table_and_absent_from_an_archive(tmp_path: Path) -> None:
    result = result_without("h", "out")
    write_csv(result, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    column = Path(GOLDEN).name
    recorded = {(row["direction"], row["timestep"]) for row in rows if row[column]}
    assert recorded == {("forward", "4"), ("backward", "0")}
    assert {bool(row["abs_error"]) == bool(row[column]) for row in rows} == {True}
    assert {row["mismatch"] for row in rows} == {"false"}
    assert not any(name.endswith(".hidden") and column in name for name in npz_arrays(result))

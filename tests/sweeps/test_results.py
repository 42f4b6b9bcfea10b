"""The result of a row as JSON, and rows as words, as columns, and as cells on two axes."""

import json
from dataclasses import replace
from itertools import product
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Config
from rnnviz.core.trace_index import Location
from rnnviz.sweeps.grid import Point
from rnnviz.sweeps.results import (
    COMPUTED,
    DAMAGE,
    NO_ROW,
    QUANTITIES,
    ROW_VERDICTS,
    WAITING,
    FirstWrong,
    SweepFigures,
    SweepResult,
    SweepRow,
    SweepTable,
    called,
    cells,
    counted,
    ranks,
    report,
    short_key,
    value_text,
)
from tests.cases import cases

FOUND = SweepResult(
    "disagree", "No.", 1.5, 0.25, inf, FirstWrong("manual", Location(1, 1, 4, 2, 3)), {"gluon": 0.5, "manual": 0.125}
)
WRITTEN: dict[str, Any] = cases(__file__)["written"]


def test_a_finding_is_written_under_its_names_and_reads_back():
    assert FOUND.to_mapping() == WRITTEN
    assert SweepResult.from_mapping(json.loads(json.dumps(WRITTEN))) == FOUND
    assert str(FOUND.first_wrong) == "manual at layer 1, backward, t = 4, sample 2, unit 3"
    bare = SweepResult("refused")
    assert bare.to_mapping() == {
        **dict.fromkeys(("max_error_ratio", "max_abs_error", "audit_worst_ratio", "first_wrong")),
        "verdict": "refused",
        "seconds": {},
        "reason": "",
    }
    assert SweepResult.from_mapping(bare.to_mapping()) == bare


def test_each_number_keeps_its_own_place():
    numbers = {"max_error_ratio": 3.0, "max_abs_error": -inf, "audit_worst_ratio": nan}
    written = SweepResult("agree", **numbers).to_mapping()
    assert [written[name] for name in numbers] == [3.0, "-Infinity", "NaN"]
    assert repr(SweepResult.from_mapping(written)) == repr(SweepResult("agree", **numbers))


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": "good"},
        *({"seconds": seconds} for seconds in ({"gluon": nan}, {"gluon": "soon"}, 3)),
        {"max_error_ratio": "much"},
        {"max_abs_error": []},
        *({"first_wrong": wrong} for wrong in ({"engine": "x"}, {**WRITTEN["first_wrong"], "direction": "up"})),
    ],
    ids=repr,
)
def test_an_invalid_result_is_damage(changes):
    with pytest.raises(DAMAGE):
        SweepResult.from_mapping({**WRITTEN, **changes})
    for name in WRITTEN:
        with pytest.raises(KeyError, match=name):
            SweepResult.from_mapping({key: value for key, value in WRITTEN.items() if key != name})


MINE = "/far/away/mine.py"
KEYS = ("seed", "network.bidirectional", "engine")
CONFIG = Config.from_mapping(
    {"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}, "compare": {"reference": "onnx"}}
)


def row(index: int, finding: SweepResult | None, config: Config | None = CONFIG) -> SweepRow:
    return SweepRow(Point(index, (index, bool(index % 2), MINE), config), finding)


def test_the_words_of_rows():
    found = {"refused": 1, "agree": 1200, "drift": 0, "disagree": 2, "failed": 3}
    assert counted(found) == "✔ 1,200 agree · ✘ 2 disagree · – 1 refused · ! 3 failed"
    assert counted({}) == counted({"agree": 0}) == "no row yet"
    values = {True: "true", 120: "120", 0.25: "0.25", 16.0: "16", 1e-7: "1e-07", MINE: "mine.py"}
    assert [value_text(value) for value in values] == list(values.values())
    keys = ("sequence.seed", "initial_state.seed", "network.cell")
    assert [short_key(key, keys) for key in keys] == ["sequence.seed", "initial_state.seed", "cell"]
    assert called(KEYS, (3, True, MINE)) == "seed 3, bidirectional true, engine mine.py"


def test_the_report_starts_with_the_counts_and_ends_with_the_rows_left_out():
    rows = [row(0, SweepResult("agree", "Well.")), row(1, None), row(2, SweepResult("refused", "No run.", 5.0))]
    assert report(KEYS, rows) == ("✔ 1 agree · – 1 refused\n  – seed 2, bidirectional false, engine mine.py: No run.")
    failing = [row(index, SweepResult("disagree", f"{index}.", float(index % 4))) for index in range(13)]
    lines = report(KEYS, failing).split("\n")
    assert [line.rpartition(" ")[2] for line in lines[1:11]] == [f"{n}." for n in (3, 7, 11, 2, 6, 10, 1, 5, 9, 0)]
    assert lines[11:] == ["  and 3 more"]
    assert "more" not in report(KEYS, failing[:10])
    alike = [row(index, SweepResult("failed", "No memory.")) for index in range(13)]
    assert report(KEYS, alike).split("\n")[1:] == [
        "  ! seed 0, bidirectional false, engine mine.py and 12 other rows: No memory."
    ]


def test_each_quantity_reads_its_own_figure_and_nothing_of_a_row_that_waits():
    finding = SweepResult("drift", "", 1.5, 0.25, 3.0, None, {"onnx": 2.0, MINE: 7.0})
    assert [q.name for q in QUANTITIES][3:] == ["reference", "engine"]
    assert [q.value(row(0, finding)) for q in QUANTITIES] == [1.5, 0.25, 3.0, 2.0, 7.0]
    assert {q.value(row(0, None)) for q in QUANTITIES} == {None}
    assert [q.limit for q in QUANTITIES] == [1.0, None, 8.0, None, None]
    without_times = (row(0, finding, None), row(0, replace(finding, seconds={})), row(0, SweepResult("failed")))
    assert {q.value(each) for q in QUANTITIES if q.name == "reference" for each in without_times} == {None}


def test_a_dimension_has_its_values_in_the_order_of_the_rows_and_their_sort_order():
    values = [(16, "b", True), (8, "a", True), (16, "c", False), (8, "b", False)]
    table = SweepTable(
        ("hidden_size", "engine", "bias"), tuple(SweepRow(Point(n, v, None)) for n, v in enumerate(values))
    )
    found = SweepFigures(table)
    size, engine, bias = found.dimensions
    assert [d.key for d in found.dimensions] == ["hidden_size", "engine", "bias"]
    assert [(d.texts, d.codes.tolist(), d.ranks.tolist(), d.words) for d in (size, engine, bias)] == [
        (("16", "8"), [0, 1, 0, 1], [16.0, 8.0], False),
        (("b", "a", "c"), [0, 1, 2, 0], [1.0, 0.0, 2.0], True),
        (("true", "false"), [0, 0, 1, 1], [1.0, 0.0], False),
    ]
    assert found.table == table
    assert all(np.isnan(column).all() and len(column) == 4 for column in found.values.values())
    assert found.keys == table.keys


GRID_KEYS = ("network.hidden_size", "seed", "engine")
GRID_VALUES = list(product((8, 4), (0, 1, 2), ("manual", "onnx")))


def figures(findings: list[SweepResult | None]) -> SweepFigures:
    return SweepFigures(
        SweepTable(
            GRID_KEYS,
            tuple(SweepRow(Point(index, GRID_VALUES[index], None), finding) for index, finding in enumerate(findings)),
        )
    )


def drawn() -> st.SearchStrategy[list[SweepResult | None]]:
    numbers = st.sampled_from((0.0, 1e-3, 0.5, 2.0, 1e6, inf, nan))
    one = st.builds(SweepResult, st.sampled_from(COMPUTED), max_error_ratio=numbers)
    other = st.builds(SweepResult, st.sampled_from(("refused", "failed")))
    return st.lists(st.none() | one | other, min_size=len(GRID_VALUES), max_size=len(GRID_VALUES))


def severity(finding: SweepResult | None) -> float:
    if finding is None or finding.max_error_ratio is None:
        return -inf
    return inf if isnan(finding.max_error_ratio) else finding.max_error_ratio


@given(drawn())
def test_a_cell_shows_the_worst_of_its_rows(findings):
    found = figures(findings)
    size, seed, engine = found.dimensions
    assert (size.texts, seed.texts, engine.texts) == (("8", "4"), ("0", "1", "2"), ("manual", "onnx"))
    grid = cells(found, engine, size, "max_error_ratio")
    assert grid.shape == (2, 2)
    for down, across in product(range(2), range(2)):
        mine = [
            index
            for index, values in enumerate(GRID_VALUES)
            if (values[0], values[2]) == ((8, 4)[down], ("manual", "onnx")[across])
        ]
        known = [findings[index] for index in mine]
        verdicts = [WAITING if f is None else ROW_VERDICTS.index(f.verdict) for f in known]
        assert grid.verdicts[down, across] == max(verdicts)
        assert grid.counts[down, across] == 3
        assert grid.done[down, across] == sum(f is not None for f in known)
        assert grid.rows[down, across] in mine
        chosen = findings[grid.rows[down, across]]
        assert severity(chosen) == max(severity(f) for f in known)
        expected = nan if chosen is None or chosen.max_error_ratio is None else chosen.max_error_ratio
        np.testing.assert_equal(grid.values[down, across], expected)
        assert grid.nan[down, across] == any(
            f is not None and f.max_error_ratio is not None and isnan(f.max_error_ratio) for f in known
        )


def test_a_map_of_some_rows_shows_no_others():
    found = figures([SweepResult("agree", max_error_ratio=float(index)) for index in range(12)])
    size, _, engine = found.dimensions
    grid = cells(found, size, None, "max_error_ratio", engine.codes == 0)
    assert grid.values.tolist() == [[4.0, 10.0]]
    assert grid.rows.tolist() == [[4, 10]]
    assert grid.counts.tolist() == [[3, 3]]


def test_a_worse_verdict_counts_more_among_equal_numbers():
    findings = [SweepResult(("drift", "agree", "disagree", "agree")[n % 4], max_error_ratio=2.0) for n in range(12)]
    found = figures(findings)
    grid = cells(found, found.dimensions[2], None, "max_error_ratio")
    assert grid.rows.tolist() == [[2, 1]]
    assert grid.verdicts.tolist() == [[3, 1]]


def test_values_that_never_meet_have_no_row():
    points = (Point(0, (1, "a"), None), Point(1, (1, "b"), None), Point(2, (2, "a"), None))
    found = SweepFigures(SweepTable(("seed", "engine"), tuple(SweepRow(point) for point in points)))
    found.put(SweepRow(points[0], SweepResult("agree")))
    grid = cells(found, found.dimensions[1], found.dimensions[0], "max_error_ratio")
    assert grid.rows.tolist() == [[0, 1], [2, NO_ROW]]
    assert grid.counts.tolist() == [[1, 1], [1, 0]]
    assert grid.done.tolist() == [[1, 0], [0, 0]]
    assert grid.verdicts.tolist() == [[1, WAITING], [WAITING, WAITING]]


def test_texts_are_ranked_by_the_alphabet_and_empty_ones_have_no_rank():
    assert np.array_equal(ranks(["b", "", "a", "b"]), [2.0, nan, 1.0, 2.0], equal_nan=True)

"""The result of a row as JSON, and invalid rows."""

import json
from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.number_format import json_number
from rnnviz.core.trace_index import Location
from rnnviz.sweeps.grid import Point
from rnnviz.sweeps.results import (
    QUANTITIES,
    FirstWrong,
    SweepFigures,
    SweepResult,
    SweepRow,
    SweepTable,
    called,
    color_range,
    counted,
    engine_seconds,
    number,
    reference_seconds,
    report,
    short_key,
    value_text,
)

FOUND = SweepResult(
    "disagree", "No.", 1.5, 0.25, inf, FirstWrong("manual", Location(1, 1, 4, 2, 3)), {"gluon": 0.5, "manual": 0.125}
)
WRITTEN: dict[str, Any] = {
    "verdict": "disagree",
    "max_error_ratio": 1.5,
    "max_abs_error": 0.25,
    "audit_worst_ratio": "Infinity",
    "first_wrong": {"engine": "manual", "layer": 1, "direction": "backward", "timestep": 4, "sample": 2, "unit": 3},
    "seconds": {"gluon": 0.5, "manual": 0.125},
    "reason": "No.",
}


def test_a_finding_is_written_under_its_names_and_reads_back() -> None:
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


def test_each_number_keeps_its_own_place() -> None:
    numbers = {"max_error_ratio": 3.0, "max_abs_error": -inf, "audit_worst_ratio": nan}
    written = SweepResult("agree", **numbers).to_mapping()
    assert [written[name] for name in numbers] == [3.0, "-Infinity", "NaN"]
    read = SweepResult.from_mapping(written)
    assert (read.max_error_ratio, read.max_abs_error) == (3.0, -inf)
    assert read.audit_worst_ratio is not None
    assert isnan(read.audit_worst_ratio)


def test_a_number_that_json_lacks_has_a_name() -> None:
    for value, name in ((inf, "Infinity"), (-inf, "-Infinity"), (0.0, 0.0), (-2.5, -2.5)):
        assert json_number(value) == name
        assert number(name) == value
    assert json_number(nan) == "NaN"
    assert number(None) is None
    assert number(3) == 3.0
    assert isinstance(number(3), float)
    with pytest.raises(KeyError):
        number("infinity")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"verdict": "good"},
            'verdict = "good" is not allowed: it must be one of refused, agree, drift, disagree, failed.',
        ),
        ({"seconds": {"gluon": nan}}, "nan is not a time in seconds."),
        (
            {"seconds": {"gluon": "soon"}},
            "A row of the table is damaged: ValueError: could not convert string to float",
        ),
        ({"seconds": 3}, "A row of the table is damaged: AttributeError: 'int' object has no attribute 'items'."),
        ({"max_error_ratio": "much"}, "A row of the table is damaged: KeyError: 'much'."),
        ({"max_abs_error": []}, "A row of the table is damaged: TypeError: float() argument must be "),
        ({"first_wrong": {"engine": "x"}}, "A row of the table is damaged: KeyError: 'layer'."),
        (
            {"first_wrong": {**WRITTEN["first_wrong"], "direction": "up"}},
            "A row of the table is damaged: ValueError: tuple.index(x): x not in tuple.",
        ),
    ],
    ids=repr,
)
def test_an_invalid_result_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        SweepResult.from_mapping({**WRITTEN, **changes})
    told = str(raised.value)
    assert told == sentence or (not sentence.endswith(".") and told.startswith(sentence))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_row_that_lacks_something_is_damaged(name: str) -> None:
    with pytest.raises(InputError, match=rf"^A row of the table is damaged: KeyError: '{name}'\.$"):
        SweepResult.from_mapping({key: value for key, value in WRITTEN.items() if key != name})


MINE = "/far/away/mine.py"
KEYS = ("seed", "network.bidirectional", "engine")
CONFIG = Config.from_mapping(
    {"network": {"cell": "gru", "input_size": 2, "hidden_size": 3}, "compare": {"reference": "onnx"}}
)


def row(index: int, finding: SweepResult | None, config: Config | None = CONFIG) -> SweepRow:
    return SweepRow(Point(index, (index, bool(index % 2), MINE), config), finding)


def test_verdicts_are_counted_with_their_marks_and_none_without_rows() -> None:
    found = {"refused": 1, "agree": 1200, "drift": 0, "disagree": 2, "failed": 3}
    assert counted(found) == "✔ 1,200 agree · ✘ 2 disagree · – 1 refused · ! 3 failed"
    assert counted({}) == counted({"agree": 0}) == "no row yet"


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (False, "false"), (120, "120"), (0.25, "0.25"), (16.0, "16"), (1e-7, "1e-07"), (MINE, "mine.py")],
)  # fmt: skip
def test_a_value_is_read_as_people_read_it(value: object, text: str) -> None:
    assert value_text(value) == text


def test_a_key_keeps_its_table_where_another_key_has_the_same_name() -> None:
    keys = ("sequence.seed", "initial_state.seed", "network.cell")
    assert [short_key(key, keys) for key in keys] == ["sequence.seed", "initial_state.seed", "cell"]
    assert called(KEYS, (3, True, MINE)) == "seed 3, bidirectional true, engine mine.py"


def test_the_report_starts_with_the_counts_and_ends_with_the_rows_left_out() -> None:
    rows = [row(0, SweepResult("agree", "Well.")), row(1, None), row(2, SweepResult("refused", "No run.", 5.0))]
    assert report(KEYS, rows) == ("✔ 1 agree · – 1 refused\n  – seed 2, bidirectional false, engine mine.py: No run.")
    failing = [row(index, SweepResult("disagree", f"{index}.", float(index % 4))) for index in range(13)]
    lines = report(KEYS, failing).split("\n")
    assert [line.rpartition(" ")[2] for line in lines[1:11]] == [f"{n}." for n in (3, 7, 11, 2, 6, 10, 1, 5, 9, 0)]
    assert lines[11:] == ["  and 3 more"]
    assert "more" not in report(KEYS, failing[:10])


def test_each_quantity_reads_its_own_figure_and_nothing_of_a_row_that_waits() -> None:
    finding = SweepResult("drift", "", 1.5, 0.25, 3.0, None, {"onnx": 2.0, MINE: 7.0})
    assert {q.name: q.value(row(0, finding)) for q in QUANTITIES} == {
        "max_error_ratio": 1.5,
        "max_abs_error": 0.25,
        "audit_worst_ratio": 3.0,
        "reference": 2.0,
        "engine": 7.0,
    }
    assert {q.value(row(0, None)) for q in QUANTITIES} == {None}
    assert {q.name: q.limit for q in QUANTITIES if q.limit is not None} == {
        "max_error_ratio": 1.0,
        "audit_worst_ratio": 8.0,
    }
    assert reference_seconds(row(0, finding, None)) is None
    assert (
        reference_seconds(row(0, replace(finding, seconds={}))) is engine_seconds(row(0, SweepResult("failed"))) is None
    )


def test_a_dimension_has_its_values_in_the_order_of_the_rows_and_their_sort_order() -> None:
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


@pytest.mark.parametrize(
    ("limit", "values", "places"),
    [
        (None, [1e-3, 1.0, 1e3], [0.0, 0.5, 1.0]),
        # The limit is in the middle; values below and above it fill one half each.
        (10.0, [1e-3, 0.1, 10.0, 100.0], [0.0, 0.25, 0.5, 1.0]),
        (1.0, [1e3], [1.0]),
        (8.0, [1.0, 8.0], [0.5 - 0.5 * np.log10(8.0), 0.5]),
        (1.0, [2.0, 1e4], [0.5 + np.log10(2.0) / 8.0, 1.0]),
    ],
)
def test_values_above_and_below_the_limit_fill_their_halves_of_the_colors(
    limit: float | None, values: list[float], places: list[float]
) -> None:
    found = color_range(np.array(values), limit).fractions(np.array(values))
    np.testing.assert_allclose(found, places)

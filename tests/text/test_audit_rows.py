"""What the audit found of each engine and which tolerances would do, in rows that are read and copied."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.text.audit_rows import AuditRow, ToleranceRow, audit_rows, tolerance_remark, tolerance_rows
from rnnviz.verify.result import RunResult
from tests.factories import Edit, evaluated, made_result


def touching(*places: Location, out: float = 0.0, state: float = 0.0) -> Edit:
    """Moves some hidden values of the last step with what follows from them, and something in `out` or `state` alone.

    `out` is that of the first timestep, which breaks one check, and `state` breaks two.
    """

    def edit(trace: Trace) -> None:
        for farther, where in enumerate(places):
            off = np.float32(0.5 + farther)
            trace.hidden[where.index] += off
            trace.output[where.timestep, where.sample, where.unit] += off
            trace.state_h[0, where.sample, where.unit] += off
        trace.output[0] += np.float32(out)
        trace.state_h[0] += np.float32(state)

    return edit


def row_of(result: RunResult, engine: str = "manual") -> AuditRow:
    return {row.engine: row for row in audit_rows(result)}[engine]


def test_without_an_audit_there_are_no_rows() -> None:
    assert audit_rows(made_result()) == []


def test_a_right_engine_shows_where_it_was_farthest_from_its_step_and_gives_no_reason() -> None:
    result = evaluated(made_result(("gluon", "manual", "onnx")), coverage=0.25)
    assert [row.engine for row in audit_rows(result)] == ["gluon", "manual", "onnx"]
    assert result.judgment is not None
    audit = result.judgment.audits["onnx"]
    assert row_of(result, "onnx") == AuditRow(
        engine="onnx",
        verdict="right",
        ratio=audit.worst_ratio,
        where=audit.worst_at,
        coverage="25 %",
        reason="",
        audited=True,
    )
    assert row_of(evaluated(made_result())).coverage == "all"


PLACES = (Location(0, 0, 4, 1, 2), Location(0, 0, 4, 1, 3))


@pytest.mark.parametrize(
    ("edit", "diagnoses", "reason"),
    [
        (touching(*PLACES[:1]), (), "manual is wrong: 1 value is more than 8 bounds off."),
        (touching(*PLACES), (), "manual is wrong: 2 values are more than 8 bounds off."),
        (touching(*PLACES, out=1.0), (), "manual is wrong: 2 values are more than 8 bounds off, a check fails."),
        (touching(out=1.0), (), "manual is wrong: a check fails."),
        (touching(state=1.0), (), "manual is wrong: 2 checks fail."),
        (touching(state=1.0), (("no-h2h-bias",),), "manual is wrong, as if the h2h bias were left out: 2 checks fail."),
    ],
)
def test_a_wrong_engine_shows_its_first_wrong_step_and_gives_every_reason(
    edit: Edit, diagnoses: tuple[tuple[str, ...], ...], reason: str
) -> None:
    result = evaluated(made_result(edits={"manual": edit}), diagnoses={"manual": diagnoses})
    row = row_of(result)
    assert (row.verdict, row.reason) == ("wrong", reason)
    assert (row_of(result, "gluon").verdict, row_of(result, "gluon").reason) == ("right", "")
    if "bounds" in reason:
        assert row.where == PLACES[0]
        assert row.ratio > 8.0


def test_an_engine_that_was_not_audited_has_no_row_and_one_without_a_step_to_look_at_says_so() -> None:
    result = evaluated(made_result())
    assert result.judgment is not None
    audits = {"manual": replace(result.judgment.audits["manual"], audited=0)}
    unseen = replace(result, judgment=replace(result.judgment, audits=audits))
    [row] = audit_rows(unseen)
    assert (row.engine, row.verdict, row.coverage, row.audited) == ("manual", "not audited", "none", False)
    audits = {"manual": replace(audits["manual"], audited=1)}
    assert row_of(replace(result, judgment=replace(result.judgment, audits=audits))).audited


def test_the_tolerances_that_were_used_and_that_would_do_are_told_so_that_what_is_read_passes() -> None:
    result = made_result(edits={"manual": touching(PLACES[0])}, compare_with={"rtol": 0.0, "atol": 1e-5})
    comparison = replace(result.comparison("manual"), smallest_passing_atol=0.123456)
    used, found = tolerance_rows(comparison)
    assert used == ToleranceRow("used", 0.0, 1e-5)
    assert found == ToleranceRow("smallest that passes", 0.0, 0.123456, found=True)
    assert (used.shown_atol, used.pair) == ("1e-5", "rtol=0.0, atol=1e-05")
    assert (found.shown_atol, found.pair) == ("0.13", "rtol=0.0, atol=0.123456")
    assert replace(used, atol=0.123456).shown_atol == "0.123456"


@pytest.mark.parametrize(
    ("apart", "atol", "said"),
    [
        (1, 0.5, "No tolerance lets the value pass that is NaN or infinite on one side only."),
        (1200, 0.0, "No tolerance lets the 1,200 values pass that are NaN or infinite on one side only."),
        (0, 0.0, "Every value passes with an atol of 0."),
        (0, 0.5, "|golden.npz - r| <= atol + rtol · |r| for every value r of gluon."),
    ],
)
def test_what_the_tolerances_do_not_say_is_said_beside_them(apart: int, atol: float, said: str) -> None:
    comparison = replace(
        made_result().comparison("manual"),
        candidate="recording:/far/away/golden.npz",
        nonfinite_apart=apart,
        smallest_passing_atol=atol,
    )
    assert tolerance_remark(comparison) == said

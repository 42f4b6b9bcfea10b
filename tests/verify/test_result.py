"""Verdict of a whole result."""

import math
from dataclasses import replace

import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify.audit import WrongValue
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import VERDICTS
from tests.factories import make_result, with_judgment


def wrong_state(trace: Trace) -> None:
    trace.state_h[0, 0, 0] += 1.0


def wrong_value(trace: Trace) -> None:
    trace.hidden[0, 0, 0, 0, 0] += 1.0


def nan_value(trace: Trace) -> None:
    trace.hidden[0, 0, 0, 0, 0] = math.nan


def test_lookup_by_engine_name():
    result = make_result(("gluon", "manual", "onnx"))
    assert result["onnx"].engine == "onnx"
    assert result.reference.engine == "gluon"
    assert result.comparison("onnx").candidate == "onnx"
    assert result.shape == result.reference.shape
    with pytest.raises(KeyError, match="torch was not run: this run holds gluon, manual, onnx"):
        result["torch"]
    with pytest.raises(KeyError, match="gluon was not compared with gluon: manual, onnx were"):
        result.comparison("gluon")


def test_the_worst_verdict_comes_first_and_then_the_users_own_engines():
    """After a correct port its verdict is the first one, not the verdict on two engines of the program."""
    names = ("manual", "gluon", "recording:port.npz", "torch", "./mine.py")
    order = [c.candidate for c in make_result(names).by_importance]
    assert order == ["recording:port.npz", "./mine.py", "gluon", "torch"]
    wrong = make_result(names, edits={"torch": wrong_value})
    assert [c.candidate for c in wrong.by_importance][:2] == ["torch", "recording:port.npz"]


def verdicts(result: RunResult) -> dict[str, str]:
    return {c.candidate: result.comparison_verdict(c) for c in result.comparisons}


def test_without_audit_a_mismatch_disagrees():
    result = make_result(("gluon", "manual", "onnx"), edits={"onnx": wrong_value})
    assert verdicts(result) == {"manual": "agree", "onnx": "disagree"}
    assert result.verdict == "disagree"
    assert make_result().verdict == "agree"
    assert VERDICTS == ("agree", "drift", "disagree")


@pytest.mark.parametrize("edit", [wrong_value, wrong_state, nan_value])
def test_wrong_reference_disagrees_with_all(edit):
    result = make_result(("gluon", "manual", "onnx"), edits={"gluon": edit})
    assert verdicts(result) == {"manual": "disagree", "onnx": "disagree"}


def test_failed_check_disagrees():
    result = make_result(("gluon", "manual", "onnx"), edits={"onnx": wrong_state})
    assert result.comparison("onnx").mismatched == 0
    assert verdicts(result) == {"manual": "agree", "onnx": "disagree"}
    assert result.wrong("onnx")
    assert not result.wrong("manual")


def with_wrong_engines(result: RunResult, *wrong: str) -> RunResult:
    """The result with an audit that has a wrong step in these engines only."""
    result = with_judgment(result)
    assert result.judgment is not None
    audits = {
        name: replace(found, wrong=int(name in wrong), first_wrong=None)
        for name, found in result.judgment.audits.items()
    }
    return replace(result, judgment=replace(result.judgment, audits=audits))


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ((), {"manual": "agree", "onnx": "drift"}),
        (("onnx",), {"manual": "agree", "onnx": "disagree"}),
        (("manual",), {"manual": "disagree", "onnx": "drift"}),
        (("gluon",), {"manual": "disagree", "onnx": "disagree"}),
    ],
)
def test_mismatch_of_correct_steps_is_drift(wrong, expected):
    result = make_result(("gluon", "manual", "onnx"), edits={"onnx": wrong_value})
    # The checks would detect the edit as well; this test is about the audit alone.
    result = with_wrong_engines(replace(result, checks=()), *wrong)
    assert verdicts(result) == expected
    assert [result.wrong(name) for name in ("gluon", "manual", "onnx")] == [
        name in wrong for name in ("gluon", "manual", "onnx")
    ]
    assert result.verdict == max(expected.values(), key=VERDICTS.index)


def test_the_first_wrong_step_comes_before_the_first_mismatch():
    result = with_wrong_engines(replace(make_result(edits={"manual": wrong_value}), checks=()), "gluon")
    assert result.first_fault == ("manual", Location())
    assert result.judgment is not None
    step = WrongValue(Place.at("h", Location(timestep=1)), 1.0, 2.0)
    audits = result.judgment.audits
    audits = {**audits, "gluon": replace(audits["gluon"], first_wrong=step)}
    result = replace(result, judgment=replace(result.judgment, audits=audits))
    assert result.first_fault == ("gluon", Location(timestep=1))


def test_one_sided_nonfinite_value_disagrees():
    result = with_wrong_engines(replace(make_result(edits={"manual": nan_value}), checks=()))
    assert result.verdict == "disagree"


def test_mismatch_of_unaudited_steps_disagrees():
    result = with_wrong_engines(replace(make_result(edits={"manual": wrong_value}), checks=()))
    [comparison] = result.comparisons
    assert result.comparison_verdict(comparison) == "drift"
    assert result.comparison_verdict(replace(comparison, unrecorded=1)) == "disagree"


def test_accumulating_check_may_drift():
    broken = Check("the fused layer", "manual", holds=False, detail="", accumulates=True)
    drifting = replace(make_result(edits={"manual": wrong_value}), checks=(broken,))
    assert drifting.wrong("manual")
    assert not drifting.wrong("gluon")
    assert not with_wrong_engines(drifting).wrong("manual")
    assert with_wrong_engines(replace(drifting, checks=(replace(broken, accumulates=False),))).wrong("manual")
    assert with_wrong_engines(replace(make_result(), checks=(broken,))).wrong("manual")
    assert not with_wrong_engines(replace(make_result(), checks=(replace(broken, holds=True),))).wrong("manual")

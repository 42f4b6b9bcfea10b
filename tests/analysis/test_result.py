"""What a result says as a whole."""

import math

import pytest

from rnnviz.analysis.result import VERDICTS, RunResult
from rnnviz.model.trace import Trace
from tests.made_results import made_result


def wrong_state(trace: Trace) -> None:
    trace.state_h[0, 0, 0] += 1.0


def wrong_value(trace: Trace) -> None:
    trace.hidden[0, 0, 0, 0, 0] += 1.0


def nan_value(trace: Trace) -> None:
    trace.hidden[0, 0, 0, 0, 0] = math.nan


def test_traces_and_comparisons_are_found_by_the_engines_name() -> None:
    result = made_result(("gluon", "manual", "onnx"))
    assert result["onnx"].engine == "onnx"
    assert result.reference.engine == "gluon"
    assert result.comparison("onnx").candidate == "onnx"
    assert result.shape == result.reference.shape
    with pytest.raises(KeyError, match="torch was not run: this run holds gluon, manual, onnx"):
        result["torch"]
    with pytest.raises(KeyError, match="gluon was not held against gluon: manual, onnx were"):
        result.comparison("gluon")


def verdicts(result: RunResult) -> dict[str, str]:
    return {c.candidate: result.comparison_verdict(c) for c in result.comparisons}


def test_without_an_audit_a_difference_is_a_mismatch_and_the_worst_verdict_counts() -> None:
    result = made_result(("gluon", "manual", "onnx"), edits={"onnx": wrong_value})
    assert verdicts(result) == {"manual": "agree", "onnx": "mismatch"}
    assert result.verdict == "mismatch"
    assert made_result().verdict == "agree"
    assert VERDICTS == ("agree", "drift", "mismatch")


@pytest.mark.parametrize("edit", [wrong_value, wrong_state, nan_value])
def test_a_wrong_reference_agrees_with_nobody(edit: object) -> None:
    result = made_result(("gluon", "manual", "onnx"), edits={"gluon": edit})
    assert verdicts(result) == {"manual": "mismatch", "onnx": "mismatch"}


def test_a_broken_check_is_a_mismatch_although_every_hidden_value_agrees() -> None:
    result = made_result(("gluon", "manual", "onnx"), edits={"onnx": wrong_state})
    assert result.comparison("onnx").mismatched == 0
    assert verdicts(result) == {"manual": "agree", "onnx": "mismatch"}
    assert result.wrong("onnx")
    assert not result.wrong("manual")

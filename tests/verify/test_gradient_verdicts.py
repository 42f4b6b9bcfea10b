"""Comparison of gradients, and the verdict on the backward pass."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import AppState
from rnnviz.io.export.data import summary
from rnnviz.io.export.report import gradient_tables
from rnnviz.verify.audit import WrongValue
from rnnviz.verify.compare import Mismatch
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.result import PassJudgment, RunResult
from rnnviz.verify.verdict import AuditVerdict, Verdict
from tests.factories import make_result, with_judgment

BOTH = ("gluon", "manual")


def adding(name: str, index: tuple[int, ...], value: float) -> Callable[[Trace], None]:
    def edit(trace: Trace) -> None:
        trace[name][index] += value

    return edit


def test_first_mismatch_of_gradients_is_in_the_order_of_the_backward_pass():
    def edit(trace):
        for index in ((0, 0, 4, 0, 0), (1, 0, 1, 1, 2), (1, 0, 3, 0, 1), (1, 1, 0, 0, 0), (0, 1, 0, 0, 0)):
            trace["grad.h"][index] += 1.0

    network = {"num_layers": 2, "bidirectional": True}
    found = make_result(BOTH, gradients=BOTH, edits={"manual": edit}, **network).comparisons[0].gradients["grad.h"]
    assert found.mismatched == 5
    assert found.first_mismatch is not None
    assert found.first_mismatch.where == Location(1, 0, 3, 0, 1)
    histogram = found.error_ratios
    assert [histogram.first[place] for place in histogram.filled][-1] == Location(1, 0, 3, 0, 1)
    reverse = make_result(BOTH, gradients=BOTH, edits={"manual": edit_all_steps}, reverse=True)
    first = reverse.comparisons[0].gradients["grad.h"].first_mismatch
    assert first is not None
    assert first.where == Location(0, 0, 0, 0, 0)


def edit_all_steps(trace: Trace) -> None:
    trace["grad.h"][...] += 1.0


def test_every_gradient_is_compared_without_padding():
    def edit(trace):
        trace["grad.parameters.l0_h2h_weight"][2, 1] += 0.5
        trace["grad.h0"][0, 1, 3] = math.nan

    result = make_result(BOTH, gradients=BOTH, edits={"manual": edit}, cell="lstm", lengths=[3, 5])
    (comparison,) = result.comparisons
    over_time = comparison.gradients_over_time
    assert list(over_time) == [f"grad.{s}" for s in (*"hcifgo", "out", "input")]
    elements = {name: own.elements for name, own in over_time.items()}
    assert elements == {**dict.fromkeys(elements, 8 * 4), "grad.input": 8 * 3}
    assert not any(own.mismatched for own in over_time.values())
    weights, initial = (comparison[f"grad.{n}"] for n in ("parameters.l0_h2h_weight", "h0"))
    own = result.reference["grad.parameters.l0_h2h_weight"][2, 1]
    assert weights.first_mismatch == Mismatch(weights.max_abs_error_place, float(own), float(np.float32(own + 0.5)))
    assert (weights.mismatched, weights.max_abs_error_place.index) == (1, (2, 1))
    assert weights.max_abs_error == pytest.approx(0.5, rel=1e-6)
    assert (initial.mismatched, initial.nonfinite_apart, initial.max_abs_error) == (1, 1, 0.0)


def test_tolerance_of_gradients_grows_with_their_magnitude():
    def scaled(trace):
        trace["grad.h"][...] *= 1000.0

    def off(trace):
        scaled(trace)
        trace["grad.h"][0, 0, 0, 0, 0] += 1e-3

    gradients = make_result(BOTH, gradients=BOTH, edits={"gluon": scaled, "manual": off}).comparisons[0].gradients
    assert "grad.h of manual" in repr(gradients["grad.h"])
    assert gradients["grad.h"].atol > 1000 * gradients["grad.input"].atol / 3
    assert gradients["grad.h"].mismatched == 0


def backward(result: RunResult) -> PassJudgment:
    assert result.judgment is not None
    assert result.judgment.backward is not None
    return result.judgment.backward


def with_backward(result: RunResult, judgment: PassJudgment) -> RunResult:
    assert result.judgment is not None
    return replace(result, judgment=replace(result.judgment, backward=judgment))


PLACE = Place.at("grad.h", Location(0, 0, 1, 0, 2))


def test_mismatch_of_correct_gradients_is_drift():
    engines = ("gluon", "manual", "onnx")
    edits = {"manual": adding("grad.h", (0, 0, 1, 0, 2), 0.1)}
    result = make_result(engines, gradients=BOTH, edits=edits)
    assert result.gradient_engines == BOTH
    assert result.without_gradients == {"onnx": "ONNX Runtime has no backward pass"}
    assert [result.gradients_verdict(c) for c in result.comparisons] == [Verdict.DISAGREE, None]
    result = with_judgment(result)
    assert result.verdict is Verdict.AGREE
    assert result.backward_verdict is result.overall_verdict is Verdict.DRIFT
    judgment = backward(result)
    audit = judgment.audits["manual"]
    assert audit.verdict is AuditVerdict.RIGHT
    for changed in (
        replace(audit, undetermined_mismatches={"gluon": 1}),
        replace(audit, undetermined_count=audit.audited),
        replace(audit, wrong=1, first_wrong=WrongValue(PLACE, 1.0, 2.0)),
    ):
        other = with_backward(result, replace(judgment, audits={**judgment.audits, "manual": changed}))
        assert other.backward_verdict is other.overall_verdict is Verdict.DISAGREE


def test_the_candidate_with_the_worst_gradients_is_first():
    engines = ("gluon", "manual", "torch")
    result = make_result(engines, gradients=engines, edits={"torch": adding("grad.input", (1, 0, 2), 0.5)})
    assert [result.candidate_verdict(c) for c in result.comparisons] == [Verdict.AGREE, Verdict.DISAGREE]
    assert summary(result)["candidate"] == AppState(result.config).with_result(result).candidate == "torch"


def test_failed_check_of_gradients_leaves_the_forward_verdict():
    result = make_result(gradients=BOTH)
    result = replace(result, checks=(*result.checks, Check("twice", "manual", False, "", of_gradients=True)))
    assert (result.verdict, result.backward_verdict) == (Verdict.AGREE, Verdict.DISAGREE)
    assert not result.wrong("manual")


def test_run_without_a_backward_pass_has_no_verdict_on_it():
    result = with_judgment(make_result())
    assert (result.has_gradients, result.backward_verdict, result.without_gradients) == (False, None, {})
    assert result.comparisons[0].gradients == {}


def test_the_initial_state_of_a_reversed_network_is_backward():
    result = make_result(BOTH, gradients=BOTH, edits={"manual": adding("grad.h0", (0, 0, 1), 0.5)}, reverse=True)
    first = result.comparisons[0].first_gradient_mismatch
    assert first is not None
    assert first.place == Place("grad.h0", (0, 0, 1))
    ((_, table),) = gradient_tables(result)
    place = table.titles.index("Position of the max")
    assert [row[place][0] for row in table.rows if row[0][0] == "grad.h0"] == [str(first.place)]

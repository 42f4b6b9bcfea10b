"""The variables of a run in statements, from results with chosen values, and their display."""

from collections.abc import Callable
from dataclasses import replace
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.lessons.evaluate import (
    StatementResult,
    audit_of,
    check_statement,
    engine_name,
    judgment,
    run_variable,
    shown_value,
)
from rnnviz.lessons.statements import UnansweredError, is_engine, is_name, parse_statement
from rnnviz.verify.compare import Mismatch
from rnnviz.verify.result import RunResult
from tests.factories import make_result, setting, with_judgment

PLACE = Location(0, 1, 3, 1, 2)
EDITS = {"torch": setting(PLACE.index, 2.5), "onnx": setting((0, 0, 1, 0, 0), -3.0)}
RESULT = make_result(("gluon", "manual", "torch", "onnx"), edits=EDITS, bidirectional=True)
JUDGED = with_judgment(
    RESULT,
    diagnoses={"torch": (("a", "b"), ("c",)), "onnx": (("b",), ("d",))},
    blind=("e", "f"),
)


def test_the_figures_are_those_of_the_worst_candidate_and_the_mismatch_the_first_ones() -> None:
    manual, torch, onnx = RESULT.comparisons
    figures = (
        replace(manual, mismatched=0, max_error_ratio=0.5, rtol=0.25, atol=1e-9),
        replace(torch, mismatched=7, max_error_ratio=2.0, rtol=0.125, atol=0.5),
        replace(onnx, mismatched=3, max_error_ratio=90.0, rtol=0.0, atol=0.0),
    )
    result = replace(RESULT, comparisons=figures)
    assert run_variable(result, "mismatched") == 7
    assert run_variable(result, "max_error_ratio") == 90.0
    assert (run_variable(result, "rtol"), run_variable(result, "atol")) == (0.25, 0.5)
    assert run_variable(result, "first_mismatch") == (0, "backward", 3, 1, 2)
    assert run_variable(replace(RESULT, comparisons=(onnx, torch)), "first_mismatch") == (0, "forward", 1, 0, 0)
    assert run_variable(replace(RESULT, comparisons=(manual,)), "first_mismatch") == ()
    assert torch.first_mismatch == Mismatch(Place.at("h", PLACE), torch.first_mismatch.reference, 2.5)


def test_the_audit_of_all_engines_is_available() -> None:
    assert run_variable(JUDGED, "verdict") == JUDGED.verdict == "disagree"
    assert run_variable(JUDGED, "wrong") == ("torch", "onnx")
    assert run_variable(JUDGED, "undetectable") == ("e", "f")
    assert run_variable(JUDGED, "diagnosis") == ("a", "b", "c", "d")
    assert judgment(JUDGED) is JUDGED.judgment
    checks = run_variable(JUDGED, "checks")
    assert checks.dtype == np.bool_
    assert checks.tolist() == [check.holds for check in JUDGED.checks]
    assert run_variable(replace(JUDGED, checks=()), "checks").dtype == np.bool_
    assert not all(checks)
    assert any(checks)
    with pytest.raises(KeyError, match=r"^'T is not an outcome of a run'$"):
        run_variable(JUDGED, "T")


def refused(call: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(UnansweredError) as caught:
        call(*arguments)
    return str(caught.value)


def test_an_engine_may_be_called_by_its_part_in_the_comparison() -> None:
    assert [engine_name(RESULT, name) for name in ("reference", "candidate", "onnx")] == ["gluon", "manual", "onnx"]
    assert refused(engine_name, RESULT, "mine") == "mine was not run: this run holds gluon, manual, torch, onnx."
    assert audit_of(JUDGED, "reference").engine == "gluon"
    assert JUDGED.judgment is not None
    audits = {name: JUDGED.judgment.audits[name] for name in ("gluon", "torch")}
    fewer = replace(JUDGED, judgment=replace(JUDGED.judgment, audits=audits))
    assert refused(audit_of, fewer, "candidate") == "manual was not audited: gluon, torch were."
    for call in (judgment, lambda result: run_variable(result, "verdict"), lambda result: audit_of(result, "gluon")):
        assert refused(call, RESULT) == "The steps of this run have not been audited yet."


def asked(holds: str, result: RunResult = JUDGED) -> StatementResult:
    return check_statement(result, parse_statement("says", holds))


def test_an_audit_is_found_by_its_engine() -> None:
    assert JUDGED.judgment is not None
    ratio = JUDGED.judgment.audits["torch"].worst_ratio
    assert asked(f"audit('torch') == 'wrong' and audit('candidate') == 'right' and ratio('torch') == {ratio!r}").holds
    audits = {name: replace(audit, audited=0) for name, audit in JUDGED.judgment.audits.items()}
    nothing = replace(JUDGED, judgment=replace(JUDGED.judgment, audits=audits))
    for statement in ("ratio('torch') > 1", "audit('torch') == 'wrong'"):
        assert asked(statement, nothing).reason == "No step of torch was audited."


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (0.25, "0.250"),
        (np.float32(-12.5), "-12.500"),
        (3e-7, "3e-7"),
        (5e-4, "5e-4"),
        (0.00113, "0.0011"),
        (-0.0123, "-0.012"),
        (-4e-4, "-4e-4"),
        (0.0, "0.000"),
        (nan, "NaN"),
        (12, "12"),
        (True, "true"),
        ("agree", "agree"),
        ((), "none"),
        ((0.5,), "(0.500,)"),
        (("bug:a",), "bug:a"),
        (("a", "b"), "a, b"),
        ((1, "a", 0.5), "(1, a, 0.500)"),
        ([np.zeros((2, 3)), np.zeros(4)], "[shape (2, 3), shape (4,)]"),
        (np.array(0.5), "0.500"),
        (np.array([0.5, -1e-5, nan]), "[0.500 -1e-5 NaN]"),
        (np.array([[1.0, 2.0], [3.0, 4.0]]), "[[1.000 2.000]\n [3.000 4.000]]"),
        (np.arange(40), f"[{' '.join(f'{n:2d}' for n in range(40))}]"),
        (np.arange(41.0), "41 values from 0.000 to 40.000"),
        (np.zeros((9, 1)), "9 × 1 values from 0.000 to 0.000"),
        (np.zeros((8, 1)), "[" + "\n ".join(["[0.000]"] * 8) + "]"),
        (np.zeros((1, 2, 3)) - 1, "1 × 2 × 3 values from -1.000 to -1.000"),
        (np.array([[[nan, 2.5, -inf]]]), "1 × 1 × 3 values from 2.500 to 2.500"),
        (np.full((2, 1, 1), nan), "2 × 1 × 1 values, none finite"),
        (np.arange(1500) > 1, "1,500 values, 1,498 true"),
    ],
)
def test_a_value_is_shown_as_a_notebook_prints_it(shown: Any, text: str) -> None:
    assert shown_value(shown) == text


@pytest.mark.parametrize(
    ("holds", "pairs"),
    [
        ("rtol < 1", [("rtol", "<", "1", "1.3e-6", "1", "1.3e-6", "1", "")]),
        ("1 / 8 <= 0.25", [("1 / 8", "≤", "0.25", "0.125", "0.250", "0.125", "0.25", "")]),
        ("0.25 == 0.5", [("0.25", "=", "0.5", "0.250", "0.500", "0.25", "0.5", "0.25")]),
        ("not 2 > 3", [("2", ">", "3", "2", "3", "2", "3", "")]),
        ("(3 >= 2) and 1 != 2", [
            ("3", "≥", "2", "3", "2", "3", "2", ""), ("1", "≠", "2", "1", "2", "1", "2", ""),
        ]),
        ("'x' in wrong or 'manual' not in wrong", [
            ("'x'", "in", "wrong", "x", "torch, onnx", "x", "torch, onnx", ""),
            ("'manual'", "not in", "wrong", "manual", "torch, onnx", "manual", "torch, onnx", ""),
        ]),
        ("any((1 / 4, 2 / 4) == 1 / 8)", [
            ("(1 / 4, 2 / 4)", "=", "1 / 8", "(0.250, 0.500)", "0.125", "(0.25, 0.5)", "0.125", ""),
        ]),
        ("close((0.25, 0 / 0), (0.125, 1.0))", [
            ("(0.25, 0 / 0)", "≈", "(0.125, 1.0)", "(0.250, NaN)", "(0.125, 1.000)", "(0.25, NaN)", "(0.125, 1.0)",
             "0.12"),
        ]),
        ("close((1 / 0, 0.5), (1 / 0, 0.25))", [
            ("(1 / 0, 0.5)", "≈", "(1 / 0, 0.25)", "(infinity, 0.500)", "(infinity, 0.250)", "(infinity, 0.5)",
             "(infinity, 0.25)", "0.25"),
        ]),
        ("equal(0 / 0, 1 / 1)", [("0 / 0", "=", "1 / 1", "NaN", "1.000", "NaN", "1.0", "")]),
        ("all(0.5 < (0.75, 1.0) < 2.0)", [
            ("0.5", "<", "(0.75, 1.0)", "0.500", "(0.750, 1.000)", "0.5", "(0.75, 1.0)", ""),
            ("(0.75, 1.0)", "<", "2.0", "(0.750, 1.000)", "2.000", "(0.75, 1.0)", "2.0", ""),
        ]),
    ],
)  # fmt: skip
def test_both_operands_are_shown_short_and_in_full_with_their_difference(
    holds: str, pairs: list[tuple[str, ...]]
) -> None:
    found = asked(holds).pairs
    assert [
        (p.left.text, p.sign, p.right.text, p.left.shown, p.right.shown, p.left.full, p.right.full, p.apart)
        for p in found
    ] == pairs


def test_numbers_that_cannot_be_read_leave_a_statement_unanswered(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("rnnviz.lessons.evaluate.run_variable", gone)
    found = asked("mismatched > 0")
    assert (found.holds, found.reason, found.pairs) == (None, "The numbers could not be read: the disk is gone.", ())


def test_recorded_values_are_available_and_missing_ones_unanswered() -> None:
    made = make_result(("manual", "recording:/far/golden.npz"), num_layers=2)
    (name, trace) = list(made.traces.items())[1]

    def reason(holds: str, *missing: str) -> str:
        held = replace(made, traces={**made.traces, name: replace(trace, missing=frozenset(missing))})
        return asked(holds, held).reason

    assert reason("len(candidate.state) == 1", "out") == reason("shape(candidate.out) == (N, T, H)", "state.h") == ""
    assert reason("len(candidate.state) == 1", "state.h") == "golden.npz did not return state."
    assert reason("shape(candidate.out) == (N, T, H)", "out") == "golden.npz did not return out."
    assert reason("len(candidate.h(1)) == T", "h") == ""
    for lane in ("candidate.h(0)", "candidate.gate('change', 1)"):
        assert reason(f"len({lane}) == T", "h") == "golden.npz lacks values that this needs."


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((name, True) for name in ("dat", "T", "wrong", "l0_i2h_weight", "r1234_h2h_bias", "l9_h2h_weight")),
        *((name, False) for name in ("gluon", "l_i2h_weight", "l12345_i2h_bias", "xl0_i2h_bias", "l0_i2h_bias_", "")),
    ],
)
def test_names_are_those_of_the_run_and_of_gluons_parameters(name: str, known: bool) -> None:
    assert is_name(name) is known


@pytest.mark.parametrize(("name", "may"), [("gluon", True), ("a1_b", True), ("_a", False), ("A", False), ("1a", False)])
def test_an_engine_is_called_by_a_plain_name(name: str, may: bool) -> None:
    assert is_engine(name) is may


def test_a_gradient_is_that_of_the_first_engine_that_gives_it() -> None:
    whole = np.arange(RESULT["manual"].hidden.size, dtype=float).reshape(RESULT.shape)
    weight = RESULT.inputs.parameters["l0_h2h_weight"]
    arrays = {"grad.h": whole, "grad.parameters.l0_h2h_weight": weight}
    result = replace(RESULT, traces={**RESULT.traces, "manual": RESULT["manual"].with_arrays(arrays)})

    def holds(expression: str) -> Any:
        return check_statement(result, parse_statement("so it is", expression)).holds

    assert holds(f"gradient('h', 0, 'backward')[1][0][2] == {whole[0, 1, 1, 0, 2]}")
    assert holds("equal(manual.gradient('l0_h2h_weight'), l0_h2h_weight)")
    assert holds("torch.gradient('h', 0)[0][0][0] == 0") is None
    assert holds("gradient('c', 0)[0][0][0] == 0") is None
    assert holds("gradient('h')[0][0][0] == 0") is None

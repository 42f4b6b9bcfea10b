"""Statements about a small run: what holds, what does not, what cannot be said, and the numbers that are shown."""

import ast
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.lessons import statements
from rnnviz.lessons.evaluate import Evaluator, Namespace, check_statement
from rnnviz.lessons.statements import Statement, UnansweredError, parse_statement
from rnnviz.verify.compare import compare_all, tolerances
from tests.factories import make_result, setting
from tests.lessons.conftest import StatementChecker
from tests.profiles import examples

HOLDS = [
    "(T, N, I, H, L, D) == (3, 2, 3, 4, 2, 2)",
    "shape(dat) == (N, T, I) and shape(out) == (N, T, D * H) and shape(state[1]) == (L * D, N, H)",
    "len(state) == 2 and len(initial_state) == 2 and len(out[0]) == T",
    "equal(out[0][-1][:H], h(1)[T - 1][0]) and equal(out[0, 0, H:], state[0][3][0])",
    "equal(concat(h(1)[2][0], h(1, 'backward')[2][0], dim=0), out[0][2])",
    "close(c(1)[-1], state[1][2])",
    "close(gate('f', 0)[0], sigmoid(gate('pre_f', 0)[0]))",
    (
        "close(gate('pre_f', 0)[0][0] - l0_i2h_bias[H:2 * H] - l0_h2h_bias[H:2 * H], "
        "dot(l0_i2h_weight, dat[0][0])[H:2 * H] + dot(initial_state[0][0][0], transpose(l0_h2h_weight))[H:2 * H])"
    ),
    "close(dot(dat[0][0], l0_i2h_weight, transpose_b=True), l0_i2h_weight @ dat[0][0])",
    "0 < min(gate('i', 0)) <= max(gate('i', 0)) < 1",
    "verdict == 'disagree' and wrong == ('bug:no-h2h-bias',) and 'manual' not in wrong",
    "audit('manual') == 'right' and audit('candidate') == 'wrong' and ratio('candidate') > 8 > ratio('reference')",
    "'no-h2h-bias' in diagnosis and mismatched > 0 and max_error_ratio > 1",
    "first_mismatch[0] == 0 and first_mismatch[1] == 'forward'",
    "all(checks) and undetectable == ()",
    "not equal(manual.out, candidate.out) and equal(reference.state[0], state[0])",
    "count(relu(out) == 0) == count(out <= 0)",
    "sum(abs(zeros_like(out))) == 0 and not any(isnan(out)) and not any(isinf(out))",
    "max(1, 2, T) == 3 and 2 ** 3 - 1 == 7 and -T + 3 == 0 and T / 2 == 1.5",
    "close(tanh(sum(out)), tanh(sum(out) + 1e-9)) and close(1, 2, atol=1) and not close(1, 2, rtol=0, atol=0.5)",
    "rtol < atol",
]
PARAMETERS = ", ".join(
    f"{lane}_{kind}"
    for lane in ("l0", "r0", "l1", "r1")
    for kind in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
)
UNANSWERED = {
    "out in wrong": 'Only a word can be looked for, and only among words, as "manual" in wrong.',
    "(out, 1) == (out, 2)": "This is not an array of numbers: take a part of it, as state[0].",
    "out[0][0] == out[0][0]": "A statement must be one true or false, and not 8: put all(...) around it.",
    "T": "A statement must be true or false, as a comparison is.",
    "verdict": "A statement must be true or false, as a comparison is.",
    "out[0][7][0] == 0": "There is no out[0][7]: out[0] has the shape (3, 8).",
    "state[2] == 0": "There is no state[2]: state has 2 parts.",
    "all(out[0][3:] == 0)": "There are no values in this part of the run.",
    "equal(out[0][3:], out[0][3:])": "There are no values in this part of the run.",
    "all(state == 0)": "This is not an array of numbers: take a part of it, as state[0].",
    "equal(out, out[0])": "The shapes (2, 3, 8) and (3, 8) differ.",
    "all(out == state[0])": "The shapes (2, 3, 8) and (4, 2, 4) do not fit.",
    "all(l0_i2h_weight @ l0_h2h_weight == 0)": "The shapes (16, 3) and (16, 4) have no product.",
    "all(out @ out == 0)": "A product is of vectors and matrices, not of the shapes (2, 3, 8) and (2, 3, 8).",
    "h(2) == 0": "This network has no layer 2: it has 2, counted from 0.",
    "h(0, 'up') == 0": "This network has no direction up: it has forward and backward.",
    "h(out) == 0": 'h must be called as h(layer, direction="forward"): a lane\'s hidden states, (T, N, H).',
    "h() == 0": 'h must be called as h(layer, direction="forward"): a lane\'s hidden states, (T, N, H).',
    "gate('z', 0) == 0": "The cell lstm has no z: it has i, f, g, o, c, pre_i, pre_f, pre_g, pre_o, change, norm.",
    "all(l2_i2h_bias == 0)": f"This network has no l2_i2h_bias: it has {PARAMETERS}.",
    "all(gluon.out == 0)": "gluon was not run: this run holds manual, bug:no-h2h-bias.",
    "audit('gluon') == 'right'": "gluon was not run: this run holds manual, bug:no-h2h-bias.",
    "verdict > 'agree'": "Words can be compared with words only, and by == and !=.",
    "verdict == 1": "Words can be compared with words only, and by == and !=.",
    "wrong == state": "Words can be compared with words only, and by == and !=.",
    "T in (1, 2)": 'Only a word can be looked for, and only among words, as "manual" in wrong.',
    "out[out] == 0": "out is not a whole number and cannot be an index.",
    "out[1.0] == 0": "1.0 is not a whole number and cannot be an index.",
    "out[::0] == 0": "The step of a slice must not be 0.",
    "T[0] == 0": "T has no parts.",
    "state[0, 0] == 0": "state takes one index.",
    "checks + 1 == 1": "True and false cannot be added or multiplied: count(...) counts them.",
    "-checks == 1": "True and false have no sign.",
    "'a' + 'b' == 'ab'": "This is not an array of numbers: take a part of it, as state[0].",
    "(1, 2) * 9999999 == 1": "A statement must be one true or false, and not 2: put all(...) around it.",
    "9007199254740992 * 2 > 1": "A whole number has become too large.",
    "9 ** 9 ** 9 > 1": "The power 9 ** 387420489 is out of range.",
    "0 ** -1 > 1": "The power 0 ** -1 is out of range.",
    "(T, N) ** -1 == 1": "This cannot be computed: Integers to negative integer powers are not allowed.",
    "len(T) == 1": "A single number has no length.",
    "concat(T, T) == 1": "concat(T, T) cannot be computed: zero-dimensional arrays cannot be concatenated.",
    "not T": "A statement must be true or false, as a comparison is.",
}


def test_true_statements_hold(wrong_run: StatementChecker) -> None:
    found = {holds: wrong_run(holds) for holds in HOLDS}
    assert {holds: (f.holds, f.reason) for holds, f in found.items()} == dict.fromkeys(HOLDS, (True, ""))


def test_a_statement_without_an_answer_is_neither_true_nor_false(wrong_run: StatementChecker) -> None:
    found = {holds: wrong_run(holds) for holds in UNANSWERED}
    assert {holds: f.reason for holds, f in found.items()} == UNANSWERED
    assert all(f.holds is None and f.pairs == () for f in found.values())


def test_a_false_statement_does_not_hold_and_shows_the_values(wrong_run: StatementChecker) -> None:
    finding = wrong_run("all(manual.h(0)[0][0] == candidate.h(0)[0][0])")
    assert finding.holds is False
    (pair,) = finding.pairs
    right = wrong_run.result["manual"].hidden[0, 0, 0, 0]
    wrong = wrong_run.result["bug:no-h2h-bias"].hidden[0, 0, 0, 0]
    assert (pair.left.text, pair.sign, pair.right.text) == ("manual.h(0)[0][0]", "=", "candidate.h(0)[0][0]")
    assert pair.left.shown == "[" + " ".join(f"{value:.3f}" for value in right) + "]"
    assert np.array_equal(np.array(pair.right.full.strip("[]").split(), np.float32), wrong)
    assert float(pair.apart) == pytest.approx(np.abs(right - wrong).max(), rel=0.1)


def test_each_deciding_comparison_shows_its_operands(wrong_run: StatementChecker) -> None:
    finding = wrong_run("T == 3 and not close(out, candidate.out) and 0 < max_error_ratio")
    assert [(p.left.text, p.sign, p.right.text) for p in finding.pairs] == [
        ("T", "=", "3"),
        ("out", "≈", "candidate.out"),
        ("0", "<", "max_error_ratio"),
    ]
    assert finding.pairs[1].left.shown.startswith("2 × 3 × 8 values from -")
    assert wrong_run("T == 4 and N == 2").pairs == wrong_run("T == 4").pairs


def test_a_value_that_three_decimals_round_to_zero_has_two_digits(wrong_run: StatementChecker) -> None:
    assert wrong_run("rtol < 1").pairs[0].left.shown == "1.3e-6"


def test_a_coarse_recording_uses_the_tolerance_of_the_verdict_and_others_theirs() -> None:
    apart = {
        name: setting((0, 0, 0, 0, 0), 0.5 + place * 1e-4) for place, name in enumerate(("gluon", "manual", "onnx"))
    }
    made = make_result(("gluon", "manual", "onnx"), edits=apart)
    traces = {**made.traces, "onnx": replace(made["onnx"], precision="float16")}
    right, coarse = (
        compare_all(traces["gluon"], traces[n], *tolerances(made.config, traces[n])) for n in ("manual", "onnx")
    )
    ask = StatementChecker(replace(made, traces=traces, comparisons=(right, coarse)))
    assert (right.mismatched, coarse.mismatched) == (1, 0)
    assert ask("not close(h(0), manual.h(0)) and close(h(0), onnx.h(0)) and mismatched == 1").holds
    assert ask("close(h(0), onnx.h(0)) and not close(manual.h(0), h(0))").holds, "each is held to its own"
    assert ask("not close(0.5, 0.5001) and (rtol, atol) == (0.001, 0.00001)").holds


def test_nothing_that_takes_the_audit_is_known_before_it(wrong_run: StatementChecker) -> None:
    unjudged = StatementChecker(replace(wrong_run.result, judgment=None))
    for name in (
        "verdict == 'agree'",
        "wrong == ()",
        "undetectable == ()",
        "diagnosis == ()",
        "audit('manual') == 'right'",
    ):
        assert "not been audited" in unjudged(name).reason
    assert unjudged("mismatched > 0").holds


def test_a_statement_that_is_too_large_is_not_computed(
    wrong_run: StatementChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "LARGEST_ARRAY", 20)
    for holds in (
        "all(out == 0)",
        "sum(out) == 0",
        "close(out, out)",
        "all(gate('i', 0) == 0)",
        "all(concat(out, out)[0] == 0)",
    ):
        assert "too large" in wrong_run(holds).reason
    assert wrong_run("all(out[0][0] == out[0][0])").holds


def test_the_same_array_read_over_and_over_is_too_much_in_the_end(
    wrong_run: StatementChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "_ALL", 1000)
    assert wrong_run("sum(out) == sum(out)").holds
    assert "too large" in wrong_run(" == ".join(["sum(out)"] * 25)).reason


leaves = st.sampled_from(
    [
        "T",
        "2",
        "-1",
        "0.5",
        "True",
        "'manual'",
        "out",
        "state",
        "out[0][0]",
        "l0_i2h_bias",
        "wrong",
        "checks",
        "verdict",
        "()",
    ]
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(["+", "-", "*", "/", "**", "@", "==", "<", "in", "and", "or"])
    call = st.sampled_from(
        ["all", "max", "shape", "len", "sum", "count", "relu", "isnan", "h", "audit", "concat", "transpose"]
    )
    return (
        st.tuples(inner, binary, inner).map(lambda parts: f"({' '.join(parts)})")
        | st.tuples(call, inner).map(lambda parts: f"{parts[0]}({parts[1]})")
        | st.tuples(inner, inner).map(lambda parts: f"{parts[0]}[{parts[1]}]")
        | inner.map(lambda text: f"(not {text})")
        | inner.map(lambda text: f"(-{text})")
        | st.tuples(inner, inner).map(lambda parts: f"close({parts[0]}, {parts[1]})")
    )


@settings(max_examples=examples(500), deadline=None)
@given(st.recursive(leaves, _combined, max_leaves=6))
def test_any_expression_has_a_value_or_a_sentence(wrong_run: StatementChecker, text: str) -> None:
    statement = parse_statement("anything", text)
    finding = check_statement(wrong_run.result, statement)
    assert finding.holds in (True, False) or finding.reason.endswith(".")
    with suppress(UnansweredError):
        Evaluator(Namespace(wrong_run.result)).value(statement.tree)


def test_a_node_outside_of_the_grammar_is_never_evaluated(wrong_run: StatementChecker) -> None:
    smuggled = Statement("", "", ast.parse("[t for t in out]", mode="eval").body)
    with pytest.raises(AssertionError):
        check_statement(wrong_run.result, smuggled)


def test_operands_that_do_not_decide_are_not_shown(wrong_run: StatementChecker) -> None:
    [pair] = wrong_run("T < 0 and L == 2").pairs
    assert (pair.left.text, pair.sign, pair.right.text) == ("T", "<", "0")

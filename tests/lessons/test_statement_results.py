"""Statements about a small run: what holds, what does not, what cannot be said, and the numbers that are shown."""

import ast
from contextlib import suppress
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.core.trace_index import Location
from rnnviz.lessons import namespace
from rnnviz.lessons.namespace import ORIGIN, Namespace, UnansweredError
from rnnviz.lessons.statements import (
    Evaluator,
    Statement,
    StatementResult,
    check_statement,
    parse_statement,
    shown_value,
)
from rnnviz.verify.compare import compare_all, tolerances
from rnnviz.verify.result import RunResult
from tests.cases import cases
from tests.factories import make_result, setting, with_judgment
from tests.profiles import examples

WRONG = "bug:no-h2h-bias"
MADE = make_result(("manual", WRONG), cell="lstm", num_layers=2, bidirectional=True, timesteps=3)
RUN = with_judgment(MADE, diagnoses={WRONG: (("no-h2h-bias",),)})


def checked(holds: str, result: RunResult = RUN, where: Location = ORIGIN) -> StatementResult:
    return check_statement(result, parse_statement("as it says", holds), where)


CASES = cases(__file__)
HOLDS = CASES["statements"]["hold"]
NO_TRUTH = "A statement must be true or false, as a comparison is."
UNANSWERED = {
    "out[0][0] == out[0][0]": "A statement must be one true or false, and not 8: put all(...) around it.",
    **dict.fromkeys(("T", "verdict", "not T", "T and verdict == 'agree'"), NO_TRUTH),
    "all(gluon.out == 0)": "gluon was not run: this run holds manual, bug:no-h2h-bias.",
}


def test_true_statements_hold():
    found = {holds: checked(holds) for holds in HOLDS}
    assert {holds: (f.holds, f.reason) for holds, f in found.items()} == dict.fromkeys(HOLDS, (True, ""))


def test_a_statement_without_an_answer_is_neither_true_nor_false():
    found = {holds: checked(holds) for holds in UNANSWERED}
    assert {holds: f.reason for holds, f in found.items()} == UNANSWERED
    assert all(f.holds is None and f.pairs == () for f in found.values())


def test_a_false_statement_does_not_hold_and_shows_the_values():
    finding = checked("all(manual.h(0)[0][0] == candidate.h(0)[0][0])")
    assert finding.holds is False
    (pair,) = finding.pairs
    right, wrong = (RUN[engine].hidden[0, 0, 0, 0] for engine in ("manual", WRONG))
    assert (pair.left.text, pair.sign, pair.right.text) == ("manual.h(0)[0][0]", "=", "candidate.h(0)[0][0]")
    assert pair.left.shown == "[" + " ".join(f"{value:.3f}" for value in right) + "]"
    assert np.array_equal(np.array(pair.right.full.strip("[]").split(), np.float32), wrong)
    assert float(pair.apart) == pytest.approx(np.abs(right - wrong).max(), rel=0.1)


def test_each_deciding_comparison_shows_its_operands():
    finding = checked("T == 3 and not close(out, candidate.out) and 0 < max_error_ratio")
    assert [(p.left.text, p.sign, p.right.text) for p in finding.pairs] == [
        ("T", "=", "3"),
        ("out", "≈", "candidate.out"),
        ("0", "<", "max_error_ratio"),
    ]
    assert finding.pairs[1].left.shown.startswith("2 × 3 × 8 values from -")
    assert checked("T == 4 and N == 2").pairs == checked("T == 4").pairs


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
def test_a_value_is_shown_as_a_notebook_prints_it(shown, text):
    assert shown_value(shown) == text


@pytest.mark.parametrize(("holds", "pairs"), CASES["pairs"].items())
def test_both_operands_are_shown_short_and_in_full_with_their_difference(holds, pairs):
    found = checked(holds).pairs
    assert [
        [p.left.text, p.sign, p.right.text, p.left.shown, p.right.shown, p.left.full, p.right.full, p.apart]
        for p in found
    ] == pairs


def test_numbers_that_cannot_be_read_leave_a_statement_unanswered(monkeypatch):
    def gone(*_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(Namespace, "name", gone)
    found = checked("mismatched > 0")
    assert (found.holds, found.reason, found.pairs) == (None, "The numbers could not be read: the disk is gone.", ())


def test_a_coarse_recording_uses_the_tolerance_of_the_verdict_and_others_theirs():
    apart = {
        name: setting((0, 0, 0, 0, 0), 0.5 + place * 1e-4) for place, name in enumerate(("gluon", "manual", "onnx"))
    }
    made = make_result(("gluon", "manual", "onnx"), edits=apart)
    traces = {**made.traces, "onnx": replace(made["onnx"], precision="float16")}
    right, coarse = (
        compare_all(traces["gluon"], traces[n], *tolerances(made.config, traces[n])) for n in ("manual", "onnx")
    )
    result = replace(made, traces=traces, comparisons=(right, coarse))
    assert (right.mismatched, coarse.mismatched) == (1, 0)
    for holds in (
        "not close(h(0), manual.h(0)) and close(h(0), onnx.h(0)) and mismatched == 1",
        "close(h(0), onnx.h(0)) and not close(manual.h(0), h(0))",
        "not close(0.5, 0.5001) and (rtol, atol) == (0.001, 0.00001)",
    ):
        assert checked(holds, result).holds, "each is held to its own"


def test_the_same_array_read_over_and_over_is_too_much_in_the_end(monkeypatch):
    monkeypatch.setattr(namespace, "_ALL", 1000)
    assert checked("sum(out) == sum(out)").holds
    assert "too large" in checked(" == ".join(["sum(out)"] * 25)).reason


leaves = st.sampled_from(
    [
        *("T", "2", "-1", "0.5", "True", "'manual'", "out", "state", "out[0][0]", "l0_i2h_bias", "wrong", "checks"),
        *("verdict", "()"),
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
def test_any_expression_has_a_value_or_a_sentence(text):
    statement = parse_statement("anything", text)
    finding = check_statement(RUN, statement)
    assert finding.holds in (True, False) or finding.reason.endswith(".")
    with suppress(UnansweredError):
        Evaluator(Namespace(RUN)).value(statement.tree)


def test_a_node_outside_of_the_grammar_is_never_evaluated():
    smuggled = Statement("", "", ast.parse("[t for t in out]", mode="eval").body)
    with pytest.raises(AssertionError):
        check_statement(RUN, smuggled)


AT_SELECTION = "h(layer, direction)[timestep][sample][unit] > 5"
PLACES = [Location(0, 0, 0, 0, 0), Location(1, 0, 2, 1, 3), Location(0, 1, 1, 1, 2)]


@pytest.mark.parametrize("where", PLACES, ids=str)
def test_the_names_of_the_selection_are_its_indices(where):
    numbers = f"(layer, timestep, sample, unit) == {(where.layer, where.timestep, where.sample, where.unit)}"
    direction = f"direction == '{('forward', 'backward')[where.direction]}'"
    assert checked(f"{numbers} and {direction}", where=where).holds
    assert checked(AT_SELECTION, where=where).pairs[0].left.shown == f"{RUN['manual'].hidden[where.index]:.3f}"


def test_a_place_that_the_run_has_not_is_neither_true_nor_false():
    finding = checked(AT_SELECTION, where=Location(timestep=9))
    assert finding.holds is None
    assert finding.reason.startswith("h(layer, direction)[timestep] cannot be computed: index 9 is out of bounds")


def test_a_statement_records_whether_it_depends_on_the_selection():
    for holds in (AT_SELECTION, "T > 1 and unit < H"):
        assert parse_statement("", holds).follows_selection
    assert not parse_statement("None.", "equal(gluon.out, out) and verdict == 'agree'").follows_selection

"""Names, functions and operators of statements, compared with NumPy on the arrays of the run."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.lessons import namespace
from rnnviz.lessons.namespace import Namespace, UnansweredError, is_name
from rnnviz.lessons.statements import Evaluator, parse_expression
from rnnviz.verify.compare import Mismatch
from rnnviz.verify.result import RunResult
from tests.cases import cases
from tests.factories import make_result, setting, with_judgment

RESULT = make_result(
    ("gluon", "bug:no-h2h-bias", "manual"),
    cell="lstm",
    hidden_size=4,
    num_layers=3,
    bidirectional=True,
    batch_size=6,
    layout="TNC",
)
BATCH_FIRST = make_result(cell="rnn_tanh", num_layers=2)
OWN, OTHER = RESULT["gluon"], RESULT["bug:no-h2h-bias"]
FORGET_BIAS = {side: RESULT.inputs.parameters[f"r1_{side}_bias"][4:8] for side in ("i2h", "h2h")}
FORGET = {side: RESULT.inputs.parameters[f"r1_{side}_weight"][4:8] for side in ("i2h", "h2h")}


def value(text: str, result: RunResult = RESULT) -> Any:
    return Evaluator(Namespace(result)).value(parse_expression(text))


def reason(text: str, result: RunResult) -> str:
    """The sentence of an expression that has no value."""
    with pytest.raises(UnansweredError) as caught:
        value(text, result)
    return str(caught.value)


def forget_argument() -> Any:
    """pre_f of layer 1, backward, at t = 1 of sample 5, from the vectors that it reads."""
    x = np.concatenate([OWN.hidden[0, 0, 1, 5], OWN.hidden[0, 1, 1, 5]])
    h = OWN.hidden[1, 1, 2, 5]
    return FORGET["i2h"] @ x + FORGET_BIAS["i2h"] + FORGET["h2h"] @ h + FORGET_BIAS["h2h"]


EXPECTED: list[tuple[str, Any]] = [
    ("dat", RESULT.inputs.sequence),
    ("out", OWN.output),
    ("manual.out", RESULT["manual"].output),
    ("candidate.out", OTHER.output),
    ("state[0]", OWN.state_h),
    ("candidate.state[1]", OTHER.state_c),
    ("initial_state[0]", RESULT.inputs.initial_state["h"]),
    ("initial_state[1]", RESULT.inputs.initial_state.get("c")),
    ("r2_h2h_bias", RESULT.inputs.parameters["r2_h2h_bias"]),
    ("h(2)", OWN.hidden[2, 0]),
    ("h(1, 'backward')", OWN.hidden[1, 1]),
    ("candidate.h(0, 'forward')", OTHER.hidden[0, 0]),
    ("c(1, 'backward')[4]", OWN.cell[1, 1, 4] if OWN.cell is not None else None),
    ("gate('pre_f', 1, 'backward')[1, 5]", forget_argument()),
    ("out[1:4:2, -1, H:]", OWN.output[1:4:2, -1, 4:]),
    ("out[:2, 3]", OWN.output[:2, 3]),
    ("out + 1", OWN.output + 1),
    ("out - dat[0, 0, 0]", OWN.output - RESULT.inputs.sequence[0, 0, 0]),
    ("2 * out", 2 * OWN.output),
    ("out / 4", OWN.output / 4),
    ("out ** 2", OWN.output**2),
    ("l0_i2h_weight @ dat[2, 3]", RESULT.inputs.parameters["l0_i2h_weight"] @ RESULT.inputs.sequence[2, 3]),
    ("-out", -OWN.output),
    ("+out", OWN.output),
    ("2 ** 53", 2**53),
    ("-(2 ** 52) - 2 ** 52", -(2**53)),
    ("0 < out", OWN.output > 0),
    ("out <= 0", OWN.output <= 0),
    ("-0.5 < out < 0.25", (OWN.output > -0.5) & (OWN.output < 0.25)),
    ("0 >= out > -0.25", (OWN.output <= 0) & (OWN.output > -0.25)),
    ("out == out[0, 0, 0]", OWN.output == OWN.output[0, 0, 0]),
    ("out != out[0, 0, 0]", OWN.output != OWN.output[0, 0, 0]),
    ("abs(out)", abs(OWN.output)),
    ("max(out)", OWN.output.max()),
    ("min(out)", OWN.output.min()),
    ("sum(dat[0])", RESULT.inputs.sequence[0].sum()),
    ("concat(out, out)", np.concatenate([OWN.output, OWN.output], axis=-1)),
    ("concat(out, out, dim=1)", np.concatenate([OWN.output, OWN.output], axis=1)),
    ("relu(out)", np.where(OWN.output > 0, OWN.output, 0)),
    ("tanh(out)", np.tanh(OWN.output)),
    ("sigmoid(out)", 1 / (1 + np.exp(-OWN.output))),
    ("dot(dat[1], l0_i2h_weight, transpose_b=True)",
     RESULT.inputs.sequence[1] @ RESULT.inputs.parameters["l0_i2h_weight"].T),
    ("dot(dat[1], out[1], transpose_a=True)", RESULT.inputs.sequence[1].T @ OWN.output[1]),
    ("dot(l0_h2h_weight, l0_h2h_weight[:4])",
     RESULT.inputs.parameters["l0_h2h_weight"] @ RESULT.inputs.parameters["l0_h2h_weight"][:4]),
    ("dot(dat[1, 1], dat[2, 2])", RESULT.inputs.sequence[1, 1] @ RESULT.inputs.sequence[2, 2]),
    ("transpose(out)", OWN.output.T),
    ("zeros_like(dat)", np.zeros((5, 6, 3))),
    ("isnan((0 / 0, 1, 1 / 0)), isinf((0 / 0, 1, -1 / 0))",
     (np.array([True, False, False]), np.array([False, False, True]))),
    ("count(out > 0)", (OWN.output > 0).sum()),
]  # fmt: skip


def test_an_expression_equals_its_numpy_value():
    written = [(text, tuple(each) if len(each) > 1 else each[0]) for text, each in cases(__file__)["values"].items()]
    for text, expected in (*EXPECTED, *written):
        found = value(text)
        for one, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
            kinds = [(np.shape(x), np.asarray(x).dtype.kind) for x in (one, other)]
            assert kinds[0] == kinds[1], text
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7, err_msg=text)


def test_arrays_have_the_layout_of_the_config_and_an_rnn_one_state():
    own = BATCH_FIRST["gluon"]
    assert np.array_equal(value("dat", BATCH_FIRST), BATCH_FIRST.inputs.sequence.swapaxes(0, 1))
    assert np.array_equal(value("out", BATCH_FIRST), own.output.swapaxes(0, 1))
    assert len(value("state", BATCH_FIRST)) == len(value("initial_state", BATCH_FIRST)) == 1
    assert value("(T, N, I, H, L, D)", BATCH_FIRST) == (5, 2, 3, 4, 2, 1)


def test_an_expression_without_a_value_is_answered_with_a_sentence():
    for text, sentence in cases(__file__)["no-value"].items():
        assert reason(text, BATCH_FIRST).startswith(sentence), text


def test_a_statement_may_read_so_much_and_no_more():
    scope = Namespace(RESULT)
    scope.spend(namespace.LARGEST_ARRAY)
    scope.spend(1, (1 << 25) - namespace.LARGEST_ARRAY - 1)
    scope.spend(1)
    for spent, values, effort in ((scope, 1, 1), (Namespace(RESULT), namespace.LARGEST_ARRAY + 1, 1)):
        with pytest.raises(UnansweredError, match=r"^This run is too large for the statement to be checked here\.$"):
            spent.spend(values, effort)


@pytest.mark.parametrize(("text", "effort"), cases(__file__)["efforts"])
def test_each_part_of_a_statement_counts_its_reads_and_operations(text, effort, monkeypatch):
    monkeypatch.setattr(namespace, "_ALL", effort)
    value(text)
    if effort:
        monkeypatch.setattr(namespace, "_ALL", effort - 1)
        assert "too large" in reason(text, RESULT)


def test_only_the_size_of_a_new_array_counts_against_the_limit(monkeypatch):
    monkeypatch.setattr(namespace, "LARGEST_ARRAY", 120)
    assert value("gate('f', 1)").size == 120
    monkeypatch.setattr(namespace, "LARGEST_ARRAY", 119)
    assert "too large" in reason("gate('f', 1)", RESULT)


PLACE = Location(0, 1, 3, 1, 2)
EDITS = {"torch": setting(PLACE.index, 2.5), "onnx": setting((0, 0, 1, 0, 0), -3.0)}
WRONG = make_result(("gluon", "manual", "torch", "onnx"), edits=EDITS, bidirectional=True)
JUDGED = with_judgment(WRONG, diagnoses={"torch": (("a", "b"), ("c",)), "onnx": (("b",), ("d",))}, blind=("e", "f"))


def test_the_figures_are_those_of_the_worst_candidate_and_the_mismatch_the_first_ones():
    manual, torch, onnx = WRONG.comparisons
    result = replace(
        WRONG,
        comparisons=(
            replace(manual, mismatched=0, max_error_ratio=0.5, rtol=0.25, atol=1e-9),
            replace(torch, mismatched=7, max_error_ratio=2.0, rtol=0.125, atol=0.5),
            replace(onnx, mismatched=3, max_error_ratio=90.0, rtol=0.0, atol=0.0),
        ),
    )
    assert value("(mismatched, max_error_ratio, rtol, atol)", result) == (7, 90.0, 0.25, 0.5)
    assert value("first_mismatch", result) == (0, "backward", 3, 1, 2)
    assert value("first_mismatch", replace(WRONG, comparisons=(onnx, torch))) == (0, "forward", 1, 0, 0)
    assert value("first_mismatch", replace(WRONG, comparisons=(manual,))) == ()
    assert torch.first_mismatch == Mismatch(Place.at("h", PLACE), torch.first_mismatch.reference, 2.5)
    assert reason("mismatched", replace(WRONG, comparisons=())) == "gluon ran alone: nothing was compared."


def test_the_audit_of_all_engines_is_available():
    assert value("verdict", JUDGED) == JUDGED.verdict == "disagree"
    assert value("(wrong, undetectable)", JUDGED) == (("torch", "onnx"), ("e", "f"))
    assert value("diagnosis", JUDGED) == ("a", "b", "c", "d")
    checks = value("checks", JUDGED)
    assert checks.tolist() == [check.holds for check in JUDGED.checks]
    assert value("checks", replace(JUDGED, checks=())).dtype == checks.dtype == np.bool_
    assert set(checks.tolist()) == {True, False}
    assert JUDGED.judgment is not None
    ratio = JUDGED.judgment.audits["torch"].worst_ratio
    assert value("(audit('torch'), audit('candidate'), ratio('torch'))", JUDGED) == ("wrong", "right", ratio)


@pytest.mark.parametrize(
    "text", ["verdict", "wrong", "undetectable", "diagnosis", "gradient_verdict", "audit('manual')", "ratio('torch')"]
)
def test_nothing_that_takes_the_audit_is_known_before_it(text):
    assert reason(text, WRONG) == "The steps of this run have not been audited yet."


def test_an_engine_may_be_called_by_its_role_and_must_have_been_run_and_audited():
    for role, engine in (("reference", "gluon"), ("candidate", "manual"), ("onnx", "onnx")):
        assert value(f"equal({role}.out, {engine}.out)", WRONG)
    assert reason("mine.out", WRONG) == "mine was not run: this run holds gluon, manual, torch, onnx."
    assert JUDGED.judgment is not None
    audits = {"gluon": JUDGED.judgment.audits["gluon"], "torch": replace(JUDGED.judgment.audits["torch"], audited=0)}
    fewer = replace(JUDGED, judgment=replace(JUDGED.judgment, audits=audits))
    for name in ("manual", "torch"):
        assert reason(f"ratio('{name}')", fewer) == f"No step of {name} was audited."


def test_recorded_values_are_available_and_missing_ones_unanswered():
    made = make_result(("manual", "recording:/far/golden.npz"), num_layers=2)
    (name, trace) = list(made.traces.items())[1]

    def lacking(*missing):
        return replace(made, traces={**made.traces, name: replace(trace, missing=frozenset(missing))})

    assert len(value("candidate.state", lacking("out"))) == 1
    assert value("shape(candidate.out) == (N, T, H)", lacking("state.h"))
    assert reason("candidate.state", lacking("state.h")) == "golden.npz did not return state."
    assert reason("candidate.out", lacking("out")) == "golden.npz did not return out."
    assert value("len(candidate.h(1)) == T", lacking("h"))
    for lane in ("candidate.h(0)", "candidate.gate('change', 1)"):
        assert reason(lane, lacking("h")) == "golden.npz lacks values that this needs."


def test_a_gradient_is_that_of_the_first_engine_that_gives_it():
    whole = np.arange(WRONG["manual"].hidden.size, dtype=float).reshape(WRONG.shape)
    weight = WRONG.inputs.parameters["l0_h2h_weight"]
    arrays = {"grad.h": whole, "grad.parameters.l0_h2h_weight": weight}
    result = replace(WRONG, traces={**WRONG.traces, "manual": WRONG["manual"].with_arrays(arrays)})
    assert np.array_equal(value("gradient('h', 0, 'backward')", result), whole[0, 1])
    assert np.array_equal(value("manual.gradient('l0_h2h_weight')", result), weight)
    assert reason("gradient('c', 0)", result) == "No engine of this run gives a gradient of c."
    assert reason("torch.gradient('h', 0)", result) == "This run has no gradients: backward.enabled must be true."
    assert reason("gradient('h')", result) == "gradient('h') is not the same for every layer."
    assert reason("gradient('l0_h2h_weight', 0)", result) == "gradient('l0_h2h_weight') is the same for every layer."


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((name, True) for name in ("dat", "out", "unit", "l0_i2h_weight", "r1234_h2h_bias", "l9_h2h_weight")),
        *((name, False) for name in ("gluon", "l_i2h_weight", "l12345_i2h_bias", "xl0_i2h_bias", "l0_i2h_bias_", "")),
    ],
)
def test_names_are_those_of_the_run_and_of_gluons_parameters(name, known):
    assert is_name(name) is known

"""Names, functions and operators of statements, compared with NumPy on the arrays of the run."""

from typing import Any

import numpy as np
import pytest

from rnnviz.lessons import statements
from rnnviz.lessons.evaluate import Evaluator, Namespace
from rnnviz.lessons.statements import AUDITED, Budget, TooLargeError, UnansweredError, parse_expression
from rnnviz.verify.result import RunResult
from tests.factories import make_result

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


def forget_argument() -> Any:
    """pre_f of layer 1, backward, at t = 1 of sample 5, from the vectors that it reads."""
    x = np.concatenate([OWN.hidden[0, 0, 1, 5], OWN.hidden[0, 1, 1, 5]])
    h = OWN.hidden[1, 1, 2, 5]
    return FORGET["i2h"] @ x + FORGET_BIAS["i2h"] + FORGET["h2h"] @ h + FORGET_BIAS["h2h"]


EXPECTED: list[tuple[str, Any]] = [
    ("(T, N, I, H, L, D)", (5, 6, 3, 4, 3, 2)),
    ("dat", RESULT.inputs.sequence),
    ("out", OWN.output),
    ("manual.out", RESULT["manual"].output),
    ("candidate.out", OTHER.output),
    ("state[0]", OWN.state_h),
    ("candidate.state[1]", OTHER.state_c),
    ("initial_state[0]", RESULT.inputs.initial_state["h"]),
    ("initial_state[1]", RESULT.inputs.initial_state.get("c")),
    ("len(state), len(initial_state)", (2, 2)),
    ("r2_h2h_bias", RESULT.inputs.parameters["r2_h2h_bias"]),
    ("h(2)", OWN.hidden[2, 0]),
    ("h(1, 'backward')", OWN.hidden[1, 1]),
    ("candidate.h(0, 'forward')", OTHER.hidden[0, 0]),
    ("c(1, 'backward')[4]", OWN.cell[1, 1, 4] if OWN.cell is not None else None),
    ("gate('pre_f', 1, 'backward')[1, 5]", forget_argument()),
    ("shape(gate('f', 0)), shape(gate('norm', 0)), shape(T)", ((5, 6, 4), (5, 6, 1), ())),
    ("out[1:4:2, -1, H:]", OWN.output[1:4:2, -1, 4:]),
    ("out[:2, 3]", OWN.output[:2, 3]),
    ("(1, 2, 3)[1]", 2),
    ("[1, 2][-1]", 2),
    ("out + 1", OWN.output + 1),
    ("out - dat[0, 0, 0]", OWN.output - RESULT.inputs.sequence[0, 0, 0]),
    ("2 * out", 2 * OWN.output),
    ("out / 4", OWN.output / 4),
    ("out ** 2", OWN.output**2),
    ("l0_i2h_weight @ dat[2, 3]", RESULT.inputs.parameters["l0_i2h_weight"] @ RESULT.inputs.sequence[2, 3]),
    ("-out", -OWN.output),
    ("+out", OWN.output),
    ("(7 - 9, 7 + 9, 7 * 9, 2 ** 10, 2 ** -1, (-7) ** 3, 7 / 2, -7, +7, -0.5)",
     (-2, 16, 63, 1024, 0.5, -343, 3.5, -7, 7, -0.5)),
    ("2 ** 53", 2**53),
    ("-(2 ** 52) - 2 ** 52", -(2**53)),
    ("(1 ** 64, 0 ** 0, 0 ** 64)", (1, 1, 0)),
    ("0 < out", OWN.output > 0),
    ("out <= 0", OWN.output <= 0),
    ("-0.5 < out < 0.25", (OWN.output > -0.5) & (OWN.output < 0.25)),
    ("0 >= out > -0.25", (OWN.output <= 0) & (OWN.output > -0.25)),
    ("out == out[0, 0, 0]", OWN.output == OWN.output[0, 0, 0]),
    ("out != out[0, 0, 0]", OWN.output != OWN.output[0, 0, 0]),
    ("1 < 2 < 2", False),
    ("3 > 2 > 2", False),
    ("2 >= 2 <= 2", True),
    ("(1, 2) == (1, 2)", True),
    ("(1, 'a') != (1, 'b')", True),
    ("('a', 1) == ('a', 2)", False),
    ("'a' in ('b', 'a')", True),
    ("'a' not in ('b', 'a')", False),
    ("'c' in ()", False),
    ("True or wrong > 1", True),
    ("False and wrong > 1", False),
    ("True and False", False),
    ("False or True", True),
    ("not False", True),
    ("abs(out)", abs(OWN.output)),
    ("max(out)", OWN.output.max()),
    ("min(out)", OWN.output.min()),
    ("max(3, 7, 5), min(3, 2, 5)", (7, 2)),
    ("sum(dat[0])", RESULT.inputs.sequence[0].sum()),
    ("len(out), len((1, 2)), len([1])", (5, 2, 1)),
    ("concat(out, out)", np.concatenate([OWN.output, OWN.output], axis=-1)),
    ("concat(out, out, dim=1)", np.concatenate([OWN.output, OWN.output], axis=1)),
    ("relu(out)", np.where(OWN.output > 0, OWN.output, 0)),
    ("relu(-3), relu(3)", (0, 3)),
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
    ("all((1, 2)), all((1, 0)), any((0, 0)), any((0, 3)), all(True), any(False)",
     (True, False, False, True, True, False)),
    ("equal(out, out), equal(out, candidate.out), equal((0 / 0, 1), (0 / 0, 1)), equal((0 / 0, 1), (1, 1))",
     (True, False, True, False)),
    ("equal(2, (2, 2)), equal((2, 3), 2)", (True, False)),
    # numpy's isclose: |a - b| <= atol + rtol |b|.
    ("close(1, 1.25, atol=0.25, rtol=0), close(1, 1.25, atol=0.24, rtol=0)", (True, False)),
    ("close(1, 2, atol=0, rtol=0.5), close(2, 1, atol=0, rtol=0.5)", (True, False)),
    ("close(2, 1.5, atol=0.25, rtol=0.25), close(2, 1.5, atol=0, rtol=0.25)", (True, False)),
    ("close(0 / 0, 0 / 0), close(0 / 0, 1), close((1, 2), (1, 3))", (True, False, False)),
    ("close(1, 1 + rtol / 2), close(0, atol), close(1, 1 + 3 * rtol + 3 * atol)", (True, True, False)),
]  # fmt: skip


def test_an_expression_equals_its_numpy_value() -> None:
    for text, expected in EXPECTED:
        found = value(text)
        for one, other in zip(*(x if isinstance(x, tuple) else (x,) for x in (found, expected)), strict=True):
            kinds = [(np.shape(x), np.asarray(x).dtype.kind) for x in (one, other)]
            assert kinds[0] == kinds[1], text
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7, err_msg=text)


def test_arrays_have_the_layout_of_the_config_and_an_rnn_one_state() -> None:
    own = BATCH_FIRST["gluon"]
    assert np.array_equal(value("dat", BATCH_FIRST), BATCH_FIRST.inputs.sequence.swapaxes(0, 1))
    assert np.array_equal(value("out", BATCH_FIRST), own.output.swapaxes(0, 1))
    assert len(value("state", BATCH_FIRST)) == len(value("initial_state", BATCH_FIRST)) == 1
    assert value("(T, N, I, H, L, D)", BATCH_FIRST) == (5, 2, 3, 4, 2, 1)


WITHOUT_VALUE = {
    "h(-1)": "This network has no layer -1: it has 2, counted from 0.",
    "h(0, 'backward')": "This network has no direction backward: it has forward.",
    "h(0, 1)": "This network has no direction 1: it has forward.",
    "h('0')": "This network has no layer 0: it has 2, counted from 0.",
    "h(True)": 'h must be called as h(layer, direction="forward"): a lane\'s hidden states, (T, N, H).',
    "h(0, 'forward', 0)": 'h must be called as h(layer, direction="forward"): a lane\'s hidden states, (T, N, H).',
    "c()": 'c must be called as c(layer, direction="forward"): a lane\'s cell states, (T, N, H).',
    "gate('h')": (
        'gate must be called as gate(name, layer, direction="forward"): '
        "a gate or another quantity of a lane, (T, N, H)."
    ),
    "audit()": 'audit must be called as audit(engine): "right", "wrong" or "undetermined".',
    "audit('manual', 'gluon')": 'audit must be called as audit(engine): "right", "wrong" or "undetermined".',
    "ratio(out)": f"ratio must be called as {AUDITED['ratio']}.",
    "c(0)": "The cell rnn_tanh has no c: it has pre_h, change, norm.",
    "onnx.h(0)": "onnx was not run: this run holds gluon, manual.",
    "-'a'": "'a' is not an array of numbers: take a part of it, as state[0].",
    "-state": "state is not an array of numbers: take a part of it, as state[0].",
    "-(out > 0)": "True and false have no sign.",
    "(out > 0) * 2": "True and false cannot be added or multiplied: count(...) counts them.",
    "2 * (out > 0)": "True and false cannot be added or multiplied: count(...) counts them.",
    "out[True]": "True is not a whole number and cannot be an index.",
    "out[0:0.5]": "0.5 is not a whole number and cannot be an index.",
    "2 ** 65": "The power 2 ** 65 is out of range.",
    "2 ** 54": "A whole number has become too large.",
    "0 - 2 ** 53 - 1": "A whole number has become too large.",
    "equal((), ())": "There are no values in this part of the run.",
    "equal((1, 2), (1, 2, 3))": "The shapes (2,) and (3,) differ.",
    "out @ out[0]": "A product is of vectors and matrices, not of the shapes (2, 5, 4) and (5, 4).",
    "out[0] @ out": "A product is of vectors and matrices, not of the shapes (5, 4) and (2, 5, 4).",
    "out @ 2": "A product is of vectors and matrices, not of the shapes (2, 5, 4) and ().",
    "(1, 2) @ (1, 2, 3)": "The shapes (2,) and (3,) have no product.",
    "concat(out, dat)[0] + T[0]": "T has no parts.",
    "max(out, 1)": "This is not an array of numbers: take a part of it, as state[0].",
    "transpose('a')": "This is not an array of numbers: take a part of it, as state[0].",
    "1 < 2 < (1, 2) < (1, 2, 3)": "The shapes (2,) and (3,) do not fit.",
}


def refusal(text: str) -> str:
    with pytest.raises(UnansweredError) as caught:
        value(text, BATCH_FIRST)
    return str(caught.value)


def test_an_expression_without_a_value_is_answered_with_a_sentence() -> None:
    assert {text: refusal(text) for text in WITHOUT_VALUE} == WITHOUT_VALUE


def test_a_statement_may_read_so_much_and_no_more() -> None:
    own = Budget()
    own.spend(statements.LARGEST_ARRAY)
    own.spend(1, (1 << 25) - statements.LARGEST_ARRAY - 1)
    own.spend(1)
    with pytest.raises(TooLargeError, match=r"^This run is too large for the statement to be checked here\.$"):
        own.spend(1)
    with pytest.raises(TooLargeError):
        Budget().spend(statements.LARGEST_ARRAY + 1)
    with pytest.raises(TooLargeError):
        Budget().spend(0, (1 << 25) + 1)


@pytest.mark.parametrize(
    ("text", "effort"),
    [
        ("tanh(out)", 240),
        ("sum(out[0])", 48),
        ("max(1, 2, 3)", 3),
        ("equal(out[0, 0], 0)", 8 + 1),
        ("concat(out[0], dat[0], dim=1)", 48 + 18),
        ("dot(dat[0], dat[1], transpose_b=True)", 6 * 6 * 3 + 18 + 18),
        ("dat[0, 0] @ dat[1, 0]", 3 + 3 + 3),
        ("-out", 240),
        ("out * 2", 240),
        ("2 - dat[0, :, :1]", 6),
        ("0 < out < 1", 3 * 240),
        # Four gates of four units, each of eight inputs and four units before; four multiplications are one step.
        ("gate('f', 1)", 120 * 4 * (8 + 4) // 4),
        ("gate('norm', 0, 'backward')", 120 * 4 * (3 + 4) // 4),
    ],
)
def test_each_part_of_a_statement_counts_its_reads_and_operations(
    text: str, effort: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "_ALL", effort)
    value(text)
    monkeypatch.setattr(statements, "_ALL", effort - 1)
    with pytest.raises(TooLargeError):
        value(text)


def test_only_the_size_of_a_new_array_counts_against_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "LARGEST_ARRAY", 120)
    assert value("gate('f', 1)").size == 120
    monkeypatch.setattr(statements, "LARGEST_ARRAY", 119)
    with pytest.raises(TooLargeError):
        value("gate('f', 1)")

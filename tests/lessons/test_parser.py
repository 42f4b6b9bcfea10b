"""Allowed and refused syntax of statements."""

import ast
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.lessons.statements import StatementError, parse_expression, parse_statement
from tests.profiles import examples

ALLOWED = [
    "all(out[0][1] == state[0][0][0])",
    "0 <= min(out) <= max(out) < 1",
    "close(relu(l0_i2h_weight @ dat[0][0] + l0_i2h_bias + l0_h2h_bias), out[0][0], atol=1e-6)",
    "gluon.h(0, 'backward')[0, :, ::2] == 0 or not verdict == 'agree'",
    "shape(r1_h2h_weight) == (H, H) and wrong != ('gluon', 'manual')",
    "dot(dat[0][0], l0_i2h_weight, transpose_b=True)",
    "-sum(gate('pre_f', L - 1)) ** 2 / N",
    "9007199254740992",
    f"max({', '.join(['1'] * 64)})",
    "+" * 40 + "1",
    "1" + " " * 998 + "\n",
    "1".rjust(1001),
]
NAMES = (
    "a statement may name dat, out, state, initial_state, T, N, I, H, L, D, lengths, cell, layout, "
    "verdict, mismatched, max_error_ratio, first_mismatch, wrong, undetectable, diagnosis, gradient_verdict, "
    "gradient_diagnosis, checks, rtol, atol, layer, direction, timestep, "
    "sample, unit or a parameter, as l0_i2h_weight"
)
FUNCTIONS = (
    "a statement may call all, any, abs, max, min, sum, close, equal, shape, len, concat, relu, tanh, sigmoid, dot, "
    "transpose, zeros_like, isnan, isinf, count, h, c, gate, gradient, audit, ratio"
)
NOT = " is not allowed in a statement"
REFUSED = {
    "": "The expression is empty: a statement is one that is true or false, as T == 5.",
    "T\0": "T\\x00 is not an expression: source code string cannot contain null bytes.",
    "T ==": "T == is not an expression: invalid syntax.",
    "x = 1": "x = 1 is not an expression: invalid syntax.",
    "import os": "import os is not an expression: invalid syntax.",
    "'\\d' == T": "'\\d' == T is not an expression: invalid escape sequence '\\d'.",
    "lambda: 1": "a lambda is not allowed in a statement.",
    "[t for t in out]": "a comprehension is not allowed in a statement.",
    "{t: 1 for t in out}": "a comprehension is not allowed in a statement.",
    "(t for t in out)": "a comprehension is not allowed in a statement.",
    "1 if T else 2": "a conditional expression is not allowed in a statement.",
    "(t := 1)": "an assignment is not allowed in a statement.",
    "f'{T}'": "a formatted string is not allowed in a statement.",
    "all(*out)": "a starred expression is not allowed in a statement.",
    "all(out, **out)": "all(out, **out) is not allowed in a statement: the function takes nothing by name.",
    "{1}": "{1} is not allowed in a statement.",
    "{}": "{} is not allowed in a statement.",
    "T % 2": "% is not allowed in a statement.",
    "T // 2": "// is not allowed in a statement.",
    "1 << T": "<< is not allowed in a statement.",
    "~T": "~ is not allowed in a statement.",
    "T is 1": "is is not allowed in a statement.",
    "T is not 1": "is not is not allowed in a statement.",
    "T & 1": "& is not allowed in a statement.",
    "T | 1": "| is not allowed in a statement.",
    "T ^ 1": "^ is not allowed in a statement.",
    "T >> 1": ">> is not allowed in a statement.",
    "{t for t in out}": "a comprehension is not allowed in a statement.",
    "(yield)": "(yield) is not allowed in a statement.",
    "{" + "1, " * 19 + "1}": "{" + "1, " * 19 + "1} is not allowed in a statement.",
    "{" + "1, " * 19 + "10}": "{" + "1, " * 18 + "1,... is not allowed in a statement.",
    "1j": "1j is not allowed in a statement: it may hold numbers, true or false, and text.",
    "b'x'": "b'x' is not allowed in a statement: it may hold numbers, true or false, and text.",
    "None": "None is not allowed in a statement: it may hold numbers, true or false, and text.",
    "...": "... is not allowed in a statement: it may hold numbers, true or false, and text.",
    "9" * 20: "A whole number in a statement may have at most 53 bits.",
    "numpy": f"numpy is not a known name: {NAMES}.",
    "__import__('os')": f"__import__ is not a known function: {FUNCTIONS}.",
    "eval('1')": f"eval is not a known function: {FUNCTIONS}.",
    "out.__class__": "out.__class__ is not allowed in a statement: an engine has out, state there.",
    "gluon.__class__": "gluon.__class__ is not allowed in a statement: an engine has out, state there.",
    "gluon.hidden": "gluon.hidden is not allowed in a statement: an engine has out, state there.",
    "gluon.out.base": "gluon.out.base is not allowed in a statement: only engines have parts (gluon.out).",
    "out[0].T": "out[0].T is not allowed in a statement: only engines have parts (gluon.out).",
    "gluon.out()": "gluon.out is not allowed in a statement: an engine has h, c, gate, gradient there.",
    "gluon.h": "gluon.h is not allowed in a statement: an engine has out, state there.",
    "__builtins__.out": "__builtins__ is not allowed in a statement: engines are named like gluon or reference.",
    "all": f"all is not a known name: {NAMES}.",
    "all()": "all() is not allowed in a statement: all takes 1 argument.",
    "all(out, out)": "all(out, out) is not allowed in a statement: all takes 1 argument.",
    "max()": f"max(){NOT}: max takes 1 to 64 arguments.",
    "close(out, 1, 2)": f"close(out, 1, 2){NOT}: close takes 2 arguments.",
    "concat(out, axis=1)": f"concat(out, axis=1){NOT}: the function takes dim by name.",
    "H.out": f"H{NOT}: engines are named like gluon or reference.",
    "9007199254740993": "A whole number in a statement may have at most 53 bits.",
    "close(out)": "close(out) is not allowed in a statement: close takes 2 arguments.",
    "close(out, out, out=out)": f"close(out, out, out=out){NOT}: the function takes atol, rtol by name.",
    "gluon.h(layer=0)": "gluon.h(layer=0) is not allowed in a statement: the function takes nothing by name.",
    "h(0)(1)": "h(0)(1) is not allowed in a statement: only named functions may be called.",
    "'a'.join(out)": "'a'.join is not allowed in a statement: only engines have parts (gluon.out).",
    "l0_i2h_weights": f"l0_i2h_weights is not a known name: {NAMES}.",
    "(" * 300 + ")" * 300: f"{'(' * 57}... is not an expression: too many nested parentheses.",
    "-" * 41 + "1": f"{'-' * 41}1 is nested too deep: it may be nested 40 times.",
    "1 +" + " " * 998 + "1": "The expression has 1,002 characters: it may have 1,000.",
    "-" * 200 + "1": f"{'-' * 57}... is nested too deep: it may be nested 40 times.",
    "1" + " + 1" * 300: "The expression has 1,201 characters: it may have 1,000.",
    "1" + "+1" * 300: f"{'1+' * 28}1... is nested too deep: it may be nested 40 times.",
}


@pytest.mark.parametrize("text", ALLOWED, ids=[text[:24] for text in ALLOWED])
def test_valid_statements_are_parsed(text: str) -> None:
    statement = parse_statement("so it is", text)
    assert (statement.text, statement.expression) == ("so it is", text)
    assert ast.unparse(statement.tree) == ast.unparse(ast.parse(text.strip(), mode="eval").body)


def refusal(text: str) -> str:
    with pytest.raises(StatementError) as caught:
        parse_expression(text)
    return str(caught.value)


def test_other_syntax_is_refused_with_its_name() -> None:
    assert {text: refusal(text) for text in REFUSED} == REFUSED


pieces = st.sampled_from(
    [
        *"()[]{}.,:+-*/@=<>!~^&|%'\"\\ \n\t\0",
        "**",
        "==",
        "out",
        "state",
        "gluon",
        "T",
        "all",
        "h",
        "__class__",
        "lambda",
        "for",
        "in",
        "if",
        "else",
        "not",
        "and",
        "import",
        "None",
        "True",
        "9" * 9,
        "1e999",
        "_",
        "é",
        "await",
        "yield",
    ]
)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(pieces, max_size=14).map("".join) | st.text(string.printable, max_size=40))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        tree = parse_expression(text)
    except StatementError:
        return
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.JoinedStr | ast.NamedExpr)
        assert not isinstance(node, ast.Attribute) or node.attr in ("out", "state", "h", "c", "gate")
        assert not isinstance(node, ast.Name) or not node.id.startswith("_")


def test_a_parse_that_another_thread_disturbed_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    parse, calls = ast.parse, []

    def disturbed(text: str, **options: str) -> ast.AST:
        calls.append(text)
        if len(calls) == 1:
            raise SystemError("AST constructor recursion depth mismatch (before=66, after=35)")
        return parse(text, **options)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert ast.unparse(parse_expression("1 + 1 == 2")) == "1 + 1 == 2"
    assert len(calls) == 2

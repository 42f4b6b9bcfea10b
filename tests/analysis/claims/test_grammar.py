"""What a claim may say, and that nothing else comes through."""

import ast
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.analysis.claims.errors import ClaimError
from rnnviz.analysis.claims.grammar import parse_claim, parse_expression

ALLOWED = [
    "all(out[0][1] == state[0][0][0])",
    "0 <= min(out) <= max(out) < 1",
    "close(relu(l0_i2h_weight @ dat[0][0] + l0_i2h_bias + l0_h2h_bias), out[0][0], atol=1e-6)",
    "gluon.h(0, 'backward')[0, :, ::2] == 0 or not verdict == 'agree'",
    "shape(r1_h2h_weight) == (H, H) and wrong != ('gluon', 'manual')",
    "dot(dat[0][0], l0_i2h_weight, transpose_b=True)",
    "-sum(gate('pre_f', L - 1)) ** 2 / N",
]
REFUSED = {
    "": "no expression",
    "T ==": "no expression",
    "x = 1": "no expression",
    "import os": "no expression",
    "'\\d' == T": "no expression",
    "lambda: 1": "a lambda",
    "[t for t in out]": "a comprehension",
    "{t: 1 for t in out}": "a comprehension",
    "(t for t in out)": "a comprehension",
    "1 if T else 2": "a conditional",
    "(t := 1)": "an assignment",
    "f'{T}'": "a formatted string",
    "all(*out)": "a starred",
    "all(out, **out)": "takes nothing by name",
    "{1}": "{1}",
    "{}": "{}",
    "T % 2": "%",
    "T // 2": "//",
    "1 << T": "<<",
    "~T": "~",
    "T is 1": "is",
    "1j": "1j",
    "b'x'": "b'x'",
    "None": "None",
    "...": "...",
    "9" * 20: "53 bits",
    "numpy": "numpy is not a known name",
    "__import__('os')": "__import__ is not a known function",
    "eval('1')": "eval is not a known function",
    "out.__class__": "__class__",
    "gluon.__class__": "gluon.__class__",
    "gluon.hidden": "an engine has out, state there",
    "gluon.out.base": "only an engine has parts",
    "out[0].T": "only an engine has parts",
    "gluon.out()": "an engine has h, c, gate there",
    "gluon.h": "an engine has out, state there",
    "__builtins__.out": "an engine is called as",
    "all": "all is not a known name",
    "all()": "takes 1 argument",
    "all(out, out)": "takes 1 argument",
    "close(out)": "takes 2 arguments",
    "close(out, out, out=out)": "atol, rtol by name",
    "gluon.h(layer=0)": "takes nothing by name",
    "h(0)(1)": "functions that have a name",
    "'a'.join(out)": "only an engine has parts",
    "l0_i2h_weights": "not a known name",
    "(" * 300 + ")" * 300: "no expression",
    "-" * 200 + "1": "nested too deep",
    "1" + " + 1" * 300: "1,201 characters",
    "1" + "+1" * 300: "nested too deep",
}


@pytest.mark.parametrize("text", ALLOWED)
def test_what_a_claim_may_say_is_read(text: str) -> None:
    claim = parse_claim("so it is", text)
    assert (claim.says, claim.holds) == ("so it is", text)
    assert ast.unparse(claim.tree) == ast.unparse(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=lambda value: value[:24])
def test_anything_else_is_refused_with_what_it_is(text: str, reason: str) -> None:
    with pytest.raises(ClaimError) as caught:
        parse_expression(text)
    assert reason in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


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


@settings(max_examples=400, deadline=None)
@given(st.lists(pieces, max_size=14).map("".join) | st.text(string.printable, max_size=40))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        tree = parse_expression(text)
    except ClaimError:
        return
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.JoinedStr | ast.NamedExpr)
        assert not isinstance(node, ast.Attribute) or node.attr in ("out", "state", "h", "c", "gate")
        assert not isinstance(node, ast.Name) or not node.id.startswith("_")


def test_a_tree_that_another_thread_made_python_refuse_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parse, calls = ast.parse, []

    def disturbed(text: str, **options: str) -> ast.AST:
        calls.append(text)
        if len(calls) == 1:
            raise SystemError("AST constructor recursion depth mismatch (before=66, after=35)")
        return parse(text, **options)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert ast.unparse(parse_expression("1 + 1 == 2")) == "1 + 1 == 2"
    assert len(calls) == 2

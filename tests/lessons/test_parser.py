"""Allowed and refused syntax of statements."""

import ast
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.lessons.statements import StatementError, parse_expression, parse_statement
from tests.cases import cases
from tests.profiles import examples

CASES = cases(__file__)
LONG = [f"max({', '.join(['1'] * 64)})", "+" * 40 + "1", "1" + " " * 998 + "\n", "1".rjust(1001)]
ALLOWED = [*CASES["statements"]["allowed"], *LONG]
NOT = "is not allowed in a statement"
REFUSED = CASES["refused"] | {
    "(" * 300 + ")" * 300: f"{'(' * 57}... is not an expression: too many nested parentheses.",
    "1" + "+1" * 300: f"{'1+' * 28}1... is nested too deep: it may be nested 40 times.",
    "1 +" + " " * 998 + "1": "The expression has 1,002 characters: it may have 1,000.",
    **{
        text: f"{text} {NOT}: it may hold numbers, words,"
        for text in (
            *("lambda: 1", "[t for t in out]", "{t: 1 for t in out}", "{t for t in out}", "1 if T else 2", "f'{T}'"),
            *("{1}", "{}", "1j", "b'x'", "None", "...", "out.__class__", "gluon.__class__", "gluon.hidden"),
            *("gluon.out.base", "out[0].T", "gluon.h", "__builtins__.out", "H.out", "h(0)(1)", "'a'.join(out)"),
        )
    },
    "{" + "1, " * 19 + "10}": "{" + "1, " * 18 + f"1,... {NOT}: ",
}


@pytest.mark.parametrize("text", ALLOWED, ids=[text[:24] for text in ALLOWED])
def test_valid_statements_are_parsed(text):
    statement = parse_statement("so it is", text)
    assert (statement.text, statement.expression) == ("so it is", text)
    assert ast.unparse(statement.tree) == ast.unparse(ast.parse(text.strip(), mode="eval").body)


def refusal(text: str) -> str:
    with pytest.raises(StatementError) as caught:
        parse_expression(text)
    return str(caught.value)


def test_other_syntax_is_refused_with_its_name():
    for text, sentence in REFUSED.items():
        assert sentence in refusal(text), text


pieces = st.sampled_from(
    [
        *"()[]{}.,:+-*/@=<>!~^&|%'\"\\ \n\t\0_é",
        *(
            *("**", "==", "out", "state", "gluon", "T", "all", "h", "__class__", "lambda", "for", "in", "if", "else"),
            "not",
        ),
        *("and", "import", "None", "True", "9" * 9, "1e999", "await", "yield"),
    ]
)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(pieces, max_size=14).map("".join) | st.text(string.printable, max_size=40))
def test_no_text_does_anything_but_be_read_or_refused(text):
    try:
        tree = parse_expression(text)
    except StatementError:
        return
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Lambda | ast.ListComp | ast.GeneratorExp | ast.JoinedStr | ast.NamedExpr)
        assert not isinstance(node, ast.Attribute) or node.attr in ("out", "state", "h", "c", "gate")
        assert not isinstance(node, ast.Name) or not node.id.startswith("_")


def test_a_parse_that_another_thread_disturbed_is_repeated(monkeypatch):
    parse, calls = ast.parse, []

    def disturbed(text, **options):
        calls.append(text)
        if len(calls) == 1:
            raise SystemError("AST constructor recursion depth mismatch (before=66, after=35)")
        return parse(text, **options)

    monkeypatch.setattr(ast, "parse", disturbed)
    assert ast.unparse(parse_expression("1 + 1 == 2")) == "1 + 1 == 2"
    assert len(calls) == 2

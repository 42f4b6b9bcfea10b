"""Parser of statements: a subset of Python's expressions. Everything else is refused."""

import ast
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from rnnviz.lessons.statements.errors import StatementError
from rnnviz.lessons.statements.functions import FUNCTIONS, Function
from rnnviz.lessons.statements.symbols import AUDITED, LANES, MEMBERS, NAMES, SELECTION, is_engine, is_name

LARGEST_INTEGER = 1 << 53
_LONGEST, _DEEPEST = 1000, 40
_NODES = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List),
    *(ast.Call, ast.keyword, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
)
_WORDS: dict[type[ast.AST], str] = {
    ast.Lambda: "a lambda",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension",
    ast.IfExp: "a conditional expression",
    ast.JoinedStr: "a formatted string",
    ast.NamedExpr: "an assignment",
    ast.Starred: "a starred expression",
    ast.Mod: "%",
    ast.FloorDiv: "//",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.Invert: "~",
}


@dataclass(frozen=True)
class Statement:
    """A statement in words, and the expression that is true where it holds."""

    text: str
    expression: str
    tree: ast.expr = field(repr=False, compare=False)

    @cached_property
    def follows_selection(self) -> bool:
        """Whether it is about the value at the selection, so that it may hold in one place and not in another."""
        return any(isinstance(node, ast.Name) and node.id in SELECTION for node in ast.walk(self.tree))


def parse_statement(text: str, expression: str) -> Statement:
    """The statement that `expression` writes.

    Raises
    ------
    StatementError
        If it is not an expression, or holds anything that is not allowed: the sentence names it.
    """
    return Statement(text, expression, parse_expression(expression))


def parse_expression(text: str) -> ast.expr:
    """The checked expression. Raises as `parse_statement` does."""
    text = text.strip()
    if not text:
        raise StatementError("The expression is empty: a statement is one that is true or false, as T == 5.")
    if len(text) > _LONGEST:
        raise StatementError(f"The expression has {len(text):,} characters: it may have {_LONGEST:,}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _tree(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, Warning) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise StatementError(f"{_cut(text)} is not an expression: {reason or type(error).__name__}.") from error
    for node, depth in _nodes(tree):
        if depth > _DEEPEST:
            raise StatementError(f"{_cut(text)} is nested too deep: it may be nested {_DEEPEST} times.")
        _check(node)
    _check_names(tree)
    return tree


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SystemError:
        # Python 3.11 counts the depth of syntax trees across threads. A thread that prints a traceback meanwhile
        # changes the count, and a valid tree is refused.
        return ast.parse(text, mode="eval").body


def _nodes(tree: ast.AST) -> Iterator[tuple[ast.AST, int]]:
    """Every node with its depth; no recursion, as no one knows yet how deep it is."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting += ((child, depth + 1) for child in ast.iter_child_nodes(node))


def _check(node: ast.AST) -> None:
    if not isinstance(node, _NODES):
        raise StatementError(f"{_WORDS.get(type(node), _source(node))} is not allowed in a statement.")
    if isinstance(node, ast.Constant):
        if type(node.value) not in (int, float, bool, str):
            raise StatementError(
                f"{_source(node)} is not allowed in a statement: it may hold numbers, true or false, and text."
            )
        if isinstance(node.value, int) and abs(node.value) > LARGEST_INTEGER:
            raise StatementError("A whole number in a statement may have at most 53 bits.")


def _check_names(tree: ast.expr) -> None:
    """Every name must be known, each in its place: functions are called, engines have members."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            _check_call(node)
        elif isinstance(node, ast.Attribute):
            if not isinstance(node.value, ast.Name):
                raise StatementError(
                    f"{_source(node)} is not allowed in a statement: only engines have parts (gluon.out)."
                )
            allowed: Collection[str] = LANES if id(node) in called else MEMBERS
            if node.attr not in allowed:
                raise StatementError(
                    f"{_source(node)} is not allowed in a statement: an engine has {', '.join(allowed)} there."
                )
        elif isinstance(node, ast.Name) and id(node) not in called | owners and not is_name(node.id):
            known = f"a statement may name {', '.join(NAMES)} or a parameter, as l0_i2h_weight"
            raise StatementError(f"{node.id} is not a known name: {known}.")
        elif isinstance(node, ast.Name) and id(node) in owners and not is_engine(node.id):
            raise StatementError(f"{node.id} is not allowed in a statement: engines are named like gluon or reference.")


def _check_call(call: ast.Call) -> None:
    if isinstance(call.func, ast.Attribute):
        keywords: Collection[str] = ()
    elif isinstance(call.func, ast.Name):
        name = call.func.id
        if name not in (*FUNCTIONS, *LANES, *AUDITED):
            known = ", ".join((*FUNCTIONS, *LANES, *AUDITED))
            raise StatementError(f"{name} is not a known function: a statement may call {known}.")
        keywords = FUNCTIONS[name].keywords if name in FUNCTIONS else ()
        if name in FUNCTIONS and not FUNCTIONS[name].least <= len(call.args) <= FUNCTIONS[name].most:
            raise StatementError(
                f"{_source(call)} is not allowed in a statement: {name} takes {_number(FUNCTIONS[name])}."
            )
    else:
        raise StatementError(f"{_source(call)} is not allowed in a statement: only named functions may be called.")
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg not in keywords:
            takes = f"takes {', '.join(keywords)} by name" if keywords else "takes nothing by name"
            raise StatementError(f"{_source(call)} is not allowed in a statement: the function {takes}.")


def _number(function: Function) -> str:
    if function.least == function.most:
        return f"{function.least} argument{'s' if function.least > 1 else ''}"
    return f"{function.least} to {function.most} arguments"


def _source(node: ast.AST) -> str:
    try:
        return _cut(ast.unparse(node))
    except Exception:  # noqa: BLE001 - a lone operator, or a nesting that is too deep, has no source
        return type(node).__name__


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."

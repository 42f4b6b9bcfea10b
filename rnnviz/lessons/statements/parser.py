"""Parser of statements: a subset of Python's expressions with known names. Everything else is refused."""

import ast
import re
import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from rnnviz.lessons.statements.functions import FUNCTIONS, Function, StatementError

ARRAYS = {
    "dat": "the sequence, in the config's layout",
    "out": "the reference's output, in the config's layout",
    "state": "the reference's final state: state[0] is h of (L·D, N, H), state[1] is c of an LSTM",
    "initial_state": "the state before the first step, as state is",
}
SIZES = {
    "T": "how many time steps there are",
    "N": "how many samples",
    "I": "how many input features",
    "H": "how many units each layer and direction has",
    "L": "how many layers",
    "D": "how many directions",
}
OUTCOMES = {
    "verdict": '"agree", "drift" or "disagree"',
    "mismatched": "how many values of the worst candidate mismatch",
    "max_error_ratio": "the largest error ratio of any candidate; 1 is the limit",
    "first_mismatch": "(layer, direction, timestep, sample, unit) of the first candidate that has one, else ()",
    "wrong": "the engines that are wrong",
    "undetectable": "the known bugs that this run could not reveal",
    "diagnosis": "the known bugs that explain an engine that is wrong",
    "checks": "whether each consistency check passes",
    "rtol": "the relative tolerance, the largest of any candidate's",
    "atol": "the absolute tolerance, the largest of any candidate's",
}
SELECTION = {
    "layer": "the layer of the selected value",
    "direction": 'its direction, "forward" or "backward"',
    "timestep": "its time step",
    "sample": "its sample",
    "unit": "its unit",
}
NAMES = {**ARRAYS, **SIZES, **OUTCOMES, **SELECTION}
"""Every name but those of the parameters, which are Gluon's."""

REFERENCE, CANDIDATE = "reference", "candidate"
"""Aliases of the reference engine and of the first candidate."""
MEMBERS = ("out", "state")
"""Attributes of an engine: gluon.out."""

LANES = {
    "h": 'h(layer, direction="forward"): a lane\'s hidden states, (T, N, H)',
    "c": 'c(layer, direction="forward"): a lane\'s cell states, (T, N, H)',
    "gate": 'gate(name, layer, direction="forward"): a gate or another quantity of a lane, (T, N, H)',
}
"""Methods of an engine, manual.h(0); without an engine, of the reference."""
AUDITED = {
    "audit": 'audit(engine): "right", "wrong" or "undetermined"',
    "ratio": "ratio(engine): the largest difference from a step as a multiple of its rounding bound; 8 is the limit",
}
"""Functions of the run."""

_PARAMETER = re.compile(r"[lr]\d{1,4}_(i2h|h2h)_(weight|bias)")
_ENGINE = re.compile(r"[a-z][a-z0-9_]*")


def is_name(name: str) -> bool:
    """Whether some run has a value of that name."""
    return name in NAMES or _PARAMETER.fullmatch(name) is not None


def is_engine(name: str) -> bool:
    """Whether an engine may be called so in front of a point; others are `reference` or `candidate` there."""
    return _ENGINE.fullmatch(name) is not None


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

    Raises a StatementError if it is not an expression, or holds anything that is not allowed: the sentence names it.
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

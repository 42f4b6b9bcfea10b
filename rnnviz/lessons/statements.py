"""Statements about a run: a subset of Python's expressions with known names and functions. Others are refused."""

import ast
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import field
from functools import cached_property, partial
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.activations import sigmoid
from rnnviz.core.errors import InputError
from rnnviz.frozen import dataclass


class StatementError(InputError):
    """The expression is not allowed in a statement. Its text is one plain sentence."""


class UnansweredError(ValueError):
    """The statement does not apply to this run, which lacks a layer, for example. Its text is one plain sentence."""


class TooLargeError(UnansweredError):
    """An answer would have to read or compute more numbers than a reader waits for."""


LARGEST_ARRAY = 1 << 22
"""Maximum number of values in an array that a statement creates."""
_ALL = 1 << 25


class Budget:
    """Counts the values that have been read or computed for one statement."""

    def __init__(self) -> None:
        self._left = _ALL

    def spend(self, values: int, effort: int | None = None) -> None:
        """Count an array of this many values, each of which takes one operation unless `effort` says how many in all.

        Raises a TooLargeError if the array has too many, or the statement had too many before.
        """
        self._left -= values if effort is None else effort
        if values > LARGEST_ARRAY or self._left < 0:
            raise TooLargeError("This run is too large for the statement to be checked here.")


Value: TypeAlias = Any
"""An array, a number, true or false, a text, or a tuple or list of them."""


@dataclass(frozen=True)
class Context:
    """Budget and tolerance for functions, in addition to their arguments."""

    budget: Budget
    rtol: float
    atol: float


@dataclass(frozen=True)
class Function:
    """`call` gets the context, then the arguments; `least` and `most` limit them, `keywords` are allowed."""

    call: Callable[..., Value]
    least: int = 1
    most: int = 1
    keywords: tuple[str, ...] = ()


def array(value: Value, what: str = "This") -> NDArray[Any]:
    """Numbers, or true and false, as an array.

    Raises an UnansweredError if it is text, or a list of arrays such as `state`.
    """
    if isinstance(value, np.ndarray | np.generic | bool | int | float):
        return np.asarray(value)
    if isinstance(value, tuple | list) and all(isinstance(v, bool | int | float | np.generic) for v in value):
        return np.asarray(value)
    raise UnansweredError(f"{what} is not an array of numbers: take a part of it, as state[0].")


def truth(value: Value) -> bool:
    """One true or false. Raises an UnansweredError if it is something else, such as many of them."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        raise UnansweredError(f"A statement must be one true or false, and not {value.size:,}: put all(...) around it.")
    raise UnansweredError("A statement must be true or false, as a comparison is.")


def _some(context: Context, value: Value) -> NDArray[Any]:
    """An array that has values: nothing can be said of none, though `all` of none is true."""
    found = array(value)
    if found.size == 0:
        raise UnansweredError("There are no values in this part of the run.")
    context.budget.spend(found.size)
    return found


def _pair(context: Context, a: Value, b: Value) -> tuple[NDArray[Any], NDArray[Any]]:
    left, right = _some(context, a), _some(context, b)
    if left.shape != right.shape and () not in (left.shape, right.shape):
        raise UnansweredError(f"The shapes {left.shape} and {right.shape} differ.")
    return left, right


def _reduced(reduce: Callable[[NDArray[Any]], Any], context: Context, *values: Value) -> Value:
    return reduce(_some(context, values[0] if len(values) == 1 else list(values)))


def _elementwise(compute: Callable[[NDArray[Any]], Any], context: Context, value: Value) -> Value:
    found = array(value)
    context.budget.spend(found.size)
    return compute(found)


def _close(context: Context, a: Value, b: Value, *, atol: Value = None, rtol: Value = None) -> bool:
    left, right = _pair(context, a, b)
    own = (context.rtol if rtol is None else rtol), (context.atol if atol is None else atol)
    r, absolute = (float(array(limit)) for limit in own)
    return bool(np.isclose(left, right, rtol=r, atol=absolute, equal_nan=True).all())


def _equal(context: Context, a: Value, b: Value) -> bool:
    left, right = _pair(context, a, b)
    both_nan = (left != left) & (right != right)
    return bool(np.all((left == right) | both_nan))


def _len(_context: Context, value: Value) -> int:
    if isinstance(value, tuple | list):
        return len(value)
    found = array(value)
    if found.ndim == 0:
        raise UnansweredError("A single number has no length.")
    return len(found)


def _concat(context: Context, *values: Value, dim: int = -1) -> Value:
    parts = [array(value) for value in values]
    context.budget.spend(sum(part.size for part in parts))
    return np.concatenate(parts, axis=dim)


def _dot(context: Context, a: Value, b: Value, *, transpose_a: bool = False, transpose_b: bool = False) -> Value:
    left, right = array(a), array(b)
    return product(context.budget, left.T if transpose_a else left, right.T if transpose_b else right)


def product(budget: Budget, left: NDArray[Any], right: NDArray[Any]) -> Value:
    if not (1 <= left.ndim <= 2 and 1 <= right.ndim <= 2):
        raise UnansweredError(
            f"A product is of vectors and matrices, not of the shapes {left.shape} and {right.shape}."
        )
    size = prod(left.shape[:-1]) * prod(right.shape[1:])
    budget.spend(size, size * left.shape[-1] + left.size + right.size)
    return left @ right


_MANY = 64

FUNCTIONS: dict[str, Function] = {
    "all": Function(partial(_reduced, np.all)),
    "any": Function(partial(_reduced, np.any)),
    "abs": Function(partial(_elementwise, np.abs)),
    "max": Function(partial(_reduced, np.max), most=_MANY),
    "min": Function(partial(_reduced, np.min), most=_MANY),
    "sum": Function(partial(_reduced, np.sum)),
    "close": Function(_close, 2, 2, ("atol", "rtol")),
    "equal": Function(_equal, 2, 2),
    "shape": Function(lambda _, value: array(value).shape),
    "len": Function(_len),
    "concat": Function(_concat, 1, _MANY, ("dim",)),
    "relu": Function(partial(_elementwise, lambda values: np.maximum(values, values.dtype.type(0)))),
    "tanh": Function(partial(_elementwise, np.tanh)),
    # An integer becomes a float, and an array without axes a number.
    "sigmoid": Function(partial(_elementwise, lambda values: sigmoid.values(values * 1.0)[()])),
    "dot": Function(_dot, 2, 2, ("transpose_a", "transpose_b")),
    "transpose": Function(lambda _, value: array(value).T),
    "zeros_like": Function(partial(_elementwise, np.zeros_like)),
    "isnan": Function(partial(_elementwise, np.isnan)),
    "isinf": Function(partial(_elementwise, np.isinf)),
    "count": Function(partial(_reduced, np.count_nonzero)),
}
"""Every function by its name; those that read the run itself are in `LANES` and `AUDITED`."""


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
    "lengths": "how many time steps each sample has, (N,)",
}
SETTINGS = {
    "cell": 'the cell, as "lstm"',
    "layout": 'the layout of the sequence and the output, "NTC" or "TNC"',
}
OUTCOMES = {
    "verdict": '"agree", "drift" or "disagree"',
    "mismatched": "how many values of the worst candidate mismatch",
    "max_error_ratio": "the largest error ratio of any candidate; 1 is the limit",
    "first_mismatch": "(layer, direction, timestep, sample, unit) of the first candidate that has one, else ()",
    "wrong": "the engines that are wrong",
    "undetectable": "the known bugs that this run could not reveal",
    "diagnosis": "the known bugs that explain an engine that is wrong",
    "gradient_verdict": "the verdict on the gradients of the backward pass",
    "gradient_diagnosis": "the known bugs that explain gradients that are wrong",
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
NAMES = {**ARRAYS, **SIZES, **SETTINGS, **OUTCOMES, **SELECTION}
"""Every name but those of the parameters, which are Gluon's."""

REFERENCE, CANDIDATE = "reference", "candidate"
"""Aliases of the reference engine and of the first candidate."""
MEMBERS = ("out", "state")
"""Attributes of an engine: gluon.out."""

LANES = {
    "h": 'h(layer, direction="forward"): a lane\'s hidden states, (T, N, H)',
    "c": 'c(layer, direction="forward"): a lane\'s cell states, (T, N, H)',
    "gate": 'gate(name, layer, direction="forward"): a gate or another quantity of a lane, (T, N, H)',
    "gradient": 'gradient(name, layer, direction="forward"): the gradient of h, c or a gate, (T, N, H); or '
    'gradient(name) of "input", of "h0" (L·D, N, H) or of a parameter',
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

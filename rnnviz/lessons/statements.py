"""Statements about a run: a subset of Python's expressions with known names and functions, and whether one holds.

The checked expression is walked and never becomes Python code.
"""

import ast
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import field
from functools import cached_property
from inspect import signature
from math import prod
from operator import add, mul, sub
from typing import Any

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_key
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.lessons import namespace
from rnnviz.lessons.namespace import FUNCTIONS, METHODS, Namespace, UnansweredError, Value, array
from rnnviz.verify.result import RunResult


class StatementError(InputError):
    """The expression is not allowed in a statement. Its text is one plain sentence."""


_ENGINE = re.compile(r"[a-z][a-z0-9_]*")
"""The name of an engine in front of a point; others are `reference` or `candidate` there."""
_LARGEST_INTEGER = 1 << 53
_LONGEST, _DEEPEST = 1000, 40
_NODES = (
    *(ast.Load, ast.Subscript, ast.Slice, ast.Tuple, ast.List, ast.keyword, ast.BoolOp, ast.And, ast.Or),
    *(ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
)


@dataclass(frozen=True)
class Statement:
    """A statement in words, and the expression that is true where it holds."""

    text: str
    expression: str
    tree: ast.expr = field(repr=False, compare=False)

    @cached_property
    def follows_selection(self) -> bool:
        """Whether it is about the value at the selection, so that it may hold in one place and not in another."""
        return any(isinstance(node, ast.Name) and node.id in namespace.SELECTION for node in ast.walk(self.tree))


def parse_statement(text: str, expression: str) -> Statement:
    """The statement that `expression` writes. Raises a StatementError that names what is not allowed in it."""
    return Statement(text, expression, parse_expression(expression))


def parse_expression(text: str) -> ast.expr:
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
        raise StatementError(f"{display_key(text)} is not an expression: {reason or type(error).__name__}.") from error
    _check(tree, text)
    return tree


def _tree(text: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SystemError:
        # Python 3.11 counts the depth of syntax trees across threads. A thread that prints a traceback meanwhile
        # changes the count, and a valid tree is refused.
        return ast.parse(text, mode="eval").body


def _check(node: ast.AST, text: str, depth: int = 0) -> None:
    """Refuse a node that is not allowed, or one below it: names are known, functions are called, engines have parts."""
    if depth > _DEEPEST:
        raise StatementError(f"{display_key(text)} is nested too deep: it may be nested {_DEEPEST} times.")
    below = [*ast.iter_child_nodes(node)]
    match node:
        case ast.Call(func=ast.Name(id=name)):
            _check_arguments(node, text, name)
            below = [*node.args, *node.keywords]
        case ast.Call(func=ast.Attribute(value=ast.Name(id=engine), attr=name)) if _has(engine, name, namespace.LANES):
            _check_arguments(node, text, name, engine=engine)
            below = [*node.args, *node.keywords]
        case ast.Attribute(value=ast.Name(id=engine), attr=name) if _has(engine, name, namespace.MEMBERS):
            below = []
        case ast.Name(id=name) if namespace.is_name(name):
            below = []
        case ast.Name(id=name):
            known = ", ".join(namespace.NAMES)
            raise StatementError(
                f"{name} is not a known name: a statement may name {known} or a parameter, as l0_i2h_weight."
            )
        case ast.Constant(value=int(value)) if abs(value) > _LARGEST_INTEGER:
            raise StatementError("A whole number in a statement may have at most 53 bits.")
        case ast.Constant(value=int() | float() | str()):
            pass
        case _ if not isinstance(node, _NODES):
            source = ast.get_source_segment(text, node) if isinstance(node, ast.expr) else None
            shown = display_key(source or type(node).__name__)
            raise StatementError(
                f"{shown} is not allowed in a statement: it may hold numbers, words, names, arithmetic, comparisons, "
                "and, or, not, parts as out[0], and parts of engines as gluon.out."
            )
    for part in below:
        _check(part, text, depth + 1)


def _has(engine: str, name: str, names: Collection[str]) -> bool:
    return name in names and _ENGINE.fullmatch(engine) is not None


def _check_arguments(call: ast.Call, text: str, name: str, **engine: str) -> None:
    function = FUNCTIONS.get(name) or METHODS.get(name)
    if function is None:
        known = ", ".join((*FUNCTIONS, *METHODS))
        raise StatementError(f"{name} is not a known function: a statement may call {known}.")
    arguments = [None, *call.args] if name in METHODS else call.args
    try:
        signature(function).bind(*arguments, **engine, **{str(keyword.arg): None for keyword in call.keywords})
    except TypeError as error:
        source = display_key(ast.get_source_segment(text, call) or name)
        raise StatementError(f"{source} is not allowed in a statement: {error}.") from error


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
}
_EXACT: dict[type[ast.operator], Callable[[int, int], Any]] = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Pow: pow}
_COMPARISONS: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Eq: ("=", np.equal),
    ast.NotEq: ("≠", np.not_equal),
    ast.Lt: ("<", np.less),
    ast.LtE: ("≤", np.less_equal),
    ast.Gt: (">", np.greater),
    ast.GtE: ("≥", np.greater_equal),
    ast.In: ("in", lambda a, b: a in b),
    ast.NotIn: ("not in", lambda a, b: a not in b),
}
"""The sign and the function of each comparison."""


class Evaluator:
    """Evaluates one expression in one scope, and keeps the values of the nodes whose ids are in `watched`."""

    def __init__(self, scope: Namespace, watched: Collection[int] = ()) -> None:
        self._scope = scope
        self._watched = watched
        self.values: dict[int, Value] = {}

    def value(self, node: ast.expr) -> Value:
        """The value of an expression. Raises an UnansweredError if the run has none, or too much would be read."""
        try:
            with np.errstate(all="ignore"):
                found = self._visit(node)
        except UnansweredError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise UnansweredError(f"{ast.unparse(node)} cannot be computed: {reason}.") from error
        if id(node) in self._watched:
            self.values[id(node)] = found
        return found

    def _visit(self, node: ast.expr) -> Value:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._scope.name(node.id)
            case ast.Attribute(value=ast.Name(id=engine)):
                return self._scope.member(node.attr, engine)
            case ast.Tuple() | ast.List():
                return tuple(self.value(item) for item in node.elts)
            case ast.Subscript():
                return self.value(node.value)[self._index(node.slice)]
            case ast.Call():
                return self._call(node)
            case ast.BoolOp():
                decisive = isinstance(node.op, ast.Or)
                return decisive if any(truth(self.value(v)) is decisive for v in node.values) else not decisive
            case ast.UnaryOp(op=ast.Not()):
                return not truth(self.value(node.operand))
            case ast.UnaryOp():
                sign = ast.Sub() if isinstance(node.op, ast.USub) else ast.Add()
                return self._binary(sign, 0, self.value(node.operand))
            case ast.BinOp():
                return self._binary(node.op, self.value(node.left), self.value(node.right))
            case ast.Compare():
                return self._compare(node)
        raise AssertionError(f"{type(node).__name__} is refused when a statement is read")

    def _index(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(self._index(item) for item in node.elts)
        if isinstance(node, ast.Slice):
            return slice(*(None if end is None else self._index(end) for end in (node.lower, node.upper, node.step)))
        found = self.value(node)
        if not _is_whole(found):
            raise UnansweredError(f"{ast.unparse(node)} is not a whole number and cannot be an index.")
        return int(found)

    def _call(self, node: ast.Call) -> Value:
        begin = len(self._scope.read)
        arguments = [self.value(argument) for argument in node.args]
        named = {str(keyword.arg): self.value(keyword.value) for keyword in node.keywords}
        name, _, method = ast.unparse(node.func).partition(".")
        if method:
            return METHODS[method](self._scope, *arguments, **named, engine=name)
        if name in METHODS:
            return METHODS[name](self._scope, *arguments, **named)
        if name not in namespace.VIEWS:
            self._scope.spend(sum(np.size(argument) for argument in arguments))
        if name == "close":
            named = self._scope.tolerances(begin) | named
        return FUNCTIONS[name](*arguments, **named)

    def _binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        if isinstance(op, ast.MatMult):
            return self._scope.dot(left, right)
        if _is_whole(left) and _is_whole(right) and not isinstance(op, ast.Div):
            return _whole_numbers(op, int(left), int(right))
        if np.bool_ in (array(left).dtype, array(right).dtype):
            raise UnansweredError("True and false are not numbers: count(...) counts them.")
        return self._elementwise(_ARITHMETIC[type(op)], left, right)

    def _elementwise(self, compute: Callable[[Any, Any], Any], left: Value, right: Value) -> Value:
        self._scope.spend(prod(np.broadcast_shapes(array(left).shape, array(right).shape)))
        return compute(left, right)

    def _compare(self, node: ast.Compare) -> Value:
        found: Value = True
        left = self.value(node.left)
        for op, operand in zip(node.ops, node.comparators, strict=True):
            right = self.value(operand)
            one = self._compared(op, left, right)
            found = one if found is True else self._elementwise(np.logical_and, found, one)
            left = right
        return found

    def _compared(self, op: ast.cmpop, left: Value, right: Value) -> Value:
        _, compute = _COMPARISONS[type(op)]
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(left, str) or not isinstance(right, tuple):
                raise UnansweredError('Only a word can be looked for, and only among words, as "manual" in wrong.')
            return compute(left, right)
        if isinstance(op, ast.Eq | ast.NotEq) and any(
            isinstance(left, kind) and isinstance(right, kind) for kind in (str, tuple)
        ):
            # Words, or tuples as a whole.
            return (left == right) is isinstance(op, ast.Eq)
        if any(
            isinstance(word, str) for side in (left, right) for word in (side if isinstance(side, tuple) else [side])
        ):
            raise UnansweredError("Words can be compared with words only, and by == and !=.")
        return self._elementwise(compute, left, right)


def truth(value: Value) -> bool:
    """One true or false. Raises an UnansweredError if it is something else, such as many of them."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        raise UnansweredError(f"A statement must be one true or false, and not {value.size:,}: put all(...) around it.")
    raise UnansweredError("A statement must be true or false, as a comparison is.")


def _is_whole(value: Value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _whole_numbers(op: ast.operator, left: int, right: int) -> Value:
    """Whole numbers as Python has them, of any size; NumPy's would overflow silently."""
    if isinstance(op, ast.Pow) and (abs(right) > 64 or (left == 0 and right < 0)):
        raise UnansweredError(f"The power {left} ** {right} is out of range.")
    found: int | float = _EXACT[type(op)](left, right)
    if abs(found) > _LARGEST_INTEGER:
        raise UnansweredError("A whole number has become too large.")
    return found


@dataclass(frozen=True)
class Operand:
    """One operand of a comparison: its text, its numbers as the notebook prints them, and in full if they are few.

    `number` is its value if that is one number.
    """

    text: str
    shown: str
    full: str
    literal: bool = False
    number: float | None = None


@dataclass(frozen=True)
class Pair:
    """Two operands and the operator; `apart` is their largest difference, "" where that says nothing."""

    left: Operand
    sign: str
    right: Operand
    apart: str = ""


@dataclass(frozen=True)
class StatementResult:
    """Result of a statement in a run; `holds` is None where it says nothing about the run, and `reason` says why."""

    statement: Statement
    holds: bool | None
    pairs: tuple[Pair, ...] = ()
    reason: str = ""


def check_statement(result: RunResult, statement: Statement, where: Location = namespace.ORIGIN) -> StatementResult:
    """Check a statement on a run's own numbers, with the selection at `where`. May take a tenth of a second."""
    asked = list(_pairs(statement.tree))
    evaluator = Evaluator(Namespace(result, where), {id(node) for left, _, right in asked for node in (left, right)})
    try:
        holds = truth(evaluator.value(statement.tree))
    except UnansweredError as error:
        return StatementResult(statement, None, (), str(error))
    except (MemoryError, OSError) as error:
        return StatementResult(statement, None, (), f"The numbers could not be read: {error}.")
    seen, pairs = evaluator.values, []
    for left, sign, right in asked:
        if id(left) in seen and id(right) in seen:
            a, b = seen[id(left)], seen[id(right)]
            pairs.append(Pair(_operand(left, a), sign, _operand(right, b), _apart(a, b) if sign in "=≈≠" else ""))
    return StatementResult(statement, holds, tuple(pairs))


def _pairs(node: ast.expr) -> Iterator[tuple[ast.expr, str, ast.expr]]:
    """The comparisons in an expression, without the functions around them."""
    match node:
        case ast.Compare():
            left = node.left
            for op, right in zip(node.ops, node.comparators, strict=True):
                yield left, _COMPARISONS[type(op)][0], right
                left = right
        case ast.Call(func=ast.Name(id="equal" | "close" as name), args=[left, right]):
            yield left, {"equal": "=", "close": "≈"}[name], right
        case ast.Call(func=ast.Name(id="all" | "any"), args=[inner]) | ast.UnaryOp(op=ast.Not(), operand=inner):
            yield from _pairs(inner)
        case ast.BoolOp():
            for value in node.values:
                yield from _pairs(value)


_LISTED, _ROWS = 40, 8
_TWO_DIGITS = 0.01


def _operand(node: ast.expr, value: Value) -> Operand:
    computed = any(isinstance(part, ast.Name | ast.BinOp | ast.Call) for part in ast.walk(node))
    many = isinstance(value, np.ndarray) and value.size > _LISTED
    full = "" if many else _text(value, number_format.full, number_format.full)
    number = float(value) if isinstance(value, float | int | np.number) else None
    return Operand(ast.unparse(node), shown_value(value), full, literal=not computed, number=number)


def shown_value(value: Value) -> str:
    """A value as the notebook prints it: three decimals, and of many numbers the shape and the range."""
    if isinstance(value, np.ndarray) and (
        value.size > _LISTED or value.ndim > 2 or (value.ndim == 2 and len(value) > _ROWS)
    ):
        return _summary(value)
    return _text(value, _short, number_format.short)


def _short(value: number_format.Number) -> str:
    """Three decimals, or two digits of a number that those would round to fewer: "0.652", "0.0011", "2.4e-7"."""
    return number_format.error(value) if 0.0 < abs(float(value)) < _TWO_DIGITS else number_format.short(value)


def _text(value: Value, alone: Callable[[Any], str], element: Callable[[Any], str]) -> str:
    """A value in words, with functions that write a number alone and one that is an element of an array."""
    if isinstance(value, np.ndarray) and value.ndim:
        return str(np.array2string(value, max_line_width=1_000_000, formatter={"float_kind": element}))
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, float | np.floating):
        return alone(value)
    if isinstance(value, tuple | list):
        if any(isinstance(item, np.ndarray) for item in value):
            return "[" + ", ".join(f"shape {item.shape}" for item in value) + "]"
        items = ", ".join(_text(item, alone, element) for item in value)
        if value and all(isinstance(item, str) for item in value):
            return items
        return f"({items},)" if len(value) == 1 else f"({items})" if value else "none"
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _summary(value: np.ndarray[Any, Any]) -> str:
    shape = " × ".join(number_format.count(length) for length in value.shape)
    if value.dtype == np.bool_:
        return f"{shape} values, {int(np.count_nonzero(value)):,} true"
    finite = value[np.isfinite(value)]
    if not finite.size:
        return f"{shape} values, none finite"
    return f"{shape} values from {number_format.short(finite.min())} to {number_format.short(finite.max())}"


def _apart(left: Value, right: Value) -> str:
    try:
        a, b = array(left), array(right)
    except UnansweredError:
        return ""
    if a.shape != b.shape or not a.size or not (a.dtype.kind == b.dtype.kind == "f"):
        return ""
    with np.errstate(all="ignore"):
        difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    finite = difference[np.isfinite(difference)]
    return number_format.error(finite.max()) if finite.size else ""

"""Result of a statement: whether it is true, and the values of both operands."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.trace_index import Location
from rnnviz.lessons.statements.evaluate import Evaluator
from rnnviz.lessons.statements.functions import UnansweredError, Value, array, truth
from rnnviz.lessons.statements.namespace import ORIGIN, Namespace
from rnnviz.lessons.statements.parser import Statement
from rnnviz.verify.result import RunResult

_LISTED, _ROWS = 40, 8
_SIGNS: dict[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "≠",
    ast.Lt: "<",
    ast.LtE: "≤",
    ast.Gt: ">",
    ast.GtE: "≥",
    ast.In: "in",
    ast.NotIn: "not in",
}
_SIGN_OF_CALL = {"equal": "=", "close": "≈"}


@dataclass(frozen=True)
class Operand:
    """One operand of a comparison: its text in the statement, and its numbers as the notebook prints them.

    `full` has every digit, or is "" where there are too many numbers.
    """

    text: str
    shown: str
    full: str


@dataclass(frozen=True)
class Pair:
    """Two operands and the operator; `apart` is their largest difference, "" where that says nothing."""

    left: Operand
    sign: str
    right: Operand
    apart: str = ""


@dataclass(frozen=True)
class StatementResult:
    """Result of a statement in a run.

    `holds` is None where the statement says nothing about the run, for the `reason` that is then a sentence.
    """

    statement: Statement
    holds: bool | None
    pairs: tuple[Pair, ...] = ()
    reason: str = ""


def check_statement(result: RunResult, statement: Statement, where: Location = ORIGIN) -> StatementResult:
    """Check a statement on a run's own numbers, with the selection at `where`. May take a tenth of a second."""
    asked = list(_pairs(statement.tree))
    watched = {id(node) for left, _, right in asked for node in (left, right)}
    evaluator = Evaluator(Namespace(result, where), watched)
    try:
        holds = truth(evaluator.value(statement.tree))
    except UnansweredError as error:
        return StatementResult(statement, None, (), str(error))
    except (MemoryError, OSError) as error:
        return StatementResult(statement, None, (), f"The numbers could not be read: {error}.")
    seen = evaluator.values
    pairs = [
        _pair(left, seen[id(left)], sign, right, seen[id(right)])
        for left, sign, right in asked
        if id(left) in seen and id(right) in seen
    ]
    return StatementResult(statement, holds, tuple(pairs))


def _pairs(node: ast.expr) -> Iterator[tuple[ast.expr, str, ast.expr]]:
    """The comparisons in an expression, without the functions around them."""
    match node:
        case ast.Compare():
            left = node.left
            for op, right in zip(node.ops, node.comparators, strict=True):
                yield left, _SIGNS[type(op)], right
                left = right
        case ast.Call(func=ast.Name(id="equal" | "close" as name), args=[left, right]):
            yield left, _SIGN_OF_CALL[name], right
        case ast.Call(func=ast.Name(id="all" | "any"), args=[inner]) | ast.UnaryOp(op=ast.Not(), operand=inner):
            yield from _pairs(inner)
        case ast.BoolOp():
            for value in node.values:
                yield from _pairs(value)


def _pair(left: ast.expr, a: Value, sign: str, right: ast.expr, b: Value) -> Pair:
    return Pair(_side(left, a), sign, _side(right, b), _apart(a, b) if sign in "=≈≠" else "")


def _side(node: ast.expr, value: Value) -> Operand:
    return Operand(ast.unparse(node), shown_value(value), _full(value))


def shown_value(value: Value) -> str:
    """A value as the notebook prints it: three decimals, and of many numbers the shape and the range."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.size > _LISTED or value.ndim > 2 or (value.ndim == 2 and len(value) > _ROWS):
            return _summary(value)
        return str(np.array2string(value, max_line_width=1_000_000, formatter={"float_kind": number_format.short}))
    return _plain(value, _short)


def _short(value: number_format.Number) -> str:
    """Three decimals, or more for small numbers."""
    return number_format.error(value) if 0.0 < abs(float(value)) < 0.5e-3 else number_format.short(value)


def _full(value: Value) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        if value.size > _LISTED:
            return ""
        return str(np.array2string(value, max_line_width=1_000_000, formatter={"float_kind": number_format.full}))
    return _plain(value, number_format.full)


def _plain(value: Value, number: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value[()]
    if isinstance(value, float | np.floating):
        return str(number(value))
    if isinstance(value, tuple | list):
        if any(isinstance(item, np.ndarray) for item in value):
            return "[" + ", ".join(f"shape {item.shape}" for item in value) + "]"
        items = ", ".join(_plain(item, number) for item in value)
        return f"({items},)" if len(value) == 1 else f"({items})" if value else "none"
    return str(value)


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

"""Whether a statement holds in a run, and the values of both operands.

The checked expression is walked and never becomes Python code. The values of names are computed on access.
"""

import ast
from collections.abc import Callable, Collection, Iterator, Mapping
from math import prod
from operator import add, mul, sub
from typing import Any

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.gradients import OF_PARAMETERS, gradient
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.frozen import dataclass
from rnnviz.lessons.statements import (
    AUDITED,
    CANDIDATE,
    FUNCTIONS,
    LANES,
    LARGEST_INTEGER,
    OUTCOMES,
    REFERENCE,
    SELECTION,
    Budget,
    Context,
    Statement,
    UnansweredError,
    Value,
    array,
    product,
    truth,
)
from rnnviz.reading.gates import GateReader, gate_quantities
from rnnviz.steps.inputs import followed
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import tolerances
from rnnviz.verify.result import Judgment, RunResult

ORIGIN = Location()
"""Where the selection is if no one has moved it."""

_EFFORT = 4
"""Number of multiplications in a matrix product that cost as much as one step of other work."""


class Namespace:
    """One run as a statement sees it, with a selection in it. Arrays are views: nothing is read before it is needed."""

    def __init__(self, result: RunResult, where: Location = ORIGIN) -> None:
        self._result = result
        self._where = where
        self.budget = Budget()
        self.read: list[Trace] = []
        """Traces read so far, in order."""

    def context(self, since: int) -> Context:
        """Context of a function whose arguments are `read[since:]`, with the run's tolerance for these traces."""
        return Context(self.budget, *tolerances(self._result.config, *self.read[since:]))

    def name(self, name: str) -> Any:
        """The value of a name. Raises an UnansweredError if this run has no such thing."""
        result = self._result
        network, inputs = result.config.network, result.inputs
        layers, directions, timesteps, samples, size = result.shape
        match name:
            case "out" | "state":
                return self.member(REFERENCE, name)
            case "dat":
                return inputs.sequence.swapaxes(0, 1) if network.layout == "NTC" else inputs.sequence
            case "initial_state":
                return list(inputs.initial_state.values())
            case "T" | "N" | "I" | "H" | "L" | "D":
                sizes = {"T": timesteps, "N": samples, "I": network.input_size, "H": size, "L": layers, "D": directions}
                return sizes[name]
            case "cell":
                return network.cell
            case "layout":
                return network.layout
            case "lengths":
                return np.array(inputs.places.every_length)
        if name in OUTCOMES:
            return run_variable(result, name)
        if name in SELECTION:
            return self._where.to_json()[name]
        if name not in inputs.parameters:
            raise UnansweredError(f"This network has no {name}: it has {', '.join(inputs.parameters)}.")
        return inputs.parameters[name]

    def member(self, engine: str, name: str) -> Any:
        """An engine's `out` or `state`. Raises as `name` does."""
        trace = self._trace(engine)
        if {"out": "out", "state": "state.h"}[name] in trace.missing:
            raise UnansweredError(f"{display_name(trace.engine)} did not return {name}.")
        if name == "out":
            return trace.output_in(self._result.config.network.layout)
        return [trace.state_h] if trace.state_c is None else [trace.state_h, trace.state_c]

    def call(self, engine: str | None, method: str, arguments: list[Any]) -> Any:
        """The value of a call from `LANES` or, if `engine` is None, from `AUDITED`. Raises as `name` does."""
        usage = {**LANES, **AUDITED}[method]
        if not all(isinstance(argument, str | int) and not isinstance(argument, bool) for argument in arguments):
            raise UnansweredError(f"{method} must be called as {usage}.")
        if method in AUDITED:
            if len(arguments) != 1:
                raise UnansweredError(f"{method} must be called as {usage}.")
            audit = audit_of(self._result, str(arguments[0]))
            if not audit.audited:
                raise UnansweredError(f"No step of {display_name(audit.engine)} was audited.")
            return audit.verdict if method == "audit" else audit.worst_ratio
        if method == "gradient":
            return self._gradient(engine, arguments)
        quantity, *place = arguments if method == "gate" and arguments else [method, *arguments]
        if not 1 <= len(place) <= 2:
            raise UnansweredError(f"{method} must be called as {usage}.")
        lane = self._lane(*place)
        trace = self._trace(REFERENCE if engine is None else engine)
        recorded = trace.recorded(*lane) if method == "h" else followed(self._result.inputs, trace, *lane)
        if len(recorded) < trace.shape[2]:
            raise UnansweredError(f"{display_name(trace.engine)} lacks values that this needs.")
        return trace.hidden[lane] if method == "h" else self._gate(trace, str(quantity), lane)

    def _gradient(self, engine: str | None, arguments: list[Any]) -> FloatArray:
        """A gradient of an engine; without one of the first that gives it, the reference before the candidates."""
        if not 1 <= len(arguments) <= 3:
            raise UnansweredError(f"gradient must be called as {LANES['gradient']}.")
        name, *place = arguments
        lane = self._lane(*place) if place else ()
        engines = [engine_name(self._result, engine)] if engine else self._result.traces
        traces = [self._result[name] for name in engines]
        stored = {gradient(str(name)), f"{OF_PARAMETERS}{name}"}
        for trace in traces:
            for found in stored & trace.keys():
                if bool(place) != (trace[found].ndim == 5):
                    raise UnansweredError(f"gradient must be called as {LANES['gradient']}.")
                self.read.append(trace)
                return trace[found][lane]
        if any(trace.has_gradients for trace in traces):
            raise UnansweredError(f"No engine of this run gives a gradient of {name}.")
        raise UnansweredError("This run has no gradients: backward.enabled must be true.")

    def _gate(self, trace: Trace, name: str, lane: tuple[int, int]) -> FloatArray:
        network = self._result.config.network
        known = [quantity.name for quantity in gate_quantities(network.kind)]
        if name not in known:
            raise UnansweredError(f"The cell {network.cell} has no {name}: it has {', '.join(known)}.")
        _, _, timesteps, samples, size = trace.shape
        values = timesteps * samples * size
        terms = network.kind.gate_count * (network.layer_input_size(lane[0]) + size)
        self.budget.spend(values, values * terms // _EFFORT)
        reader = GateReader(self._result.inputs, trace)
        return reader.samples(*lane, slice(0, samples), (name,), slice(0, timesteps), slice(0, size))[name]

    def _lane(self, layer: Any, direction: Any = None) -> tuple[int, int]:
        layers, directions, *_ = self._result.shape
        if not isinstance(layer, int) or not 0 <= layer < layers:
            raise UnansweredError(f"This network has no layer {layer}: it has {layers}, counted from 0.")
        known = DIRECTIONS[1:] if self._result.inputs.network.reverse else DIRECTIONS[:directions]
        if direction is not None and direction not in known:
            raise UnansweredError(f"This network has no direction {direction}: it has {' and '.join(known)}.")
        return layer, 0 if direction is None else known.index(direction)

    def _trace(self, engine: str) -> Trace:
        trace = self._result[engine_name(self._result, engine)]
        self.read.append(trace)
        return trace


def run_variable(result: RunResult, name: str) -> Any:
    """The value of one of the names in `OUTCOMES`.

    Raises an UnansweredError if it takes an audit, and there was none.
    """
    match name:
        case "verdict":
            judgment(result)
            return result.verdict
        case "mismatched" | "max_error_ratio" | "rtol" | "atol":
            if not result.comparisons:
                raise UnansweredError(f"{result.reference.engine} ran alone: nothing was compared.")
            return max(getattr(comparison, name) for comparison in result.comparisons)
        case "first_mismatch":
            found = (c.first_mismatch for c in result.comparisons if c.first_mismatch is not None)
            return next((tuple(mismatch.where.to_json().values()) for mismatch in found), ())
        case "wrong":
            return tuple(engine for engine in judgment(result).audits if result.wrong(engine))
        case "undetectable":
            return judgment(result).undetectable
        case "diagnosis":
            return _named(judgment(result).diagnoses)
        case "gradient_verdict" | "gradient_diagnosis":
            backward = judgment(result).backward
            if backward is None or result.backward_verdict is None:
                raise UnansweredError("This run has no gradients: backward.enabled must be true.")
            return result.backward_verdict if name == "gradient_verdict" else _named(backward.diagnoses)
        case "checks":
            return np.array([check.holds for check in result.checks], np.bool_)
    raise KeyError(f"{name} is not an outcome of a run")


def _named(diagnoses: Mapping[str, tuple[tuple[str, ...], ...]]) -> tuple[str, ...]:
    """Every known bug that explains an engine, once."""
    explanations = (names for found in diagnoses.values() for names in found)
    return tuple(dict.fromkeys(name for names in explanations for name in names))


def judgment(result: RunResult) -> Judgment:
    """The judgment of the run's audit. Raises an UnansweredError without one."""
    if result.judgment is None:
        raise UnansweredError("The steps of this run have not been audited yet.")
    return result.judgment


def audit_of(result: RunResult, engine: str) -> Audit:
    """The audit of one engine. Raises an UnansweredError if it was not audited."""
    audits = judgment(result).audits
    name = engine_name(result, engine)
    if name not in audits:
        raise UnansweredError(f"{name} was not audited: {', '.join(audits)} were.")
    return audits[name]


def engine_name(result: RunResult, engine: str) -> str:
    """The name of an engine of the run, which may be called the reference or the candidate.

    Raises an UnansweredError if it was not run.
    """
    reference, *candidates = result.traces
    name = dict(zip((REFERENCE, CANDIDATE), (reference, *candidates), strict=False)).get(engine, engine)
    if name not in result.traces:
        raise UnansweredError(f"{name} was not run: this run holds {', '.join(result.traces)}.")
    return name


_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.Pow: np.power,
}
_EXACT: dict[type[ast.operator], Callable[[int, int], Any]] = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Pow: pow}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}


class Evaluator:
    """Evaluates one expression in one scope, and keeps the values of the nodes whose ids are in `watched`."""

    def __init__(self, scope: Namespace, watched: Collection[int] = ()) -> None:
        self._scope = scope
        self._watched = watched
        self.values: dict[int, Value] = {}

    def value(self, node: ast.expr) -> Value:
        """The value of an expression.

        Raises an UnansweredError if the run has no such part, shapes do not fit, or too much would have to be read.
        """
        with np.errstate(all="ignore"):
            found = self._visit(node)
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
                return self._scope.member(engine, node.attr)
            case ast.Tuple() | ast.List():
                return tuple(self.value(item) for item in node.elts)
            case ast.Subscript():
                return self._part(self.value(node.value), node)
            case ast.Call():
                return self._call(node)
            case ast.BoolOp():
                decisive = isinstance(node.op, ast.Or)
                return decisive if any(truth(self.value(v)) is decisive for v in node.values) else not decisive
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp():
                return self._binary(node.op, self.value(node.left), self.value(node.right))
            case ast.Compare():
                return self._compare(node)
        raise AssertionError(f"{type(node).__name__} is refused when a statement is read")

    def _part(self, whole: Value, node: ast.Subscript) -> Value:
        index = self._index(node.slice)
        if not isinstance(whole, np.ndarray | tuple | list):
            raise UnansweredError(f"{ast.unparse(node.value)} has no parts.")
        if isinstance(index, tuple) and not isinstance(whole, np.ndarray):
            raise UnansweredError(f"{ast.unparse(node.value)} takes one index.")
        try:
            return whole[index]
        except IndexError as error:
            sizes = f"the shape {whole.shape}" if isinstance(whole, np.ndarray) else f"{len(whole)} parts"
            raise UnansweredError(f"There is no {ast.unparse(node)}: {ast.unparse(node.value)} has {sizes}.") from error

    def _index(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Tuple):
            return tuple(self._index(item) for item in node.elts)
        if isinstance(node, ast.Slice):
            ends = (node.lower, node.upper, node.step)
            found = slice(*(None if end is None else self._whole(end) for end in ends))
            if found.step == 0:
                raise UnansweredError("The step of a slice must not be 0.")
            return found
        return self._whole(node)

    def _whole(self, node: ast.expr) -> int:
        found = self.value(node)
        if isinstance(found, bool) or not isinstance(found, int | np.integer):
            raise UnansweredError(f"{ast.unparse(node)} is not a whole number and cannot be an index.")
        return int(found)

    def _call(self, node: ast.Call) -> Value:
        begin = len(self._scope.read)
        arguments = [self.value(argument) for argument in node.args]
        if isinstance(node.func, ast.Attribute):
            assert isinstance(node.func.value, ast.Name), "refused when a statement is read"
            return self._scope.call(node.func.value.id, node.func.attr, arguments)
        assert isinstance(node.func, ast.Name), "refused when a statement is read"
        if node.func.id not in FUNCTIONS:
            return self._scope.call(None, node.func.id, arguments)
        named = {str(keyword.arg): self.value(keyword.value) for keyword in node.keywords}
        try:
            return FUNCTIONS[node.func.id].call(self._scope.context(begin), *arguments, **named)
        except UnansweredError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            raise UnansweredError(f"{ast.unparse(node)} cannot be computed: {_first_line(error)}.") from error

    def _unary(self, node: ast.UnaryOp) -> Value:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return not truth(operand)
        if isinstance(operand, int | float) and not isinstance(operand, bool):
            return -operand if isinstance(node.op, ast.USub) else operand
        numbers = array(operand, ast.unparse(node.operand))
        if numbers.dtype == np.bool_:
            raise UnansweredError("True and false have no sign.")
        self._scope.budget.spend(numbers.size)
        return np.negative(numbers) if isinstance(node.op, ast.USub) else numbers

    def _binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        if _is_whole(left) and _is_whole(right) and not isinstance(op, ast.Div | ast.MatMult):
            return _whole_numbers(op, int(left), int(right))
        a, b = array(left), array(right)
        if isinstance(op, ast.MatMult):
            return self._product(a, b)
        if a.dtype == np.bool_ or b.dtype == np.bool_:
            raise UnansweredError("True and false cannot be added or multiplied: count(...) counts them.")
        return self._ufunc(_ARITHMETIC[type(op)], left, right, a.shape, b.shape)

    def _product(self, a: Any, b: Any) -> Value:
        try:
            return product(self._scope.budget, a, b)
        except UnansweredError:
            raise
        except ValueError as error:
            raise UnansweredError(f"The shapes {a.shape} and {b.shape} have no product.") from error

    def _ufunc(self, ufunc: Callable[..., Any], left: Value, right: Value, *shapes: tuple[int, ...]) -> Value:
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError as error:
            raise UnansweredError(f"The shapes {shapes[0]} and {shapes[1]} do not fit.") from error
        self._scope.budget.spend(prod(shape))
        try:
            return ufunc(left, right)
        except (ValueError, TypeError) as error:
            raise UnansweredError(f"This cannot be computed: {_first_line(error)}.") from error

    def _compare(self, node: ast.Compare) -> Value:
        found: Value = True
        left = self.value(node.left)
        for op, operand in zip(node.ops, node.comparators, strict=True):
            right = self.value(operand)
            one = self._compared(op, left, right)
            if found is True:
                found = one
            else:
                a, b = array(found), array(one)
                found = self._ufunc(np.logical_and, found, one, a.shape, b.shape)
            left = right
        return found

    def _compared(self, op: ast.cmpop, left: Value, right: Value) -> Value:
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(left, str) or not _is_words(right) or isinstance(right, str):
                raise UnansweredError('Only a word can be looked for, and only among words, as "manual" in wrong.')
            return (left in right) == isinstance(op, ast.In)
        if _is_words(left) or _is_words(right):
            if not isinstance(op, ast.Eq | ast.NotEq) or not (_is_plain(left) and _is_plain(right)):
                raise UnansweredError("Words can be compared with words only, and by == and !=.")
            return (left == right) == isinstance(op, ast.Eq)
        if _is_plain(left) and _is_plain(right) and isinstance(op, ast.Eq | ast.NotEq):
            return (left == right) == isinstance(op, ast.Eq)
        a, b = array(left), array(right)
        return self._ufunc(_COMPARISONS[type(op)], left, right, a.shape, b.shape)


def _is_whole(value: Value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _whole_numbers(op: ast.operator, left: int, right: int) -> Value:
    """Whole numbers as Python has them, without end; those of numpy would run over in silence."""
    if isinstance(op, ast.Pow) and (abs(right) > 64 or (left == 0 and right < 0)):
        raise UnansweredError(f"The power {left} ** {right} is out of range.")
    found: int | float = _EXACT[type(op)](left, right)
    if abs(found) > LARGEST_INTEGER:
        raise UnansweredError("A whole number has become too large.")
    return found


def _is_plain(value: Value) -> bool:
    """A word, or a tuple of words and numbers."""
    return isinstance(value, str) or (
        isinstance(value, tuple) and all(isinstance(v, str | bool | int | float | np.generic) for v in value)
    )


def _is_words(value: Value) -> bool:
    return _is_plain(value) and (isinstance(value, str) or any(isinstance(v, str) for v in value) or not value)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


_LISTED, _ROWS = 40, 8
_TWO_DIGITS = 0.01
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

    `full` has every digit, or is "" where there are too many numbers. A `literal` contains no name and no function.
    """

    text: str
    shown: str
    full: str
    literal: bool = False


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
    seen, pairs = evaluator.values, []
    for left, sign, right in asked:
        if id(left) in seen and id(right) in seen:
            a, b = seen[id(left)], seen[id(right)]
            pairs.append(Pair(_side(left, a), sign, _side(right, b), _apart(a, b) if sign in "=≈≠" else ""))
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


def _side(node: ast.expr, value: Value) -> Operand:
    computed = any(isinstance(part, ast.Name | ast.BinOp | ast.Call) for part in ast.walk(node))
    return Operand(ast.unparse(node), shown_value(value), _full(value), literal=not computed)


def shown_value(value: Value) -> str:
    """A value as the notebook prints it: three decimals, and of many numbers the shape and the range."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.size > _LISTED or value.ndim > 2 or (value.ndim == 2 and len(value) > _ROWS):
            return _summary(value)
        return str(np.array2string(value, max_line_width=1_000_000, formatter={"float_kind": number_format.short}))
    return _plain(value, _short)


def _short(value: number_format.Number) -> str:
    """Three decimals, or two digits of a number that those would round to fewer: "0.652", "0.0011", "2.4e-7"."""
    return number_format.error(value) if 0.0 < abs(float(value)) < _TWO_DIGITS else number_format.short(value)


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

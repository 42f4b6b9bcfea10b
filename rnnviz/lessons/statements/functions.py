"""The functions that a statement may call, within its budget, and the errors of statements."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.activations import sigmoid
from rnnviz.core.errors import InputError


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
    """The matrix product of vectors and matrices."""
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
"""Every function by its name; those that read the run itself are in `scope`."""

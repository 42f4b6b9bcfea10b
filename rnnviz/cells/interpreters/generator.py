"""Calls of NumPy on given arrays, written as the source of a loop over time steps.

`loop` compiles the source; a program and the steps of a backward pass are made by it. `LoopWriter` writes the calls of
one step on arrays that exist.
"""

from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.frozen import dataclass

FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (np.add, np.subtract, np.multiply, np.tanh, np.maximum, np.copyto, np.dot, np.matmul)
} | {"add_reduce": np.add.reduce}
"""The functions that lines of source call, besides the activations."""

ARITHMETIC_NAMES = {"plus": "add", "minus": "subtract", "times": "multiply"}
"""The functions of operations of two operands."""


@dataclass(frozen=True, eq=False)
class Loop:
    """A function `run` and its source: it takes what is given, states and arrays, and returns the last states."""

    text: str
    run: FunctionType

    def bound_to(self, names: dict[str, Any]) -> Callable[..., Any]:
        """The function, whose lines read these names besides its arguments."""
        return FunctionType(self.run.__code__, names)


@lru_cache(maxsize=256)
def loop(
    lines: tuple[str, ...],
    each: tuple[str, ...],
    given: tuple[str, ...] = (),
    states: tuple[str, ...] = (),
    name: str = "loop",
) -> Loop:
    """The loop over the rows of the arrays in `each`, whose lines give new states with `_next` after their names."""
    # No name of a user's begins so.
    every = [f"_all_{name}" for name in each]
    text = [
        f"def run({', '.join((*given, *states, *every))}):",
        f"    for {', '.join(each)}{',' * (len(each) == 1)} in zip({', '.join(every)}):",
        *(f"        {line}" for line in lines),
    ]
    if states:
        text.append(f"        {', '.join(states)} = {', '.join(f'{name}_next' for name in states)}")
        text.append(f"    return {', '.join(states)}{',' * (len(states) == 1)}")
    source = "\n".join((*text, ""))
    # The source is the program's own: nothing in it but names comes from a file.
    module = compile(source, f"<{name}>", "exec")
    return Loop(source, FunctionType(next(c for c in module.co_consts if isinstance(c, CodeType)), {}))


def in_place(function: Callable[..., FloatArray]) -> Callable[..., None]:
    """The function, which writes its result into its last argument."""

    def into(*arrays: FloatArray) -> None:
        np.copyto(arrays[-1], function(*arrays[:-1]))

    return into


class LoopWriter:
    """The lines of a loop over time steps, and the arrays that it reads: one row of each step, or all."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[int, str] = {}
        self._series: dict[str, FloatArray] = {}
        self._constants: dict[str, Any] = {}
        self._states: dict[str, FloatArray] = {}

    def name(self, array: Any, *, over_time: bool) -> str:
        """The name of an array, or of a function, in the loop."""
        arrays = self._series if over_time else self._constants
        known = self._names.get(id(array))
        if known is None:
            known = f"{'s' if over_time else 'k'}{len(arrays)}"
            # The arrays stay alive, so that no other one gets the same identity.
            self._names[id(array)], arrays[known] = known, array
        return known

    def call(self, function: str, *names: str) -> None:
        self._lines.append(f"{function}({', '.join(names)})")

    def carry(self, state: str, first: FloatArray, new: str) -> None:
        """Hand a value on to the next step under the name of a state, whose first value is given."""
        self._states[state] = first
        self._lines.append(f"{state}_next = {new}")

    def run(self, steps: slice, order: slice) -> None:
        names = {**FUNCTIONS, **self._constants}
        run = loop(tuple(self._lines), tuple(self._series), tuple(names), tuple(self._states)).run
        run(*names.values(), *self._states.values(), *(array[order][steps] for array in self._series.values()))

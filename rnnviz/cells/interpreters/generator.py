"""Calls of NumPy on given arrays, written as the source of a loop: over time steps, or over rows in the cache.

`loop` compiles the source; a program, the calls before a backward pass and the steps of one are all made by it.
`LoopWriter` writes the calls of one step on arrays that exist. `ElementwiseSource` records values and partial
derivatives unit by unit, on operands that only have names: they are run on some rows (R, H) after the other.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, TypeAlias

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.interpreters.graph import PRODUCTS, Graph, Node, evaluate, lone_sums
from rnnviz.frozen import dataclass

FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (np.add, np.subtract, np.multiply, np.tanh, np.maximum, np.copyto, np.dot, np.matmul)
} | {"add_reduce": np.add.reduce}
"""The functions that lines of source call, besides the activations."""

ARITHMETIC_NAMES = {"plus": "add", "minus": "subtract", "times": "multiply"}
"""The functions of operations of two operands."""

_CACHED_VALUES = 1 << 14
"""Values of a buffer: some twenty of them fit into the cache of a core."""


Key: TypeAlias = Node | tuple[Node, str]
"""A value that is given: that of a node, or with "bias" its bias."""


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


def run_loop(
    lines: Sequence[str], given: Mapping[str, Any], each: Mapping[str, Iterable[Any]], states: Mapping[str, Any] = {}
) -> None:
    """Run some lines once for each row of the arrays in `each`; `states` are those before the first step."""
    if lines:
        names = {**FUNCTIONS, **given}
        run = loop(tuple(lines), tuple(each), tuple(names), tuple(states)).run
        run(*names.values(), *states.values(), *each.values())


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
        """Run the loop over some steps of the arrays in an order."""
        each = {name: array[order][steps] for name, array in self._series.items()}
        run_loop(self._lines, self._constants, each, self._states)


@dataclass(frozen=True, eq=False)
class Operand:
    """A value in the source; `size` is "H" or "P", `over_time` whether it has rows."""

    name: str
    size: str
    over_time: bool


class ElementwiseSource:
    """Records the calls that values and partial derivatives take, and runs those that some results need."""

    def __init__(self, graph: Graph, known: Collection[Node]) -> None:
        """Begin with no calls; the values of `known` nodes are given.

        Besides them the leaves are given, and the sums u.k + v.k, as far as something reads them: without their biases.
        """
        self.inputs: dict[str, Key] = {}
        self.results: dict[str, Operand] = {}
        self.kept: dict[str, Operand] = {}
        self.used: dict[str, Key] = {}
        self._text: list[str] = []
        self._constants: dict[str, Any] = {}
        self._lines: list[tuple[str, tuple[str, ...], str]] = []
        self._values: dict[Node, Any] = {node: self._input(node, over_time=True) for node in known}
        for node in lone_sums(graph):
            self._values.setdefault(node, self._biased(node, self._input(node, over_time=True)))

    def value(self, node: Node) -> Any:
        if node not in self._values:
            self._values = evaluate([node], self._leaf, self._apply, self._values)
        return self._values[node]

    def _call(self, function: str, *args: Operand | float | Node) -> Operand:
        """Record a call; its first operand has the size of the result, unless that is a matrix product."""
        operands = [arg for arg in args if isinstance(arg, Operand)]
        names = tuple(arg.name if isinstance(arg, Operand) else self._constant(arg) for arg in args)
        size = next((arg.shape[0] for arg in args if isinstance(arg, Node)), operands[0].size)
        result = Operand(f"r{len(self.results)}", size, any(operand.over_time for operand in operands))
        self.results[result.name] = result
        self._lines.append((function, names, result.name))
        return result

    def _input(self, key: "Key", *, over_time: bool) -> Operand:
        name = f"a{len(self.inputs)}"
        self.inputs[name] = key
        return Operand(name, (key if isinstance(key, Node) else key[0]).shape[0], over_time)

    def _leaf(self, node: Node) -> Any:
        if node.op == "number":
            return node.number
        array = self._input(node, over_time=node.op != "parameter")
        return self._biased(node, array) if node.op in ("u", "v") else array

    def _biased(self, node: Node, product: Operand) -> Operand:
        return self._call("add", product, self._input((node, "bias"), over_time=False))

    def _constant(self, value: Any) -> str:
        known = (name for name, other in self._constants.items() if other is value or other == value)
        name = next(known, f"k{len(self._constants)}")
        self._constants[name] = value
        return name

    def _activated(self, function: Callable[..., FloatArray], *args: Operand) -> Operand:
        name = f"f{len(self._constants)}"
        self._constants[name] = in_place(function)
        return self._call(name, *args)

    def _apply(self, node: Node, args: Sequence[Any]) -> Any:
        if node.op in ARITHMETIC_NAMES:
            return self._call(ARITHMETIC_NAMES[node.op], *args)
        if node.op in PRODUCTS:
            product = self._call("matmul", args[-1], node)
            return self._biased(node, product) if node.op == "recurrent" else product
        assert node.activation is not None, node.op
        match node.op, node.activation.name:
            case "activation", "tanh":
                return self._call("tanh", args[0])
            case "activation", "sigmoid":
                halved = self._call("multiply", args[0], 0.5)
                return self._call("multiply", self._call("add", self._call("tanh", halved), 1.0), 0.5)
            case "activation", _:
                return self._activated(node.activation.values, args[0])
            case "slope", "sigmoid":
                return self._call("multiply", args[1], self._call("subtract", 1.0, args[1]))
            case "slope", "tanh":
                return self._call("subtract", 1.0, self._call("multiply", args[1], args[1]))
            case "slope", "relu":
                # It is positive where its argument is.
                return self._activated(node.activation.slopes, args[1], args[1])
        return self._activated(node.activation.slopes, *args)

    def keep(self, names: Collection[str]) -> None:
        """Choose the results that `run` gives; calls and inputs that they do not need are dropped."""
        self.kept = {name: self.results[name] for name in names}
        needed = set(names)
        for function, read, result in reversed(self._lines):
            if result in needed:
                needed.update(read, (function,))
                self._text.insert(0, f"{function}({', '.join((*read, result))})")
        self._buffers = {n: r for n, r in self.results.items() if n in needed and n not in self.kept}
        self._constants = {name: value for name, value in self._constants.items() if name in needed}
        self.used = {name: key for name, key in self.inputs.items() if name in needed}

    def run(
        self,
        inputs: Mapping[Key, FloatArray],
        weights: Callable[[Node], FloatArray],
        kept: Mapping[str, FloatArray],
        sizes: Mapping[str, int],
        dtype: np.dtype[Any],
    ) -> None:
        """Compute all rows. `inputs` is (R, H); `weights` is (K, H)."""
        given: dict[str, Any] = {}
        for name, value in self._constants.items():
            given[name] = weights(value) if isinstance(value, Node) else value
            if isinstance(value, float):
                given[name] = np.array(value, dtype)
        over_time: dict[str, FloatArray] = {}
        for name, key in self.used.items():
            (over_time if inputs[key].ndim == 2 else given)[name] = inputs[key]
        for name, array in kept.items():
            (over_time if self.kept[name].over_time else given)[name] = array
        # What follows from parameters alone has no rows.
        rows = next((len(array) for array in over_time.values()), 1)
        chunk = max(1, _CACHED_VALUES // max(sizes.values()))
        starts = range(0, rows, chunk)
        each: dict[str, Any] = {
            name: [array[start : start + chunk] for start in starts] for name, array in over_time.items()
        }
        for name, operand in self._buffers.items():
            if operand.over_time:
                buffer = np.empty((min(rows, chunk), sizes[operand.size]), dtype)
                each[name] = [buffer[: rows - start] for start in starts]
            else:
                given[name] = np.empty(sizes[operand.size], dtype)
        run_loop(self._text, given, each or {"start": starts})

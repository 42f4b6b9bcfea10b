"""Calls of NumPy on given arrays, written as the source of a loop: over time steps, or over rows in the cache.

`loop` compiles the source; a program, the calls before a backward pass and the steps of one are all made by it.
`LoopWriter` writes the calls of one step on arrays that exist. `ElementwiseSource` records values and partial
derivatives unit by unit, on operands that only have names: they are run on some rows (R, H) after the other, in few
buffers, each of which is used again once its value is not read any more.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, TypeAlias

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.interpreters.backward_graph import PRODUCTS
from rnnviz.cells.interpreters.graph import Graph, Node, evaluate, lone_sums
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
    every = [f"all_{name}" for name in each]
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
    """The lines of a loop over time steps, and the arrays that it reads: `series` one row of each step, or all."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._names: dict[int, str] = {}
        self.series: dict[str, FloatArray] = {}
        self.constants: dict[str, Any] = {}

    def name(self, array: Any, *, over_time: bool) -> str:
        """The name of an array in the loop."""
        arrays = self.series if over_time else self.constants
        known = self._names.get(id(array))
        if known is None:
            known = f"{'s' if over_time else 'k'}{len(arrays)}"
            # The arrays stay alive, so that no other one gets the same identity.
            self._names[id(array)], arrays[known] = known, array
        return known

    def call(self, function: str, *names: str) -> None:
        self._lines.append(f"{function}({', '.join(names)})")

    def run(self, steps: slice, order: slice) -> None:
        """Run the loop over some steps of the arrays in an order."""
        run_loop(self._lines, self.constants, {name: array[order][steps] for name, array in self.series.items()})


@dataclass(frozen=True, eq=False)
class Operand:
    """A value in the source; `size` is "H" or "P", `over_time` whether it has rows."""

    name: str
    size: str
    over_time: bool


class ElementwiseSource:
    """Records the calls that values and partial derivatives take."""

    def __init__(self, graph: Graph, known: Collection[Node]) -> None:
        """Begin with no calls; the values of `known` nodes are given.

        Besides them the leaves are given, and the sums u.k + v.k, as far as something reads them: without their biases.
        """
        self.inputs: dict[str, Key] = {}
        self.constants: dict[str, Any] = {}
        self.results: dict[str, Operand] = {}
        self._lines: list[tuple[str, tuple[str, ...], str]] = []
        self._values: dict[Node, Any] = {node: self._input(node, over_time=True) for node in known}
        for node in lone_sums(graph):
            self._values.setdefault(node, self._biased(node, self._input(node, over_time=True)))

    def value(self, node: Node) -> Any:
        if node not in self._values:
            self._values = evaluate([node], self._leaf, self._apply, self._values)
        return self._values[node]

    def call(self, function: str, *args: Operand | float) -> Operand:
        """Record a call of two operands, or of one."""
        operands = [arg for arg in args if isinstance(arg, Operand)]
        names = tuple(arg.name if isinstance(arg, Operand) else self._constant(arg) for arg in args)
        over_time = any(operand.over_time for operand in operands)
        return self._record(function, names, operands[0].size, over_time=over_time)

    def _record(self, function: str, names: tuple[str, ...], size: str, *, over_time: bool) -> Operand:
        result = Operand(f"r{len(self.results)}", size, over_time)
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
        return self.call("add", product, self._input((node, "bias"), over_time=False))

    def _constant(self, value: Any) -> str:
        known = next((name for name, other in self.constants.items() if other is value or other == value), None)
        if known is None:
            known = f"k{len(self.constants)}"
            self.constants[known] = value
        return known

    def _activated(self, function: Callable[..., FloatArray], *args: Operand) -> Operand:
        name = f"f{len(self.constants)}"
        self.constants[name] = in_place(function)
        return self._record(name, tuple(arg.name for arg in args), args[0].size, over_time=args[0].over_time)

    def _apply(self, node: Node, args: Sequence[Any]) -> Any:
        if node.op in ARITHMETIC_NAMES:
            return self.call(ARITHMETIC_NAMES[node.op], *args)
        if node.op in PRODUCTS:
            operand = args[-1]
            product = self._record(
                "matmul", (operand.name, self._constant(node)), node.shape[0], over_time=operand.over_time
            )
            return self._biased(node, product) if node.op == "recurrent" else product
        assert node.activation is not None, node.op
        match node.op, node.activation.name:
            case "activation", "tanh":
                return self.call("tanh", args[0])
            case "activation", "sigmoid":
                halved = self.call("multiply", args[0], 0.5)
                return self.call("multiply", self.call("add", self.call("tanh", halved), 1.0), 0.5)
            case "activation", _:
                return self._activated(node.activation.values, args[0])
            case "slope", "sigmoid":
                return self.call("multiply", args[1], self.call("subtract", 1.0, args[1]))
            case "slope", "tanh":
                return self.call("subtract", 1.0, self.call("multiply", args[1], args[1]))
            case "slope", "relu":
                # It is positive where its argument is.
                return self._activated(node.activation.slopes, args[1], args[1])
        return self._activated(node.activation.slopes, *args)

    def compiled(self, kept: Collection[str]) -> "ElementwiseCalls":
        """The calls that the results `kept` take, each of which gets a separate place."""
        needed: set[str] = set(kept)
        lines = []
        for function, names, result in reversed(self._lines):
            if result in needed:
                needed.update(names)
                lines.append((function, names, result))
        lines.reverse()
        last = {name: place for place, (_, names, _) in enumerate(lines) for name in names}
        places: dict[str, str] = {}
        free: dict[tuple[str, bool], list[str]] = {}
        buffers: dict[str, Operand] = {}
        text = []
        for place, (function, names, result) in enumerate(lines):
            ended = [name for name in dict.fromkeys(names) if last[name] == place and places.get(name) in buffers]

            def release(ended: list[str] = ended) -> None:
                for name in ended:
                    operand = self.results[name]
                    free.setdefault((operand.size, operand.over_time), []).append(places[name])

            # A product cannot be written where its operand is, nor what a function computes from several operands.
            in_place = function in ("add", "subtract", "multiply", "tanh")
            if in_place:
                release()
            operand = self.results[result]
            if result not in kept:
                same = free.setdefault((operand.size, operand.over_time), [])
                places[result] = same.pop() if same else f"t{len(buffers)}"
                buffers.setdefault(places[result], operand)
            if not in_place:
                release()
            text.append(f"{function}({', '.join(places.get(name, name) for name in (*names, result))})")
        used = {name for _, names, _ in lines for name in names}
        return ElementwiseCalls(
            tuple(text),
            {name: node for name, node in self.inputs.items() if name in used},
            {name: value for name, value in self.constants.items() if name in used or name.startswith("f")},
            {name: self.results[name] for name in kept},
            buffers,
        )


@dataclass(frozen=True, eq=False)
class ElementwiseCalls:
    """The calls, and the names of what they read, write and use in between."""

    lines: tuple[str, ...]
    inputs: Mapping[str, Key]
    constants: Mapping[str, Any]
    kept: Mapping[str, Operand]
    buffers: Mapping[str, Operand]

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
        for name, value in self.constants.items():
            given[name] = weights(value) if isinstance(value, Node) else value
            if isinstance(value, float):
                given[name] = np.array(value, dtype)
        over_time = {name: inputs[node] for name, node in self.inputs.items() if inputs[node].ndim == 2}
        given |= {name: inputs[node] for name, node in self.inputs.items() if name not in over_time}
        for name, array in kept.items():
            (over_time if self.kept[name].over_time else given)[name] = array
        # What follows from parameters alone has no rows.
        rows = next((len(array) for array in over_time.values()), 1)
        chunk = max(1, _CACHED_VALUES // max(sizes.values()))
        starts = range(0, rows, chunk)
        for name, operand in self.buffers.items():
            if operand.over_time:
                over_time[name] = np.empty((min(rows, chunk), sizes[operand.size]), dtype)
            else:
                given[name] = np.empty(sizes[operand.size], dtype)
        if len(starts) == 1:
            each: dict[str, Any] = {name: (array,) for name, array in over_time.items()}
        else:
            each = {name: [array[start : start + chunk] for start in starts] for name, array in over_time.items()}
            each |= {
                name: [over_time[name][: rows - start] for start in starts] for name in self.buffers if name in each
            }
        run_loop(self.lines, given, each or {"start": starts})

"""A cell's step on arrays, operation by operation as it is written: of NumPy, or of any library with `+`, `-` and `*`.

It allocates every value, and is the form to read, to change and to differentiate; `numpy_program` is the fast one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from math import inf
from types import CodeType
from typing import Any

import numpy as np

from rnnviz.cells.activations import Activation, FloatArray
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.blocks import Plan, StepBlock
from rnnviz.cells.interpreters.generator import ARITHMETIC_NAMES, LoopWriter, in_place
from rnnviz.cells.interpreters.graph import ARITHMETIC, PRODUCTS, Node, evaluate, trace
from rnnviz.frozen import dataclass


class Library:
    """The functions that an array library needs besides the operators; here NumPy's functions."""

    def activate(self, activation: Activation, x: Any) -> Any:
        return activation.values(np.asarray(x))

    def product(self, x: Any, weight: Any) -> Any:
        """x (N, K) times weight (M, K), transposed: (N, M)."""
        return np.matmul(x, weight.T)


NUMPY = Library()


@lru_cache(maxsize=256)
def _compiled(activation: Activation) -> CodeType:
    return compile(activation.code("x"), activation.text, "eval")


class NamedFunctions(Library):
    """The NumPy source of the activations, evaluated with another library's functions."""

    def __init__(
        self,
        product: Callable[[Any, Any], Any],
        sigmoid: Callable[..., Any],
        erf: Callable[..., Any],
        numpy: object,
        kinked: Mapping[str, Callable[[Any, Activation], Any]] = {},
    ) -> None:
        self._product, self._kinked = product, kinked
        self._functions = {"np": numpy, "sigmoid": sigmoid, "erf": erf, "inf": inf}

    def activate(self, activation: Activation, x: Any) -> Any:
        if activation.name in self._kinked:
            return self._kinked[activation.name](x, activation)
        # The source is the program's own, with the constants of the activation.
        return eval(_compiled(activation), {**self._functions, "x": x})  # noqa: S307

    def product(self, x: Any, weight: Any) -> Any:
        return self._product(x, weight)


@dataclass(frozen=True, eq=False)
class ArrayLayer:
    """The operations of a step on arrays of a library, with the recurrent rows of each gate."""

    library: Library = NUMPY
    weights: Mapping[str, Any] = field(default_factory=dict)
    biases: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, cell: CellSpec, parameters: Mapping[str, Any], library: Library = NUMPY) -> "ArrayLayer":
        gates = cell.recurrent_gates
        if not gates:
            return cls(library)
        return cls(library, *(gate_rows(parameters[f"h2h_{part}"], gates) for part in ("weight", "bias")))

    def apply(self, node: Node, args: Sequence[Any]) -> Any:
        """The operation of a node on arrays (N, H), parameters of the cell and numbers."""
        if node.op in ARITHMETIC:
            return ARITHMETIC[node.op](*args)
        if node.op == "recurrent":
            return self.library.product(args[0], self.weights[node.name]) + self.biases[node.name]
        if node.op == "matrix":
            return self.library.product(args[1], args[0])
        assert node.activation is not None, node.op
        if node.op == "slope":
            return node.activation.slopes(*args)
        return self.library.activate(node.activation, args[0])


def product_weight(product: Node, recurrent: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
    """The weight (M, K) of a matrix product; `recurrent` has the recurrent rows of each gate."""
    return recurrent[product.name] if product.op == "recurrent" else parameters[product.args[0].name]


class ArrayBlock(StepBlock[Any]):
    """A block of plain arrays, whose carried states need no call for each value of each step."""

    layer = ArrayLayer()

    def apply(self, node: Node, args: Sequence[Any]) -> Any:
        return self.layer.apply(node, args)

    def room(self, value: Any) -> FloatArray:
        return np.empty((self.steps, *value.shape))

    def _carry(
        self,
        plan: Plan,
        values: dict[Node, Any],
        carried: dict[str, Any],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
        *,
        backward: bool,
    ) -> dict[str, Any]:
        new = {symbol: self.graph.values[symbol] for symbol in carried}
        # A product needs separate room, and a state that stays or is a parameter has no value of each time step.
        over_time = set(new.values()) <= {*plan.loop, *plan.over_time}
        if not over_time or any(node.op in PRODUCTS for node in plan.loop):
            return super()._carry(plan, values, carried, before, after, backward=backward)
        order = slice(None, None, -1 if backward else 1)
        # A step's result is written where it stays.
        written = {node: after[symbol] for symbol, node in new.items() if node in plan.loop}
        scratch = next(iter(carried.values()))
        rooms = {node: np.empty_like(scratch) for node in plan.loop if node not in written}
        loop, states = LoopWriter(), {symbol: f"q{k}" for k, symbol in enumerate(carried)}
        series = {node: self.known[node] for node in plan.over_time} | written
        names = {node: loop.name(array, over_time=True) for node, array in series.items()}
        names |= {node: loop.name(value, over_time=False) for node, value in (values | rooms).items()}
        names |= {node: states[node.name] for node in plan.states}
        for symbol, room in before.items():
            loop.call("copyto", loop.name(room, over_time=True), states[symbol])
        for node in plan.loop:
            function = ARITHMETIC_NAMES.get(node.op, "")
            if node.activation is not None:
                function = loop.name(in_place(node.activation.values), over_time=False)
            loop.call(function, *(names[of] for of in (*node.args, node)))
        for symbol, node in new.items():
            loop.carry(states[symbol], carried[symbol], names[node])
        loop.run(slice(None), order)
        for symbol, node in new.items():
            if written.get(node) is not after[symbol]:
                np.copyto(after[symbol], written[node] if node in written else self.known[node])
        return {symbol: np.array(room[order][-1]) for symbol, room in after.items()}


def gate_rows(array: Any, gates: tuple[str, ...]) -> dict[str, Any]:
    """The rows of each gate: (G·H, ...) gives (H, ...) by the gates' symbols."""
    size = len(array) // max(1, len(gates))
    return {gate: array[k * size : (k + 1) * size] for k, gate in enumerate(gates)}


def reordered_rows(array: FloatArray, given: tuple[str, ...], wanted: tuple[str, ...]) -> FloatArray:
    """The rows (G·H, ...) of gates `given`, in the order `wanted`; a gate that `array` lacks has zeros."""
    if given == wanted:
        return array
    rows = gate_rows(array, given)
    zeros = np.zeros_like(rows[given[0]])
    return np.concatenate([rows.get(gate, zeros) for gate in wanted])


def step_values(
    cell: CellSpec, parameters: Mapping[str, Any], x: Any, state: Mapping[str, Any], library: Library = NUMPY
) -> dict[str, Any]:
    """One time step: the values that the cell's step names, each (N, H) or (N, P) by name, as arrays of the `library`.

    x (N, I) is the layer input, and `state` the previous state, (N, H) or (N, P) by name.
    """
    return named_values(cell, parameters, leaf_of_step(cell, parameters, x, state, library), library)


def leaf_of_step(
    cell: CellSpec, parameters: Mapping[str, Any], x: Any, state: Mapping[str, Any], library: Library = NUMPY
) -> Callable[[Node], Any]:
    """The value of each leaf of a step, from the arguments of `step_values`."""
    u = gate_parts(cell.gate_symbols, parameters, "i2h", x, library)
    # A gate that reads its recurrent part from elsewhere leaves this one unused.
    v = gate_parts(cell.recurrent_gates, parameters, "h2h", state[cell.state_symbols[0]], library)
    return leaf_of_parts(parameters, u, v, state)


def leaf_of_parts(
    parameters: Mapping[str, Any], u: Mapping[str, Any], v: Mapping[str, Any], state: Mapping[str, Any]
) -> Callable[[Node], Any]:
    """The value of each leaf of a step, from its input parts and recurrent parts (N, H) by gate."""
    leaves: dict[str, Mapping[str, Any]] = {"u": u, "v": v, "state": state, "parameter": parameters}
    return lambda node: node.number if node.op == "number" else leaves[node.op][node.name]


def gate_parts(
    gates: tuple[str, ...], parameters: Mapping[str, Any], kind: str, x: Any, library: Library = NUMPY
) -> dict[str, Any]:
    """W x + b for the rows of each gate, (N, H) by symbol; `kind` is "i2h" or "h2h"."""
    if not gates:
        return {}
    weights, biases = (gate_rows(parameters[f"{kind}_{part}"], gates) for part in ("weight", "bias"))
    return {gate: library.product(x, weights[gate]) + biases[gate] for gate in gates}


def named_values(
    cell: CellSpec, parameters: Mapping[str, Any], leaf: Callable[[Node], Any], library: Library
) -> dict[str, Any]:
    """The named values of a step, from the values of its leaves."""
    values = trace(cell).values
    found = evaluate(list(values.values()), leaf, ArrayLayer.of(cell, parameters, library).apply)
    return {name: found[node] for name, node in values.items()}

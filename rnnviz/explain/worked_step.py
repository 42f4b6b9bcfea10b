"""The arithmetic of one unit in one time step, in float64: equations with their numbers, sums with their terms."""

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, gate_parts
from rnnviz.cells.interpreters.graph import Node, evaluate, ordered, trace
from rnnviz.cells.interpreters.symbols import Equation, equations
from rnnviz.frozen import dataclass

Floats: TypeAlias = NDArray[np.float64]
Kind: TypeAlias = Literal["i2h", "h2h", "matrix", "value"]


@dataclass(frozen=True, eq=False)
class AffinePart:
    """One part of a sum: factor · (weights · inputs + bias), both (K,): a row of the weights and what it multiplies.

    `kind` is "i2h" of an input part, "h2h" of a recurrent part, "matrix" of a product with another matrix, and "value"
    of a single number, such as a peephole times c, or a value that is 1 times itself. `name` is the gate whose rows the
    weights are, or the matrix, or the symbol of a value, such as "c[t-1]". `factor` is 1 but for the like of a GRU's
    reset gate, and `factor_name` its name. `reads` is the name of the value that a matrix multiplies, if it has one.
    """

    kind: Kind
    name: str
    weights: Floats
    inputs: Floats
    bias: float
    factor: float = 1.0
    factor_name: str = ""
    reads: str = ""

    @cached_property
    def products(self) -> Floats:
        """(K,): weights · inputs."""
        with np.errstate(all="ignore"):
            return self.weights * self.inputs

    @property
    def contributions(self) -> Floats:
        """(K,): what each term adds, factor · weights · inputs."""
        with np.errstate(all="ignore"):
            return self.products if self.factor == 1.0 else np.asarray(self.factor * self.products)

    @cached_property
    def partial_sums(self) -> Floats:
        """(K + 1,): the sum after each term in index order, and last after the bias."""
        with np.errstate(all="ignore"):
            return np.cumsum(np.append(self.products, self.bias))

    @property
    def total(self) -> float:
        """The sum, without the factor."""
        return float(self.partial_sums[-1])


@dataclass(frozen=True, eq=False)
class WorkedLine:
    """One equation of a unit, with the value that it gives.

    `numbers` has the number of each symbol, None of a sign and of whatever has more than one number. Of an
    activation `parts` are those of the pre-activation `argument`; of a product with a matrix that product; else none.
    """

    equation: Equation
    value: float
    numbers: tuple[float | None, ...]
    parts: tuple[AffinePart, ...] = ()
    argument: float | None = None


@dataclass(frozen=True, eq=False)
class WorkedStep:
    """The lines of a unit, and the number of every value that they are computed from.

    `across` has the named values of all units that a product in the lines reads, and on which these depend.
    """

    lines: tuple[WorkedLine, ...]
    numbers: Mapping[Node, float]
    across: Mapping[str, Floats] = field(default_factory=dict)


def worked_step(
    cell: CellSpec,
    parameters: Mapping[str, FloatArray],
    x: FloatArray,
    state: Mapping[str, FloatArray],
    unit: int,
    size: str = "H",
) -> WorkedStep:
    """The equations of one unit of one sample, in the order of computation.

    x is the layer input (I,), `state` the previous state, (H,) or (P,) by name. `size` is what the unit is counted in:
    "H", or "P" for a unit of an h that is projected; only equations whose values have that size are given.
    """
    worked = _Worked(cell, parameters, x, state, unit)
    lines = [line for line in equations(cell) if line.node.shape == (size,)]
    with np.errstate(all="ignore"):
        worked.compute([line.node for line in lines])
        return WorkedStep(tuple(worked.line(line) for line in lines), worked.numbers, worked.across)


def values_of_all_units(
    cell: CellSpec,
    parameters: Mapping[str, FloatArray],
    x: Floats,
    state: Mapping[str, Floats],
    roots: Sequence[Node],
) -> dict[Node, Floats]:
    """(K,): the values that products in a step read of all units, and the named ones on which they depend.

    None, where `roots` depend on no such product.
    """
    read = [node.args[-1] for node in ordered(roots) if node.op in ("recurrent", "matrix")]
    if not read:
        return {}
    p = {name: np.asarray(array, np.float64) for name, array in parameters.items()}
    u = gate_parts(cell.gate_symbols, p, "i2h", x)
    v = gate_parts(cell.recurrent_gates, p, "h2h", state[cell.state_symbols[0]])
    leaves = {"u": u, "v": v, "state": state, "parameter": p}

    def leaf(node: Node) -> FloatArray | float:
        return node.number if node.op == "number" else leaves[node.op][node.name]

    values = evaluate(read, leaf, ArrayLayer.of(cell, p).apply)
    named = set(trace(cell).values.values())
    return {node: np.asarray(value) for node, value in values.items() if node in read or node in named}


class _Worked:
    """The numbers of one unit by node."""

    def __init__(
        self,
        cell: CellSpec,
        parameters: Mapping[str, FloatArray],
        x: FloatArray,
        state: Mapping[str, FloatArray],
        unit: int,
    ) -> None:
        self._cell, self._parameters, self._unit = cell, parameters, unit
        self._x = np.asarray(x, np.float64)
        self._state = {name: np.asarray(array, np.float64) for name, array in state.items()}
        self._size = len(parameters["i2h_bias"]) // len(cell.gates)
        self._parts: dict[Node, AffinePart] = {}
        self._inputs: dict[Node, Floats] = {}
        self.numbers: dict[Node, float] = {}
        # A value with two names is called by the first, as in the equations.
        self._names = {node: name for name, node in reversed(list(trace(cell).values.items()))}

    @property
    def across(self) -> dict[str, Floats]:
        """The named values of all units, in the order of computation."""
        return {name: self._inputs[node] for name, node in trace(self._cell).values.items() if node in self._inputs}

    def compute(self, roots: Sequence[Node]) -> None:
        self._inputs = values_of_all_units(self._cell, self._parameters, self._x, self._state, roots)
        sums = {node: part for node in nodes_of_unit(roots) if (part := self._part(node)) is not None}
        known = {node: np.float64(part.total) for node, part in sums.items()}
        values = evaluate(roots, self._leaf, ArrayLayer().apply, known)
        self._parts = sums
        self.numbers = {node: float(value) for node, value in values.items()}

    def _part(self, node: Node) -> AffinePart | None:
        """The sum that gives an input part, a recurrent part or a product with a matrix; None of any other node."""
        h = self._cell.state_symbols[0]
        match node.op:
            case "u":
                return self._gate_part("i2h", self._cell.gate_symbols, node.name, self._x)
            case "v":
                return self._gate_part("h2h", self._cell.recurrent_gates, node.name, self._state[h])
            case "recurrent":
                return self._gate_part("h2h", self._cell.recurrent_gates, node.name, self._inputs[node.args[0]])
            case "matrix":
                row = np.asarray(self._parameters[node.args[0].name][self._unit], np.float64)
                reads = self._names.get(node.args[1], "")
                return AffinePart("matrix", node.args[0].name, row, self._inputs[node.args[1]], 0.0, reads=reads)
        return None

    def _gate_part(self, kind: Literal["i2h", "h2h"], gates: tuple[str, ...], gate: str, inputs: Floats) -> AffinePart:
        row = gates.index(gate) * self._size + self._unit
        weights = np.asarray(self._parameters[f"{kind}_weight"][row], np.float64)
        return AffinePart(kind, gate, weights, inputs, float(self._parameters[f"{kind}_bias"][row]))

    def _leaf(self, node: Node) -> np.float64:
        if node.op == "number":
            return np.float64(node.number)
        return np.float64((self._state if node.op == "state" else self._parameters)[node.name][self._unit])

    def line(self, equation: Equation) -> WorkedLine:
        node = equation.node
        numbers = tuple(None if s.node is None or s.across else self.numbers.get(s.node) for s in equation.symbols)
        value = self.numbers[node]
        if node.op == "matrix":
            return WorkedLine(equation, value, numbers, (self._parts[node],))
        if node.op == "plus" and equation.name in self._cell.gate_symbols:
            # A gate with the activation "linear".
            return WorkedLine(equation, value, numbers, tuple(p for arg in node.args for p in self._sum(arg)), value)
        if node.op != "activation":
            return WorkedLine(equation, value, numbers)
        argument = node.args[0]
        while argument.op == "activation" and argument not in self._names:
            # An activation cut to a limit: its sum is what is cut.
            argument = argument.args[0]
        return WorkedLine(equation, value, numbers, tuple(self._sum(argument)), self.numbers[argument])

    def _sum(self, node: Node) -> list[AffinePart]:
        """The parts of a sum, each with what it is multiplied with."""
        if node.op == "plus" and node not in self._names:
            return [part for arg in node.args for part in self._sum(arg)]
        if node in self._parts:
            return [self._parts[node]]
        if node.op == "times" and node not in self._names:
            for scaled, factor in (node.args[::-1], node.args):
                if scaled in self._parts:
                    name = self._names.get(factor, "")
                    return [replace(self._parts[scaled], factor=self.numbers[factor], factor_name=name)]
            x, y = (self.numbers[arg] for arg in node.args)
            return [AffinePart("value", self._symbol(node.args[1]), np.array([x]), np.array([y]), 0.0)]
        return [AffinePart("value", self._symbol(node), np.ones(1), np.array([self.numbers[node]]), 0.0)]

    def _symbol(self, node: Node) -> str:
        """The name of a value in the equations: "c", or "c[t-1]" of a state."""
        return f"{node.name}[t-1]" if node.op == "state" else self._names.get(node, node.name)


def nodes_of_unit(roots: Sequence[Node]) -> set[Node]:
    """The nodes of a unit on which some others depend: not those that only a product reads, of all units."""
    found: set[Node] = set()
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += () if node.op in ("recurrent", "matrix") else node.args
    return found


_BIASED: tuple[Kind, Kind] = "i2h", "h2h"
"""The kinds of the input part and the recurrent part, which alone have a bias."""


@dataclass(frozen=True)
class Term:
    """weight · input: one column of one row of a weight matrix, and the number that it is multiplied with.

    `index` is the column. `contribution` is the summand of the pre-activation: the product, or in a
    GRU's candidate the reset gate times the product for a term of kind h2h. `name` and `reads` come from the
    term's part.
    """

    kind: Kind
    index: int
    weight: float
    input: float
    product: float
    contribution: float
    name: str = field(default="", compare=False)
    reads: str = field(default="", compare=False)


_NOTHING = np.zeros(0)


@dataclass(frozen=True, eq=False)
class PreActivation:
    """The argument of one gate's activation: u + v, u_n + r · v_n for a GRU's candidate, and for some cells more.

    `others` are the parts besides u and v, such as a peephole times c, which have no bias. A part that a gate lacks has
    no terms.
    """

    u: AffinePart
    v: AffinePart
    others: tuple[AffinePart, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[AffinePart]) -> "PreActivation":
        """The sum of some parts, of which at most one is an input part, and one a recurrent part."""
        found = {part.kind: part for part in reversed(parts) if part.kind in _BIASED}
        u, v = (found.get(kind, AffinePart(kind, "", _NOTHING, _NOTHING, 0.0)) for kind in _BIASED)
        return cls(u, v, tuple(part for part in parts if part is not u and part is not v))

    @property
    def parts(self) -> tuple[AffinePart, ...]:
        return self.u, self.v, *self.others

    @cached_property
    def sum(self) -> float:
        with np.errstate(all="ignore"):
            total = np.float64(self.u.total) + np.float64(self.v.factor) * self.v.total
            for part in self.others:
                total += np.float64(part.factor) * part.total
            return float(total)

    def __len__(self) -> int:
        return sum(len(part.products) for part in self.parts)

    def term(self, place: int) -> Term:
        """The term at a place in the order of evaluation: those of x first, then those of h[t-1], then others."""
        for part in self.parts:
            if place < len(part.products):
                arrays = part.weights, part.inputs, part.products, part.contributions
                weight, read, product, added = (float(array[place]) for array in arrays)
                return Term(part.kind, place, weight, read, product, added, part.name, part.reads)
            place -= len(part.products)
        raise IndexError(place)

    def terms(self) -> list[Term]:
        return [self.term(place) for place in range(len(self))]

    def by_weight(self) -> NDArray[np.intp]:
        """(n,): the places of the terms, those first that add most; NaN and infinity weigh more than any number."""
        weight = np.abs(np.concatenate([part.contributions for part in self.parts]))
        weight[np.isnan(weight)] = np.inf
        return np.argsort(-weight, kind="stable")

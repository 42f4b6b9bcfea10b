"""Cells as JSON text, which holds no code: a separate process runs the file of a custom cell, all others read this."""

import json
from collections.abc import Callable, Mapping
from math import isfinite
from operator import add, matmul, mul, sub
from typing import Any, TypeAlias, get_args

from rnnviz.cells.activations import ACTIVATIONS, Activation, Composition, Function, clip
from rnnviz.cells.base import CellError, CellSpec, Gate, Initializer, ParameterSpec, StateSpec, Step, Values, recurrent
from rnnviz.cells.interpreters.graph import Node, trace
from rnnviz.frozen import dataclass

_BINARY: dict[str, Callable[[Any, Any], Any]] = {"plus": add, "minus": sub, "times": mul, "matrix": matmul}
_LEAVES = ("u", "v", "state", "parameter")
_MOST_OPERATIONS = 10_000
_ROLE = "role "

Operand: TypeAlias = Any
"""The index of an earlier operation (int), or the name (str) or the constant (float) of an operation."""


@dataclass(frozen=True)
class SerializedStep:
    """A step as a list of operations: ("u", gate), ("plus", 0, 1), ("activation", 2, "tanh", 0, 0), ...

    ("role", 2, "gate") is the activation in a role of the cell. `names` has the index of the operation that gives each
    named value.
    """

    operations: tuple[tuple[Operand, ...], ...]
    names: tuple[tuple[str, int], ...]

    def __call__(self, u: Values, v: Values, state: Values, p: Values, **roles: Function) -> Step:
        """Run the operations on any type of values."""
        leaves = {"u": u, "v": v, "state": state, "parameter": p}
        found: list[Any] = []
        for op, *operands in self.operations:
            found.append(_applied(op, operands, found, leaves, roles))
        return Step(**{name: found[index] for name, index in self.names})


def _applied(
    op: str, operands: list[Any], found: list[Any], leaves: Mapping[str, Values], roles: Mapping[str, Function]
) -> Any:
    if op in leaves:
        return getattr(leaves[op], operands[0])
    if op == "number":
        return operands[0]
    if op == "activation":
        index, name, alpha, beta = operands
        return _activation(name, alpha, beta)(found[index])
    if op == "role":
        return roles[operands[1]](found[operands[0]])
    if op == "recurrent":
        return recurrent(operands[1], found[operands[0]])
    return _BINARY[op](found[operands[0]], found[operands[1]])


def _activation(name: str, alpha: float, beta: float) -> Activation:
    return ({clip.name: clip} | ACTIVATIONS)[name].with_constants(alpha, beta)


def cell_to_json(cell: CellSpec) -> str:
    """A cell as JSON text; `cell_from_json` reads it."""
    # The activation of each role is a placeholder, named after the role.
    graph = trace(cell.with_activations(**{role: Activation(_ROLE + role) for role, _ in cell.activations}))
    nodes = graph.nodes
    places = {node: place for place, node in enumerate(nodes)}
    return json.dumps(
        {
            "name": cell.name,
            "title": cell.title,
            "gates": {gate.symbol: gate.name for gate in cell.gates},
            "recurrent_gates": cell.recurrent_gates,
            "states": {state.symbol: state.size for state in cell.states},
            "parameters": [(p.name, p.shape, p.initializer) for p in cell.parameters],
            "operations": [_operation(node, places) for node in nodes],
            "names": {name: places[node] for name, node in graph.values.items()},
            "activations": {role: _constants(function) for role, function in cell.activations},
        }
    )


def _constants(function: Function) -> list[tuple[str, float, float]]:
    """Name, alpha and beta of an activation, or of several, the innermost first."""
    if isinstance(function, Composition):
        return [*_constants(function.inner), *_constants(function.outer)]
    return [(function.name, function.alpha, function.beta)]


def _function(constants: list[list[Any]]) -> Function:
    first, *others = (_activation(str(name), float(alpha), float(beta)) for name, alpha, beta in constants)
    return Composition(first, _function(constants[1:])) if others else first


def _operation(node: Node, places: Mapping[Node, int]) -> tuple[Operand, ...]:
    if node.op in _LEAVES:
        return node.op, node.name
    if node.op == "number":
        return node.op, node.number
    args = [places[arg] for arg in node.args]
    if node.activation is not None and node.activation.name.startswith(_ROLE):
        return "role", *args, node.activation.name.removeprefix(_ROLE)
    if node.activation is not None:
        return node.op, *args, node.activation.name, node.activation.alpha, node.activation.beta
    return (node.op, *args, node.name) if node.op == "recurrent" else (node.op, *args)


def cell_from_json(text: str) -> CellSpec:
    """The cell that `cell_to_json` wrote. Raises CellError if the text does not declare a cell."""
    try:
        values = json.loads(text)
        operations = tuple(_checked(place, *operation) for place, operation in enumerate(values["operations"]))
        if len(operations) > _MOST_OPERATIONS:
            raise ValueError("too many operations")
        cell = CellSpec(
            str(values["name"]),
            str(values["title"]),
            SerializedStep(operations, tuple((name, int(index)) for name, index in values["names"].items())),
            tuple(Gate(symbol, str(name)) for symbol, name in values["gates"].items()),
            tuple(map(str, values["recurrent_gates"])),
            tuple(StateSpec(symbol, str(size)) for symbol, size in values["states"].items()),
            tuple(_parameter(*p) for p in values["parameters"]),
            tuple((role, _function(constants)) for role, constants in values["activations"].items()),
        )
        names = (*cell.gate_symbols, *cell.state_symbols, *trace(cell).values)
        words = (cell.title, *(gate.name for gate in cell.gates))
        if not all(map(str.isidentifier, names)) or not all(map(str.isprintable, words)):
            raise ValueError("a name that is none")
        if not {state.size for state in cell.states} <= {"H", "P"}:
            raise ValueError("a size that is none")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise CellError(f"The stored cell is damaged: {error}.") from error
    return cell


def _checked(place: int, op: str, *operands: Operand) -> tuple[Operand, ...]:
    """An operation that reads earlier ones only, with constants that are numbers."""
    forms: dict[str, tuple[type, ...]] = {
        **dict.fromkeys(_LEAVES, (str,)),
        **dict.fromkeys(_BINARY, (int, int)),
        "number": (float,),
        "activation": (int, str, float, float),
        "recurrent": (int, str),
        "role": (int, str),
    }
    indices = [operand for operand in operands if isinstance(operand, int)]
    earlier = all(0 <= index < place for index in indices)
    if not earlier or tuple(map(type, operands)) != forms[op] or (op == "number" and not isfinite(operands[0])):
        raise ValueError(f"operands of {op}")
    return op, *operands


def _parameter(name: str, shape: list[str], initializer: Any) -> ParameterSpec:
    if initializer not in get_args(Initializer) or not name.isidentifier() or not set(shape) <= set("HPI"):
        raise ValueError(f"parameter {name}")
    return ParameterSpec(name, tuple(shape), initializer)

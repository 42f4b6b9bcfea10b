"""A cell's step as text, from its own graph: its equations, and the source of its lines in NumPy.

A value that the step names appears by its name wherever it is used again; any other is written out in its place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.graph import Graph, Node, ordered, trace
from rnnviz.frozen import dataclass

_SUM, _PRODUCT, _ATOM = 1, 2, 3
"""How closely the operations bind: an operand that binds less than its operation has brackets."""


@dataclass(frozen=True)
class Symbol:
    """A sign or the name of a value of an equation; `across` marks what a matrix product reads of all units."""

    text: str
    node: Node | None = None
    across: bool = False


@dataclass(frozen=True)
class Equation:
    """One line: `name` and `node` belong to the value that it computes, `symbols` the right-hand side."""

    name: str
    node: Node
    symbols: tuple[Symbol, ...]

    @property
    def text(self) -> str:
        """The line: "c = f · c[t-1] + i · g"."""
        return f"{self.name} = {''.join(symbol.text for symbol in self.symbols)}"


_Written: TypeAlias = tuple[tuple[Symbol, ...], int]
"""An expression, and how closely its outermost operation binds."""


class _Text:
    """Operations and leaves as the equations have them."""

    times = " · "

    def leaf(self, node: Node) -> str:
        match node.op:
            case "number":
                return f"{node.number:g}"
            case "state":
                return f"{node.name}[t-1]"
            case "u" | "v":
                return f"{node.op}_{node.name}"
        return node.name

    def activation(self, node: Node, x: str) -> str:
        assert node.activation is not None, node
        return f"{node.activation.text}({x})"

    def recurrent(self, node: Node, x: str) -> str:
        return f"W_{node.name} ({x}) + b_{node.name}"

    def matrix(self, node: Node, x: str) -> str:
        return f"{node.args[0].name} ({x})"


_TEXT = _Text()


def equations(cell: CellSpec) -> tuple[Equation, ...]:
    """The equations of a cell in the order of computation: each uses only what is above it."""
    return _lines(trace(cell), _TEXT, {})


def short_equations(graph: Graph) -> tuple[Equation, ...]:
    """The equations, in which u and v have no subscript where a gate adds the two: "r = sigmoid(u + v)" of a GRU."""
    return tuple(_short(line) for line in _lines(graph, _TEXT, {}))


def _short(line: Equation) -> Equation:
    argument = line.node.args[0] if line.node.op == "activation" else line.node
    if argument.op != "plus" or {arg.op for arg in argument.args} != {"u", "v"}:
        return line
    short = {f"{node.op}_{node.name}": node.op for node in argument.args}
    return replace(line, symbols=tuple(replace(s, text=short.get(s.text, s.text)) for s in line.symbols))


def equations_of_all_units(cell: CellSpec) -> tuple[str, ...]:
    """The short equations as text; gates that are computed alike share a line: "i, f, o = sigmoid(u + v)"."""
    names: dict[str, list[str]] = {}
    for line in short_equations(trace(cell)):
        names.setdefault("".join(symbol.text for symbol in line.symbols), []).append(line.name)
    return tuple(f"{', '.join(alike)} = {right}" for right, alike in names.items())


def expression(cell: CellSpec, node: Node) -> tuple[Symbol, ...]:
    """A value by its operation: "f · c[t-1]"."""
    graph = trace(cell)
    return _written(node, {n: name for name, n in graph.values.items() if n is not node}, _TEXT)[0]


def _lines(graph: Graph, notation: _Text, renamed: Mapping[str, str]) -> tuple[Equation, ...]:
    names: dict[Node, str] = {}
    lines = []
    for symbol, node in graph.values.items():
        name = renamed.get(symbol, symbol)
        written = (Symbol(names[node], node),) if node in names else _written(node, names, notation)[0]
        lines.append(Equation(name, node, written))
        names.setdefault(node, name)
    return tuple(lines)


def _written(node: Node, names: Mapping[Node, str], notation: _Text) -> _Written:
    """A node by its operation, and what it reads by name."""

    def operand(arg: Node, least: int) -> tuple[Symbol, ...]:
        if arg in names:
            return (Symbol(names[arg], arg),)
        symbols, binding = _written(arg, names, notation)
        return symbols if binding >= least else (Symbol("("), *symbols, Symbol(")"))

    match node.op:
        case "plus" | "minus":
            sign = " + " if node.op == "plus" else " - "
            right = operand(node.args[1], _SUM if node.op == "plus" else _PRODUCT)
            return (*operand(node.args[0], _SUM), Symbol(sign), *right), _SUM
        case "times":
            left, right = (operand(arg, _PRODUCT) for arg in node.args)
            return (*left, Symbol(notation.times), *right), _PRODUCT
        case "activation":
            return _around(notation.activation(node, "\0"), operand(node.args[0], _SUM)), _ATOM
        case "recurrent":
            return _around(notation.recurrent(node, "\0"), _across(operand(node.args[0], _SUM))), _SUM
        case "matrix":
            return _around(notation.matrix(node, "\0"), _across(operand(node.args[1], _SUM))), _PRODUCT
    return (Symbol(notation.leaf(node), node),), _ATOM


def _across(symbols: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    return tuple(replace(symbol, across=True) for symbol in symbols)


def _around(template: str, inner: tuple[Symbol, ...]) -> tuple[Symbol, ...]:
    """A template, at whose mark an expression is written, as often as it is there."""
    first, *rest = template.split("\0")
    symbols: tuple[Symbol, ...] = (Symbol(first),)
    for piece in rest:
        symbols = (*symbols, *inner, Symbol(piece))
    return tuple(symbol for symbol in symbols if symbol.text)


class _Source(_Text):
    """Operations and leaves as source of NumPy."""

    times = " * "

    def __init__(self, cell: CellSpec, prefix: str) -> None:
        self._cell, self._prefix = cell, prefix

    def leaf(self, node: Node) -> str:
        if node.op in ("u", "v"):
            gates = self._cell.gate_symbols if node.op == "u" else self._cell.recurrent_gates
            return node.op if len(gates) == 1 else f"{node.op}_{node.name}"
        if node.op == "state":
            return node.name
        return f"{self._prefix}{node.name}" if node.op == "parameter" else super().leaf(node)

    def activation(self, node: Node, x: str) -> str:
        assert node.activation is not None, node
        return node.activation.code(x)

    def recurrent(self, node: Node, x: str) -> str:
        gates = self._cell.recurrent_gates
        weight, bias = f"{self._prefix}h2h_weight", f"{self._prefix}h2h_bias"
        if len(gates) > 1:
            weight, bias = (f"np.split({name}, {len(gates)})[{gates.index(node.name)}]" for name in (weight, bias))
        return f"np.dot({x}, {weight}.T) + {bias}"

    def matrix(self, node: Node, x: str) -> str:
        return f"np.dot({x}, {self._prefix}{node.args[0].name}.T)"


def code_lines(cell: CellSpec, prefix: str = "") -> list[str]:
    """The step as NumPy source: from x, the previous state by its names and the parameters to the new state.

    `prefix` is put before the names of the parameters, such as "l0_". Arrays may be of one sample, (H,), or of all, (N,
    H). `sigmoid` and `erf`, where the lines use them, are `helper_lines`.
    """
    graph = trace(cell)
    read = ordered(graph.values.values())
    lines = [*_part_lines(cell.gate_symbols, "u", "x", prefix, read)]
    lines += _part_lines(cell.recurrent_gates, "v", cell.state_symbols[0], prefix, read)
    notation = _Source(cell, prefix)
    late = _read_later(cell, _lines(graph, notation, {}))
    # A new state has another name until it takes the place of the previous one.
    named = _lines(graph, notation, {symbol: f"{symbol}_next" for symbol in late})
    lines += [line.text for line in named if line.text != f"{line.name} = {line.name}"]
    return lines + [f"{symbol} = {symbol}_next" for symbol in cell.state_symbols if symbol in late]


def source_of(cell: CellSpec, node: Node, names: Mapping[Node, str], states: Mapping[str, str]) -> str:
    """A value as NumPy source: its name in `names`, or its operation on such values; `states` names previous states."""
    if node in names:
        return names[node]
    notation = _Source(cell, "")
    renamed = dict(names) | {n: states[n.name] for n in trace(cell).nodes if n.op == "state"}
    return renamed.get(node) or "".join(symbol.text for symbol in _written(node, renamed, notation)[0])


def _part_lines(gates: Sequence[str], part: str, reads: str, prefix: str, read: Sequence[Node]) -> list[str]:
    """The lines that give u or v, and that take it apart by gate."""
    used = {node.name for node in read if node.op == part}
    if not used:
        return []
    kind = "i2h" if part == "u" else "h2h"
    lines = [f"{part} = np.dot({reads}, {prefix}{kind}_weight.T) + {prefix}{kind}_bias"]
    if len(gates) > 1:
        names = ", ".join(f"{part}_{gate}" if gate in used else "_" for gate in gates)
        lines.append(f"{names} = np.split({part}, {len(gates)}, axis=-1)")
    return lines


def _read_later(cell: CellSpec, lines: Sequence[Equation]) -> set[str]:
    """The states whose previous value is read by a line after the one that gives the new value."""
    late: set[str] = set()
    given: set[str] = set()
    for line in lines:
        reads = {symbol.node.name for symbol in line.symbols if symbol.node is not None and symbol.node.op == "state"}
        late |= reads & given
        given |= {line.name} & set(cell.state_symbols)
    return late


_HELPERS = {
    "sigmoid(": (
        "def sigmoid(v):",
        '    """1 / (1 + exp(-v)), in a form that does not overflow."""',
        "    return 0.5 * (1 + np.tanh(0.5 * v))",
    ),
    "erf(": ("erf = np.vectorize(math.erf)",),
}


def helper_lines(lines: Sequence[str]) -> list[str]:
    """The definitions of the functions that some lines of source use besides NumPy's."""
    return [
        definition for call, helper in _HELPERS.items() if any(call in line for line in lines) for definition in helper
    ]

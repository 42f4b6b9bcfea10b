"""The backward pass of a step as NumPy source, one application of the chain rule to a named value in each line."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.backward_graph import backward_graph
from rnnviz.cells.interpreters.graph import LEAVES, Node, trace
from rnnviz.cells.interpreters.symbols import code_lines, source_of


def backward_lines(cell: CellSpec) -> list[str]:
    """The backward pass of one step as NumPy source, in which the gradient of a value is `d_` and its name.

    It reads the layer input x (N, I), the previous state by its names, the parameters, and the gradients of the new
    state, `d_h` (N, H). It computes the step, and gives `d_x`, the gradients of the previous state, `d_h_before`, and
    those of the parameters, such as `d_i2h_weight`, summed over the samples.
    """
    return [
        *(f"{symbol}_before = {symbol}" for symbol in cell.state_symbols),
        *code_lines(cell),
        *_Backward(cell).lines(),
    ]


class _Backward:
    """The terms of each gradient, which are added up where they are first read."""

    def __init__(self, cell: CellSpec) -> None:
        self._cell, self._graph = cell, trace(cell)
        self._backward = backward_graph(self._graph)
        self._names = {node: name for name, node in self._graph.values.items() if node.op not in LEAVES}
        self._terms: dict[Node, list[str]] = {}
        # Of the rows of a gate that the step reads from another value: the gradient of the product, and that value.
        self._products: dict[str, tuple[str, str]] = {}
        self._of_u: list[str] = []

    def lines(self) -> Iterator[str]:
        """The lines after the lines of the step."""
        for symbol in self._cell.state_symbols:
            self._add(self._graph.values[symbol], f"d_{symbol}")
        for count, node in enumerate(reversed(self._graph.nodes)):
            if node in self._terms and node.op not in LEAVES:
                yield from self._pass_on(node, count)
        yield from self._leaves()

    def _add(self, node: Node, term: str) -> None:
        self._terms.setdefault(node, []).append(term)

    def _gradient(self, node: Node) -> str:
        return _sum(self._terms[node])

    def _source(self, node: Node) -> str:
        """The value of a node: its name, or its operation; of a previous state, the name that it has now."""
        return source_of(
            self._cell, node, self._names, {symbol: f"{symbol}_before" for symbol in self._cell.state_symbols}
        )

    def _pass_on(self, node: Node, count: int) -> Iterator[str]:
        """Give the gradient of a node a name, unless it has one or is read once, and add it to its operands."""
        terms = self._terms[node]
        d = self._gradient(node)
        name = f"d_{self._names[node]}" if node in self._names else f"d_{count}"
        if d != name and (len(terms) > 1 or node in self._names):
            yield f"{name} = {d}"
            d = name
        left, right = node.args[0], node.args[-1]
        match node.op:
            case "matrix":
                self._add(left, f"np.dot({_factor(d)}.T, {self._source(right)})")
                self._add(right, f"np.dot({d}, {left.name})")
            case "recurrent":
                gates = self._cell.recurrent_gates
                if not d.isidentifier():
                    yield f"d_product_{node.name} = {d}"
                    d = f"d_product_{node.name}"
                self._products[node.name] = d, self._source(left)
                rows = (
                    f"np.split(h2h_weight, {len(gates)})[{gates.index(node.name)}]" if len(gates) > 1 else "h2h_weight"
                )
                self._add(left, f"np.dot({d}, {rows})")
            case _:
                for operand, term in self._backward.of_operation[node].terms:
                    if operand.op != "number":
                        self._add(operand, self._term(term, d))

    def _term(self, term: Node, d: str) -> str:
        """A gradient d times a factor, by which it contributes to an operand."""
        if not term.args:
            return d
        sign, factor = term.args
        if sign.op == "number":
            return f"-{_factor(d)}"
        if factor.op == "slope":
            assert factor.activation is not None
            return f"{d} * {factor.activation.slope_code(*(_factor(self._source(arg)) for arg in factor.args))}"
        return f"{d} * {_factor(self._source(factor))}"

    def _leaves(self) -> Iterator[str]:
        leaves: Mapping[tuple[str, str], Node] = {
            (node.op, node.name): node for node in self._terms if node.op in LEAVES
        }
        own = {name: node for (op, name), node in leaves.items() if op == "parameter"}
        h, *_ = self._cell.state_symbols
        gates, recurrent = self._cell.gate_symbols, self._cell.recurrent_gates
        yield from self._part("u", gates, leaves)
        yield "d_x = np.dot(d_u, i2h_weight)"
        yield "d_i2h_weight = np.dot(d_u.T, x)"
        yield "d_i2h_bias = d_u.sum(axis=0)"
        reads = [gate for gate in recurrent if ("v", gate) in leaves]
        if reads:
            yield from self._part("v", recurrent, leaves)
        for symbol in self._cell.state_symbols:
            terms = list(self._terms[leaves["state", symbol]]) if ("state", symbol) in leaves else []
            if symbol == h and reads:
                terms.append("np.dot(d_v, h2h_weight)")
            yield f"d_{symbol}_before = {_sum(terms or [f'np.zeros_like({symbol}_before)'])}"
        if recurrent:
            yield from self._recurrent_rows(recurrent, bool(reads), h)
        for parameter in self._cell.parameters:
            node = own.get(parameter.name)
            if node is None:
                yield f"d_{parameter.name} = np.zeros_like({parameter.name})"
            elif len(parameter.shape) == 1:
                yield f"d_{parameter.name} = ({self._gradient(node)}).sum(axis=0)"
            else:
                yield f"d_{parameter.name} = {self._gradient(node)}"

    def _recurrent_rows(self, gates: tuple[str, ...], read: bool, h: str) -> Iterator[str]:
        """The gradients of the recurrent weights and biases, whose rows may be read from several values."""
        if not self._products and not read:
            yield "d_h2h_weight, d_h2h_bias = np.zeros_like(h2h_weight), np.zeros_like(h2h_bias)"
            return
        if not self._products:
            yield f"d_h2h_weight = np.dot(d_v.T, {h}_before)"
            yield "d_h2h_bias = d_v.sum(axis=0)"
            return
        rows, sums = [], []
        for place, gate in enumerate(gates):
            part = f"{len(gates)})[{place}]"
            if gate not in self._products and not read:
                rows.append(f"np.zeros_like(np.split(h2h_weight, {part})")
                sums.append(f"np.zeros_like(np.split(h2h_bias, {part})")
                continue
            d, x = self._products.get(gate, (f"np.split(d_v, {len(gates)}, axis=-1)[{place}]", f"{h}_before"))
            rows.append(f"np.dot({d}.T, {x})")
            sums.append(f"{d}.sum(axis=0)")
        yield f"d_h2h_weight = np.concatenate([{', '.join(rows)}])"
        yield f"d_h2h_bias = np.concatenate([{', '.join(sums)}])"

    def _part(self, part: str, gates: tuple[str, ...], leaves: Mapping[tuple[str, str], Node]) -> Iterator[str]:
        """d_u or d_v of all gates."""
        bias = "i2h_bias" if part == "u" else "h2h_bias"
        zeros = f"np.zeros((len(x), len({bias}) // {len(gates)}), x.dtype)"
        found = [self._gradient(leaves[part, gate]) if (part, gate) in leaves else zeros for gate in gates]
        if part == "v" and found == self._of_u:
            yield "d_v = d_u"
            return
        self._of_u = found
        if len(gates) == 1:
            yield f"d_{part} = {found[0]}"
            return
        for gate, d in zip(gates, found, strict=True):
            if d != f"d_{part}_{gate}":
                yield f"d_{part}_{gate} = {d}"
        yield f"d_{part} = np.concatenate([{', '.join(f'd_{part}_{gate}' for gate in gates)}], axis=-1)"


def _sum(terms: Sequence[str]) -> str:
    first, *others = terms
    return first + "".join(f" - {term[1:]}" if term.startswith("-") else f" + {term}" for term in others)


def _factor(source: str) -> str:
    """A source as a factor, with brackets unless it is a name or one call."""
    is_one = isinstance(ast.parse(source, mode="eval").body, ast.Name | ast.Call)
    return source if is_one and not source.startswith("(") else f"({source})"

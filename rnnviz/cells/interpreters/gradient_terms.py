"""The terms of every gradient of one time step, by the named values through which they come."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, gate_parts, gate_rows
from rnnviz.cells.interpreters.backward import PRODUCTS, Derivatives, hubs
from rnnviz.cells.interpreters.graph import LEAVES, Node, evaluate, trace
from rnnviz.frozen import dataclass


@dataclass(frozen=True, eq=False)
class GradientTerm:
    """One term of a gradient: `factor` times the gradient of a later value of the step, each (H,) or (P,).

    Attributes
    ----------
    through:
        The later value: the name of a gate, a candidate or a state. Of a matrix product without a name it is that of
        its gate or of its parameter, and `gradient` is what the product owes to its operand.
    factor:
        The partial derivative.
    gradient:
        The gradient of the later value.
    """

    through: str
    factor: FloatArray
    gradient: FloatArray

    @property
    def value(self) -> FloatArray:
        """factor · gradient."""
        return np.asarray(self.factor * self.gradient)


@dataclass(frozen=True, eq=False)
class RowTerms:
    """The terms that come through one gate's rows of a weight: of unit k, the sum of weight[:, k] · gradient.

    Attributes
    ----------
    gate:
        The symbol of the gate.
    weight:
        Its rows, (H, K).
    gradient:
        The gradient of its input part or recurrent part, (H,).
    """

    gate: str
    weight: FloatArray
    gradient: FloatArray

    @property
    def value(self) -> FloatArray:
        """The sums (K,)."""
        return np.asarray(self.gradient @ self.weight)


class GradientTerms(Derivatives[Any]):
    """The gradients of one step of one sample, in float64."""

    def __init__(
        self,
        cell: CellSpec,
        parameters: Mapping[str, FloatArray],
        x: FloatArray,
        state: Mapping[str, FloatArray],
        gradients: Mapping[str, FloatArray],
    ) -> None:
        """Compute the gradients.

        Parameters
        ----------
        cell, parameters:
            The cell, and its parameters of the shapes of `CellSpec.parameter_shapes`.
        x, state:
            The layer input (I,), and the previous state, (H,) or (P,) by name.
        gradients:
            The gradients of the new states, (H,) or (P,) by name.
        """
        super().__init__()
        self.cell, self._graph = cell, trace(cell)
        self._parameters = {name: np.asarray(array, np.float64) for name, array in parameters.items()}
        self._layer = ArrayLayer.of(cell, self._parameters)
        state = {name: np.asarray(array, np.float64) for name, array in state.items()}
        read = {
            "u": gate_parts(cell.gate_symbols, self._parameters, "i2h", np.asarray(x, np.float64)),
            "v": gate_parts(cell.recurrent_gates, self._parameters, "h2h", state[cell.state_symbols[0]]),
            "state": state,
            "parameter": self._parameters,
        }
        self._known = evaluate(
            [*self._graph.values.values()],
            lambda node: node.number if node.op == "number" else read[node.op][node.name],
            self._layer.apply,
        )
        self._hubs = hubs(self._graph, named=True)
        self._partial = {hub: self.owed(self._graph, hub, 1.0, self._hubs) for hub in self._hubs}
        self._totals: dict[Node, FloatArray] = {
            self._graph.values[s]: np.asarray(gradients[s], np.float64) for s in reversed(cell.state_symbols)
        }
        self._vectors: dict[Node, FloatArray] = {}
        for hub in self._hubs:
            if hub not in self._totals:
                self._totals[hub] = np.sum([term.value for term in self._terms(hub)], axis=0)
            self._vectors[hub] = self._through(hub) if hub.op in PRODUCTS else self._totals[hub]

    def node(self, name: str) -> Node:
        """The node of a named value."""
        return self._graph.values[name]

    def value(self, node: Node) -> Any:
        return self._known[node]

    def activation_slope(self, node: Node) -> Any:
        assert node.activation is not None, node
        return node.activation.slopes(self._known[node.args[0]], self._known[node])

    def _through(self, hub: Node) -> FloatArray:
        weight = self._layer.weights[hub.name] if hub.op == "recurrent" else self._parameters[hub.args[0].name]
        return np.asarray(self._totals[hub] @ weight)

    def _terms(self, node: Node | None) -> list[GradientTerm]:
        return [
            GradientTerm(self._name(hub), np.broadcast_to(partial[node], self._vectors[hub].shape), self._vectors[hub])
            for hub, partial in self._partial.items()
            if node in partial and hub in self._vectors
        ]

    def _name(self, hub: Node) -> str:
        return next((name for name, node in self._graph.values.items() if node is hub), hub.name or hub.args[0].name)

    def gradient(self, name: str) -> FloatArray:
        """The gradient of a named value of the step, (H,) or (P,): zeros where no state depends on it."""
        node = self._graph.values[name]
        return self._totals[node] if node in self._totals else np.zeros(np.shape(self._known[node]))

    def within(self, name: str) -> list[GradientTerm]:
        """The terms of a named value that come from other values of the same step.

        A gate's are those of its value, which is multiplied by the slope of its activation in `of_part`.
        """
        node = self._graph.values[name]
        return [] if node.op in LEAVES else self._terms(node)

    def of_part(self, gate: str, part: str = "u") -> list[GradientTerm]:
        """The terms of the input part "u" or the recurrent part "v" of a gate."""
        return self._terms(next((n for n in self._graph.nodes if (n.op, n.name) == (part, gate)), None))

    def of_previous(self, state: str) -> list[GradientTerm]:
        """The terms that the step owes to a previous state unit by unit; `rows("v")` has the others of h."""
        return self._terms(next((n for n in self._graph.nodes if (n.op, n.name) == ("state", state)), None))

    def rows(self, part: str) -> list[RowTerms]:
        """The terms that the step owes through its weights: "u" to the layer input, "v" to the previous h."""
        kind, gates = ("i2h", self.cell.gate_symbols) if part == "u" else ("h2h", self.cell.recurrent_gates)
        weights = gate_rows(self._parameters[f"{kind}_weight"], gates) if gates else {}
        found = {gate: self.of_part(gate, part) for gate in gates}
        return [
            RowTerms(gate, weights[gate], np.sum([term.value for term in terms], axis=0))
            for gate, terms in found.items()
            if terms
        ]

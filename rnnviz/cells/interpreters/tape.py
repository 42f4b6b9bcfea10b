"""Gradients of a cell's step: vector-Jacobian products of its operations, from the last to the first.

Each operation owes its operands the gradient of its result times its own slope. The backward pass adds up what each
value is owed (reverse accumulation; Griewank and Walther, "Evaluating Derivatives", 2008, section 3.2).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from rnnviz.cells.activations import FloatArray
from rnnviz.cells.base import CellSpec
from rnnviz.cells.interpreters.arrays import ArrayLayer, gate_parts
from rnnviz.cells.interpreters.graph import Node, evaluate, trace
from rnnviz.frozen import dataclass


@dataclass(frozen=True)
class StepGradients:
    """The gradients of a loss with respect to all that one step reads.

    `u` and `v` (N, H) by gate are those of the input parts and the recurrent parts: where the step adds u to v, both
    are the gradient of the pre-activation, and where it does not read `v`, that is zeros. `state` (N, H) or (N, P) by
    name is that of the previous state, as far as the step reads it by itself; `full_gradients` adds the recurrent
    parts. `parameters` by name are those that the step reads by itself, and as `h2h_weight` and `h2h_bias` what the
    recurrent rows are owed by the operation `recurrent`. `values` by name are those of the values that the step names.
    """

    u: dict[str, FloatArray]
    v: dict[str, FloatArray]
    state: dict[str, FloatArray]
    parameters: dict[str, FloatArray]
    values: dict[str, FloatArray]


class RecordedStep:
    """One computed step: its values, and its gradients as often as they are asked for."""

    def __init__(
        self,
        cell: CellSpec,
        parameters: Mapping[str, FloatArray],
        u: Mapping[str, FloatArray],
        v: Mapping[str, FloatArray],
        state: Mapping[str, FloatArray],
    ) -> None:
        """Compute the step of a cell.

        `u` and `v` are the input parts and the recurrent parts, (N, H) by gate (`arrays.gate_parts`), `state` the
        previous state, (N, H) or (N, P) by name.
        """
        self._graph, self._layer = trace(cell), ArrayLayer.of(cell, parameters)
        own = {name: parameters[name] for name in cell.own_parameters}
        self._read = {"u": u, "v": v, "state": state, "parameter": own}
        self._known = evaluate(
            list(self._graph.values.values()),
            lambda n: n.number if n.op == "number" else self._read[n.op][n.name],
            self._layer.apply,
        )
        self.values: dict[str, FloatArray] = {name: self._known[node] for name, node in self._graph.values.items()}

    def gradients(self, given: Mapping[str, FloatArray]) -> StepGradients:
        """The gradients of a loss, from those with respect to named values, such as {"h": (N, H), "c": (N, H)}.

        `given` is what the loss owes to them by way of everything after the step.
        """
        owed: dict[Node, FloatArray] = {}
        weights = {gate: np.zeros_like(weight) for gate, weight in self._layer.weights.items()}
        biases = {gate: np.zeros_like(bias) for gate, bias in self._layer.biases.items()}

        def add(node: Node, gradient: FloatArray) -> None:
            # A parameter or a number is there once for all samples.
            repeated = tuple(range(gradient.ndim - np.ndim(self._known[node])))
            summed = gradient.sum(axis=repeated) if repeated else gradient
            owed[node] = owed[node] + summed if node in owed else summed

        for name, gradient in given.items():
            add(self._graph.values[name], gradient)
        for node in reversed(self._graph.nodes):
            if node in owed:
                for arg, gradient in zip(node.args, self._vjp(node, owed[node]), strict=True):
                    add(arg, gradient)
            if node in owed and node.op == "recurrent":
                weights[node.name] = weights[node.name] + _outer(owed[node], self._known[node.args[0]])
                biases[node.name] = biases[node.name] + np.atleast_2d(owed[node]).sum(axis=0)
        of_leaf: dict[tuple[str, str], FloatArray] = {(node.op, node.name): gradient for node, gradient in owed.items()}
        u, v, state, parameters = (
            {name: of_leaf.get((op, name), np.zeros_like(array)) for name, array in arrays.items()}
            for op, arrays in self._read.items()
        )
        if weights:
            parameters |= {
                f"h2h_{k}": np.concatenate([*a.values()]) for k, a in (("weight", weights), ("bias", biases))
            }
        values = {name: owed.get(n, np.zeros_like(self._known[n])) for name, n in self._graph.values.items()}
        return StepGradients(u, v, state, parameters, values)

    def _vjp(self, node: Node, d: FloatArray) -> Sequence[FloatArray]:
        """The gradients of a node's operands from that of its result."""
        args = [self._known[arg] for arg in node.args]
        match node.op:
            case "plus":
                return d, d
            case "minus":
                return d, -d
            case "times":
                return d * args[1], d * args[0]
            case "recurrent":
                return (d @ self._layer.weights[node.name],)
            case "matrix":
                return _outer(d, args[1]), d @ args[0]
            case "activation":
                assert node.activation is not None, node
                return (d * node.activation.slopes(args[0], self._known[node]),)
        return ()


def _outer(d: FloatArray, x: FloatArray) -> FloatArray:
    """The sum over the samples of d xᵀ: (M, K) of (N, M) and (N, K), or of (M,) and (K,) that all samples share."""
    return np.atleast_2d(d).T @ np.atleast_2d(x)


def record_step(
    cell: CellSpec, parameters: Mapping[str, FloatArray], x: FloatArray, state: Mapping[str, FloatArray]
) -> RecordedStep:
    """Compute one time step on a tape, from the layer input x (N, I) and the previous state by name."""
    u = gate_parts(cell.gate_symbols, parameters, "i2h", x)
    v = gate_parts(cell.recurrent_gates, parameters, "h2h", state[cell.state_symbols[0]])
    return RecordedStep(cell, parameters, u, v, state)


def full_gradients(
    cell: CellSpec,
    parameters: Mapping[str, FloatArray],
    x: FloatArray,
    state: Mapping[str, FloatArray],
    gradients: StepGradients,
) -> tuple[FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
    """Carry the gradients of a step on through its input parts and recurrent parts.

    The step was computed from the layer input x (N, I) and the previous state, (N, H) or (N, P) by name. Returns the
    gradients with respect to x (N, I), to the previous state by name, and to every parameter by name, summed over the
    samples.
    """
    h = cell.state_symbols[0]
    into_u = np.concatenate([gradients.u[gate] for gate in cell.gate_symbols], axis=-1)
    found = dict(gradients.parameters)
    before = dict(gradients.state)
    found["i2h_weight"], found["i2h_bias"] = into_u.T @ x, into_u.sum(axis=0)
    if cell.recurrent_gates:
        into_v = np.concatenate([gradients.v[gate] for gate in cell.recurrent_gates], axis=-1)
        found["h2h_weight"] = found["h2h_weight"] + into_v.T @ state[h]
        found["h2h_bias"] = found["h2h_bias"] + into_v.sum(axis=0)
        before[h] = before[h] + into_v @ parameters["h2h_weight"]
    return into_u @ parameters["i2h_weight"], before, found

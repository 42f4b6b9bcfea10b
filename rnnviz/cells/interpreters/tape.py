"""Gradients of a cell's step: vector-Jacobian products, by a tape of the operations that it performed.

Each operation of the algebra records what it owes to its operands: a function from the gradient of its result to that
of the operand. The backward pass runs the tape from its end and adds up what each value is owed (reverse accumulation;
Griewank and Walther, "Evaluating Derivatives", 2008, section 3.2).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from rnnviz.cells.activations import Activation, FloatArray
from rnnviz.cells.base import CellSpec, Value, Values
from rnnviz.cells.interpreters.arrays import gate_parts, gate_rows

_Owed: TypeAlias = tuple["TapeValue", Callable[[FloatArray], FloatArray]]
"""An operand, and its gradient from that of the result."""


@dataclass
class _Tape:
    """The operations in the order in which they were performed, and the recurrent rows that some of them read."""

    operations: list[tuple["TapeValue", tuple[_Owed, ...]]] = field(default_factory=list)
    weights: dict[str, "TapeValue"] = field(default_factory=dict)
    biases: dict[str, "TapeValue"] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class TapeValue(Value):
    """An array (N, H), a parameter or a number, and the tape on which its operations are recorded."""

    array: FloatArray
    tape: _Tape = field(repr=False)

    def constant(self, number: float) -> "TapeValue":
        return TapeValue(np.array(number, self.array.dtype), self.tape)

    def plus(self, other: "TapeValue") -> "TapeValue":
        return self._record(self.array + other.array, (self, lambda d: d), (other, lambda d: d))

    def minus(self, other: "TapeValue") -> "TapeValue":
        return self._record(self.array - other.array, (self, lambda d: d), (other, lambda d: -d))

    def times(self, other: "TapeValue") -> "TapeValue":
        x, y = self.array, other.array
        return self._record(x * y, (self, lambda d: d * y), (other, lambda d: d * x))

    def activated(self, activation: Activation) -> "TapeValue":
        x, y = self.array, activation.values(self.array)
        return self._record(y, (self, lambda d: d * activation.slopes(x, y)))

    def recurrent(self, gate: str) -> "TapeValue":
        return self.tape.weights[gate].matrix_product(self).plus(self.tape.biases[gate])

    def matrix_product(self, other: "TapeValue") -> "TapeValue":
        """See `Value.matrix_product`: the result is x W^T, (N, M) from x (N, K) and W (M, K)."""
        w, x = self.array, other.array
        return self._record(x @ w.T, (self, lambda d: d.T @ x), (other, lambda d: d @ w))

    def _record(self, array: FloatArray, *owed: _Owed) -> "TapeValue":
        result = TapeValue(array, self.tape)
        self.tape.operations.append((result, owed))
        return result


@dataclass(frozen=True)
class StepGradients:
    """The gradients of a loss with respect to all that one step reads.

    Attributes
    ----------
    u, v:
        By gate, (N, H): the input parts and the recurrent parts. Where the step adds u to v, both are the gradient of
        the pre-activation. A gate whose `v` the step does not read has zeros.
    state:
        By name, (N, H) or (N, P): the previous state, as far as the step reads it by itself. The recurrent parts
        add to that of h_{t-1}: see `full_gradients`.
    parameters:
        By name, of the parameter's shape: those that the step reads by itself, and as `h2h_weight` and `h2h_bias` what
        the recurrent rows are owed by the operation `recurrent`.
    values:
        By name, (N, H) or (N, P): what the step names, such as the gates.
    """

    u: dict[str, FloatArray]
    v: dict[str, FloatArray]
    state: dict[str, FloatArray]
    parameters: dict[str, FloatArray]
    values: dict[str, FloatArray]


class RecordedStep:
    """One step, computed on a tape: its values, and its gradients as often as they are asked for."""

    def __init__(
        self,
        cell: CellSpec,
        parameters: Mapping[str, FloatArray],
        u: Mapping[str, FloatArray],
        v: Mapping[str, FloatArray],
        state: Mapping[str, FloatArray],
    ) -> None:
        """Compute the step.

        Parameters
        ----------
        cell:
            The cell.
        parameters:
            Its parameters by name.
        u, v:
            The input parts and the recurrent parts, (N, H) by gate: `arrays.gate_parts`.
        state:
            The previous state, (N, H) or (N, P) by name.
        """
        self._tape = _Tape()
        self._read = {
            "u": self._on_tape(u),
            "v": self._on_tape(v),
            "state": self._on_tape(state),
            "p": self._on_tape({p.name: parameters[p.name] for p in cell.parameters}),
        }
        if cell.recurrent_gates:
            self._tape.weights = self._on_tape(gate_rows(parameters["h2h_weight"], cell.recurrent_gates))
            self._tape.biases = self._on_tape(gate_rows(parameters["h2h_bias"], cell.recurrent_gates))
        self._step = cell.values(*(Values(what, values) for what, values in self._read.items()))

    def _on_tape(self, arrays: Mapping[str, FloatArray]) -> dict[str, TapeValue]:
        return {name: TapeValue(np.asarray(array), self._tape) for name, array in arrays.items()}

    @property
    def values(self) -> dict[str, FloatArray]:
        """The named values of the step: (N, H) or (N, P)."""
        return {name: value.array for name, value in self._step.items()}

    def gradients(self, given: Mapping[str, FloatArray]) -> StepGradients:
        """The gradients of a loss, from those with respect to named values, such as {"h": (N, H), "c": (N, H)}.

        `given` is what the loss owes to them by way of everything after the step.
        """
        owed: dict[TapeValue, FloatArray] = {}

        def add(value: TapeValue, gradient: FloatArray) -> None:
            # A parameter or a number is there once for all samples.
            repeated = tuple(range(gradient.ndim - value.array.ndim))
            summed = gradient.sum(axis=repeated) if repeated else gradient
            owed[value] = owed[value] + summed if value in owed else summed

        def of(values: Mapping[str, TapeValue]) -> dict[str, FloatArray]:
            return {name: owed.get(v, np.zeros_like(v.array)) for name, v in values.items()}

        for name, gradient in given.items():
            add(self._step[name], gradient)
        for result, operands in reversed(self._tape.operations):
            if result in owed:
                for operand, vjp in operands:
                    add(operand, vjp(owed[result]))
        parameters = of(self._read["p"])
        if self._tape.weights:
            parameters["h2h_weight"] = np.concatenate(list(of(self._tape.weights).values()))
            parameters["h2h_bias"] = np.concatenate(list(of(self._tape.biases).values()))
        return StepGradients(
            of(self._read["u"]), of(self._read["v"]), of(self._read["state"]), parameters, of(self._step)
        )


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

    Parameters
    ----------
    cell, parameters, x, state:
        What the step was computed from: x (N, I), the state (N, H) or (N, P) by name.
    gradients:
        Those of the step.

    Returns
    -------
    x:
        (N, I): the gradient with respect to the layer input.
    state:
        By name, (N, H) or (N, P): with respect to the previous state.
    parameters:
        By name: with respect to every parameter, summed over the samples.
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

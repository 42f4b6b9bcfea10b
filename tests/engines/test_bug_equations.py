"""A bug of the step computes what its sentence says, in every way to make it: written out once more, plainly."""

from collections.abc import Callable

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.engines.known_bugs.engine import run_fault
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from tests.oracles.computed import assert_near, empty_trace
from tests.verify.audit_helpers import inputs_of

Vector = np.ndarray
State = tuple[Vector, Vector]
Gates = dict[str, tuple[Vector, Vector, Vector]]
"""By a gate's letter W_i2h x + b_i2h, W_h2h h[t-1] without the bias, and b_h2h."""
Equation = Callable[[Gates, State, Callable[[str, Vector], Vector]], State]
"""equation(gates, (h[t-1], c[t-1]), product): product(letter, v) is that gate's W_h2h v."""


def logistic(v: Vector) -> Vector:
    return 1.0 / (1.0 + np.exp(-v))


def relu(v: Vector) -> Vector:
    return np.where(v > 0, v, 0.0)


def identity(v: Vector) -> Vector:
    return v


def hard(v: Vector) -> Vector:
    return np.minimum(1.0, np.maximum(0.0, v / 5 + 0.5))


def hard_keras(v: Vector) -> Vector:
    return np.minimum(1.0, np.maximum(0.0, (v + 3) / 6))


def rnn(activation: Callable[[Vector], Vector]) -> Equation:
    return lambda gates, state, _: (activation(sum(gates["h"])), state[1])


def lstm(
    activation: Callable[[Vector], Vector] = np.tanh,
    gate: Callable[[Vector], Vector] = logistic,
    squash: Callable[[Vector], Vector] = np.tanh,
    forget_bias: float = 0.0,
) -> Equation:
    def equation(gates: Gates, state: State, _: object) -> State:
        i, f, g, o = (sum(gates[letter]) for letter in "ifgo")
        c = gate(f + forget_bias) * state[1] + gate(i) * activation(g)
        return gate(o) * squash(c), c

    return equation


def gru(
    activation: Callable[[Vector], Vector] = np.tanh,
    gate: Callable[[Vector], Vector] = logistic,
    *,
    reset: str = "after",
    inverted: bool = False,
) -> Equation:
    def equation(gates: Gates, state: State, product: Callable[[str, Vector], Vector]) -> State:
        h = state[0]
        r, z = (gate(sum(gates[letter])) for letter in "rz")
        a, wh, b = gates["n"]
        inner = {"after": r * (wh + b), "before": product("n", r * h) + b, "bias outside": r * wh + b}[reset]
        n = activation(a + inner)
        return (z * n + (1 - z) * h if inverted else (1 - z) * n + z * h), state[1]

    return equation


ACTIVATIONS = {"relu": relu, "tanh": np.tanh, "sigmoid": logistic, "identity": identity}
GATES = (hard, hard_keras, np.tanh)

STEPS: dict[tuple[str, str], list[Equation]] = {
    ("rnn_relu", "wrong-activation"): [rnn(ACTIVATIONS[name]) for name in ("tanh", "sigmoid", "identity")],
    ("rnn_tanh", "wrong-activation"): [rnn(ACTIVATIONS[name]) for name in ("relu", "sigmoid", "identity")],
    ("lstm", "wrong-activation"): [
        *(lstm(ACTIVATIONS[name]) for name in ("relu", "sigmoid", "identity")),
        *(lstm(gate=gate) for gate in GATES),
    ],
    ("gru", "wrong-activation"): [
        *(gru(ACTIVATIONS[name]) for name in ("relu", "sigmoid", "identity")),
        *(gru(gate=gate) for gate in GATES),
    ],
    ("lstm", "forget-bias-one"): [lstm(forget_bias=1.0)],
    ("lstm", "cell-not-squashed"): [lstm(squash=identity)],
    ("gru", "reset-before-matmul"): [gru(reset="before")],
    ("gru", "h2h-bias-outside-reset"): [gru(reset="bias outside")],
    ("gru", "update-gate-inverted"): [gru(inverted=True)],
}
RIGHT = {"rnn_relu": rnn(relu), "rnn_tanh": rnn(np.tanh), "lstm": lstm(), "gru": gru()}
LETTERS = {"rnn_relu": "h", "rnn_tanh": "h", "lstm": "ifgo", "gru": "rzn"}

Carried = Callable[[State, State], State]
"""carried(own, initial): what a step gets of the state before it."""


def network(cell: str) -> Inputs:
    """Scaled so that the linear gates of two other frameworks are met between and beyond their ends."""
    sizes = {"hidden_size": 4, "num_layers": 2, "bidirectional": True, "dtype": "float64"}
    return inputs_of({"timesteps": 4, "batch_size": 3}, {"scale": 1.0}, cell=cell, **sizes)


def written_out(inputs: Inputs, equation: Equation, carried: Carried = lambda own, _: own) -> tuple[Vector, Vector]:
    """(L, D, T, N, H): every h and c."""
    letters, (layers, directions, timesteps, samples, size) = LETTERS[inputs.network.cell], inputs.hidden_shape
    hidden, cells = np.zeros(inputs.hidden_shape), np.zeros(inputs.hidden_shape)
    below = inputs.sequence
    for layer, d in np.ndindex(layers, directions):
        if layer and not d:
            below = np.concatenate([hidden[layer - 1, 0], hidden[layer - 1, 1]], axis=-1)
        w, u, b_x, b_h = (
            inputs.parameters[f"{'lr'[d]}{layer}_{name}"].reshape(len(letters), size, -1)
            for name in ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
        )

        def product(letter: str, v: Vector, u: Vector = u) -> Vector:
            return u[letters.index(letter)] @ v

        for n in range(samples):
            lane = layer * directions + d
            h0 = inputs.initial_state["h"][lane, n]
            c0 = np.zeros(size) if inputs.initial_state.get("c") is None else inputs.initial_state["c"][lane, n]
            state = h0, c0
            for t in reversed(range(timesteps)) if d else range(timesteps):
                h, c = carried(state, (h0, c0))
                gates = {
                    letter: (w[k] @ below[t, n] + b_x[k, :, 0], u[k] @ h, b_h[k, :, 0])
                    for k, letter in enumerate(letters)
                }
                state = hidden[layer, d, t, n], cells[layer, d, t, n] = equation(gates, (h, c), product)
    return hidden, cells


def assert_is(fault: BugVariant, inputs: Inputs, expected: tuple[Vector, Vector]) -> None:
    trace = empty_trace(inputs, cell=True)
    run_fault(fault, inputs, trace, lambda done: None)
    assert_near(trace.hidden, expected[0], 1e-12)
    if trace.cell is not None:
        assert_near(trace.cell, expected[1], 1e-12)


@pytest.mark.parametrize(("cell", "name"), STEPS)
def test_a_bug_of_the_step_is_another_equation(cell: str, name: str) -> None:
    inputs, variants = network(cell), KNOWN_BUGS[name].variants[cell]
    for fault, equation in zip(variants, STEPS[cell, name], strict=True):
        assert_is(fault, inputs, written_out(inputs, equation))


LOST: list[Carried] = [
    lambda own, _: (0 * own[0], 0 * own[1]),
    lambda _, initial: initial,
    lambda own, _: (0 * own[0], own[1]),
    lambda own, initial: (initial[0], own[1]),
    lambda own, _: (own[0], 0 * own[1]),
    lambda own, initial: (own[0], initial[1]),
]
"""Both states as zeros, both as they were at first, then h alone and c alone."""


@pytest.mark.parametrize("cell", RIGHT)
def test_a_state_that_is_not_carried_is_zero_or_the_initial_one_at_every_step(cell: str) -> None:
    inputs, variants = network(cell), KNOWN_BUGS["state-not-carried"].variants[cell]
    for fault, carried in zip(variants, LOST if cell == "lstm" else LOST[:2], strict=True):
        assert_is(fault, inputs, written_out(inputs, RIGHT[cell], carried))

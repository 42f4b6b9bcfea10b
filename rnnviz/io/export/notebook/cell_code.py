"""The four cells as the code of a notebook: one step of each, and the Gluon layer that computes it."""

from rnnviz.core.cells import Cell

SUMS = (
    "u = np.dot(x, {lane}i2h_weight.T) + {lane}i2h_bias",
    "v = np.dot(h, {lane}h2h_weight.T) + {lane}h2h_bias",
)
"""The input part u and the recurrent part v; `lane` precedes the parameters' names."""

STEPS = {
    "rnn_relu": ("h = np.maximum(u + v, 0)",),
    "rnn_tanh": ("h = np.tanh(u + v)",),
    "lstm": (
        "i, f, g, o = np.split(u + v, 4, axis=-1)",
        "i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)",
        "g = np.tanh(g)",
        "c = f * c + i * g",
        "h = o * np.tanh(c)",
    ),
    "gru": (
        "u_r, u_z, u_n = np.split(u, 3, axis=-1)",
        "v_r, v_z, v_n = np.split(v, 3, axis=-1)",
        "r, z = sigmoid(u_r + v_r), sigmoid(u_z + v_z)",
        "n = np.tanh(u_n + r * v_n)",
        "h = (1 - z) * n + z * h",
    ),
}
"""The next state from u and v, for one sample (H,) as for all of them (N, H)."""

SIGMOID = (
    "def sigmoid(v):",
    '    """1 / (1 + exp(-v)), in a form that does not overflow."""',
    "    return 0.5 * (1 + np.tanh(0.5 * v))",
)

GLUON_LAYERS = {
    "rnn_relu": "rnn.RNN(H, L, activation='relu', ",
    "rnn_tanh": "rnn.RNN(H, L, activation='tanh', ",
    "lstm": "rnn.LSTM(H, L, ",
    "gru": "rnn.GRU(H, L, ",
}
"""How the call that makes the layer begins."""


def state_variables(cell: Cell) -> str:
    """ "h", or "h, c" of an LSTM."""
    return ", ".join(cell.state_names)


def spelled_out(cell: Cell, lane: str) -> list[str]:
    """One step's lines with the parameters of a lane, such as "l0_"."""
    return [*(line.format(lane=lane) for line in SUMS), *STEPS[cell.name]]


def step_function(cell: Cell) -> list[str]:
    """The definition of step(x, h, ...)."""
    states = state_variables(cell)
    return [
        f"def step(x, {states}, i2h_weight, h2h_weight, i2h_bias, h2h_bias):",
        f'    """The next {states}, from a layer\'s input and its previous {states}."""',
        *(f"    {line}" for line in spelled_out(cell, "")),
        f"    return {states}",
    ]

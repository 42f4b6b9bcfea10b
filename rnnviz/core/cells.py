"""The four recurrent cells, as Gluon defines them.

G below is the number of gates: a layer's `i2h_weight` has shape (G·H, I) and its rows are the
gates' rows in the order of `Cell.gates`.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """One block of H rows in a layer's weights: its symbol in the equations and its activation."""

    symbol: str
    name: str
    activation: str


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent cell: its gates, states and equations.

    `equations` are the manual recurrence's lines, with u = W_i2h x_t + b_i2h and v = W_h2h h_{t-1} + b_h2h.
    """

    name: str
    title: str
    gates: tuple[Gate, ...]
    has_cell_state: bool
    equations: tuple[str, ...]

    @property
    def gate_count(self) -> int:
        """G: how many blocks of H rows the weights have."""
        return len(self.gates)

    @property
    def state_names(self) -> tuple[str, ...]:
        """("h",), or ("h", "c") for an LSTM."""
        return ("h", "c") if self.has_cell_state else ("h",)


_LSTM_GATES = (
    Gate("i", "input gate", "sigmoid"),
    Gate("f", "forget gate", "sigmoid"),
    Gate("g", "candidate", "tanh"),
    Gate("o", "output gate", "sigmoid"),
)
_GRU_GATES = (
    Gate("r", "reset gate", "sigmoid"),
    Gate("z", "update gate", "sigmoid"),
    Gate("n", "candidate", "tanh"),
)

CELLS: dict[str, Cell] = {
    cell.name: cell
    for cell in (
        Cell(
            "rnn_relu",
            "RNN relu",
            (Gate("h", "hidden", "relu"),),
            False,
            ("h = relu(u + v)",),
        ),
        Cell(
            "rnn_tanh",
            "RNN tanh",
            (Gate("h", "hidden", "tanh"),),
            False,
            ("h = tanh(u + v)",),
        ),
        Cell(
            "lstm",
            "LSTM",
            _LSTM_GATES,
            True,
            (
                "i, f, o = sigmoid(u + v)",
                "g = tanh(u + v)",
                "c = f · c[t-1] + i · g",
                "h = o · tanh(c)",
            ),
        ),
        Cell(
            "gru",
            "GRU",
            _GRU_GATES,
            False,
            (
                "r, z = sigmoid(u + v)",
                "n = tanh(u_n + r · v_n)",
                "h = (1 - z) · n + z · h[t-1]",
            ),
        ),
    )
}

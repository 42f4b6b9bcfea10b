"""The known mistakes: what each one is, and which convention or habit it comes from."""

from dataclasses import dataclass
from typing import Literal

from rnnviz.core.cells import CELLS
from rnnviz.core.config import Network
from rnnviz.engines.faults import parameter_faults as change
from rnnviz.engines.faults.spec import Fault

_ALL = tuple(CELLS)
_GATED = ("lstm", "gru")


@dataclass(frozen=True)
class KnownBug:
    """One known mistake.

    `phrase` completes "as if ..."; `origin` says who makes it. `variants` are the ways to make it, by cell: the
    first one is what the engine computes, and a diagnosis tries all.
    """

    name: str
    phrase: str
    origin: str
    variants: dict[str, tuple[Fault, ...]]
    needs: Literal["", "backward", "bidirectional"] = ""

    @property
    def engine(self) -> str:
        """The name that a config gives to the engine that makes this mistake."""
        return f"{PREFIX}{self.name}"

    def unsupported_reason(self, network: Network) -> str | None:
        """Why the network cannot have this mistake, in one sentence, or None."""
        if network.cell not in self.variants:
            return f"{self.engine} is a bug of {', '.join(self.variants)}, but network.cell is {network.cell}."
        if self.needs == "bidirectional" and not network.bidirectional:
            return f"{self.engine} is a bug of bidirectional networks, but network.bidirectional is false."
        if self.needs == "backward" and not (network.bidirectional or network.reverse):
            return f"{self.engine} is a bug of the backward direction, but this network has a forward one only."
        return None


PREFIX = "bug:"


def _of(cells: tuple[str, ...], *variants: Fault) -> dict[str, tuple[Fault, ...]]:
    return dict.fromkeys(cells, variants)


_NOT_CARRIED = {
    **_of(
        ("rnn_relu", "rnn_tanh", "gru"),
        Fault(forgotten=("h",)),
        Fault(forgotten=("h",), forgotten_is="initial"),
    ),
    **_of(
        ("lstm",),
        *(
            Fault(forgotten=forgotten, forgotten_is=kind)
            for forgotten in (("h", "c"), ("h",), ("c",))
            for kind in ("zeros", "initial")
        ),
    ),
}

_WRONG_ACTIVATION = {
    **_of(("rnn_relu",), *(Fault(activation=other) for other in ("tanh", "sigmoid", "identity"))),
    **_of(("rnn_tanh",), *(Fault(activation=other) for other in ("relu", "sigmoid", "identity"))),
    **_of(
        _GATED,
        *(Fault(activation=other) for other in ("relu", "sigmoid", "identity")),
        *(Fault(gate_activation=other) for other in ("hard_sigmoid", "keras_hard_sigmoid", "tanh")),
    ),
}

KNOWN_BUGS: dict[str, KnownBug] = {
    mistake.name: mistake
    for mistake in (
        KnownBug(
            "no-i2h-bias",
            "the i2h bias were left out",
            "Keras and many textbooks have a single bias, and a port that keeps one of Gluon's two loses the other.",
            _of(_ALL, Fault(parameters=(change.without_i2h_bias,))),
        ),
        KnownBug(
            "no-h2h-bias",
            "the h2h bias were left out",
            "Keras and many textbooks have a single bias, and a port that keeps one of Gluon's two loses the other.",
            _of(_ALL, Fault(parameters=(change.without_h2h_bias,))),
        ),
        KnownBug(
            "h2h-transposed",
            "the h2h weight were transposed",
            "Keras and TensorFlow store kernels as (input, output), and a square matrix does not tell by its shape.",
            _of(_ALL, Fault(parameters=(change.h2h_transposed,))),
        ),
        KnownBug(
            "state-not-carried",
            "the state were not carried from step to step",
            "A loop that calls the cell with its begin_state again, or does not assign the state that it returns.",
            _NOT_CARRIED,
        ),
        KnownBug(
            "wrong-activation",
            "another activation were used",
            "Gluon's RNN defaults to relu, PyTorch's and Keras's to tanh; ONNX and old Keras offer hard_sigmoid gates.",
            _WRONG_ACTIVATION,
        ),
        KnownBug(
            "reverse-not-reversed",
            "the backward direction read the sequence from its beginning",
            "Two forward layers side by side look like a bidirectional one.",
            _of(_ALL, Fault(backward="not_reversed")),
            needs="backward",
        ),
        KnownBug(
            "reverse-not-realigned",
            "the backward direction's outputs were left in the order of computation",
            "A Keras layer with go_backwards=True returns its sequence reversed, and the caller has to turn it round.",
            _of(_ALL, Fault(backward="not_realigned")),
            needs="backward",
        ),
        KnownBug(
            "concat-swapped",
            "backward were concatenated before forward",
            "Code that joins the directions in the order in which it finished them.",
            _of(_ALL, Fault(concat_swapped=True)),
            needs="bidirectional",
        ),
        KnownBug(
            "final-state-at-last-timestep",
            "the backward final state were taken at t = T-1",
            "out[:, -1] is the final state of a forward layer only; backward ends at t = 0.",
            _of(_ALL, Fault(final_at_last_timestep=True)),
            needs="backward",
        ),
        KnownBug(
            "batch-as-time",
            "samples and timesteps were exchanged",
            "PyTorch's and Gluon's default is TNC, Keras's is NTC; data in the other layout runs without a complaint.",
            _of(_ALL, Fault(batch_as_time=True)),
        ),
        KnownBug(
            "gates-i-f-o-g",
            "the gate rows stood in the order i, f, o, g",
            "The order of many lecture notes, which keep the three sigmoids together.",
            _of(("lstm",), Fault(parameters=(change.read_in_order(("i", "f", "o", "g")),))),
        ),
        KnownBug(
            "gates-i-o-f-g",
            "the gate rows stood in the order i, o, f, g",
            "ONNX's order.",
            _of(("lstm",), Fault(parameters=(change.read_in_order(("i", "o", "f", "g")),))),
        ),
        KnownBug(
            "forget-bias-one",
            "one were added to the forget gate's bias",
            "TensorFlow's BasicLSTMCell adds forget_bias = 1 at every step; Gluon's LSTMBias writes it into the bias.",
            _of(("lstm",), Fault(parameters=(change.forget_bias_one,))),
        ),
        KnownBug(
            "cell-not-squashed",
            "h were o · c without the tanh",
            "The LSTM variant without an output activation function (NOAF in Greff et al. 2017).",
            _of(("lstm",), Fault(squash_cell=False)),
        ),
        KnownBug(
            "gates-z-r-n",
            "the gate rows stood in the order z, r, n",
            "Keras's and ONNX's order.",
            _of(("gru",), Fault(parameters=(change.read_in_order(("z", "r", "n")),))),
        ),
        KnownBug(
            "reset-before-matmul",
            "the reset gate were applied before the product W_hn h'",
            "The published GRU (Cho et al. 2014), Keras with reset_after=False, ONNX with linear_before_reset=0.",
            _of(("gru",), Fault(reset_before_matmul=True)),
        ),
        KnownBug(
            "h2h-bias-outside-reset",
            "the candidate's h2h bias stood outside the reset gate",
            "Ports that add both biases up front, which is right for every other gate.",
            _of(("gru",), Fault(parameters=(change.n_bias_outside_reset,))),
        ),
        KnownBug(
            "update-gate-inverted",
            "z and 1 - z were exchanged",
            "Half of the literature writes h = z · n + (1 - z) · h' (Chung et al. 2014).",
            _of(("gru",), Fault(parameters=(change.update_gate_inverted,))),
        ),
    )
}


def known_bugs_of(network: Network) -> list[KnownBug]:
    """The mistakes that the network can have, in the catalog's order."""
    return [mistake for mistake in KNOWN_BUGS.values() if mistake.unsupported_reason(network) is None]

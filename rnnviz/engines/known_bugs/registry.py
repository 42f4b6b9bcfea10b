"""Catalog of the known bugs, with their causes and origins."""

from binascii import crc32
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeAlias

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.activations import Function, hard_sigmoid, keras_hard_sigmoid, linear, relu, sigmoid, tanh
from rnnviz.cells.gru import GRU
from rnnviz.cells.gru_reset_before import GRU_RESET_BEFORE
from rnnviz.cells.lstm import LSTM_PROJECTION
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import UNKNOWN, is_unknown
from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs import changes as change
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.frozen import dataclass


@dataclass(frozen=True)
class KnownBug:
    """One known bug.

    `cause` names the error as a noun phrase, as after "Likely cause:"; `origin` says who makes it, and `fix` in a
    sentence what to change, in any framework. `variants` are the
    ways to make it, by cell: the engine computes the first one, and a diagnosis tries all. `of_padding` says that only
    a run with lengths can have it, `of_seams` that only a sequence joined from several calls can, and `of_gradients`
    that it is a bug of the backward pass: then `of_cell` gives the variants of any cell.
    """

    name: str
    cause: str
    origin: str
    fix: str
    variants: dict[str, tuple[BugVariant, ...]]
    needs: Literal["", "forward", "backward", "bidirectional", "clip"] = ""
    of_padding: bool = False
    of_seams: bool = False
    of_recurrent_rows: bool = False
    of_cell: Callable[[CellSpec], tuple[BugVariant, ...]] | None = None

    @property
    def of_gradients(self) -> bool:
        """Whether only a run with a backward pass can have it: its forward pass has no errors."""
        return self.of_cell is not None

    @property
    def engine(self) -> str:
        """The name that a config gives to the engine that makes this known bug."""
        return self.name if is_unknown(self.name) else f"{PREFIX}{self.name}"

    def faults(self, network: Network) -> tuple[BugVariant, ...]:
        """The variants for the network's cell. A custom cell has those bugs that every cell has, but no other lines."""
        cell = network.kind
        if network.custom is None:
            return self.variants.get(cell.name, ())
        if self.of_cell is not None:
            return self.of_cell(cell)
        if not CELLS.keys() <= self.variants.keys() or (self.of_recurrent_rows and not cell.recurrent_gates):
            return ()
        variants = tuple(fault for fault in self.variants["rnn_tanh"] if not fault.activations)
        return _forgetting(cell, at_seams=self.of_seams) if any(fault.forgotten for fault in variants) else variants

    def unsupported_reason(self, network: Network) -> str | None:
        """Why the network cannot have this known bug, in one sentence, or None; None for a custom cell not yet read."""
        if not network.is_known:
            return None
        if not self.faults(network):
            return (
                f"{self.engine} is a bug of {', '.join(self.variants)}, but the cell is {network.kind.name}: "
                "choose a bug of this cell, or another cell."
            )
        missing = {
            "bidirectional": None if network.bidirectional else "of bidirectional networks: set network.bidirectional",
            "forward": "of the forward direction: unset network.reverse" if network.reverse else None,
            "backward": None
            if network.bidirectional or network.reverse
            else "of the backward direction: set network.bidirectional or network.reverse",
            "clip": "of networks with a clip: set network.clip" if network.clip is None else None,
        }.get(self.needs)
        if missing is not None:
            return f"{self.engine} is a bug {missing}, or choose another bug."
        return None


PREFIX = "bug:"

PADDING_NOT_ZEROED = "padding-not-zeroed"
"""The name of the bug that no step shows."""


NOT_CARRIED, NOT_CARRIED_BETWEEN_CALLS = "state-not-carried", "state-not-carried-between-calls"
"""The names of two bugs that are one where each step is a call."""

Variants: TypeAlias = dict[str, tuple[BugVariant, ...]]


def _of(applies: Callable[[CellSpec], bool], *variants: BugVariant) -> Variants:
    return {name: variants for name, cell in CELLS.items() if applies(cell)}


def _of_all(*variants: BugVariant) -> Variants:
    return dict.fromkeys(CELLS, variants)


def _of_rows(symbols: str, *variants: BugVariant) -> Variants:
    """The variants for the cells whose weights have the rows of these gates and of no others."""
    return _of(lambda cell: sorted(cell.gate_symbols) == sorted(symbols), *variants)


def _of_parameters(names: set[str], *variants: BugVariant) -> Variants:
    """The variants for the cells that have these parameters, and perhaps others."""
    return _of(lambda cell: names <= set(cell.own_parameters), *variants)


def _forgetting(cell: CellSpec, *, at_seams: bool = False) -> tuple[BugVariant, ...]:
    """All states forgotten, then each of them."""
    states = cell.state_symbols
    parts = dict.fromkeys((states, *((symbol,) for symbol in states)))
    return tuple(
        BugVariant(forgotten=part, forgotten_is=kind, at_seams=at_seams) for part in parts for kind in _FORGOTTEN
    )


_FORGOTTEN: tuple[Literal["zeros", "initial"], ...] = ("zeros", "initial")


def _activations(role: str, *others: Function) -> tuple[BugVariant, ...]:
    return tuple(BugVariant(activations=((role, other),)) for other in others)


_OTHERS = {
    "activation": (tanh, relu, sigmoid, linear),
    "candidate": (tanh, relu, sigmoid, linear),
    "gate": (hard_sigmoid, keras_hard_sigmoid, tanh),
}
"""By role, activations that other programs have in it."""


def _confusing(cell: CellSpec) -> tuple[BugVariant, ...]:
    """Another activation in each role."""
    own = dict(cell.activations)
    return tuple(
        fault
        for role, others in _OTHERS.items()
        if role in own
        for fault in _activations(role, *(other for other in others if other != own[role]))
    )


def _truncated(cell: CellSpec) -> tuple[BugVariant, ...]:
    """All states cut, without and with the initial state; a state that is passed on passes its gradient on."""
    return tuple(BugVariant(cut=cell.state_symbols, cut_initial=initial) for initial in (False, True))


def _not_summed(cell: CellSpec) -> tuple[BugVariant, ...]:
    """All parameters, then the weights, then those of the recurrent part."""
    names = tuple(cell.initializers())
    kinds = dict.fromkeys(
        (names, tuple(n for n in names if n.endswith("2h_weight")), tuple(n for n in names if n == "h2h_weight"))
    )
    steps: tuple[Literal["last", "first"], ...] = ("last", "first")
    return tuple(BugVariant(kept=kind, kept_step=step) for step in steps for kind in kinds if kind)


def _cell_dropped(cell: CellSpec) -> tuple[BugVariant, ...]:
    if "c" not in cell.state_symbols:
        return ()
    return tuple(
        BugVariant(cut=("c",), cut_initial=initial, cut_final=final)
        for initial in (False, True)
        for final in (False, True)
    )


def _direct_dropped(_: CellSpec) -> tuple[BugVariant, ...]:
    steps: tuple[Literal["last", "none"], ...] = ("last", "none")
    return tuple(BugVariant(direct=step, direct_above=above) for above in (False, True) for step in steps)


def _other_slopes(cell: CellSpec) -> tuple[BugVariant, ...]:
    """The value of each activation in place of its pre-activation, then others; of all, then of those of one kind."""
    candidates = tuple(g.symbol for g in cell.gates if g.name == "candidate")
    output = ("",) if "output" in dict(cell.activations) else ()
    gates = tuple(g.symbol for g in cell.gates if g.symbol not in candidates)
    parts = dict.fromkeys(((), candidates, output, (*candidates, *output), gates))
    kinds: tuple[Literal["value", "formula", "input", "previous"], ...] = ("value", "formula", "input", "previous")
    if cell.activations and all(function == relu for _, function in cell.activations):
        # The slope of relu is the same at its value, and is not a formula of it.
        kinds = "input", "previous"
    return tuple(
        BugVariant(slope=kind, slope_of=part)
        for kind in kinds
        for part in parts
        if not (kind == "input" and part == ("",)) and not (kind == "previous" and part)
    )


def _not_reversed(_: CellSpec) -> tuple[BugVariant, ...]:
    names = (
        ("output",),
        ("input",),
        ("output", "input"),
        ("stored",),
        ("stored", "input"),
        ("output", "input", "stored"),
    )
    return *(BugVariant(unreversed=arrays) for arrays in names), BugVariant(from_end=True)


def _counted_twice(cell: CellSpec) -> tuple[BugVariant, ...]:
    biases = tuple(name for name in cell.initializers() if name.endswith("bias"))
    parts = dict.fromkeys((biases, *((name,) for name in biases)))
    return tuple(BugVariant(doubled=part, doubled_forward=forward) for forward in (False, True) for part in parts)


def _without_reset(cell: CellSpec) -> tuple[BugVariant, ...]:
    """The gate as a constant, then its gradient not passed to h[t-1], then v.n not multiplied by it."""
    if "r" not in cell.gate_symbols:
        return ()
    unscaled = (BugVariant(unscaled=("n",)),) if cell.step is GRU.step else ()
    return BugVariant(constant=("r",)), BugVariant(not_passed=("r",)), *unscaled


def _without_initial(cell: CellSpec) -> tuple[BugVariant, ...]:
    states = cell.state_symbols
    parts = dict.fromkeys((states, *((symbol,) for symbol in states)))
    return tuple(BugVariant(without_initial=part) for part in parts)


def _of_gradients(
    name: str,
    cause: str,
    origin: str,
    fix: str,
    of_cell: Callable[[CellSpec], tuple[BugVariant, ...]],
    needs: Literal["", "backward"] = "",
) -> KnownBug:
    """A bug of the backward pass, from its variants for a cell."""
    found = {name: of_cell(cell) for name, cell in CELLS.items()}
    return KnownBug(name, cause, origin, fix, {k: v for k, v in found.items() if v}, needs, of_cell=of_cell)


KNOWN_BUGS: dict[str, KnownBug] = {
    bug.name: bug
    for bug in (
        KnownBug(
            "no-i2h-bias",
            "input-to-hidden bias missing",
            "Keras and many textbooks have a single bias, and a port that keeps one of Gluon's two loses the other.",
            "Add the input-to-hidden bias to the input part u.",
            _of_all(BugVariant(parameters=(change.without_i2h_bias,))),
        ),
        KnownBug(
            "no-h2h-bias",
            "hidden-to-hidden bias missing",
            "Keras and many textbooks have a single bias, and a port that keeps one of Gluon's two loses the other.",
            "Add the hidden-to-hidden bias to the recurrent part v.",
            _of_all(BugVariant(parameters=(change.without_h2h_bias,))),
            of_recurrent_rows=True,
        ),
        KnownBug(
            "h2h-transposed",
            "hidden-to-hidden weight transposed",
            "Keras and TensorFlow store kernels as (input, output), and the shape of a square matrix does not show it.",
            "Transpose each H × H block of the hidden-to-hidden weight.",
            _of_all(BugVariant(parameters=(change.h2h_transposed,))),
            of_recurrent_rows=True,
        ),
        KnownBug(
            NOT_CARRIED,
            "state not passed from step to step",
            "A loop that calls the cell with its begin_state again, or does not assign the state that it returns.",
            "Pass the state that each step returns to the next step.",
            {name: _forgetting(cell) for name, cell in CELLS.items()},
        ),
        KnownBug(
            NOT_CARRIED_BETWEEN_CALLS,
            "state not passed from call to call",
            "A loop that calls the layer without the state that the last call returned; Keras without stateful=True.",
            "Pass the state that each call returns to the next call.",
            {name: _forgetting(cell, at_seams=True) for name, cell in CELLS.items()},
            needs="forward",
            of_seams=True,
        ),
        KnownBug(
            "states-swapped-between-calls",
            "h and c swapped from call to call",
            "PyTorch and Keras return h before c; TensorFlow 1 had c before h.",
            "Pass h as h and c as c from each call to the next one.",
            _of(
                lambda cell: cell.state_symbols == ("h", "c") and cell is not LSTM_PROJECTION,
                BugVariant(forgotten=("h", "c"), forgotten_is="swapped", at_seams=True),
            ),
            needs="forward",
            of_seams=True,
        ),
        KnownBug(
            "wrong-activation",
            "different activation function",
            "Gluon's RNN defaults to relu, PyTorch's and Keras's to tanh; ONNX and old Keras offer hard_sigmoid gates.",
            "Use the activation functions of the network in each gate and in the candidate.",
            {name: _confusing(cell) for name, cell in CELLS.items()},
        ),
        KnownBug(
            "reverse-not-reversed",
            "backward direction reads the sequence from its start",
            "Two forward layers side by side look like a bidirectional one.",
            "Let the backward direction read the sequence from its end.",
            _of_all(BugVariant(backward="not_reversed")),
            needs="backward",
        ),
        KnownBug(
            "reverse-not-realigned",
            "backward outputs left in the order of computation",
            "A Keras layer with go_backwards=True returns its sequence reversed, and the caller has to reverse it.",
            "Store each output of the backward direction at the time step that it read.",
            _of_all(BugVariant(backward="not_realigned")),
            needs="backward",
        ),
        KnownBug(
            "concat-swapped",
            "backward direction concatenated before forward",
            "Code that joins the directions in the order in which it finished them.",
            "Concatenate the forward direction before the backward direction on the feature axis.",
            _of_all(BugVariant(concat_swapped=True)),
            needs="bidirectional",
        ),
        KnownBug(
            "final-state-at-last-timestep",
            "final state of the backward direction taken at t = T-1",
            "out[:, -1] is the final state of a forward layer only; backward ends at t = 0.",
            "Take the final state of the backward direction at t = 0, its last computed time step.",
            _of_all(BugVariant(final_at_last_timestep=True)),
            needs="backward",
        ),
        KnownBug(
            "batch-as-time",
            "batch axis and time axis swapped",
            "PyTorch's and Gluon's default is TNC, Keras's is NTC; data in the other layout runs without a complaint.",
            "Exchange the batch axis and the time axis of the input.",
            _of_all(BugVariant(batch_as_time=True)),
        ),
        KnownBug(
            "gates-i-f-o-g",
            "gate rows in the order i, f, o, g",
            "The order of many lecture notes, which keep the three sigmoids together.",
            "Read the gate rows of all weights and biases in the order i, f, g, o, not i, f, o, g.",
            _of_rows("ifgo", BugVariant(parameters=(change.read_in_order(("i", "f", "o", "g")),))),
        ),
        KnownBug(
            "gates-i-o-f-g",
            "gate rows in the order i, o, f, g",
            "ONNX's order.",
            "Read the gate rows of all weights and biases in the order i, f, g, o, not i, o, f, g.",
            _of_rows("ifgo", BugVariant(parameters=(change.read_in_order(("i", "o", "f", "g")),))),
        ),
        KnownBug(
            "gates-i-g-f-o",
            "gate rows in the order i, g, f, o",
            "The order i, j, f, o of TensorFlow 1's BasicLSTMCell and LSTMCell, and of Sonnet and Haiku.",
            "Read the gate rows of all weights and biases in the order i, f, g, o, not i, g, f, o.",
            _of_rows("ifgo", BugVariant(parameters=(change.read_in_order(("i", "g", "f", "o")),))),
        ),
        KnownBug(
            "forget-bias-one",
            "1 added to the forget gate's bias",
            "TensorFlow's BasicLSTMCell adds forget_bias = 1 at every step; Gluon's LSTMBias writes it into the bias.",
            "Add nothing to the bias of the forget gate: the stored bias is complete.",
            _of_rows("ifgo", BugVariant(parameters=(change.forget_bias_one,))),
        ),
        KnownBug(
            "cell-not-squashed",
            "tanh of the cell state missing: h = o · c",
            "The LSTM variant without an output activation function (NOAF in Greff et al. 2017).",
            "Apply the output activation to the cell state before the product with the output gate.",
            _of(lambda cell: "output" in dict(cell.activations), *_activations("output", linear)),
        ),
        KnownBug(
            "gates-z-r-n",
            "gate rows in the order z, r, n",
            "Keras's and ONNX's order.",
            "Read the gate rows of all weights and biases in the order r, z, n, not z, r, n.",
            _of_rows("rzn", BugVariant(parameters=(change.read_in_order(("z", "r", "n")),))),
        ),
        KnownBug(
            "reset-before-matmul",
            "reset gate applied before the product W_hn h[t-1]",
            "The published GRU (Cho et al. 2014), Keras with reset_after=False, ONNX with linear_before_reset=0.",
            "Multiply the product W_hn h[t-1] + b_hn by the reset gate, not h[t-1].",
            _of(lambda cell: cell.step is GRU.step, BugVariant(step=GRU_RESET_BEFORE.step)),
        ),
        KnownBug(
            "h2h-bias-outside-reset",
            "hidden-to-hidden bias of the candidate outside the reset gate",
            "Ports that add both biases up front, which is correct for every other gate.",
            "Add the hidden-to-hidden bias of the candidate before the product with the reset gate.",
            _of(lambda cell: cell.step is GRU.step, BugVariant(parameters=(change.n_bias_outside_reset,))),
        ),
        KnownBug(
            "update-gate-inverted",
            "z and 1 - z swapped",
            "Half of the literature writes h = z · n + (1 - z) · h[t-1] (Chung et al. 2014).",
            "Exchange z and 1 - z: h = (1 - z) · n + z · h[t-1].",
            _of_rows("rzn", BugVariant(parameters=(change.gate_inverted("z"),))),
        ),
        KnownBug(
            "reset-after-matmul",
            "reset gate applied after the product W_hn h[t-1]",
            "PyTorch, Gluon and cuDNN have this GRU only, and Keras has it by default.",
            "Multiply h[t-1] by the reset gate before the product with W_hn.",
            _of(lambda cell: cell.step is GRU_RESET_BEFORE.step, BugVariant(step=GRU.step)),
        ),
        KnownBug(
            "peephole-from-old-cell-state",
            "output gate's peephole reads c[t-1]",
            "A loop that computes all gates at once, before c[t].",
            "Compute c[t] before the output gate, whose peephole reads it.",
            {
                name: (BugVariant(step=change.output_peephole_of_old_state(cell.step)),)
                for name, cell in CELLS.items()
                if "c2o_weight" in cell.own_parameters
            },
        ),
        KnownBug(
            "no-peepholes",
            "peepholes missing",
            "A port to Keras or PyTorch, whose LSTM has none.",
            "Add the peepholes to the pre-activations of the gates.",
            _of(lambda cell: change.peepholes(cell) != (), BugVariant(parameters=(change.without_peepholes,))),
        ),
        KnownBug(
            "peepholes-i-f-o",
            "peepholes in the order i, f, o",
            "ONNX's order is i, o, f; many frameworks store i, f, o.",
            "Read the peepholes in the order i, o, f, not i, f, o.",
            _of_parameters({"c2f_weight", "c2o_weight"}, BugVariant(parameters=(change.peepholes_in_order_ifo,))),
        ),
        KnownBug(
            "coupled-gates-exchanged",
            "i and 1 - i exchanged",
            "Code that takes the rows of the only gate for the forget gate's.",
            "Exchange i and 1 - i: c = (1 - i) · c[t-1] + i · g.",
            _of_rows("igo", BugVariant(parameters=(change.gate_inverted("i"),))),
        ),
        KnownBug(
            "projection-transposed",
            "projection weight read in transposed order",
            "TensorFlow stores the projection kernel as (H, P); a copied buffer has the size of (P, H).",
            "Read the projection weight in the shape (P, H), not (H, P).",
            _of_parameters({"h2r_weight"}, BugVariant(parameters=(change.h2r_transposed,))),
        ),
        KnownBug(
            "clip-missing",
            "pre-activations not cut",
            "A port from ONNX to PyTorch or Keras, which have no clip.",
            "Cut each pre-activation at the clip before its activation.",
            _of_all(BugVariant(unclipped=True)),
            needs="clip",
        ),
        KnownBug(
            "lengths-ignored",
            "lengths ignored: padding computed as part of each sample",
            "A padded batch without packing, sequence_lens or a mask; MXNet's use_sequence_length on the CPU.",
            "Stop each sample at its length, and start its backward direction there.",
            _of_all(
                BugVariant(read_lengths=change.lengths_ignored, padding="kept"),
                BugVariant(read_lengths=change.lengths_ignored),
            ),
            of_padding=True,
        ),
        KnownBug(
            "state-at-last-timestep-of-batch",
            "final state taken at t = T-1, in the padding of shorter samples",
            "out[:, -1] of a padded batch, which is the last time step of the longest sample only.",
            "Take the final state of each sample at its length minus 1.",
            _of_all(BugVariant(final_at_batch_end="forward"), BugVariant(final_at_batch_end="all")),
            needs="forward",
            of_padding=True,
        ),
        KnownBug(
            "backward-starts-in-padding",
            "backward direction starts at t = T-1, in the padding of shorter samples",
            "A loop that flips the padded batch as a whole; the forward direction then shows nothing.",
            "Start the backward direction of each sample at its length minus 1.",
            _of_all(
                BugVariant(read_lengths=change.backward_lengths_ignored, padding="kept"),
                BugVariant(read_lengths=change.backward_lengths_ignored),
                BugVariant(read_lengths=change.backward_lengths_ignored, padding="computed"),
            ),
            needs="bidirectional",
            of_padding=True,
        ),
        KnownBug(
            PADDING_NOT_ZEROED,
            "values in padding not 0",
            "A loop over all T time steps without a mask on its results, and Keras without zero_output_for_mask.",
            "Set the hidden states and outputs in padding to 0.",
            _of_all(BugVariant(padding="computed")),
            of_padding=True,
        ),
        KnownBug(
            "lengths-off-by-one",
            "one time step of each sample too few or too many",
            "A length taken as the index of the last time step, or the other way round.",
            "Compute as many time steps of each sample as its length.",
            _of_all(
                BugVariant(read_lengths=change.lengths_minus_one),
                BugVariant(read_lengths=change.lengths_plus_one, padding="kept"),
                BugVariant(read_lengths=change.lengths_plus_one),
            ),
            of_padding=True,
        ),
        KnownBug(
            "sorted-order-not-restored",
            "samples left in the order of their lengths",
            "A batch sorted for pack_padded_sequence, whose results are not put back in the order of the input.",
            "Put the samples of all outputs and states back in the order of the input.",
            _of_all(
                BugVariant(sample_order=change.longest_first),
                BugVariant(sample_order=change.shortest_first_reversed),
                BugVariant(sample_order=change.shortest_first),
                BugVariant(state_order=change.longest_first),
                BugVariant(state_order=change.shortest_first_reversed),
            ),
            of_padding=True,
        ),
        _of_gradients(
            "truncated-at-one-step",
            "no gradient passed from a time step to the one before it",
            "A loop that detaches the state at each step, or a call for each step with its own backward pass.",
            "Pass the gradient of each state to the previous time step: do not detach it.",
            _truncated,
        ),
        _of_gradients(
            "weight-gradient-not-summed-over-time",
            "weight gradient of a single time step instead of the sum over all",
            "A loop with = where += is meant: each step overwrites the gradient of the step before.",
            "Add the gradients of all time steps: += instead of =.",
            _not_summed,
        ),
        _of_gradients(
            "cell-gradient-dropped",
            "gradient of the cell state not passed to the previous time step",
            "A loop that carries dh but not dc, or detaches c alone.",
            "Pass the gradient of c to the previous time step, multiplied by the forget gate.",
            _cell_dropped,
        ),
        _of_gradients(
            "direct-output-gradient-dropped",
            "gradients of the outputs missing, except at the last computed time step",
            "A loop that starts from dh at the end and does not add the gradient of each output.",
            "Add the gradient of the output at each time step to that of h.",
            _direct_dropped,
        ),
        _of_gradients(
            "derivative-at-wrong-pre-activation",
            "derivative of an activation taken at another value than its pre-activation",
            "A derivative of tanh that expects a gets h, which is tanh of a already; or 1 - a² is written for 1 - h².",
            "Take each derivative at its pre-activation: that of tanh is 1 - h² of its value h, not of its argument.",
            _other_slopes,
        ),
        _of_gradients(
            "backward-direction-not-reversed-in-gradient",
            "gradients of the backward direction in the order of the input",
            "A backward direction that runs on a reversed sequence needs its output gradients reversed, too.",
            "Reverse the output gradients of the backward direction, and its input gradients back.",
            _not_reversed,
            needs="backward",
        ),
        _of_gradients(
            "forward-bias-used-twice",
            "bias gradient counted twice",
            "Code that uses one bias for both parts, and gives its whole gradient to each.",
            "Add the gradient of each bias once.",
            _counted_twice,
        ),
        _of_gradients(
            "reset-gate-gradient-missing",
            "gradient of the reset gate missing",
            "A hand-written GRU that takes r for a constant: r is hidden in a product inside the candidate.",
            "Differentiate the reset gate, too: it is a factor inside the candidate.",
            _without_reset,
        ),
        _of_gradients(
            "initial-state-gradient-missing",
            "gradient of the initial state missing",
            "A loop that ends before the first step passes its gradient on; an initial state without requires_grad.",
            "Return the gradient that the first time step passes on as that of the initial state.",
            _without_initial,
        ),
    )
}


def unknown_engine(engine: str) -> str:
    """The name of an engine with the known bug of `engine`, which does not say which one that is."""
    return f"{UNKNOWN}{crc32(engine.removeprefix(PREFIX).encode()):08x}"


def bug_of(engine: str) -> KnownBug | None:
    """The known bug of an engine; that of an unknown one has no texts, and its engine's name. None if there is none."""
    if not is_unknown(engine):
        return KNOWN_BUGS.get(engine.removeprefix(PREFIX))
    found = (bug for bug in KNOWN_BUGS.values() if unknown_engine(bug.name) == engine)
    return next((replace(bug, name=engine, cause="", origin="", fix="") for bug in found), None)


def known_bugs_of(network: Network) -> list[KnownBug]:
    """The known bugs that the network can have in a forward pass without lengths and seams, in the catalog's order."""
    return [
        bug
        for bug in KNOWN_BUGS.values()
        if bug.unsupported_reason(network) is None and not (bug.of_padding or bug.of_seams or bug.of_gradients)
    ]


def known_bugs_in(inputs: Inputs) -> list[KnownBug]:
    """The known bugs that a forward pass can have, in the catalog's order: with lengths also those of padding."""
    calls_of_one_step = len(inputs.seams) == inputs.timesteps - 1 > 0
    return [
        bug
        for bug in KNOWN_BUGS.values()
        if bug.unsupported_reason(inputs.network) is None
        and not bug.of_gradients
        and (inputs.has_lengths or not bug.of_padding)
        and (len(inputs.seams) > 0 or not bug.of_seams)
        and not (bug.name == NOT_CARRIED and calls_of_one_step and not inputs.network.reverse)
    ]


def gradient_bugs_in(inputs: Inputs) -> list[KnownBug]:
    """The known bugs that the backward pass of a run can have, in the catalog's order; [] without one."""
    if inputs.loss is None:
        return []
    return [bug for bug in KNOWN_BUGS.values() if bug.of_gradients and bug.unsupported_reason(inputs.network) is None]

"""Catalog of the known bugs, with their causes and origins."""

import re
from binascii import crc32
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Literal, TypeAlias

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.activations import hard_sigmoid, keras_hard_sigmoid, linear, relu, sigmoid, tanh
from rnnviz.cells.gru import GRU, GRU_RESET_BEFORE
from rnnviz.cells.lstm import LSTM_PROJECTION
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import UNKNOWN, is_unknown
from rnnviz.core.inputs import Inputs
from rnnviz.engines.known_bugs import (
    EVERY_GATE,
    PEEPHOLES,
    BugVariant,
    ParameterChange,
    output_peephole_of_old_state,
)
from rnnviz.frozen import dataclass

PREFIX = "bug:"

PADDING_NOT_ZEROED = "padding-not-zeroed"
"""The name of the bug that no step shows."""

NOT_CARRIED, NOT_CARRIED_BETWEEN_CALLS = "state-not-carried", "state-not-carried-between-calls"
"""The names of two bugs that are one where each step is a call."""

Variants: TypeAlias = tuple[BugVariant, ...]

_NEEDS: dict[str, tuple[Callable[[Network], bool], str]] = {
    "": (lambda network: True, ""),
    "bidirectional": (lambda network: network.bidirectional, "of bidirectional networks: set network.bidirectional"),
    "forward": (lambda network: not network.reverse, "of the forward direction: unset network.reverse"),
    "backward": (
        lambda network: network.bidirectional or network.reverse,
        "of the backward direction: set network.bidirectional or network.reverse",
    ),
    "clip": (lambda network: network.clip is not None, "of networks with a clip: set network.clip"),
}
"""The requirement of a bug on the network, and the end of its sentence."""


@dataclass(frozen=True)
class KnownBug:
    """One known bug.

    `cause` names the error as a noun phrase, as after "Likely cause:"; `origin` says who makes it, and `fix` in a
    sentence what to change, in any framework. `ways` are the variants, or a function that returns a cell's: the engine
    computes the first one, and a diagnosis tries all. `cells` says which of the program's cells can have it; without it
    a custom cell can, too. `kind` says whether only a run with lengths, or only a sequence joined from several calls,
    can have it, or whether it is a bug of the backward pass, whose forward pass has no errors.
    """

    cause: str
    origin: str
    fix: str
    ways: Variants | Callable[[CellSpec], Variants]
    cells: Callable[[CellSpec], bool] | None = None
    needs: str = ""
    kind: Literal["forward", "padding", "seams", "gradients"] = "forward"
    name: str = ""

    @property
    def of_gradients(self) -> bool:
        """Whether only a run with a backward pass can have it."""
        return self.kind == "gradients"

    @property
    def engine(self) -> str:
        """The name that a config gives to the engine that makes this known bug."""
        return self.name if is_unknown(self.name) else f"{PREFIX}{self.name}"

    def _in(self, cell: CellSpec) -> Variants:
        """The variants for a cell; () for one that cannot have it."""
        if self.cells is not None and not self.cells(cell):
            return ()
        return self.ways(cell) if callable(self.ways) else self.ways

    @property
    def variants(self) -> dict[str, Variants]:
        """The variants by the program's cells that can have it."""
        return {name: found for name, cell in CELLS.items() if (found := self._in(cell))}

    def faults(self, network: Network) -> Variants:
        """The variants for the network's cell. A custom cell has those bugs that every cell has, but no other lines."""
        if network.custom is None:
            return self._in(CELLS[network.kind.name])
        return self._in(network.kind) if self.cells is None else ()

    def unsupported_reason(self, network: Network) -> str | None:
        """Why the network cannot have this known bug, in one sentence, or None; None for a custom cell not yet read."""
        if not network.is_known:
            return None
        if not self.faults(network):
            return (
                f"{self.engine} is a bug of {', '.join(self.variants)}, but the cell is {network.kind.name}: "
                "choose a bug of this cell, or another cell."
            )
        fits, needed = _NEEDS[self.needs]
        return None if fits(network) else f"{self.engine} is a bug {needed}, or choose another bug."

    def missing_in(self, inputs: Inputs) -> str | None:
        """Why a run cannot have this known bug, in one sentence, or None."""
        lacks = ""
        if self.kind == "padding" and not inputs.has_lengths:
            lacks = "samples with padding, but this run has no lengths: set sequence.lengths"
        if self.kind == "seams" and not len(inputs.seams):
            lacks = "a sequence that is read in several calls, but this run has one call: set sequence.seams"
        reason = self.unsupported_reason(inputs.network)
        return reason if reason or not lacks else f"{self.engine} is a bug of {lacks}."


def _with_rows(symbols: str) -> Callable[[CellSpec], bool]:
    """Cells whose weights have the rows of these gates and of no others."""
    return lambda cell: sorted(cell.gate_symbols) == sorted(symbols)


def _with_parameters(*patterns: str) -> Callable[[CellSpec], bool]:
    """Cells that have these further parameters, and perhaps others."""
    return lambda cell: all(any(re.fullmatch(p, name) for name in cell.own_parameters) for p in patterns)


def _read(*changes: ParameterChange) -> Variants:
    return (BugVariant(parameters=changes),)


def _inverted(gate: str) -> Variants:
    """1 - gate in place of a gate, since 1 - sigmoid(a) = sigmoid(-a)."""
    return _read(ParameterChange(EVERY_GATE, "negated", gate), ParameterChange(f"c2{gate}_weight", "negated"))


def _gates_in_order(order: str, stored: str, origin: str) -> KnownBug:
    """The bug of reading the rows of the gates in another order."""
    shown = ", ".join(order)
    return KnownBug(
        f"gate rows in the order {shown}",
        origin,
        f"Read the gate rows of all weights and biases in the order {', '.join(stored)}, not {shown}.",
        _read(ParameterChange(EVERY_GATE, "reordered", order=tuple(order))),
        cells=_with_rows(stored),
    )


_of_padding = partial(KnownBug, kind="padding")
_of_seams = partial(KnownBug, kind="seams")
_of_gradients = partial(KnownBug, kind="gradients")


def _parts(states: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All of some names, then each of them."""
    return list(dict.fromkeys((states, *((symbol,) for symbol in states))))


def _forgetting(cell: CellSpec, *, at_seams: bool = False) -> Variants:
    kinds: tuple[Literal["zeros", "initial"], ...] = ("zeros", "initial")
    return tuple(
        BugVariant(forgotten=part, forgotten_is=kind, at_seams=at_seams)
        for part, kind in product(_parts(cell.state_symbols), kinds)
    )


_OTHERS = {
    "activation": (tanh, relu, sigmoid, linear),
    "candidate": (tanh, relu, sigmoid, linear),
    "gate": (hard_sigmoid, keras_hard_sigmoid, tanh),
}
"""By role, activations that other programs have in it."""


def _confusing(cell: CellSpec) -> Variants:
    """Another activation in each role."""
    own = dict(cell.activations)
    pairs = [(role, other) for role in _OTHERS if role in own for other in _OTHERS[role] if other != own[role]]
    return tuple(BugVariant(activations=(pair,)) for pair in pairs)


def _not_summed(cell: CellSpec) -> Variants:
    """All parameters, then the weights, then those of the recurrent part."""
    names = tuple(cell.initializers())
    kinds = dict.fromkeys(
        (names, tuple(n for n in names if n.endswith("2h_weight")), tuple(n for n in names if n == "h2h_weight"))
    )
    steps: tuple[Literal["last", "first"], ...] = ("last", "first")
    return tuple(BugVariant(kept=kind, kept_step=step) for step in steps for kind in kinds if kind)


def _cell_dropped(cell: CellSpec) -> Variants:
    if "c" not in cell.state_symbols:
        return ()
    ends = product((False, True), repeat=2)
    return tuple(BugVariant(cut=("c",), cut_initial=initial, cut_final=final) for initial, final in ends)


_LAST_OR_NONE: tuple[Literal["last", "none"], ...] = ("last", "none")


def _other_slopes(cell: CellSpec) -> Variants:
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


_UNREVERSED = (
    *(("output",), ("input",), ("output", "input"), ("stored",)),
    *(("stored", "input"), ("output", "input", "stored")),
)
"""Arrays of the backward direction that code leaves unreversed."""


def _counted_twice(cell: CellSpec) -> Variants:
    biases = tuple(name for name in cell.initializers() if name.endswith("bias"))
    sides = product((False, True), _parts(biases))
    return tuple(BugVariant(doubled=part, doubled_forward=forward) for forward, part in sides)


def _without_reset(cell: CellSpec) -> Variants:
    """The gate as a constant, then its gradient not passed to h[t-1], then v.n not multiplied by it."""
    if "r" not in cell.gate_symbols:
        return ()
    unscaled = (BugVariant(unscaled=("n",)),) if cell.step is GRU.step else ()
    return BugVariant(constant=("r",)), BugVariant(not_passed=("r",)), *unscaled


KNOWN_BUGS: dict[str, KnownBug] = {
    name: replace(bug, name=name)
    for name, bug in {
        "no-i2h-bias": KnownBug(
            "input-to-hidden bias missing",
            "Keras and many textbooks have a single bias, and a port that keeps one of Gluon's two loses the other.",
            "Add the input-to-hidden bias to the input part u.",
            _read(ParameterChange("i2h_bias", "zeros")),
        ),
        "no-h2h-bias": KnownBug(
            "hidden-to-hidden bias missing",
            "Keras and many textbooks have a single bias, and a port that keeps one of Gluon's two loses the other.",
            "Add the hidden-to-hidden bias to the recurrent part v.",
            lambda cell: _read(ParameterChange("h2h_bias", "zeros")) if cell.recurrent_gates else (),
        ),
        "h2h-transposed": KnownBug(
            "hidden-to-hidden weight transposed",
            "Keras and TensorFlow store kernels as (input, output), and the shape of a square matrix does not show it.",
            "Transpose each H × H block of the hidden-to-hidden weight.",
            lambda cell: _read(ParameterChange("h2h_weight", "transposed")) if cell.recurrent_gates else (),
        ),
        NOT_CARRIED: KnownBug(
            "state not passed from step to step",
            "A loop that calls the cell with its begin_state again, or does not assign the state that it returns.",
            "Pass the state that each step returns to the next step.",
            _forgetting,
        ),
        NOT_CARRIED_BETWEEN_CALLS: _of_seams(
            "state not passed from call to call",
            "A loop that calls the layer without the state that the last call returned; Keras without stateful=True.",
            "Pass the state that each call returns to the next call.",
            partial(_forgetting, at_seams=True),
            needs="forward",
        ),
        "states-swapped-between-calls": _of_seams(
            "h and c swapped from call to call",
            "PyTorch and Keras return h before c; TensorFlow 1 had c before h.",
            "Pass h as h and c as c from each call to the next one.",
            (BugVariant(forgotten=("h", "c"), forgotten_is="swapped", at_seams=True),),
            cells=lambda cell: cell.state_symbols == ("h", "c") and cell is not LSTM_PROJECTION,
            needs="forward",
        ),
        "wrong-activation": KnownBug(
            "different activation function",
            "Gluon's RNN defaults to relu, PyTorch's and Keras's to tanh; ONNX and old Keras offer hard_sigmoid gates.",
            "Use the activation functions of the network in each gate and in the candidate.",
            _confusing,
            cells=lambda cell: True,
        ),
        "reverse-not-reversed": KnownBug(
            "backward direction reads the sequence from its start",
            "Two forward layers side by side look like a bidirectional one.",
            "Let the backward direction read the sequence from its end.",
            (BugVariant(backward="not_reversed"),),
            needs="backward",
        ),
        "reverse-not-realigned": KnownBug(
            "backward outputs left in the order of computation",
            "A Keras layer with go_backwards=True returns its sequence reversed, and the caller has to reverse it.",
            "Store each output of the backward direction at the time step that it read.",
            (BugVariant(backward="not_realigned"),),
            needs="backward",
        ),
        "concat-swapped": KnownBug(
            "backward direction concatenated before forward",
            "Code that joins the directions in the order in which it finished them.",
            "Concatenate the forward direction before the backward direction on the feature axis.",
            (BugVariant(concat_swapped=True),),
            needs="bidirectional",
        ),
        "final-state-at-last-timestep": KnownBug(
            "final state of the backward direction taken at t = T-1",
            "out[:, -1] is the final state of a forward layer only; backward ends at t = 0.",
            "Take the final state of the backward direction at t = 0, its last computed time step.",
            (BugVariant(final_at_last_timestep=True),),
            needs="backward",
        ),
        "batch-as-time": KnownBug(
            "batch axis and time axis swapped",
            "PyTorch's and Gluon's default is TNC, Keras's is NTC; data in the other layout runs without a complaint.",
            "Exchange the batch axis and the time axis of the input.",
            (BugVariant(batch_as_time=True),),
        ),
        "gates-i-f-o-g": _gates_in_order(
            "ifog", "ifgo", "The order of many lecture notes, which keep the three sigmoids together."
        ),
        "gates-i-o-f-g": _gates_in_order("iofg", "ifgo", "ONNX's order."),
        "gates-i-g-f-o": _gates_in_order(
            "igfo",
            "ifgo",
            "The order i, j, f, o of TensorFlow 1's BasicLSTMCell and LSTMCell, and of Sonnet and Haiku.",
        ),
        "forget-bias-one": KnownBug(
            "1 added to the forget gate's bias",
            "TensorFlow's BasicLSTMCell adds forget_bias = 1 at every step; Gluon's LSTMBias writes it into the bias.",
            "Add nothing to the bias of the forget gate: the stored bias is complete.",
            _read(ParameterChange("h2h_bias", "plus one", "f")),
            cells=_with_rows("ifgo"),
        ),
        "cell-not-squashed": KnownBug(
            "tanh of the cell state missing: h = o · c",
            "The LSTM variant without an output activation function (NOAF in Greff et al. 2017).",
            "Apply the output activation to the cell state before the product with the output gate.",
            (BugVariant(activations=(("output", linear),)),),
            cells=lambda cell: "output" in dict(cell.activations),
        ),
        "gates-z-r-n": _gates_in_order("zrn", "rzn", "Keras's and ONNX's order."),
        "reset-before-matmul": KnownBug(
            "reset gate applied before the product W_hn h[t-1]",
            "The published GRU (Cho et al. 2014), Keras with reset_after=False, ONNX with linear_before_reset=0.",
            "Multiply the product W_hn h[t-1] + b_hn by the reset gate, not h[t-1].",
            (BugVariant(step=GRU_RESET_BEFORE.step),),
            cells=lambda cell: cell.step is GRU.step,
        ),
        "h2h-bias-outside-reset": KnownBug(
            "hidden-to-hidden bias of the candidate outside the reset gate",
            "Ports that add both biases up front, which is correct for every other gate.",
            "Add the hidden-to-hidden bias of the candidate before the product with the reset gate.",
            _read(ParameterChange("i2h_bias", "with the h2h bias", "n"), ParameterChange("h2h_bias", "zeros", "n")),
            cells=lambda cell: cell.step is GRU.step,
        ),
        "update-gate-inverted": KnownBug(
            "z and 1 - z swapped",
            "Half of the literature writes h = z · n + (1 - z) · h[t-1] (Chung et al. 2014).",
            "Exchange z and 1 - z: h = (1 - z) · n + z · h[t-1].",
            _inverted("z"),
            cells=_with_rows("rzn"),
        ),
        "reset-after-matmul": KnownBug(
            "reset gate applied after the product W_hn h[t-1]",
            "PyTorch, Gluon and cuDNN have this GRU only, and Keras has it by default.",
            "Multiply h[t-1] by the reset gate before the product with W_hn.",
            (BugVariant(step=GRU.step),),
            cells=lambda cell: cell.step is GRU_RESET_BEFORE.step,
        ),
        "peephole-from-old-cell-state": KnownBug(
            "output gate's peephole reads c[t-1]",
            "A loop that computes all gates at once, before c[t].",
            "Compute c[t] before the output gate, whose peephole reads it.",
            lambda cell: (BugVariant(step=output_peephole_of_old_state(cell.step)),),
            cells=_with_parameters("c2o_weight"),
        ),
        "no-peepholes": KnownBug(
            "peepholes missing",
            "A port to Keras or PyTorch, whose LSTM has none.",
            "Add the peepholes to the pre-activations of the gates.",
            _read(ParameterChange(PEEPHOLES, "zeros")),
            cells=_with_parameters(PEEPHOLES),
        ),
        "peepholes-i-f-o": KnownBug(
            "peepholes in the order i, f, o",
            "ONNX's order is i, o, f; many frameworks store i, f, o.",
            "Read the peepholes in the order i, o, f, not i, f, o.",
            _read(ParameterChange("c2[fo]_weight", "exchanged")),
            cells=_with_parameters("c2f_weight", "c2o_weight"),
        ),
        "coupled-gates-exchanged": KnownBug(
            "i and 1 - i exchanged",
            "Code that takes the rows of the only gate for the forget gate's.",
            "Exchange i and 1 - i: c = (1 - i) · c[t-1] + i · g.",
            _inverted("i"),
            cells=_with_rows("igo"),
        ),
        "projection-transposed": KnownBug(
            "projection weight read in transposed order",
            "TensorFlow stores the projection kernel as (H, P); a copied buffer has the size of (P, H).",
            "Read the projection weight in the shape (P, H), not (H, P).",
            _read(ParameterChange("h2r_weight", "transposed")),
            cells=_with_parameters("h2r_weight"),
        ),
        "clip-missing": KnownBug(
            "pre-activations not cut",
            "A port from ONNX to PyTorch or Keras, which have no clip.",
            "Cut each pre-activation at the clip before its activation.",
            (BugVariant(unclipped=True),),
            needs="clip",
        ),
        "lengths-ignored": _of_padding(
            "lengths ignored: padding computed as part of each sample",
            "A padded batch without packing, sequence_lens or a mask; MXNet's use_sequence_length on the CPU.",
            "Stop each sample at its length, and start its backward direction there.",
            (
                BugVariant(read_lengths="ignored", padding="kept"),
                BugVariant(read_lengths="ignored"),
            ),
        ),
        "state-at-last-timestep-of-batch": _of_padding(
            "final state taken at t = T-1, in the padding of shorter samples",
            "out[:, -1] of a padded batch, which is the last time step of the longest sample only.",
            "Take the final state of each sample at its length minus 1.",
            (
                BugVariant(final_at_batch_end="forward"),
                BugVariant(final_at_batch_end="all"),
            ),
            needs="forward",
        ),
        "backward-starts-in-padding": _of_padding(
            "backward direction starts at t = T-1, in the padding of shorter samples",
            "A loop that flips the padded batch as a whole; the forward direction then shows nothing.",
            "Start the backward direction of each sample at its length minus 1.",
            (
                BugVariant(read_lengths="ignored in backward", padding="kept"),
                BugVariant(read_lengths="ignored in backward"),
                BugVariant(read_lengths="ignored in backward", padding="computed"),
            ),
            needs="bidirectional",
        ),
        PADDING_NOT_ZEROED: _of_padding(
            "values in padding not 0",
            "A loop over all T time steps without a mask on its results, and Keras without zero_output_for_mask.",
            "Set the hidden states and outputs in padding to 0.",
            (BugVariant(padding="computed"),),
        ),
        "lengths-off-by-one": _of_padding(
            "one time step of each sample too few or too many",
            "A length taken as the index of the last time step, or the other way round.",
            "Compute as many time steps of each sample as its length.",
            (
                BugVariant(read_lengths="one less"),
                BugVariant(read_lengths="one more", padding="kept"),
                BugVariant(read_lengths="one more"),
            ),
        ),
        "sorted-order-not-restored": _of_padding(
            "samples left in the order of their lengths",
            "A batch sorted for pack_padded_sequence, whose results are not put back in the order of the input.",
            "Put the samples of all outputs and states back in the order of the input.",
            (
                BugVariant(sample_order="longest first"),
                BugVariant(sample_order="shortest first, reversed"),
                BugVariant(sample_order="shortest first"),
                BugVariant(state_order="longest first"),
                BugVariant(state_order="shortest first, reversed"),
            ),
        ),
        "truncated-at-one-step": _of_gradients(
            "no gradient passed from a time step to the one before it",
            "A loop that detaches the state at each step, or a call for each step with its own backward pass.",
            "Pass the gradient of each state to the previous time step: do not detach it.",
            lambda cell: tuple(BugVariant(cut=cell.state_symbols, cut_initial=i) for i in (False, True)),
        ),
        "weight-gradient-not-summed-over-time": _of_gradients(
            "weight gradient of a single time step instead of the sum over all",
            "A loop with = where += is meant: each step overwrites the gradient of the step before.",
            "Add the gradients of all time steps: += instead of =.",
            _not_summed,
        ),
        "cell-gradient-dropped": _of_gradients(
            "gradient of the cell state not passed to the previous time step",
            "A loop that carries dh but not dc, or detaches c alone.",
            "Pass the gradient of c to the previous time step, multiplied by the forget gate.",
            _cell_dropped,
        ),
        "direct-output-gradient-dropped": _of_gradients(
            "gradients of the outputs missing, except at the last computed time step",
            "A loop that starts from dh at the end and does not add the gradient of each output.",
            "Add the gradient of the output at each time step to that of h.",
            tuple(BugVariant(direct=step, direct_above=above) for above in (False, True) for step in _LAST_OR_NONE),
        ),
        "derivative-at-wrong-pre-activation": _of_gradients(
            "derivative of an activation taken at another value than its pre-activation",
            "A derivative of tanh that expects a gets h, which is tanh of a already; or 1 - a² is written for 1 - h².",
            "Take each derivative at its pre-activation: that of tanh is 1 - h² of its value h, not of its argument.",
            _other_slopes,
        ),
        "backward-direction-not-reversed-in-gradient": _of_gradients(
            "gradients of the backward direction in the order of the input",
            "A backward direction that runs on a reversed sequence needs its output gradients reversed, too.",
            "Reverse the output gradients of the backward direction, and its input gradients back.",
            (
                *(BugVariant(unreversed=arrays) for arrays in _UNREVERSED),
                BugVariant(from_end=True),
            ),
            needs="backward",
        ),
        "forward-bias-used-twice": _of_gradients(
            "bias gradient counted twice",
            "Code that uses one bias for both parts, and gives its whole gradient to each.",
            "Add the gradient of each bias once.",
            _counted_twice,
        ),
        "reset-gate-gradient-missing": _of_gradients(
            "gradient of the reset gate missing",
            "A hand-written GRU that takes r for a constant: r is hidden in a product inside the candidate.",
            "Differentiate the reset gate, too: it is a factor inside the candidate.",
            _without_reset,
        ),
        "initial-state-gradient-missing": _of_gradients(
            "gradient of the initial state missing",
            "A loop that ends before the first step passes its gradient on; an initial state without requires_grad.",
            "Return the gradient that the first time step passes on as that of the initial state.",
            lambda cell: tuple(BugVariant(without_initial=part) for part in _parts(cell.state_symbols)),
        ),
    }.items()
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
    return [bug for bug in KNOWN_BUGS.values() if bug.kind == "forward" and bug.unsupported_reason(network) is None]


def known_bugs_in(inputs: Inputs) -> list[KnownBug]:
    """The known bugs that a forward pass can have, in the catalog's order: with lengths also those of padding."""
    every_step_is_a_call = len(inputs.seams) == inputs.timesteps - 1 > 0 and not inputs.network.reverse
    bugs = [bug for bug in KNOWN_BUGS.values() if not bug.of_gradients and bug.missing_in(inputs) is None]
    return [bug for bug in bugs if not (bug.name == NOT_CARRIED and every_step_is_a_call)]


def gradient_bugs_in(inputs: Inputs) -> list[KnownBug]:
    """The known bugs that the backward pass of a run can have, in the catalog's order; [] without one."""
    bugs = KNOWN_BUGS.values() if inputs.loss is not None else ()
    return [bug for bug in bugs if bug.of_gradients and bug.unsupported_reason(inputs.network) is None]

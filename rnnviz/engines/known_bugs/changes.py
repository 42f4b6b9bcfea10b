"""The differences of a network with a known bug: in its parameters, its cell, the loop around it, and its gradients."""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import reduce
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec, Step, Values
from rnnviz.cells.activations import Function, without_clip
from rnnviz.cells.base import StepFunction
from rnnviz.cells.interpreters.arrays import gate_rows, reordered_rows
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters
from rnnviz.frozen import dataclass

LengthsChange: TypeAlias = Callable[[Sequence[int], int, bool], Sequence[int]]
"""change(lengths, T, backward): the lengths as code with the bug reads them in a direction, 0 to T."""

SampleOrder: TypeAlias = Callable[[Sequence[int]], NDArray[np.intp]]
"""order(lengths): the sample whose results are returned for each sample."""

ParameterChange: TypeAlias = Callable[[CellSpec, LayerParameters], LayerParameters]
"""change(cell, p): one layer's parameters as code with the bug reads them."""


@dataclass(frozen=True)
class BugVariant:
    """A known bug in one variant, of the forward pass or, from `cut` on, of the backward pass; defaults change nothing.

    parameters: Changes to each layer's parameters, one after the other.
    activations: Other activations of some roles of the cell, by role.
    step: Another step of the cell, with the same roles.
    unclipped: Whether the pre-activations are not cut.
    forgotten: Which of the states "h" and "c" a step does not get from the one before it.
    forgotten_is: Replacement of these states: zeros, the initial state, or each other.
    at_seams: Whether they are forgotten only where a new call begins, in the forward direction.
    backward: How the backward direction goes: through a reversed sequence and back in place, through the sequence as it
        is, or through a reversed one without being put back in place.
    concat_swapped: Whether the backward half is before the forward one.
    final_at_last_timestep: Whether the final state is the one at t = T-1 in both directions.
    batch_as_time: Whether the recurrence goes over the samples.
    read_lengths: The lengths that the code reads; None for the given ones.
    padding: Values in padding: zeros, those that the code computes there because of the lengths that it reads, or those
        of a recurrence over all time steps.
    final_at_batch_end: Which directions have the values at t = T-1 as their final state, though these may be padding.
    sample_order: The samples in the order of the results; None for that of the input.
    state_order: The samples in the order of the final states, if the other results are in that of the input.
    cut: The states to which a time step passes no gradient on.
    cut_initial, cut_final: Whether the initial ones get none either, and whether the gradients of the final ones are
        not read.
    direct: The time steps of a lane that get a gradient from out, or from the layer above: all, the last computed one,
        or none.
    direct_above: Whether this is so in the top layer alone.
    slope: The argument of the derivatives of activations, if it is not the pre-activation: the activation's own value,
        the input part, or the pre-activation of the time step before. "formula" puts the pre-activation in place of the
        value in the formula of a derivative, as in 1 - a².
    slope_of: The gates of these activations, "" being those of no gate; () being all.
    unreversed: The arrays that the backward direction leaves in its own order, or does not bring into it: the gradients
        of its output, those of its input, and those that it stores.
    from_end: Whether the backward direction is followed from T-1 to 0, as the forward one.
    kept: The kinds of parameters whose gradients are those of one time step, such as "h2h_weight".
    kept_step: This time step: the last one of the backward pass, or its first one.
    doubled: The kinds of parameters with twice their gradient.
    doubled_forward: Whether those of the forward direction alone are doubled.
    constant: The gates whose gradient is not computed.
    not_passed: The gates whose gradient is not passed to the state before the step.
    unscaled: The gates whose recurrent parts get the gradient of their input parts.
    without_initial: The states whose initial gradients are 0.
    """

    parameters: tuple[ParameterChange, ...] = ()
    activations: tuple[tuple[str, Function], ...] = ()
    step: StepFunction | None = None
    unclipped: bool = False
    forgotten: tuple[str, ...] = ()
    forgotten_is: Literal["zeros", "initial", "swapped"] = "zeros"
    at_seams: bool = False
    backward: Literal["reversed", "not_reversed", "not_realigned"] = "reversed"
    concat_swapped: bool = False
    final_at_last_timestep: bool = False
    batch_as_time: bool = False
    read_lengths: LengthsChange | None = None
    padding: Literal["zeros", "kept", "computed"] = "zeros"
    final_at_batch_end: Literal["", "all", "forward"] = ""
    sample_order: SampleOrder | None = None
    state_order: SampleOrder | None = None
    cut: tuple[str, ...] = ()
    cut_initial: bool = False
    cut_final: bool = False
    direct: Literal["all", "last", "none"] = "all"
    direct_above: bool = False
    slope: Literal["", "value", "input", "previous", "formula"] = ""
    slope_of: tuple[str, ...] = ()
    unreversed: tuple[str, ...] = ()
    from_end: bool = False
    kept: tuple[str, ...] = ()
    kept_step: Literal["last", "first"] = "last"
    doubled: tuple[str, ...] = ()
    doubled_forward: bool = False
    constant: tuple[str, ...] = ()
    not_passed: tuple[str, ...] = ()
    unscaled: tuple[str, ...] = ()
    without_initial: tuple[str, ...] = ()

    @property
    def gradient_loop(self) -> "BugVariant":
        """The bug without changes to the results of the backward loop over time."""
        return replace(self, kept=(), kept_step="last", doubled=(), doubled_forward=False, without_initial=())

    @property
    def of_padding(self) -> bool:
        """Whether the bug is one of samples of different lengths."""
        changes = self.read_lengths, self.final_at_batch_end, self.sample_order, self.state_order
        return any(changes) or self.padding != "zeros"

    def changed(self, cell: CellSpec) -> CellSpec:
        """The cell with the bug."""
        changed = replace(cell, step=self.step or cell.step).with_activations(**dict(self.activations))
        if not self.unclipped:
            return changed
        return changed.with_activations(**{role: without_clip(function) for role, function in changed.activations})

    def read(self, cell: CellSpec, p: LayerParameters) -> LayerParameters:
        """One layer's parameters as code with the bug reads them."""
        return reduce(lambda parameters, change: change(cell, parameters), self.parameters, p)

    def together_with(self, other: "BugVariant") -> "BugVariant | None":
        """Both known bugs at once, or None where they contradict each other."""
        merged = {}
        for item in fields(self):
            ours, theirs, default = getattr(self, item.name), getattr(other, item.name), item.default
            if item.name == "parameters" or (item.name == "activations" and not dict(ours).keys() & dict(theirs)):
                merged[item.name] = ours + theirs
            elif ours in (default, theirs):
                merged[item.name] = theirs
            elif theirs == default:
                merged[item.name] = ours
            else:
                return None
        return BugVariant(**merged)


def without_i2h_bias(_: CellSpec, p: LayerParameters) -> LayerParameters:
    """b_i2h = 0."""
    return p.with_arrays(i2h_bias=np.zeros_like(p.i2h_bias))


def without_h2h_bias(_: CellSpec, p: LayerParameters) -> LayerParameters:
    """b_h2h = 0."""
    return p.with_arrays(h2h_bias=np.zeros_like(p.h2h_bias))


def h2h_transposed(cell: CellSpec, p: LayerParameters) -> LayerParameters:
    """Each gate's (H, H) block of W_h2h transposed; a block (H, P) with its numbers read along the columns."""
    blocks = gate_rows(p.h2h_weight, cell.recurrent_gates).values()
    return p.with_arrays(h2h_weight=np.concatenate([block.T.reshape(block.shape) for block in blocks]))


def read_in_order(order: tuple[str, ...]) -> ParameterChange:
    """The rows of the weights and biases, read with the gates in `order`."""

    def change(cell: CellSpec, p: LayerParameters) -> LayerParameters:
        return _every_array(p, lambda array: reordered_rows(array, order, cell.gate_symbols))

    return change


def forget_bias_one(cell: CellSpec, p: LayerParameters) -> LayerParameters:
    """One added to the forget gate's bias."""
    bias = p.h2h_bias.copy()
    _rows(cell, bias)["f"][...] += 1.0
    return p.with_arrays(h2h_bias=bias)


def n_bias_outside_reset(cell: CellSpec, p: LayerParameters) -> LayerParameters:
    """n = tanh(u_n + b_hn + r · W_hn h[t-1]): the bias moves to the side that the reset gate does not touch."""
    i2h_bias, h2h_bias = p.i2h_bias.copy(), p.h2h_bias.copy()
    _rows(cell, i2h_bias)["n"][...] += _rows(cell, h2h_bias)["n"]
    _rows(cell, h2h_bias)["n"][...] = 0.0
    return p.with_arrays(i2h_bias=i2h_bias, h2h_bias=h2h_bias)


def gate_inverted(symbol: str) -> ParameterChange:
    """1 - gate in place of a gate, since 1 - sigmoid(a) = sigmoid(-a)."""

    def change(cell: CellSpec, p: LayerParameters) -> LayerParameters:
        def invert(array: FloatArray) -> FloatArray:
            inverted = array.copy()
            _rows(cell, inverted)[symbol][...] *= -1.0
            return inverted

        own = [name for name in peepholes(cell) if name == f"c2{symbol}_weight"]
        return _every_array(p, invert).with_arrays(**{name: -getattr(p, name) for name in own})

    return change


def h2r_transposed(_: CellSpec, p: LayerParameters) -> LayerParameters:
    """The numbers of W_h2r (P, H) as they lie in its transpose (H, P)."""
    return p.with_arrays(h2r_weight=p.h2r_weight.T.reshape(p.h2r_weight.shape))


def without_peepholes(cell: CellSpec, p: LayerParameters) -> LayerParameters:
    """Peepholes of 0."""
    return p.with_arrays(**{name: np.zeros_like(getattr(p, name)) for name in peepholes(cell)})


def peepholes_in_order_ifo(_: CellSpec, p: LayerParameters) -> LayerParameters:
    """The peepholes of f and o exchanged."""
    return p.with_arrays(c2f_weight=p.c2o_weight, c2o_weight=p.c2f_weight)


def peepholes(cell: CellSpec) -> tuple[str, ...]:
    """The names of the peepholes: "c2i_weight", ..."""
    return tuple(name for name in cell.own_parameters if re.fullmatch("c2[a-z]_weight", name))


def lengths_ignored(lengths: Sequence[int], timesteps: int, _: bool) -> Sequence[int]:
    """T for each sample."""
    return (timesteps,) * len(lengths)


def backward_lengths_ignored(lengths: Sequence[int], timesteps: int, backward: bool) -> Sequence[int]:
    """T for each sample, in the backward direction."""
    return lengths_ignored(lengths, timesteps, backward) if backward else lengths


def lengths_minus_one(lengths: Sequence[int], _: int, __: bool) -> Sequence[int]:
    """One time step less for each sample."""
    return tuple(length - 1 for length in lengths)


def lengths_plus_one(lengths: Sequence[int], timesteps: int, _: bool) -> Sequence[int]:
    """One time step more for each sample that has padding."""
    return tuple(min(length + 1, timesteps) for length in lengths)


def longest_first(lengths: Sequence[int]) -> NDArray[np.intp]:
    """From the longest sample to the shortest; equal ones keep their order."""
    return np.argsort(-np.asarray(lengths), kind="stable")


def shortest_first(lengths: Sequence[int]) -> NDArray[np.intp]:
    """From the shortest sample to the longest; equal ones keep their order."""
    return np.argsort(lengths, kind="stable")


def shortest_first_reversed(lengths: Sequence[int]) -> NDArray[np.intp]:
    """From the longest sample to the shortest; equal ones are reversed."""
    return shortest_first(lengths)[::-1]


class _OldStatePeephole:
    """A peephole whose product with c[t] is that with c[t-1]."""

    def __init__(self, product: Any) -> None:
        self._product = product

    def __mul__(self, _: Any) -> Any:
        return self._product


def output_peephole_of_old_state(step: StepFunction) -> StepFunction:
    """The step with an output gate that sees the previous cell state."""

    def changed(u: Values, v: Values, state: Values, p: Values, **roles: Function) -> Step:
        old = _OldStatePeephole(p.c2o_weight * state.c)
        return step(u, v, state, Values("p", {**p, "c2o_weight": old}), **roles)

    return changed


def _rows(cell: CellSpec, array: FloatArray) -> dict[str, FloatArray]:
    """The rows of each gate, views."""
    return gate_rows(array, cell.gate_symbols)


def _every_array(p: LayerParameters, change: Callable[[FloatArray], FloatArray]) -> LayerParameters:
    rows = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
    return p.with_arrays(**{name: change(getattr(p, name)) for name in rows})

"""Known bugs of implementations of recurrent networks: what they change, and engines that simulate them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec, Step, Values
from rnnviz.cells.activations import Function, without_clip
from rnnviz.cells.base import StepFunction
from rnnviz.cells.interpreters.arrays import gate_rows, reordered_rows
from rnnviz.core.parameters import LayerParameters
from rnnviz.frozen import dataclass

READ_LENGTHS: Mapping[str, Callable[[int, int, bool], int]] = {
    "ignored": lambda length, timesteps, backward: timesteps,
    "ignored in backward": lambda length, timesteps, backward: timesteps if backward else length,
    "one less": lambda length, timesteps, backward: length - 1,
    "one more": lambda length, timesteps, backward: min(length + 1, timesteps),
}
"""The number of time steps that code reads of a sample, from its length, T and the direction."""

ORDERS: Mapping[str, Callable[[Sequence[int]], NDArray[np.intp]]] = {
    "longest first": lambda lengths: np.argsort(-np.asarray(lengths), kind="stable"),
    "shortest first": lambda lengths: np.argsort(lengths, kind="stable"),
    "shortest first, reversed": lambda lengths: np.argsort(lengths, kind="stable")[::-1],
}
"""The sample whose results are returned for each sample; samples of equal length keep their order or are reversed."""


@dataclass(frozen=True)
class ParameterChange:
    """Other numbers in the parameters of a layer, those whose names match, or the rows of a gate, as a bug reads them.
    "transposed" reads each gate's block along the columns, "reordered" the rows with the gates in `order`, "exchanged"
    two parameters one for the other, and "with the h2h bias" adds the gate's."""

    names: str
    change: Literal["zeros", "plus one", "negated", "transposed", "reordered", "exchanged", "with the h2h bias"]
    gate: str = ""
    order: str = ""

    def read_by(self, cell: CellSpec) -> bool:
        """Whether the cell has such parameters."""
        return any(re.fullmatch(self.names, name) for name in cell.initializers())

    def of(self, cell: CellSpec, p: LayerParameters) -> LayerParameters:
        """The parameters of a layer with the change."""
        given = {name: array for name, array in vars(p).items() if re.fullmatch(self.names, name)}
        if self.change == "exchanged":
            return p.with_arrays(**dict(zip(given, reversed(given.values()), strict=True)))
        if self.change == "reordered":
            return p.with_arrays(
                **{n: reordered_rows(a, tuple(self.order), cell.gate_symbols) for n, a in given.items()}
            )
        changed = {name: array.copy() for name, array in given.items()}
        for name, array in changed.items():
            rows = gate_rows(array, cell.gate_symbols)[self.gate] if self.gate else array
            match self.change:
                case "zeros":
                    rows[...] = 0.0
                case "plus one":
                    rows[...] += 1.0
                case "negated":
                    rows[...] *= -1.0
                case "with the h2h bias":
                    rows[...] += gate_rows(p.h2h_bias, cell.gate_symbols)[self.gate]
                case "transposed":
                    for block in gate_rows(array, cell.recurrent_gates if name == "h2h_weight" else ("",)).values():
                        block[...] = block.T.reshape(block.shape).copy()
        return p.with_arrays(**changed)


@dataclass(frozen=True)
class BugVariant:
    """A known bug in one variant, of the forward pass or, from `cut` on, of the backward pass; defaults change nothing.
    The file `known-bugs.toml` says what each field is."""

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
    read_lengths: str = ""
    padding: Literal["zeros", "kept", "computed"] = "zeros"
    final_at_batch_end: Literal["", "all", "forward"] = ""
    sample_order: str | None = None
    state_order: str | None = None
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
        changed = replace(cell, step=self.step or cell.step).with_activations(**dict(self.activations))
        if not self.unclipped:
            return changed
        return changed.with_activations(**{role: without_clip(function) for role, function in changed.activations})

    def read(self, cell: CellSpec, p: LayerParameters) -> LayerParameters:
        """One layer's parameters as code with the bug reads them."""
        return reduce(lambda parameters, change: change.of(cell, parameters), self.parameters, p)

    def lengths_of(self, lengths: Sequence[int], timesteps: int, backward: bool) -> Sequence[int]:
        """The lengths as code with the bug reads them in a direction, 0 to T."""
        read = READ_LENGTHS.get(self.read_lengths)
        return lengths if read is None else tuple(read(length, timesteps, backward) for length in lengths)

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

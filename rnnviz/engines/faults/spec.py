"""The differences of a network with a known bug: in its parameters, in its cell, and in the loop around the cell."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

from rnnviz.cells import CellSpec
from rnnviz.cells.activations import Function, without_clip
from rnnviz.cells.base import StepFunction
from rnnviz.core.parameters import LayerParameters

ParameterChange: TypeAlias = Callable[[CellSpec, LayerParameters], LayerParameters]
"""change(cell, p): one layer's parameters as code with the bug reads them."""


@dataclass(frozen=True)
class Fault:
    """A known bug in one variant; the defaults change nothing.

    Attributes
    ----------
    parameters:
        Changes to each layer's parameters, one after the other.
    activations:
        Other activations of some roles of the cell, by role.
    step:
        Another step of the cell, with the same roles.
    unclipped:
        Whether the pre-activations are not cut.
    forgotten:
        Which of the states "h" and "c" a step does not get from the one before it.
    forgotten_is:
        Replacement of these states: zeros, or the initial state.
    backward:
        How the backward direction goes: through a reversed sequence and back in place, through the sequence as
        it is, or through a reversed one without being put back in place.
    concat_swapped:
        Whether the backward half is before the forward one.
    final_at_last_timestep:
        Whether the final state is the one at t = T-1 in both directions.
    batch_as_time:
        Whether the recurrence goes over the samples.
    """

    parameters: tuple[ParameterChange, ...] = ()
    activations: tuple[tuple[str, Function], ...] = ()
    step: StepFunction | None = None
    unclipped: bool = False
    forgotten: tuple[str, ...] = ()
    forgotten_is: Literal["zeros", "initial"] = "zeros"
    backward: Literal["reversed", "not_reversed", "not_realigned"] = "reversed"
    concat_swapped: bool = False
    final_at_last_timestep: bool = False
    batch_as_time: bool = False

    def changed(self, cell: CellSpec) -> CellSpec:
        """The cell with the bug."""
        changed = replace(cell, step=self.step or cell.step).with_activations(**dict(self.activations))
        if not self.unclipped:
            return changed
        return changed.with_activations(**{role: without_clip(function) for role, function in changed.activations})

    def together_with(self, other: "Fault") -> "Fault | None":
        """Both known bugs at once, or None where they contradict each other."""
        right, merged = Fault(), {}
        for item in fields(Fault):
            ours, theirs, default = (getattr(d, item.name) for d in (self, other, right))
            if item.name == "parameters" or (item.name == "activations" and not dict(ours).keys() & dict(theirs)):
                merged[item.name] = ours + theirs
            elif ours in (default, theirs):
                merged[item.name] = theirs
            elif theirs == default:
                merged[item.name] = ours
            else:
                return None
        return Fault(**merged)

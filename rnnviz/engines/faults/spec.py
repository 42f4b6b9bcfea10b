"""Changes of a known bug: to the parameters, to the step, and to the arrays around the step."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from rnnviz.core.parameters import LayerParameters

ParameterChange: TypeAlias = Callable[[str, LayerParameters], LayerParameters]
"""change(cell, p): one layer's parameters as a faulty reader takes them."""


@dataclass(frozen=True)
class Fault:
    """The default of every field is correct.

    Attributes
    ----------
    parameters:
        Changes to each layer's parameters, one after the other.
    activation:
        Of an RNN's h, an LSTM's g and a GRU's n; None for the right one.
    gate_activation:
        Of the gates i, f, o and r, z.
    squash_cell:
        Whether an LSTM's h is o · tanh(c), not o · c.
    reset_before_matmul:
        Whether a GRU's n is tanh(u_n + W_hn (r · h[t-1]) + b_hn).
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
    activation: Literal["relu", "tanh", "sigmoid", "identity"] | None = None
    gate_activation: Literal["hard_sigmoid", "keras_hard_sigmoid", "tanh"] | None = None
    squash_cell: bool = True
    reset_before_matmul: bool = False
    forgotten: tuple[str, ...] = ()
    forgotten_is: Literal["zeros", "initial"] = "zeros"
    backward: Literal["reversed", "not_reversed", "not_realigned"] = "reversed"
    concat_swapped: bool = False
    final_at_last_timestep: bool = False
    batch_as_time: bool = False

    def together_with(self, other: "Fault") -> "Fault | None":
        """Both known bugs at once, or None where they contradict each other."""
        right, merged = Fault(), {}
        for item in fields(Fault):
            ours, theirs, default = (getattr(d, item.name) for d in (self, other, right))
            if item.name == "parameters":
                merged[item.name] = ours + theirs
            elif ours in (default, theirs):
                merged[item.name] = theirs
            elif theirs == default:
                merged[item.name] = ours
            else:
                return None
        return Fault(**merged)

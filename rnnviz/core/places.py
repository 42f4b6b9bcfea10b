"""Places: one number of a named array, of a trace, of what a run reads, or of its loss."""

from collections.abc import Sequence
from dataclasses import field, replace
from typing import Any, Literal, TypeAlias

from rnnviz.core.config import Network, parameter_name
from rnnviz.core.gradients import GRADIENT
from rnnviz.core.head import HEAD
from rnnviz.core.sequence import UNNAMED, Names
from rnnviz.core.trace_index import DIRECTIONS, Lane, Location, Places
from rnnviz.frozen import dataclass

INPUT_VALUES = "input"
"""The name of the sequence (T, N, I), whose gradient is "grad.input"."""

PARAMETERS = "parameters."
"""The beginning of the names of parameters, such as "parameters.l0_i2h_weight"."""

LOSS = "loss."
"""The beginning of the names of the loss gradients, where the backward pass starts: "loss.out", "loss.h"."""

Kind: TypeAlias = Literal["step", "input", "initial", "parameter", "loss", "head"]
"""The owner of a number: a step, the sequence, the initial state, a parameter, the loss, or the dense layer."""


@dataclass(frozen=True)
class Place:
    """One number of an array: "h", a gate "i", "input", "h0", "parameters.l0_i2h_weight", "loss.out", or "grad.h".

    `index` is that of the array; of "out" and the loss it is that of a hidden value (L, D, T, N, U). `lane` is None of
    the sequence. `names` names the time steps and features of the sequence.
    """

    array: str
    index: tuple[int, ...]
    lane: Lane | None = field(default=None, compare=False, repr=False)
    names: Names = field(default=UNNAMED, compare=False, repr=False)

    @classmethod
    def at(cls, array: str, where: Location) -> "Place":
        """The number of an array (L, D, T, N, U) at a location."""
        return cls(array, where.index, where.lane)

    @property
    def is_gradient(self) -> bool:
        """Whether it is the gradient of a number; not of a loss gradient."""
        return self.array.startswith(GRADIENT)

    @property
    def gradient(self) -> "Place":
        """The gradient of the loss with respect to this number."""
        return replace(self, array=f"{GRADIENT}{self.array}")

    @property
    def of(self) -> "Place":
        """The number that this is the gradient of; itself if it is none."""
        return replace(self, array=self.symbol) if self.is_gradient else self

    @property
    def symbol(self) -> str:
        """The name of the array without "grad."."""
        return self.array.removeprefix(GRADIENT)

    @property
    def kind(self) -> Kind:
        """The owner of the number, or of the one that it is the gradient of."""
        if self.symbol.startswith(PARAMETERS):
            return "parameter"
        if self.array.startswith(LOSS):
            return "loss"
        if len(self.index) == len(Location().index):
            return "step"
        if self.symbol == HEAD:
            return "head"
        return "input" if self.symbol == INPUT_VALUES else "initial"

    @property
    def is_given(self) -> bool:
        """Whether no step computes it: a number of the sequence, of the initial state or of the loss."""
        return not self.is_gradient and self.kind in ("input", "initial", "loss")

    @property
    def in_backward_pass(self) -> bool:
        """Whether it is a gradient, or a loss gradient."""
        return self.is_gradient or self.kind == "loss"

    @property
    def location(self) -> Location | None:
        """The location in arrays (L, D, T, N, U); None of other arrays."""
        if self.lane is None or len(self.index) != len(Location().index):
            return None
        return Location(*self.index, reverse=self.lane.reverse)

    @property
    def layer(self) -> int:
        assert self.lane is not None
        assert self.lane.layer is not None
        return self.lane.layer

    @property
    def direction(self) -> int:
        assert self.lane is not None
        return self.lane.direction

    @property
    def sample(self) -> int | None:
        """The sample; None of a parameter."""
        return None if self.kind == "parameter" else self.index[-2]

    @property
    def unit(self) -> int:
        """The unit, feature, or last index of a parameter."""
        return self.index[-1]

    @property
    def timestep(self) -> int | None:
        """The time step; None of an initial state and a parameter."""
        if self.kind in ("initial", "parameter"):
            return None
        return self.index[-3]

    @property
    def parameter(self) -> str:
        """The name of a parameter in a network: "l0_i2h_weight"."""
        return self.symbol.removeprefix(PARAMETERS)

    @property
    def name_in_lane(self) -> str:
        """The name of a parameter in its lane: "i2h_weight"."""
        return self.parameter.partition("_")[2]

    def to_json(self) -> dict[str, Any]:
        """The index by the names of its axes, as `Location.to_json` has them; of a parameter "index"."""
        if self.location is not None:
            return self.location.to_json()
        if self.kind == "input":
            return dict(zip(("timestep", "sample", "feature"), self.index, strict=True))
        if self.kind == "head":
            return dict(zip(("timestep", "sample", "unit"), self.index, strict=True))
        if self.kind == "initial":
            assert self.lane is not None
            _, sample, unit = self.index
            word = DIRECTIONS[self.lane.backward]
            return {"layer": self.lane.layer, "direction": word, "sample": sample, "unit": unit}
        return {"index": list(self.index)}

    @property
    def short(self) -> str:
        """The place in little room: "grad.h L0→ t=3 n=3 u=1"; `str` gives the long form."""
        return str(self) if self.location is None else f"{self.array} {self.location.short}"

    def __str__(self) -> str:
        if self.location is not None:
            return f"{self.array} of {self.location}"
        if self.kind == "input":
            t, sample, feature = self.index
            return f"{self.array} at t = {t:,}, sample {sample}, feature {feature}"
        if self.kind == "head":
            t, sample, unit = self.index
            return f"t = {t:,}, sample {sample}, unit {unit} of the dense layer"
        if self.kind == "initial":
            place = "layer {layer}, {direction}, sample {sample}, unit {unit}".format(**self.to_json())
            return f"{self.array} of {place}"
        return f"{self.array}[{', '.join(map(str, self.index))}]"


def entry_place(network: Network | Places, array: str, index: Sequence[int]) -> Place:
    """The place of an entry of an array, in its lane of a network."""
    place = Place(array, tuple(index))
    if place.kind in ("input", "head"):
        return place
    if place.kind == "parameter":
        name = place.parameter.partition("_")[0]
        layer, direction = int(name[1:]), "lr".index(name[0])
    elif place.kind == "initial":
        layer, direction = divmod(place.index[0], network.directions)
    else:
        layer, direction, *_ = place.index
    return replace(place, lane=Lane(layer, direction, reverse=network.reverse))


def parameter_place(lane: Lane, name: str, index: tuple[int, ...]) -> Place:
    """The place of a number of a parameter of a lane, such as row 3, column 2 of "i2h_weight"; a bias has no column."""
    assert lane.layer is not None
    return Place(f"{PARAMETERS}{parameter_name(lane.layer, lane.direction, name)}", index, lane)

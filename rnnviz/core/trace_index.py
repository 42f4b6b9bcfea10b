"""Location of one value in a trace, such as the first mismatch or the selected value."""

from dataclasses import dataclass, field, replace
from typing import Any

DIRECTIONS = ("forward", "backward")
ARROWS = ("→", "←")


@dataclass(frozen=True, order=True)
class Location:
    """Indices from 0 into a trace of shape (L, D, T, N, H).

    `reverse` says that direction 0 is the only one and goes backward, as with `network.reverse`; it names the
    direction, and two locations that differ in it alone are equal.
    """

    layer: int = 0
    direction: int = 0
    timestep: int = 0
    sample: int = 0
    unit: int = 0
    reverse: bool = field(default=False, compare=False, repr=False, kw_only=True)

    @property
    def backward(self) -> bool:
        """Whether the lane reads the sequence from its end."""
        return self.reverse or self.direction == 1

    def moved(self, **changes: int) -> "Location":
        """The same place with some of its indices replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def within(self, shape: tuple[int, int, int, int, int]) -> "Location":
        """The nearest place inside a trace of shape (L, D, T, N, H)."""
        layers, directions, timesteps, samples, units = shape
        return Location(
            min(max(self.layer, 0), layers - 1),
            min(max(self.direction, 0), directions - 1),
            min(max(self.timestep, 0), timesteps - 1),
            min(max(self.sample, 0), samples - 1),
            min(max(self.unit, 0), units - 1),
            reverse=self.reverse,
        )

    @property
    def index(self) -> tuple[int, int, int, int, int]:
        """The index into a hidden array of shape (L, D, T, N, H)."""
        return self.layer, self.direction, self.timestep, self.sample, self.unit

    @property
    def order(self) -> tuple[int, int, int, int, int]:
        """The key that sorts places in the order of computation."""
        return self.layer, self.direction, -self.timestep if self.backward else self.timestep, self.sample, self.unit

    def to_json(self) -> dict[str, Any]:
        """The contract's form, with the direction in words."""
        return {
            "layer": self.layer,
            "direction": DIRECTIONS[self.backward],
            "timestep": self.timestep,
            "sample": self.sample,
            "unit": self.unit,
        }

    @property
    def short(self) -> str:
        """The position in little room: "L0→ t=3 n=3 u=1"; `str` gives the long form."""
        return f"L{self.layer}{ARROWS[self.backward]} t={self.timestep} n={self.sample} u={self.unit}"

    def __str__(self) -> str:
        direction = DIRECTIONS[self.backward]
        return f"layer {self.layer}, {direction}, t = {self.timestep}, sample {self.sample}, unit {self.unit}"


@dataclass(frozen=True)
class Lane:
    """One layer in one direction, or with `layer` None the input sequence; `reverse` as in `Location`."""

    layer: int | None
    direction: int = 0
    reverse: bool = field(default=False, compare=False, repr=False, kw_only=True)

    @property
    def backward(self) -> bool:
        """Whether the lane reads the sequence from its end."""
        return self.reverse or self.direction == 1


INPUT = Lane(None)


def lanes_of(layers: int, directions: int, *, reverse: bool = False) -> tuple[Lane, ...]:
    """Every lane from the top of the picture down: the last layer first, backward above forward, the input last."""
    hidden = [Lane(k, d, reverse=reverse) for k in reversed(range(layers)) for d in reversed(range(directions))]
    return (*hidden, INPUT)

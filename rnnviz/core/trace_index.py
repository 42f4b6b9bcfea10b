"""One place in a trace: what a comparison reports and what the window's cursor points at."""

from dataclasses import dataclass, replace
from typing import Any

DIRECTIONS = ("forward", "backward")
ARROWS = ("→", "←")


@dataclass(frozen=True, order=True)
class Location:
    """Indices from 0; `direction` is 0 for forward and 1 for backward."""

    layer: int = 0
    direction: int = 0
    timestep: int = 0
    sample: int = 0
    unit: int = 0

    def moved(self, **changes: int) -> "Location":
        """The same place with some of its indices replaced."""
        return replace(self, **changes)

    def within(self, shape: tuple[int, int, int, int, int]) -> "Location":
        """The nearest place inside a trace of shape (L, D, T, N, H)."""
        layers, directions, timesteps, samples, units = shape
        return Location(
            min(max(self.layer, 0), layers - 1),
            min(max(self.direction, 0), directions - 1),
            min(max(self.timestep, 0), timesteps - 1),
            min(max(self.sample, 0), samples - 1),
            min(max(self.unit, 0), units - 1),
        )

    @property
    def index(self) -> tuple[int, int, int, int, int]:
        """The index into a hidden array of shape (L, D, T, N, H)."""
        return self.layer, self.direction, self.timestep, self.sample, self.unit

    def to_json(self) -> dict[str, Any]:
        """The contract's form, with the direction in words."""
        return {
            "layer": self.layer,
            "direction": DIRECTIONS[self.direction],
            "timestep": self.timestep,
            "sample": self.sample,
            "unit": self.unit,
        }

    def __str__(self) -> str:
        direction = DIRECTIONS[self.direction]
        return f"layer {self.layer}, {direction}, t = {self.timestep}, sample {self.sample}, unit {self.unit}"


@dataclass(frozen=True)
class Lane:
    """One layer in one direction (0 forward, 1 backward), or with `layer` None the input sequence."""

    layer: int | None
    direction: int = 0


INPUT = Lane(None)


def lanes_of(layers: int, directions: int) -> tuple[Lane, ...]:
    """Every lane from the top of the picture down: the last layer first, backward above forward, the input last."""
    hidden = [Lane(k, d) for k in reversed(range(layers)) for d in reversed(range(directions))]
    return (*hidden, INPUT)

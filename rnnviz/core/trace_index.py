"""Locations of values in a trace, in the order of computation, and the lengths of its samples.

The time steps t >= length of a sample are padding, 0 in every array. The backward direction starts at length - 1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.words import plural

DIRECTIONS = ("forward", "backward")
ARROWS = ("→", "←")


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


@dataclass(frozen=True, order=True)
class Location:
    """Indices from 0 into a trace (L, D, T, N, H); `reverse` as in `network.reverse`, for the direction's name."""

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
        return replace(self, **changes)  # type: ignore[arg-type]

    def within(self, shape: tuple[int, int, int, int, int]) -> "Location":
        """The nearest place inside a trace of shape (L, D, T, N, H)."""
        nearest = (min(max(place, 0), size - 1) for place, size in zip(self.index, shape, strict=True))
        return Location(*nearest, reverse=self.reverse)

    @property
    def index(self) -> tuple[int, int, int, int, int]:
        """The index into a hidden array of shape (L, D, T, N, H)."""
        return self.layer, self.direction, self.timestep, self.sample, self.unit

    @property
    def lane(self) -> Lane:
        return Lane(self.layer, self.direction, reverse=self.reverse)

    @property
    def order(self) -> tuple[int, int, int, int, int]:
        """The key that sorts places in the order of computation."""
        return self.layer, self.direction, -self.timestep if self.backward else self.timestep, self.sample, self.unit

    @property
    def gradient_order(self) -> tuple[int, int, int, int, int]:
        """The key that sorts places in the order of the backward pass: top layer first, from the last computed step."""
        layer, direction, timestep, sample, unit = self.order
        return -layer, direction, -timestep, sample, unit

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
        return f"layer {self.layer}, {direction}, t = {self.timestep:,}, sample {self.sample}, unit {self.unit}"


def check_index(name: str, value: int, count: int, noun: str) -> None:
    """Refuse an index that is not one of `count`; `name` is what the user calls it, `noun` the counted thing."""
    if not 0 <= value < count:
        allowed = "0" if count == 1 else f"from 0 to {count - 1}"
        there = "there is" if count == 1 else "there are"
        raise InputError(f"{name} must be {allowed} (got {value}): {there} {plural(count, noun)}.")


INPUT = Lane(None)


@dataclass(frozen=True)
class Places:
    """The sizes of the arrays of a run, the direction of each lane, and the lengths, () if no sample has padding."""

    layers: int
    directions: int
    timesteps: int
    samples: int
    reverse: bool = False
    lengths: tuple[int, ...] = ()

    @classmethod
    def of(cls, network: Network, timesteps: int, samples: int, lengths: tuple[int, ...] = ()) -> "Places":
        return cls(network.num_layers, network.directions, timesteps, samples, network.reverse, lengths)

    def backward(self, direction: int) -> bool:
        """Whether the lanes of a direction read the sequence from its end."""
        return self.reverse or direction == 1

    def location(self, *index: int) -> Location:
        return Location(*index, reverse=self.reverse)

    def length(self, sample: int) -> int:
        return self.lengths[sample] if self.lengths else self.timesteps

    @property
    def every_length(self) -> tuple[int, ...]:
        """The number of time steps of each sample, also if none has padding."""
        return self.lengths or (self.timesteps,) * self.samples

    def last_steps(self, direction: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """The time step of each sample (N,) that leaves the final state of a lane, and the samples (N,): an index."""
        lengths = np.asarray(self.every_length, np.intp)
        return np.zeros_like(lengths) if self.backward(direction) else lengths - 1, np.arange(self.samples)

    def of_samples(self, samples: NDArray[np.intp]) -> "Places":
        lengths = tuple(self.length(sample) for sample in samples)
        return replace(self, samples=len(samples), lengths=() if set(lengths) == {self.timesteps} else lengths)


def lanes_of(network: Network) -> tuple[Lane, ...]:
    """Every lane from the top of the picture down: the last layer first, backward above forward, the input last."""
    every = product(reversed(range(network.num_layers)), reversed(range(network.directions)))
    return (*(Lane(layer, direction, reverse=network.reverse) for layer, direction in every), INPUT)


def padding_mask(lengths: Sequence[int], times: slice | range) -> NDArray[np.bool_]:
    """(B, N): whether some time steps are padding."""
    return np.arange(times.start, times.stop)[:, np.newaxis] >= np.asarray(lengths)


def clear_padding(lengths: Sequence[int], array: NDArray[Any]) -> None:
    """Set the padding of an array to 0."""
    for sample, length in enumerate(lengths):
        array[..., length:, sample, :] = 0


def computed_parts(
    lengths: Sequence[int], times: range, *, backward: bool = False
) -> Iterator[tuple[range, NDArray[np.intp]]]:
    """Parts of some time steps in which no sample ends, each with the samples (S,) that are computed in it."""
    ends = sorted({times.stop, *(length for length in lengths if times.start < length < times.stop)})
    parts = [range(start, stop) for start, stop in zip([times.start, *ends], ends, strict=False)]
    for part in reversed(parts) if backward else parts:
        yield part, np.flatnonzero(np.asarray(lengths) >= part.stop)


def reversed_within(lengths: Sequence[int], array: NDArray[Any]) -> NDArray[Any]:
    """A copy (T, N, U) of an array (T, N, U) with each sample's time steps reversed, and its padding left."""
    reversed_array = array.copy()
    for sample, length in enumerate(lengths):
        reversed_array[:length, sample] = array[:length, sample][::-1]
    return reversed_array


def last_steps(array: NDArray[Any], lengths: Sequence[int]) -> NDArray[Any]:
    """(N, U): the values of an array (T, N, U) at the last time step of each sample."""
    if not lengths:
        return np.asarray(array[-1])
    return np.asarray(array[np.asarray(lengths) - 1, np.arange(len(lengths))])


def time_blocks(times: slice | range, length: int, *, backward: bool) -> Iterator[slice]:
    """Slices of at most `length` time steps of `times`, in the order of computation."""
    starts = range(times.start, times.stop, length)
    for start in reversed(starts) if backward else starts:
        yield slice(start, min(start + length, times.stop))


def read_after(network: Network, where: Location, timesteps: int) -> int | None:
    """The time step whose state this step reads; None for the initial state. T is the length of the sample."""
    step = where.timestep + (1 if network.backward(where.direction) else -1)
    return step if 0 <= step < timesteps else None


def carried_to(network: Network, where: Location, timesteps: int) -> int | None:
    """The time step that reads this step's state; None if it is the final state. T is the length of the sample."""
    step = where.timestep + (-1 if network.backward(where.direction) else 1)
    return step if 0 <= step < timesteps else None


def state_row(network: Network, where: Location) -> int:
    """The index of a lane in a state of shape (L·D, N, H)."""
    return where.layer * network.directions + where.direction


def lane_text(network: Network, where: Location) -> str:
    """ "layer 1, backward"; of a network that only goes forward, "layer 1"."""
    several = network.bidirectional or network.reverse
    return f"layer {where.layer}" + (f", {DIRECTIONS[network.backward(where.direction)]}" if several else "")

"""Where each lane's last computed vector is: in `state`, and in `out` or among the hidden states."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.config import Network
from rnnviz.core.indexing import in_out, last_timestep, out_columns, out_text, state_row, state_text
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify.metrics import abs_error, tolerance

PlaceKind: TypeAlias = Literal["out", "hidden", "state", "cell"]


@dataclass(frozen=True)
class Place:
    """One array of H numbers that an engine returned or computed; `where` is the step that it belongs to."""

    kind: PlaceKind
    where: Location
    text: str


@dataclass(frozen=True)
class Agreement:
    """Agreement of a hidden state in two places: `verdict` is "equal", "near", "different" or "missing".

    "near" means within the tolerance, "missing" that a recording lacks one of the two. `largest` is the largest
    absolute difference, and `unit` where it is.
    """

    verdict: Literal["equal", "near", "different", "missing"]
    largest: float = 0.0
    unit: int = 0

    def __str__(self) -> str:
        if self.verdict == "equal":
            return "equal"
        if self.verdict == "missing":
            return "not compared"
        if self.verdict == "near":
            return f"within {number_format.format_ceil(self.largest)}"
        return f"differ by {number_format.error(self.largest)}"


def lanes(network: Network, timesteps: int, sample: int) -> list[Location]:
    """Each lane's last computed step, from the top layer down, forward first."""
    return [
        Location(
            layer, direction, last_timestep(network.backward(direction), timesteps), sample, reverse=network.reverse
        )
        for layer in reversed(range(network.num_layers))
        for direction in range(network.directions)
    ]


def places(network: Network, last: Location) -> list[Place]:
    """Where the vector of a lane's last step is: what it is compared with first, then `state`."""
    if in_out(network, last):
        source = Place("out", last, out_text(network, last))
    else:
        source = Place("hidden", last, f"hidden, t = {last.timestep}")
    found = [source, Place("state", last, state_text(network, last))]
    if network.kind.has_cell_state:
        found.append(Place("cell", last, state_text(network, last, cell=True)))
    return found


def values_at(trace: Trace, network: Network, place: Place) -> FloatArray | None:
    """(H,): the numbers of an engine in one place; None where it has none."""
    where = place.where
    row = state_row(network, where)
    if {"out": "output", "state": "state_h"}.get(place.kind) in trace.missing:
        return None
    if place.kind == "out":
        return np.asarray(trace.output[where.timestep, where.sample, out_columns(network, where.direction)])
    if place.kind == "hidden" and not trace.holds(*where.index[:3]):
        return None
    if place.kind == "hidden":
        return np.asarray(trace.hidden[where.index[:-1]])
    if place.kind == "state":
        return np.asarray(trace.state_h[row, where.sample])
    return None if trace.state_c is None else np.asarray(trace.state_c[row, where.sample])


def agreement(trace: Trace, network: Network, last: Location, rtol: float, atol: float) -> Agreement:
    """Compare a lane's part of `state` with the same vector in out or in the hidden states."""
    source, state = (values_at(trace, network, place) for place in places(network, last)[:2])
    if source is None or state is None:
        return Agreement("missing")
    error = abs_error(source, state)
    unit = int(error.argmax())
    if error[unit] == 0.0:
        return Agreement("equal")
    near = bool(np.all(error <= tolerance(source, rtol, atol)))
    return Agreement("near" if near else "different", float(error[unit]), unit)

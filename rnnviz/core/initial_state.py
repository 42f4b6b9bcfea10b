"""The state before the first step."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rnnviz.core.config import InitialStateSource, Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray, read_only


@dataclass(frozen=True)
class State:
    """h, and c for an LSTM (else None), each (L·D, N, H) with index layer·D + direction."""

    h: FloatArray
    c: FloatArray | None = None

    @property
    def arrays(self) -> tuple[FloatArray, ...]:
        """(h,) or (h, c)."""
        return (self.h,) if self.c is None else (self.h, self.c)


def draw_initial_state(network: Network, source: InitialStateSource, batch_size: int) -> State:
    """Zeros, or N(0, 1) for h and then c by `numpy.random.default_rng(source.seed)`."""
    shape = network.state_shape(batch_size)
    generator = np.random.default_rng(source.seed)
    arrays = [
        generator.normal(size=shape) if source.source == "normal" else np.zeros(shape) for _ in network.kind.state_names
    ]
    return checked_state(network, batch_size, dict(zip(network.kind.state_names, arrays, strict=True)))


def checked_state(network: Network, batch_size: int, arrays: Mapping[str, FloatArray]) -> State:
    """A read-only state in the network's dtype; raises as `check_state` does."""
    check_state(network, batch_size, {name: array.shape for name, array in arrays.items()})
    return State(*(read_only(arrays[name], network.dtype) for name in network.kind.state_names))


def check_state(network: Network, batch_size: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check what is known of a state before its numbers are read.

    Raises
    ------
    InputError
        If h, or c of an LSTM, is missing or misshapen, or c is given to a cell that has none.
    """
    shape = network.state_shape(batch_size)
    names = network.kind.state_names
    for name in names:
        if name not in shapes:
            raise InputError(f"The initial state lacks {name}, which must have the shape {shape}.")
        if shapes[name] != shape:
            raise InputError(
                f"{name} of the initial state has the shape {shapes[name]}, but the network needs {shape}."
            )
    for name in shapes:
        if name not in names:
            raise InputError(
                f"The initial state holds {name}, but the cell {network.cell} has only {', '.join(names)}."
            )

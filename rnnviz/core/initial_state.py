"""The state before the first step."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from rnnviz.core.config import InitialStateSource, Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray, read_only


@dataclass(frozen=True)
class State:
    """h, and c for an LSTM (else None), each (L·D, N, H) with index layer·D + direction.

    With a projection h has P units and c has H. `further` has the other states of a custom cell.
    """

    h: FloatArray
    c: FloatArray | None = None
    further: Mapping[str, FloatArray] = field(default_factory=dict)

    @classmethod
    def of(cls, arrays: Mapping[str, FloatArray]) -> "State":
        """The state with these arrays by symbol, each (L·D, N, H)."""
        further = {name: array for name, array in arrays.items() if name not in ("h", "c")}
        return cls(arrays["h"], arrays.get("c"), further)

    @property
    def by_symbol(self) -> dict[str, FloatArray]:
        """The arrays by symbol: h, c, then further ones, each of shape (L·D, N, H)."""
        return {"h": self.h, **({} if self.c is None else {"c": self.c}), **self.further}

    @property
    def arrays(self) -> tuple[FloatArray, ...]:
        """(h,) or (h, c), then further states, each of shape (L·D, N, H)."""
        return tuple(self.by_symbol.values())


def draw_initial_state(network: Network, source: InitialStateSource, batch_size: int) -> State:
    """Draw the initial state.

    Parameters
    ----------
    network : Network
        The network.
    source : InitialStateSource
        Zeros, or N(0, 1) by `numpy.random.default_rng(seed)`: first h, then c.
    batch_size : int
        N.

    Returns
    -------
    State
        h and, for an LSTM, c, each of shape (L·D, N, H).
    """
    generator = np.random.default_rng(source.seed)
    shapes = {name: network.state_shape(batch_size, name) for name in network.kind.state_symbols}
    arrays = {
        name: generator.normal(size=shape) if source.source == "normal" else np.zeros(shape)
        for name, shape in shapes.items()
    }
    return checked_state(network, batch_size, arrays)


def checked_state(network: Network, batch_size: int, arrays: Mapping[str, FloatArray]) -> State:
    """Check and convert a given initial state.

    Parameters
    ----------
    network : Network
        The network.
    batch_size : int
        N.
    arrays : mapping of str to ndarray
        "h" and, for an LSTM, "c", each of shape (L·D, N, H).

    Returns
    -------
    State
        Read-only arrays in the network's dtype.

    Raises
    ------
    InputError
        As `check_state`.
    """
    check_state(network, batch_size, {name: array.shape for name, array in arrays.items()})
    return State.of({name: read_only(arrays[name], network.dtype) for name in network.kind.state_symbols})


def check_state(network: Network, batch_size: int, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Check the shapes of an initial state before its values are read.

    Parameters
    ----------
    network : Network
        The network.
    batch_size : int
        N.
    shapes : mapping of str to tuple of int
        Shapes of "h" and "c". Each must be (L·D, N, H).

    Raises
    ------
    InputError
        If h, or c of an LSTM, is missing or has another shape, or the cell has no c.
    """
    names = network.kind.state_symbols
    for name in names:
        shape = network.state_shape(batch_size, name)
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

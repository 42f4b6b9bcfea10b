"""Trace: the arrays that one engine produced in one run, in memory-mapped `.npy` files.

A trace may be larger than memory. It is written by the process that holds the engines and opened read-only
by all others. The arrays are time first, so that one time step of one lane lies together on disk.

A small trace is one file, a record of its arrays and the engine's name, because a short run takes no longer than it
takes to make a file for each.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.mmap_arrays import FloatArray, create_mapped, open_mapped
from rnnviz.core.multiscale import Pyramid, open_pyramids

_RECORD, _ENGINE, _MISSING, _REVERSE = "trace.npy", "engine", "missing", "reverse"
_ARRAYS = ("hidden", "output", "state_h", "state_c", "cell")
_TYPES = ("precision", "computed_in")
_SMALL_BYTES = 1 << 22


@dataclass(frozen=True)
class Trace(Mapping[str, FloatArray]):
    """One engine's arrays by name: a state such as "h" over time, "out", and a final state such as "state.h".

    Attributes
    ----------
    engine:
        The engine's name, as in a config.
    hidden:
        (L, D, T, N, H): every hidden state of every layer, direction, timestep and sample; P of an LSTM with a
        projection in place of H, as in all arrays but those of c.
    output:
        (T, N, D·H): the engine's `out`, time first in both layouts.
    state_h, state_c:
        (L·D, N, H): the engine's final state; `state_c` only for an LSTM.
    cell:
        (L, D, T, N, H): the cell states, where the engine knows them.
    further:
        Arrays of the other states of a custom cell: "m" (L, D, T, N, H) and "state.m" (L·D, N, H).
    missing:
        Names of the arrays that a recording lacks. They are filled from the others, so that their agreement verifies
        nothing. Hidden states without a source are NaN; `recorded` returns the time steps that have values. A missing
        `state_c` is None.
    precision:
        The type in which the numbers were recorded; empty if it is the network's own.
    computed_in:
        The type in which they were computed, where a recording says so; else they are taken to have been computed in
        the type in which they were recorded.
    reverse:
        Whether the only direction reads the sequence from its end, as with `network.reverse`.
    folder:
        Where the arrays are mapped from, if they are.
    pyramids:
        Coarser copies of `hidden` and of its errors, by name; none for a short trace.
    """

    engine: str
    hidden: FloatArray
    output: FloatArray
    state_h: FloatArray
    state_c: FloatArray | None = None
    cell: FloatArray | None = None
    further: Mapping[str, FloatArray] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    precision: str = ""
    computed_in: str = ""
    reverse: bool = False
    folder: Path | None = None
    pyramids: Mapping[str, Pyramid] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Whose numbers they are and their shape: the arrays would be too long to read."""
        return f"Trace of {self.engine}: hidden (L, D, T, N, H) = {self.hidden.shape}, {self.hidden.dtype}"

    @property
    def _arrays(self) -> dict[str, FloatArray]:
        arrays = {
            "h": self.hidden,
            "c": self.cell,
            "out": self.output,
            "state.h": self.state_h,
            "state.c": self.state_c,
        }
        return {name: array for name, array in arrays.items() if array is not None} | dict(self.further)

    def __getitem__(self, name: str) -> FloatArray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(L, D, T, N, H)."""
        layers, directions, timesteps, samples, units = self.hidden.shape
        return layers, directions, timesteps, samples, units

    @property
    def partial(self) -> bool:
        """Whether hidden states are missing, as they may in a recording."""
        layers, directions, timesteps, *_ = self.shape
        lanes = ((layer, direction) for layer in range(layers) for direction in range(directions))
        return any(len(self.recorded(*lane)) < timesteps for lane in lanes)

    @property
    def eps(self) -> float:
        """The spacing of numbers at 1 in the coarser of the network's type and the one that they were computed in."""
        return max(self._spacing(""), self._spacing(self.computed_in or self.precision))

    @property
    def stored_as(self) -> str:
        """The type to which the numbers were rounded when they were stored, "" if none is coarser than the computation.

        It is known only of a recording that says in which type it was computed.
        """
        return self.precision if self._spacing(self.precision) > self.eps else ""

    def _spacing(self, kind: str) -> float:
        return float(np.finfo(kind or self.hidden.dtype).eps)

    def backward(self, direction: int) -> bool:
        """Whether the lanes of this direction read the sequence from its end."""
        return self.reverse or direction == 1

    def recorded(self, layer: int, direction: int) -> range:
        """The time steps of a lane with hidden states: all, except in a recording.

        `output` alone has those of the top layer, and `state` the last one of each lane.

        Parameters
        ----------
        layer, direction : int
            The lane.

        Returns
        -------
        range
            Time steps, empty if there are none.
        """
        layers, _, timesteps, *_ = self.shape
        if "hidden" not in self.missing or (layer == layers - 1 and "output" not in self.missing):
            return range(timesteps)
        if "state_h" in self.missing:
            return range(0)
        last = 0 if self.backward(direction) else timesteps - 1
        return range(last, last + 1)

    def holds(self, layer: int, direction: int, timestep: int) -> bool:
        """Whether the trace has the hidden states of a step.

        Parameters
        ----------
        layer, direction, timestep : int
            The step.

        Returns
        -------
        bool
            False only in a recording.
        """
        return timestep in self.recorded(layer, direction)

    def output_in(self, layout: str) -> FloatArray:
        """`out` in a layout.

        Parameters
        ----------
        layout : {"NTC", "TNC"}
            Batch first or time first.

        Returns
        -------
        ndarray of shape (N, T, D·H) or (T, N, D·H)
            A view of `output`.
        """
        return self.output.swapaxes(0, 1) if layout == "NTC" else self.output

    def lane(self, layer: int, direction: int, sample: int) -> FloatArray:
        """Hidden states of one lane and sample.

        Parameters
        ----------
        layer, direction, sample : int
            The lane, and the index in the batch.

        Returns
        -------
        ndarray of shape (T, H)
            A view of `hidden`.
        """
        lane: FloatArray = self.hidden[layer, direction, :, sample, :]
        return lane


def create_trace(
    folder: Path, engine: str, network: Network, timesteps: int, batch_size: int, *, cell: bool = False
) -> Trace:
    """Create a writable trace in a new folder.

    Parameters
    ----------
    folder : Path
        The folder, which must not exist.
    engine : str
        Name of the engine.
    network : Network
        The network.
    timesteps, batch_size : int
        T and N.
    cell : bool
        Whether to allocate `cell` (L, D, T, N, H) for an LSTM.

    Returns
    -------
    Trace
        Memory-mapped arrays of zeros.

    Raises
    ------
    OSError
        If the folder exists or the disk is full.
    """
    folder.mkdir(parents=True)
    shapes: dict[str, tuple[int, ...]] = {
        "hidden": network.hidden_shape(timesteps, batch_size),
        "output": (timesteps, batch_size, network.directions * network.output_size),
        "state_h": network.state_shape(batch_size),
    }
    if network.kind.has_cell_state:
        shapes["state_c"] = network.state_shape(batch_size, "c")
        if cell:
            shapes["cell"] = network.hidden_shape(timesteps, batch_size, "c")
    for symbol in network.kind.further_states:
        shapes[symbol] = network.hidden_shape(timesteps, batch_size, symbol)
        shapes[f"state.{symbol}"] = network.state_shape(batch_size, symbol)
    name_bytes = engine.encode()
    record = [(name, network.dtype, shape) for name, shape in shapes.items()]
    arrays: Any
    if sum(prod(shape) for shape in shapes.values()) * np.dtype(network.dtype).itemsize <= _SMALL_BYTES:
        # The name comes last, as no array would be aligned after it.
        arrays = create_mapped(folder / _RECORD, np.dtype([*record, (_ENGINE, f"S{len(name_bytes)}")]), ())
        arrays[_ENGINE] = name_bytes
    else:
        (folder / _ENGINE).write_bytes(name_bytes)
        arrays = {name: create_mapped(folder / f"{name}.npy", dtype, shape) for name, dtype, shape in record}
    if network.reverse:
        (folder / _REVERSE).touch()
    return Trace(engine, **_fields({name: arrays[name] for name in shapes}), folder=folder, reverse=network.reverse)


def open_trace(folder: Path, *, writable: bool = False) -> Trace:
    """Open the trace in a folder; no values are read.

    Parameters
    ----------
    folder : Path
        A folder of `create_trace`.
    writable : bool
        Whether to map the arrays for writing.

    Returns
    -------
    Trace
        Memory-mapped arrays.

    Raises
    ------
    OSError, ValueError
        If the folder is not a trace.
    """
    arrays: dict[str, Any]
    if (folder / _RECORD).exists():
        record = open_mapped(folder / _RECORD, writable=writable)
        arrays = {name: record[name] for name in record.dtype.names}
        engine = bytes(arrays.pop(_ENGINE)[()]).decode()
    else:
        engine = (folder / _ENGINE).read_bytes().decode()
        further = [path.stem.removeprefix("state.") for path in sorted(folder.glob("state.*.npy"))]
        arrays = {
            name: open_mapped(folder / f"{name}.npy", writable=writable)
            for name in (*_ARRAYS, *further, *(f"state.{symbol}" for symbol in further))
            if (folder / f"{name}.npy").exists()
        }
    reverse = (folder / _REVERSE).exists()
    trace = Trace(engine, **_fields(arrays), folder=folder, pyramids=open_pyramids(folder), reverse=reverse)
    precision, computed_in = (path.read_bytes().decode() if (path := folder / name).exists() else "" for name in _TYPES)
    trace = replace(trace, precision=precision, computed_in=computed_in)
    if not (folder / _MISSING).exists():
        return trace
    return _without(trace, (folder / _MISSING).read_bytes().decode().split())


def _fields(arrays: Mapping[str, Any]) -> dict[str, Any]:
    further = {name: array for name, array in arrays.items() if name not in _ARRAYS}
    return {name: array for name, array in arrays.items() if name in _ARRAYS} | {"further": further}


def with_missing(trace: Trace, missing: Iterable[str], precision: str = "", computed_in: str = "") -> Trace:
    """Mark arrays of a trace as missing, and record the types of a recording.

    Parameters
    ----------
    trace : Trace
        The trace, whose folder stores the marks.
    missing : iterable of str
        Names of missing arrays.
    precision, computed_in : str
        Types in which the values were recorded and computed; empty for the network's own.

    Returns
    -------
    Trace
        The marked trace.

    Raises
    ------
    OSError
        If the disk is full.
    """
    missing = sorted(missing)
    if trace.folder is not None and missing:
        (trace.folder / _MISSING).write_bytes(" ".join(missing).encode())
    for name, kind in zip(_TYPES, (precision, computed_in), strict=True):
        if trace.folder is not None and kind:
            (trace.folder / name).write_bytes(kind.encode())
    return _without(replace(trace, precision=precision, computed_in=computed_in), missing)


def _without(trace: Trace, missing: Iterable[str]) -> Trace:
    names = frozenset(missing)
    return replace(trace, missing=names, state_c=None if "state_c" in names else trace.state_c)

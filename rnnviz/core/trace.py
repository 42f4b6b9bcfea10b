"""Trace: the arrays that one engine produced in one run by name, in memory-mapped `.npy` files, time first.

A trace may be larger than memory. A small one is a single file, a record of its arrays and of `trace.json`, because a
short run takes no longer than it takes to make a file for each. An array that is added later has its own file.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.running_error import HALF_TYPES, spacing
from rnnviz.core.config import Network
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_PARAMETERS, gradient_shapes
from rnnviz.core.mmap_arrays import FloatArray, create_mapped, open_mapped
from rnnviz.core.multiscale import Pyramid, open_pyramids
from rnnviz.core.places import Place, entry_place
from rnnviz.core.trace_index import Places, clear_padding
from rnnviz.frozen import dataclass

_RECORD, _ABOUT = "trace.npy", "trace.json"
_SUFFIX = ".array.npy"

DERIVED = "derived."
"""The beginning of the names of arrays that are computed from h after the run, such as "derived.c"."""

LINE = "line."
"""The beginning of the names of the lines that a custom step returns besides its states, such as "line.f"."""

_SMALL_BYTES, _FEW_ARRAYS = 1 << 22, 100
"""The largest record: NumPy refuses a file with a long header."""


@dataclass(frozen=True)
class Trace(Mapping[str, FloatArray]):
    """One engine's arrays by name.

    "h" (L, D, T, N, H) are the hidden states and "c" the cell states, where the engine gives them; "out" (T, N, D·H) is
    time first in both layouts, "state.h" and "state.c" (L·D, N, H) are the final states. An LSTM with a projection has
    P in place of H in all but c's. "derived.c" are cell states that the step audit derived from h, "line.f" the values
    of a line that a custom step returned. `gradients.gradient_shapes` lists the gradients of a backward pass; they
    are here as far as the engine gives them. All are 0 in padding.

    `missing` are arrays that a recording lacks. They are filled from the others, so that their agreement verifies
    nothing; hidden states without a source are NaN, and `recorded` returns the time steps that have values. A missing
    final state but "state.h" is not in `arrays`, a missing gradient in neither. `precision` is the type in which the
    numbers were recorded, "" for the network's own, and `computed_in` the one in which they were computed, where a
    recording says so. `pyramids` has coarser copies of arrays and of errors, such as "h.low"; none for a short trace.
    Half of the methods are properties that name one array each.
    """

    engine: str
    arrays: Mapping[str, FloatArray]
    places: Places
    missing: frozenset[str] = frozenset()
    precision: str = ""
    computed_in: str = ""
    folder: Path | None = None
    pyramids: Mapping[str, Pyramid] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Whose numbers they are and their shape: the arrays would be too long to read."""
        return f"Trace of {self.engine}: hidden (L, D, T, N, H) = {self.hidden.shape}, {self.hidden.dtype}"

    def __getitem__(self, name: str) -> FloatArray:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def with_arrays(self, arrays: Mapping[str, FloatArray | None]) -> "Trace":
        """The trace with some arrays replaced; None removes one."""
        kept = {name: array for name, array in {**self.arrays, **arrays}.items() if array is not None}
        return replace(self, arrays=kept)

    @property
    def hidden(self) -> FloatArray:
        """(L, D, T, N, H): the hidden states, "h"."""
        return self.arrays["h"]

    @property
    def cell(self) -> FloatArray | None:
        """(L, D, T, N, H): the cell states, "c", where the engine gives them."""
        return self.arrays.get("c")

    @property
    def output(self) -> FloatArray:
        """(T, N, D·H): `out`, time first."""
        return self.arrays["out"]

    @property
    def state_h(self) -> FloatArray:
        """(L·D, N, H): the final hidden states, "state.h"."""
        return self.arrays["state.h"]

    @property
    def state_c(self) -> FloatArray | None:
        """(L·D, N, H): the final cell states of an LSTM, "state.c"."""
        return self.arrays.get("state.c")

    def stored(self, name: str) -> str | None:
        """The name of an array, or of the one that was derived in its place; None if there is neither."""
        return next((found for found in (name, f"{DERIVED}{name}") if found in self.arrays), None)

    def over_time(self) -> list[str]:
        """The names of the arrays (L, D, T, N, U), without returned lines."""
        return [name for name, array in self.arrays.items() if array.ndim == 5 and not name.startswith(LINE)]

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of time steps of each sample; () if none has padding."""
        return self.places.lengths

    @property
    def has_gradients(self) -> bool:
        """Whether the engine computed a backward pass."""
        return any(name.startswith(GRADIENT) for name in self.arrays)

    def gradients_over_time(self) -> list[str]:
        """The names of the gradients with time steps, such as "grad.h", "grad.i" and "grad.input"."""
        return [name for name in self.with_padding() if name.startswith(GRADIENT)]

    def in_lanes(self, name: str) -> FloatArray:
        """An array over time by name as (L, D, T, N, U); the gradient of the sequence is one lane (1, 1, T, N, I)."""
        array = self.arrays[name]
        return array[None, None] if name == OF_INPUT else array

    @property
    def lines(self) -> dict[str, FloatArray]:
        """(L, D, T, N, U): the lines that a custom step returned besides its states, by name."""
        return {name.removeprefix(LINE): array for name, array in self.arrays.items() if name.startswith(LINE)}

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(L, D, T, N, H)."""
        layers, directions, timesteps, samples, units = self.hidden.shape
        return layers, directions, timesteps, samples, units

    def place(self, name: str, index: Sequence[int]) -> Place:
        return entry_place(self.places, name, index)

    @property
    def partial(self) -> bool:
        """Whether hidden states are missing, as they may in a recording."""
        layers, directions, timesteps, *_ = self.shape
        return any(len(self.recorded(*lane)) < timesteps for lane in np.ndindex(layers, directions))

    @property
    def half(self) -> str:
        """The type of half precision in which a recording says that it was computed, or ""."""
        return self.computed_in if self.computed_in in HALF_TYPES else ""

    @property
    def spacing(self) -> float:
        """The spacing of numbers at 1 in the coarser of the network's type and the one that they were computed in."""
        return max(self._spacing(""), self._spacing(self.computed_in or self.precision))

    @property
    def eps(self) -> float:
        """The epsilon of the step audit: the spacing, or a quarter in half precision, which rounds results alone."""
        return self.spacing / 4.0 if self.half else self.spacing

    @property
    def stored_as(self) -> str:
        """The type of a recording that is coarser than what it says it was computed in; "" if there is none."""
        return self.precision if self._spacing(self.precision) > self.spacing else ""

    def _spacing(self, kind: str) -> float:
        return spacing(kind or self.hidden.dtype.name)

    def with_padding(self) -> list[str]:
        """The names of the arrays (..., T, N, U) with time steps, which may be padding."""
        return [name for name, array in self.items() if array.ndim == 5 or name in ("out", OF_INPUT)]

    def clear_padding(self) -> None:
        """Set the padding of a writable trace to 0."""
        for name in self.with_padding():
            clear_padding(self.places.lengths, self[name])

    def computed_count(self, array: FloatArray) -> int:
        """The number of values of an array (L, D, T, N, U) that are not padding; all of an array without time."""
        if not self.places.lengths or array.ndim != 5:
            return array.size
        layers, directions, _, _, units = array.shape
        return layers * directions * units * sum(self.places.lengths)

    def of_samples(self, samples: NDArray[np.intp]) -> "Trace":
        """The arrays of some samples, without the gradients of parameters."""
        arrays = {name: array for name, array in self.items() if not name.startswith(OF_PARAMETERS)}
        own = {name: np.ascontiguousarray(array[..., samples, :]) for name, array in arrays.items()}
        return replace(self, arrays=own, places=self.places.of_samples(samples))

    def recorded(self, layer: int, direction: int) -> range:
        """The time steps of a lane with hidden states; a recording has them in "h", "out" or "state.h"."""
        layers, _, timesteps, *_ = self.shape
        if "h" not in self.missing or (layer == layers - 1 and "out" not in self.missing):
            return range(timesteps)
        if "state.h" in self.missing:
            return range(0)
        backward = self.places.backward(direction)
        if self.places.lengths and not backward:
            # The last steps of the samples are different ones.
            return range(0)
        last = 0 if backward else timesteps - 1
        return range(last, last + 1)

    def holds(self, layer: int, direction: int, timestep: int) -> bool:
        """Whether the trace has the hidden states of a step."""
        return timestep in self.recorded(layer, direction)

    def output_in(self, layout: str) -> FloatArray:
        """`out` in a layout. Returns an array (N, T, D·H) or (T, N, D·H): a view of "out"."""
        return self.output.swapaxes(0, 1) if layout == "NTC" else self.output

    def lane(self, layer: int, direction: int, sample: int) -> FloatArray:
        """Hidden states of one lane and sample. Returns an array (T, H): a view of "h"."""
        lane: FloatArray = self.hidden[layer, direction, :, sample, :]
        return lane


def array_shapes(
    network: Network, timesteps: int, batch_size: int, names: Iterable[str] = ("h",)
) -> dict[str, tuple[int, ...]]:
    """Shapes by name: (L, D, T, N, U) over time, (T, N, D·H), (L·D, N, H), and `gradient_shapes`."""
    symbols, names = network.kind.state_symbols, tuple(names)
    gradients = [name for name in names if name.startswith(GRADIENT)]
    names = [name for name in names if not name.startswith(GRADIENT)]
    return {
        **{name: network.hidden_shape(timesteps, batch_size, name) for name in names},
        "out": (timesteps, batch_size, network.directions * network.output_size),
        **{f"state.{symbol}": network.state_shape(batch_size, symbol) for symbol in symbols},
        **gradient_shapes(network, timesteps, batch_size, gradients),
    }


def trace_in_memory(engine: str, network: Network, places: Places, names: Iterable[str]) -> Trace:
    """A writable trace of zeros that is in no folder."""
    shapes = array_shapes(network, places.timesteps, places.samples, names)
    return Trace(engine, {name: np.zeros(shape, network.dtype) for name, shape in shapes.items()}, places)


def create_trace(folder: Path, engine: str, network: Network, places: Places, names: Iterable[str] = ("h",)) -> Trace:
    """Create a writable trace in a new folder. Raises OSError if the folder exists or the disk is full."""
    folder.mkdir(parents=True)
    shapes = array_shapes(network, places.timesteps, places.samples, names)
    about = json.dumps({"engine": engine, "places": vars(places)}).encode()
    arrays: Any
    size = sum(map(prod, shapes.values())) * np.dtype(network.dtype).itemsize
    if size <= _SMALL_BYTES and len(shapes) <= _FEW_ARRAYS:
        record = [(name, network.dtype, shape) for name, shape in shapes.items()]
        # The text comes last, as no array would be aligned after it.
        arrays = create_mapped(folder / _RECORD, np.dtype([*record, (_ABOUT, f"S{len(about)}")]), ())
        arrays[_ABOUT] = about
    else:
        (folder / _ABOUT).write_bytes(about)
        arrays = {name: create_mapped(_path(folder, name), network.dtype, shape) for name, shape in shapes.items()}
    found = {name: arrays[name] for name in shapes}
    return Trace(engine, found, places, folder=folder)


def add_array(folder: Path, name: str, dtype: str, shape: tuple[int, ...]) -> FloatArray:
    """A writable map of zeros of the given shape (L, D, T, N, U) in a stored trace; OSError if it exists."""
    array: FloatArray = create_mapped(_path(folder, name), dtype, shape)
    return array


def open_trace(folder: Path, *, writable: bool = False) -> Trace:
    """Open the trace in a folder; no values are read. Raises OSError or ValueError if the folder is not a trace."""
    arrays: dict[str, Any] = {
        path.name.removesuffix(_SUFFIX): open_mapped(path, writable=writable)
        for path in sorted(folder.glob(f"*{_SUFFIX}"))
    }
    about = b""
    if (folder / _RECORD).exists():
        record = open_mapped(folder / _RECORD, writable=writable)
        arrays |= {name: record[name] for name in record.dtype.names}
        about = bytes(arrays.pop(_ABOUT)[()])
    if not about or (folder / _ABOUT).exists():
        about = (folder / _ABOUT).read_bytes()
    known = json.loads(about)
    missing, sizes = known.pop("missing", ()), known.pop("places")
    places = Places(**{**sizes, "lengths": tuple(sizes["lengths"])})
    return _without(
        Trace(arrays=arrays, places=places, folder=folder, pyramids=open_pyramids(folder), **known), missing
    )


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}{_SUFFIX}"


def with_missing(trace: Trace, missing: Iterable[str], precision: str = "", computed_in: str = "") -> Trace:
    """Mark arrays of a trace as missing, and record the types of a recording. Raises OSError if the disk is full."""
    missing, marked = sorted(missing), replace(trace, precision=precision, computed_in=computed_in)
    if trace.folder is not None and (missing or precision or computed_in):
        about: dict[str, Any] = {name: getattr(marked, name) for name in ("engine", "precision", "computed_in")}
        about |= {"places": vars(trace.places), "missing": missing}
        (trace.folder / _ABOUT).write_bytes(json.dumps(about).encode())
    return _without(marked, missing)


def _without(trace: Trace, missing: Iterable[str]) -> Trace:
    names = frozenset(missing)
    # Arrays of which others make no copy; further states over time and gradients may always be absent.
    absent = names - {"h", "out", "state.h"}
    missing = frozenset(n for n in names if n in ("h", "out") or n.startswith("state."))
    return replace(trace.with_arrays(dict.fromkeys(absent)), missing=missing)

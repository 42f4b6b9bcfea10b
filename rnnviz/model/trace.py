"""What one engine computed: a folder of memory-mapped `.npy` files.

A trace may be larger than memory. It is written by the process that holds the engines and opened read-only
by everybody else. The arrays are time first, so that one timestep of one lane lies together on disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rnnviz.model.arrays import FloatArray, create_mapped, open_mapped
from rnnviz.model.config import Network
from rnnviz.model.pyramid import Pyramid, open_pyramids


@dataclass(frozen=True)
class Trace:
    """One engine's numbers.

    Attributes
    ----------
    engine:
        The engine's name, as in a config.
    hidden:
        (L, D, T, N, H): every hidden vector of every layer, direction, timestep and sample.
    output:
        (T, N, D·H): what the engine itself returned as `out`, time first whatever the layout.
    state_h, state_c:
        (L·D, N, H): what the engine itself returned as its final state; `state_c` only for an LSTM.
    cell:
        (L, D, T, N, H): the cell states, where the engine knows them.
    folder:
        Where the arrays are mapped from, if they are.
    pyramids:
        Coarser copies of what was made of `hidden`, by name; none of a short trace.
    """

    engine: str
    hidden: FloatArray
    output: FloatArray
    state_h: FloatArray
    state_c: FloatArray | None = None
    cell: FloatArray | None = None
    folder: Path | None = None
    pyramids: Mapping[str, Pyramid] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """(L, D, T, N, H)."""
        layers, directions, timesteps, samples, units = self.hidden.shape
        return layers, directions, timesteps, samples, units

    def output_in(self, layout: str) -> FloatArray:
        """`out` as a view in the layout "NTC" or "TNC"."""
        return self.output.swapaxes(0, 1) if layout == "NTC" else self.output

    def lane(self, layer: int, direction: int, sample: int) -> FloatArray:
        """(T, H): one layer and direction of one sample, a view."""
        lane: FloatArray = self.hidden[layer, direction, :, sample, :]
        return lane


def create_trace(
    folder: Path, engine: str, network: Network, timesteps: int, batch_size: int, *, cell: bool = False
) -> Trace:
    """A writable trace in a new folder; pages reach the disk as they are written.

    `cell` asks for the cell states' array, which an LSTM engine that knows them fills.

    Raises
    ------
    OSError
        If the folder exists or the disk is full.
    """
    folder.mkdir(parents=True)
    (folder / "engine").write_text(engine, encoding="utf-8")
    hidden_shape = network.hidden_shape(timesteps, batch_size)
    shapes: dict[str, tuple[int, ...]] = {
        "hidden": hidden_shape,
        "output": (timesteps, batch_size, network.directions * network.hidden_size),
        "state_h": network.state_shape(batch_size),
    }
    if network.kind.has_cell_state:
        shapes["state_c"] = network.state_shape(batch_size)
        if cell:
            shapes["cell"] = hidden_shape
    arrays: dict[str, Any] = {
        name: create_mapped(folder / f"{name}.npy", network.dtype, shape) for name, shape in shapes.items()
    }
    return Trace(engine, **arrays, folder=folder)


def open_trace(folder: Path, *, writable: bool = False) -> Trace:
    """The trace in `folder`, mapped, and read-only unless it is to be filled: opening reads no numbers.

    Raises
    ------
    OSError, ValueError
        If the folder is no trace.
    """
    engine = (folder / "engine").read_text(encoding="utf-8")
    arrays: dict[str, Any] = {
        name: open_mapped(folder / f"{name}.npy", writable=writable)
        for name in ("hidden", "output", "state_h", "state_c", "cell")
        if (folder / f"{name}.npy").exists()
    }
    return Trace(engine, **arrays, folder=folder, pyramids=open_pyramids(folder))

"""Gates and cell states in exports: their names and values, one block of time steps at a time.

They are computed for each step of an engine from that engine's own states: of a correct engine
its own values, up to rounding; for a known bug or a custom step they are the values it should have computed.
"""

from collections.abc import Iterator

import numpy as np

from rnnviz.cells import CellSpec
from rnnviz.core.engine_spec import distinct_names
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.quantities.gates import gate_blocks, gate_quantities
from rnnviz.verify.result import RunResult

_OF_HIDDEN_VALUES = ("change", "norm")
"""Quantities that are already in the exports without --gates."""
_PRE = "pre_"


def gate_names(cell: CellSpec) -> dict[str, str]:
    """The gates of the cell, its states but h, and "pre_" with each gate's symbol for its pre-activation.

    By name "H" or "P", the number of units.
    """
    return {q.name: q.size for q in gate_quantities(cell) if q.name not in _OF_HIDDEN_VALUES}


def array_name(engine: str, name: str) -> str:
    """The name in an archive of one of the `gate_names`: "manual.gate.i", "manual.pre.i"."""
    return f"{engine}.pre.{name.removeprefix(_PRE)}" if name.startswith(_PRE) else f"{engine}.gate.{name}"


def lane_columns(
    result: RunResult, layer: int, direction: int, timesteps: int
) -> Iterator[tuple[int, int, dict[str, FloatArray]]]:
    """Yield the `gate_names` of every engine for one lane, one block of time steps at a time.

    Yields the lane's rows from one to before another, where (timestep, sample, unit) are counted in that order, and
    their values by column: "manual.i", "manual.pre_i". The rows have the units of h: what has others is left out.
    """
    network = result.config.network
    names = tuple(n for n, size in gate_names(network.kind).items() if size == network.kind.states[0].size)
    width = result.inputs.batch_size * network.output_size
    engines = tuple(result.traces)
    shown = distinct_names(engines)
    readers = [
        gate_blocks(result.inputs, result.traces[engine], layer, direction, names, timesteps) for engine in engines
    ]
    for blocks in zip(*readers, strict=True):
        times = blocks[0][0]
        columns = {
            f"{shown[engine]}.{name}": values.reshape(-1)
            for engine, (_, block) in zip(engines, blocks, strict=True)
            for name, values in block.items()
        }
        yield times.start * width, times.stop * width, columns


def gate_parts(result: RunResult, engine: str, name: str) -> Iterator[FloatArray]:
    """One of the `gate_names` of an engine as consecutive parts of an array (L, D, T, N, H)."""
    layers, directions, *_ = result.shape
    for layer in range(layers):
        for direction in range(directions):
            for _, block in gate_blocks(result.inputs, result.traces[engine], layer, direction, (name,)):
                yield np.ascontiguousarray(block[name])

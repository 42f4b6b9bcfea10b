"""A run's arrays as one `.npz` file, streamed: no array is held."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.core.array_names import file_names
from rnnviz.core.engine_spec import distinct_names
from rnnviz.core.gradients import GRADIENT
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import as_in_session, dump_config
from rnnviz.io.outputs import atomic_write
from rnnviz.reading.gates import RECOMPUTED, gate_blocks, gate_quantities, is_recomputed
from rnnviz.verify.result import RunResult

_OF_HIDDEN_VALUES = ("change", "norm")
"""Quantities that are already in the exports without --gates."""
_PRE = "pre_"


def gate_names(cell: CellSpec) -> dict[str, str]:
    """The gates of the cell, its states but h, and "pre_" with each gate's symbol for its pre-activation.

    By name "H" or "P", the number of units.
    """
    return {q.name: q.size for q in gate_quantities(cell) if q.name not in _OF_HIDDEN_VALUES}


def gate_key(result: RunResult, engine: str, name: str) -> str:
    """The name of a gate, a state or a pre-activation in an export: "c", or "recomputed.i" if the engine gives none."""
    recomputed = is_recomputed(name, result.traces[engine], result.config.network.kind)
    return f"{RECOMPUTED}.{name}" if recomputed else name


def write_npz(
    result: RunResult, path: Path, progress: Callable[[float], None] = lambda _: None, *, gates: bool = False
) -> int:
    """Write the run's arrays under the names of `npz_arrays`, and its config as TOML text under `config`.

    `progress` is called with the fraction that is done. It may raise to cancel; an existing file then remains as it is.
    `gates` adds the arrays of `gate_key` (L, D, T, N, H) in the network's dtype: each gate, c of an LSTM, and the
    pre-activations. Returns the number of numeric arrays.
    """
    arrays = npz_arrays(result)
    members = [*map(_stored, arrays, arrays.values()), *(_gate_members(result) if gates else ())]
    count = len(members)
    members.append(_stored("config", np.array(as_in_session(dump_config(result.config)))))
    total, done = sum(member.size for member in members), 0
    # Not numpy.savez, which leaves its archive open where the disk is full, and a traceback when that is collected.
    with atomic_write(path) as temporary, ZipFile(temporary, "w") as archive:
        for member in members:
            with archive.open(f"{member.name}.npy", "w", force_zip64=True) as file:

                def notify(written: int, size: int = member.size, done: int = done) -> None:
                    # Headers do not count as progress.
                    progress((done + min(written, size)) / total)

                member.write(_ProgressWriter(file, notify))
            done += member.size
    return count


@dataclass(frozen=True)
class _Member:
    """An array of the archive: name, bytes, and a function that writes it as `.npy`."""

    name: str
    size: int
    write: Callable[["_ProgressWriter"], None]


def _stored(name: str, array: NDArray[Any]) -> _Member:
    write = partial(np.lib.format.write_array, array=array, allow_pickle=False)
    return _Member(name, array.nbytes, write)


def _gate_members(result: RunResult) -> Iterator[_Member]:
    """Arrays that are computed while they are written."""
    hidden, network = result.reference.hidden, result.config.network
    for engine, shown in distinct_names(result.traces).items():
        for name, letter in gate_names(network.kind).items():
            shape = (*hidden.shape[:-1], network.sizes(0).of(letter))
            size = prod(shape) * hidden.itemsize
            form = {"descr": hidden.dtype.str, "fortran_order": False, "shape": shape}
            key = gate_key(result, engine, name)
            # The engine's own state has also its name above.
            key = key if key.startswith(RECOMPUTED) else f"gate.{name}"
            yield _Member(f"{shown}.{key}", size, partial(_write_gate, result, engine, name, form))


def _write_gate(result: RunResult, engine: str, name: str, form: dict[str, Any], file: "_ProgressWriter") -> None:
    """Write one of the `gate_names` of an engine in consecutive parts of the array (L, D, T, N, H)."""
    np.lib.format.write_array_header_1_0(file, form)  # type: ignore[no-untyped-call]
    layers, directions, *_ = result.shape
    for layer, direction in product(range(layers), range(directions)):
        for _, block in gate_blocks(result.inputs, result.traces[engine], layer, direction, (name,)):
            file.write(np.ascontiguousarray(block[name]).reshape(-1).view(np.uint8).data)


class _ProgressWriter:
    """A file that reports the number of bytes written; numpy writes arrays in blocks of 16 MB."""

    def __init__(self, file: IO[bytes], notify: Callable[[int], None]) -> None:
        self._file = file
        self._notify = notify
        self._written = 0

    def write(self, part: bytes | memoryview) -> int:
        self._written += self._file.write(part)
        self._notify(self._written)
        return len(part)


def npz_arrays(result: RunResult) -> dict[str, NDArray[Any]]:
    """The arrays by name, as maps of the run's own files.

    Per engine `<engine>.hidden` (L, D, T, N, H), `<engine>.output` in the config's layout, `<engine>.state`
    (L·D, N, H), for an LSTM `<engine>.cell_state` (L·D, N, H) and, where the engine knows it, `<engine>.cell`
    (L, D, T, N, H); of another state m of a custom cell `<engine>.m` and `<engine>.m_state`; of a recording no more
    than it holds. After a backward pass `<engine>.grad.h`, `.grad.c`, `.grad.<gate>`, `.grad.out` (L, D, T, N, H),
    `.grad.input` (T, N, I), `.grad.h0` (L·D, N, H) and `.grad.parameters.<Gluon name>`. Engines that are files are
    named by `distinct_names`. `input` (T, N, I), `initial_state.h` and `.c` (L·D, N, H), `parameters.<Gluon name>`,
    and `lengths` (N,). Padding is 0.
    """
    arrays: dict[str, NDArray[Any]] = {}
    names = distinct_names(result.traces)
    for engine, trace in result.traces.items():
        name = names[engine]
        for array, key in file_names(result.inputs.network.kind).items():
            if array in trace and not (trace.partial if array == "h" else array in trace.missing):
                own = trace.output_in(result.config.network.layout) if array == "out" else trace[array]
                arrays[f"{name}.{key}"] = own
        arrays |= {f"{name}.{key}": array for key, array in trace.items() if key.startswith(GRADIENT)}
    inputs = result.inputs
    arrays["input"] = inputs.sequence
    arrays["lengths"] = np.array([inputs.length(sample) for sample in range(inputs.batch_size)], np.int64)
    arrays |= {f"initial_state.{name}": array for name, array in inputs.initial_state.items()}
    arrays |= {f"parameters.{name}": array for name, array in inputs.parameters.items()}
    return arrays

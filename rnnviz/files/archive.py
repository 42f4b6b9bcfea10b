"""A run's arrays as one `.npz` file, streamed: no array is held."""

from collections.abc import Callable
from pathlib import Path
from typing import IO
from zipfile import ZipFile

import numpy as np

from rnnviz.analysis.result import RunResult
from rnnviz.files.atomic import whole
from rnnviz.files.config_toml import dump_config
from rnnviz.model.arrays import FloatArray


def write_npz(result: RunResult, path: Path, progress: Callable[[float], None] = lambda _: None) -> None:
    """Write the run's arrays under the names of `npz_arrays`, and its config as TOML text under `config`.

    `progress` may raise to stop the writing; an existing file is then left as it was.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    arrays = {**npz_arrays(result), "config": np.array(dump_config(result.config))}
    total, done = sum(array.nbytes for array in arrays.values()), 0
    # Not numpy.savez, which leaves its archive open where the disk is full, and a traceback when that is collected.
    with whole(path) as temporary, ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:

                def tell(written: int, size: int = array.nbytes, done: int = done) -> None:
                    # What goes before an array's numbers is no progress.
                    progress((done + min(written, size)) / total)

                np.lib.format.write_array(_Told(member, tell), array, allow_pickle=False)  # type: ignore[no-untyped-call]
            done += array.nbytes


class _Told:
    """A file that tells how many bytes it got so far; numpy hands it an array in parts of 16 MB."""

    def __init__(self, file: IO[bytes], tell: Callable[[int], None]) -> None:
        self._file = file
        self._tell = tell
        self._written = 0

    def write(self, part: bytes) -> int:
        self._written += self._file.write(part)
        self._tell(self._written)
        return len(part)


def npz_arrays(result: RunResult) -> dict[str, FloatArray]:
    """The arrays by name, as maps of the run's own files.

    Per engine `<engine>.hidden` (L, D, T, N, H), `<engine>.output` in the config's layout, `<engine>.state`
    (L·D, N, H), for an LSTM `<engine>.cell_state` (L·D, N, H) and, where the engine knows it, `<engine>.cell`
    (L, D, T, N, H); `input` (T, N, I), `initial_state.h` and `.c` (L·D, N, H), `parameters.<Gluon name>`.
    """
    arrays: dict[str, FloatArray] = {}
    for name, trace in result.traces.items():
        arrays[f"{name}.hidden"] = trace.hidden
        arrays[f"{name}.output"] = trace.output_in(result.config.network.layout)
        arrays[f"{name}.state"] = trace.state_h
        if trace.cell is not None:
            arrays[f"{name}.cell"] = trace.cell
        if trace.state_c is not None:
            arrays[f"{name}.cell_state"] = trace.state_c
    inputs = result.inputs
    arrays["input"] = inputs.sequence
    states = zip(inputs.network.kind.state_names, inputs.initial_state.arrays, strict=True)
    arrays |= {f"initial_state.{name}": array for name, array in states}
    arrays |= {f"parameters.{name}": array for name, array in inputs.parameters.items()}
    return arrays

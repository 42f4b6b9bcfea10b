"""A run's arrays as one `.npz` file."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np

from rnnviz.analysis.result import RunResult
from rnnviz.files.atomic import whole
from rnnviz.files.config_toml import dump_config
from rnnviz.model.arrays import FloatArray


def write_npz(result: RunResult, path: Path) -> None:
    """Write the run's arrays under the names of `npz_arrays`, and its config as TOML text under `config`.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    arrays = {**npz_arrays(result), "config": np.array(dump_config(result.config))}
    # Not numpy.savez, which leaves its archive open where the disk is full, and a traceback when that is collected.
    with whole(path) as temporary, ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)  # type: ignore[no-untyped-call]


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

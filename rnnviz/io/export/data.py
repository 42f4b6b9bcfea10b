"""A run's numbers as files: arrays as NPZ, values as CSV, results as JSON. NPZ and CSV are streamed."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import StringIO
from itertools import product
from math import prod
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple
from zipfile import ZipFile

import numpy as np
import orjson
from numpy.typing import NDArray

from rnnviz.cells import CellSpec
from rnnviz.core.engine_spec import distinct_names
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import GRADIENT
from rnnviz.core.head import HEAD
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.naming import file_names
from rnnviz.core.places import Place
from rnnviz.core.trace_index import DIRECTIONS, time_blocks
from rnnviz.io.config_toml import as_in_session, dump_config
from rnnviz.io.outputs import Progress, atomic_write, write_text
from rnnviz.reading.arrays import gate_blocks
from rnnviz.reading.quantities import RECOMPUTED, gate_quantities, is_recomputed
from rnnviz.results.summary import Commands, no_commands, run_summary, to_json
from rnnviz.verify.metrics import abs_error, compared_steps, tolerance
from rnnviz.verify.result import RunResult


def gate_names(cell: CellSpec) -> dict[str, str]:
    """By name "H" or "P" units: the gates of the cell, its states but h, and each gate's pre-activation."""
    return {q.name: q.size for q in gate_quantities(cell) if q.name not in ("change", "norm")}


def gate_key(result: RunResult, engine: str, name: str) -> str:
    """The name of a gate, a state or a pre-activation in an export: "c", or "recomputed.i" if the engine gives none."""
    recomputed = is_recomputed(name, result.traces[engine], result.config.network.kind)
    return f"{RECOMPUTED}.{name}" if recomputed else name


def write_npz(result: RunResult, path: Path, progress: Progress = lambda _: None, *, gates: bool = False) -> int:
    """Write `npz_arrays`, the arrays of `gate_key` (L, D, T, N, H) if asked, and the config; returns how many."""
    arrays = npz_arrays(result)
    members = [*map(_stored, arrays, arrays.values()), *(_gate_members(result) if gates else ())]
    count = len(members)
    members.append(_stored("config", np.array(as_in_session(dump_config(result.config)))))
    out = _ProgressWriter(sum(member.size for member in members), progress)
    # Not numpy.savez, which leaves its archive open where the disk is full, and a traceback when that is collected.
    with atomic_write(path) as temporary, ZipFile(temporary, "w") as archive:
        for member in members:
            with archive.open(f"{member.name}.npy", "w", force_zip64=True) as out.file:
                member.write(out)
    return count


class _Member(NamedTuple):
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
    """A file whose bytes are progress; numpy writes arrays in blocks of 16 MB."""

    file: IO[bytes]

    def __init__(self, total: int, progress: Progress) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def write(self, part: bytes | memoryview) -> int:
        self._done += self.file.write(part)
        # Headers are not in the total.
        self._progress(min(self._done / self._total, 1.0))
        return len(part)


def npz_arrays(result: RunResult) -> dict[str, NDArray[Any]]:
    """The arrays by name, as maps of the run's own files; padding is 0.

    Per engine `<engine>.hidden` (L, D, T, N, H), `.output` in the config's layout, `.state` (L·D, N, H), the other
    states, its gradients, and weights that it alone has; `input` (T, N, I), `initial_state.h` (L·D, N, H),
    `parameters.<Gluon name>`, `lengths` (N,). The guide has all names.
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
        if HEAD in trace and HEAD not in trace.missing:
            head = trace[HEAD]
            arrays[f"{name}.{HEAD}"] = head.swapaxes(0, 1) if result.config.network.layout == "NTC" else head
    inputs = result.inputs
    arrays["input"] = inputs.sequence
    arrays["lengths"] = np.array(inputs.places.every_length, np.int64)
    arrays |= {f"initial_state.{name}": array for name, array in inputs.initial_state.items()}
    arrays |= {f"parameters.{name}": array for name, array in inputs.parameters.items()}
    for engine, parameters in inputs.weights.items():
        arrays |= {f"{names[engine]}.parameters.{name}": array for name, array in parameters.items()}
    return arrays


_BLOCK_ROWS = 1 << 15
"""Number of rows that are formatted at a time: about 3 MB of text."""

_masked: Any = np.ma  # NumPy 1.26 gives it no types

_Columns = Mapping[str, NDArray[Any]]
"""Numbers, texts, or true and false (rows,) by the names of the columns; masked values are empty cells."""


def write_csv(result: RunResult, path: Path, progress: Progress = lambda _: None, *, gates: bool = False) -> int:
    """Write one row per hidden value that is not padding, and return the number of rows.

    abs_error is the largest of any candidate; values that a recording lacks are empty. Numbers read back as the same
    number.
    """
    size, rows = result.reference.computed_count(result.reference.hidden), 0
    with atomic_write(path) as temporary, temporary.open("wb") as out:
        for columns in _row_blocks(result, gates):
            rows += _write_rows(out, columns, with_header=rows == 0)
            progress(rows / size)
    return rows


def write_contributions(result: RunResult, path: Path, parameter: Place, progress: Progress = lambda _: None) -> int:
    """Write the contributions of time steps to the gradients of a parameter's numbers, a row for each step and unit.

    Each number is of the same gate and column as `parameter`. InputError if no engine gives the gradients.
    """
    # The arithmetic takes longer to import than all the rest that an export needs.
    from rnnviz.explain.value_sources import notation
    from rnnviz.reading.parameter_gradients import Contributions, contributions

    found: dict[str, Contributions] = {}
    missing: list[InputError] = []

    def share(done: int, fraction: float) -> None:
        progress((done + fraction) / len(result.traces))

    for done, engine in enumerate(result.traces):
        try:
            found[engine] = contributions(result, parameter, engine, partial(share, done))
        except InputError as error:
            missing.append(error)
    if not found:
        raise missing[0]
    first, names = next(iter(found.values())), distinct_names(result.traces)
    timesteps, units = first.values.shape
    written = [notation(first.number_of(unit)) for unit in range(units)]
    steps = max(1, _BLOCK_ROWS // units)
    with atomic_write(path) as temporary, temporary.open("wb") as out:
        for start in range(0, timesteps, steps):
            times = np.arange(start, min(start + steps, timesteps))
            columns = {
                **_lane_of_rows(parameter.layer, first.lane.backward, len(times) * units),
                "timestep": np.repeat(times, units),
                "unit": np.tile(np.arange(units), len(times)),
                "parameter": np.array(written * len(times)),
                **{names[engine]: own.values[times].reshape(-1) for engine, own in found.items()},
            }
            _write_rows(out, columns, with_header=start == 0)
    return timesteps * units


def _write_rows(out: BinaryIO, columns: _Columns, *, with_header: bool) -> int:
    """Write the rows of the columns, the first time with their names above, and return the number of rows."""
    if with_header:
        names = StringIO(newline="")
        # Spreadsheets show it as text: a file's name may begin as a formula does.
        formulas = ("=", "+", "-", "@", "\t", "\r")
        texts = (f"'{name}" if name.startswith(formulas) else name for name in columns)
        csv.writer(names, lineterminator="\n").writerow(texts)
        out.write(names.getvalue().encode())
    rows = len(next(iter(columns.values())))
    if rows:
        out.write(b"\n".join(map(b",".join, zip(*map(_cells, columns.values()), strict=True))) + b"\n")
    return rows


def _cells(values: NDArray[Any]) -> list[bytes]:
    """Every value (rows,) as the text of a cell: a number in the fewest digits that read back as the same number."""
    if values.dtype.kind == "U":
        quoted = {text: (f'"{text}"' if "," in text else text).encode() for text in set(values.tolist())}
        return [quoted[text] for text in values.tolist()]
    numbers = np.asarray(_masked.getdata(values))
    # Four times as fast as Python's own text of a float.
    cells = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    for place in np.flatnonzero(~np.isfinite(numbers)).tolist():
        cells[place] = b"NaN" if np.isnan(numbers[place]) else b"inf" if numbers[place] > 0 else b"-inf"
    for place in np.flatnonzero(_masked.getmaskarray(values)).tolist():
        cells[place] = b""
    return cells


def _lane_of_rows(layer: int, backward: bool, rows: int) -> dict[str, NDArray[Any]]:
    return {"layer": np.full(rows, layer), "direction": np.full(rows, DIRECTIONS[backward])}


def _row_blocks(result: RunResult, gates: bool) -> Iterator[_Columns]:
    """All rows in the order of the indices (timestep, sample, unit) of each lane, without gates of other units."""
    network, (layers, directions, timesteps, samples, units) = result.config.network, result.shape
    names = tuple(n for n, size in gate_names(network.kind).items() if size == network.kind.states[0].size)
    shown, width = distinct_names(result.traces) if gates else {}, samples * units
    # With gates half as many rows, since each has a dozen gates of every engine.
    steps = max(1, _BLOCK_ROWS // (2 if gates else 1) // width)
    for lane in product(range(layers), range(directions)):
        readers = [gate_blocks(result.inputs, result.traces[engine], *lane, names, steps) for engine in shown]
        for times in time_blocks(range(timesteps), steps, backward=False):
            further = {
                f"{shown[engine]}.{gate_key(result, engine, name)}": values.reshape(-1)
                for engine, reader in zip(shown, readers, strict=True)
                for name, values in next(reader)[1].items()
            }
            # A time step may have more rows than a block.
            first, last = times.start * width, times.stop * width
            for start in range(first, last, _BLOCK_ROWS):
                stop = min(start + _BLOCK_ROWS, last)
                own = {name: values[start - first : stop - first] for name, values in further.items()}
                yield _columns(result, lane, start, stop, own)


def _columns(
    result: RunResult, lane: tuple[int, int], start: int, stop: int, further: Mapping[str, FloatArray]
) -> _Columns:
    timestep, sample, unit = np.unravel_index(np.arange(start, stop), result.shape[2:])

    def of_rows(array: FloatArray) -> FloatArray:
        rows: FloatArray = array[lane].reshape(-1)[start:stop]
        return rows

    values = {name: of_rows(trace.hidden) for name, trace in result.traces.items()}
    names, reference = distinct_names(values), values[result.reference.engine]
    error, mismatch, known = np.zeros(stop - start), np.zeros(stop - start, bool), np.zeros(stop - start, bool)
    for comparison in result.comparisons:
        recorded = _within(compared_steps(result.reference, result[comparison.candidate], *lane), timestep)
        own = abs_error(reference, values[comparison.candidate])
        np.maximum(error, own, out=error, where=recorded)
        mismatch |= recorded & ~(own <= tolerance(reference, comparison.rtol, comparison.atol))
        known |= recorded
    columns = {
        **_lane_of_rows(lane[0], result.inputs.network.backward(lane[1]), stop - start),
        "timestep": timestep,
        "sample": sample,
        "unit": unit,
        **{
            names[name]: _with_gaps(own.astype(np.float64), _within(result[name].recorded(*lane), timestep))
            for name, own in values.items()
        },
        "abs_error": _with_gaps(error, known),
        "mismatch": mismatch,
        **{
            f"{names[name]}.{key}": of_rows(array).astype(np.float64)
            for name, trace in result.traces.items()
            for key, array in trace.items()
            if key.startswith(GRADIENT) and array.shape == result.shape
        },
        **{name: own.astype(np.float64) for name, own in further.items()},
    }
    lengths = result.inputs.lengths
    if not lengths:
        return columns
    computed = timestep < np.asarray(lengths)[sample]
    return {name: values[computed] for name, values in columns.items()}


def _within(times: range, timestep: NDArray[np.intp]) -> NDArray[np.bool_]:
    return np.asarray((timestep >= times.start) & (timestep < times.stop))


def _with_gaps(values: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Empty where nothing is known, which NaN would not be."""
    return values if known.all() else np.asanyarray(_masked.array(values, mask=~known))


def summary(result: RunResult, commands: Commands = no_commands) -> dict[str, Any]:
    found: dict[str, Any] = to_json(run_summary(result, commands))
    return found


def json_text(result: RunResult, commands: Commands = no_commands) -> str:
    """`summary` as JSON text; it holds no bare NaN, which JSON does not know."""
    return as_in_session(json.dumps(summary(result, commands), indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def write_json(result: RunResult, path: Path, commands: Commands = no_commands) -> None:
    write_text(path, json_text(result, commands))

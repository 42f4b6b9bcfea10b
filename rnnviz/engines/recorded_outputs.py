"""Recorded outputs from an `.npz` file, as an engine; the guide's page File formats lists the arrays. Gates and
candidates are audited as the lines that a custom step returns. Values in padding are read as they are, so that a check
finds those that are not 0."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from rnnviz.cells.interpreters.running_error import BFLOAT16
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import RecordingName, recording_name
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_PARAMETERS, gradient_names, gradient_shapes
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.naming import file_names
from rnnviz.core.npz import NpzFile
from rnnviz.core.schema import display_key
from rnnviz.core.sequence import FROM_ZEROS
from rnnviz.core.trace import LINE, Trace, add_array
from rnnviz.core.trace_index import clear_padding
from rnnviz.core.words import join_words, suggest
from rnnviz.engines.base import EngineReport, Progress, file_version, layer_output
from rnnviz.frozen import dataclass

_TELLING = ("hidden", "output", "state")
_OF_LSTM = ("cell", "cell_state")
_COMPUTED_IN, _LENGTHS = "computed_in", "lengths"
_TYPES = ("float16", "float32", "float64")
_COMPUTED_TYPES = (BFLOAT16, *_TYPES)
_LISTED = 6
_OF_RUN = ("input", "config", _COMPUTED_IN, _LENGTHS, FROM_ZEROS)
"""Other arrays without an engine's name in the archive of a run or in a capture."""


@dataclass(frozen=True)
class Recording:
    """One engine's arrays in an archive, by the names of a recording; `computed_in` and `lengths` name those that say
    in which type they were computed, and the samples' lengths, "" if there are none."""

    archive: NpzFile
    arrays: Mapping[str, str]
    computed_in: str
    lengths: str

    def of(self, network: Network) -> dict[str, str]:
        """The states and outputs that this kind of network has."""
        return self._among(file_names(network.kind).values())

    def lines_of(self, network: Network) -> dict[str, str]:
        """The gates, candidates and other values of a step, by their symbols."""
        return self._among(name for name in network.graph.values if name not in network.kind.state_symbols)

    def gradients_of(self, network: Network) -> dict[str, str]:
        """The gradients that this kind of network has, by their names in a trace."""
        return self._among(gradient_shapes(network, 1, 1, gradient_names(network)))

    def _among(self, names: Iterable[str]) -> dict[str, str]:
        return {name: self.arrays[name] for name in names if name in self.arrays}


def open_recording(name: str) -> Recording:
    """The recording that an engine's name, recording:PATH or recording:PATH#ENGINE, represents; no number is read.
    Raises an InputError if the file is damaged, has nothing of that engine, or does not show whose arrays are meant."""
    asked = recording_name(name)
    archive = NpzFile(Path(asked.path))
    owner = _owner(asked, archive.headers)
    prefix = f"{owner}." if owner else ""
    arrays = {name.removeprefix(prefix): name for name in archive.headers if name.startswith(prefix)}
    arrays = {k: n for k, n in arrays.items() if k not in _OF_RUN and (k.startswith(GRADIENT) or "." not in k)}
    if "cell" not in arrays and "c" in arrays:
        arrays["cell"] = arrays.pop("c")

    def said(what: str) -> str:
        """The metadata key for this engine, else the global one; "" without either."""
        return next((name for name in (f"{prefix}{what}", what) if name in archive.headers), "")

    return Recording(archive, arrays, said(_COMPUTED_IN), said(_LENGTHS))


def engines_in(path: Path) -> tuple[str, ...]:
    """The engines whose arrays an archive holds by their names; raises an InputError if the file is damaged."""
    return _engines(NpzFile(path).headers)


def check_recording(recording: Recording, inputs: Inputs) -> None:
    """Check every array's name, shape and type against the run, before a number is read; raises an InputError."""
    network, archive = inputs.network, recording.archive
    expected = _expected(inputs)
    known = [name for name in (*expected, _COMPUTED_IN, _LENGTHS) if not name.startswith(GRADIENT)]
    for kind, name in recording.arrays.items():
        if kind not in known and kind not in (*_TELLING, *_OF_LSTM) and not kind.startswith(GRADIENT):
            raise InputError(
                f"{name} in {archive.path} is not a known array: a recording of {network.cell} may hold "
                f"{', '.join(known)}, and gradients.{suggest(kind, known)}"
            )
    for kind, (axes, shape) in expected.items():
        if kind in recording.arrays:
            _check_array(archive, recording.arrays[kind], axes, shape)
    computed_in(recording)
    if recording.lengths:
        _check_lengths(archive, recording.lengths, inputs)


def _expected(inputs: Inputs) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The axes, as they are written, and the sizes of each array that a recording of the run may hold."""
    network, (steps, samples) = inputs.network, inputs.sequence.shape[:2]
    expected: dict[str, tuple[str, tuple[int, ...]]] = {}
    for array, kind in file_names(network.kind).items():
        symbol = array.removeprefix("state.")
        units = "P" if network.kind.projects and symbol in ("h", "out") else "H"
        if array == "out":
            axes = f"(N, T, D·{units})" if network.layout == "NTC" else f"(T, N, D·{units})"
            expected[kind] = axes, network.output_shape(steps, samples)
        elif array == symbol:
            expected[kind] = f"(L, D, T, N, {units})", network.hidden_shape(steps, samples, symbol)
        else:
            expected[kind] = f"(L·D, N, {units})", network.state_shape(samples, symbol)
    lines = (name for name in network.graph.values if name not in network.kind.state_symbols)
    expected |= dict.fromkeys(lines, ("(L, D, T, N, H)", (*inputs.hidden_shape[:4], network.hidden_size)))
    if inputs.loss is not None:
        for name, shape in gradient_shapes(network, steps, samples, gradient_names(network)).items():
            axes = "(L, D, T, N, U)" if len(shape) == 5 else "(T, N, I)" if name == OF_INPUT else "(L·D, N, U)"
            expected[name] = "the shape of the parameter" if name.startswith(OF_PARAMETERS) else axes, shape
    return expected


def _check_lengths(archive: NpzFile, name: str, inputs: Inputs) -> None:
    """Raises an InputError if the samples were recorded with other lengths than the run has."""
    shape = archive.headers[name].shape
    if shape != (inputs.batch_size,):
        raise InputError(
            f"{name} in {archive.path} has the shape {shape}, expected (N,) = {(inputs.batch_size,)}: save one length "
            "for each sample."
        )
    for sample, (found, length) in enumerate(zip(archive.read(name), inputs.places.every_length, strict=True)):
        if found != length:
            raise InputError(
                f"{name} in {archive.path} is {found:g} for sample {sample}, expected {length}, its length in this "
                "run: set sequence.lengths to the recording's."
            )


def computed_in(recording: Recording) -> str:
    """The type in which the arrays were computed, or ""; raises an InputError if the file names no type."""
    name, archive = recording.computed_in, recording.archive
    found = archive.text(name) if name else ""
    if name and found not in _COMPUTED_TYPES:
        raise InputError(
            f"{name} in {archive.path} is {display_key(found) if found else 'no short text'}: "
            f'it must be {_listed(_COMPUTED_TYPES, "or")}, as np.array("float32") stores it.'
        )
    return found


def precision(recording: Recording, network: Network) -> str:
    """The coarsest type in which the arrays that this kind of network has are recorded."""
    names = [*recording.of(network).values(), *recording.lines_of(network).values()]
    types = [recording.archive.headers[name].dtype.newbyteorder("=") for name in names]
    return str(max(types, key=lambda kind: float(np.finfo(kind).eps)).name)


def _owner(asked: RecordingName, names: Iterable[str]) -> str:
    """Whose arrays are meant, "" for those without an engine's name."""
    engines = _engines(names)
    if asked.engine:
        if asked.engine not in engines:
            there = f"it holds {_listed(engines)}" if engines else "no array in it has an engine's name"
            raise InputError(f'{asked.path} has no arrays of the engine "{asked.engine}": {there}.')
        return asked.engine
    if any(kind in names for kind in _TELLING):
        return ""
    if not engines:
        raise InputError(
            f"{asked.path} holds {_listed(sorted(names)) or 'no array'}: a recording holds hidden, output or state, "
            f"alone or after an engine's name and a dot."
        )
    if len(engines) > 1:
        choices = _listed(engines, "or", before=f"{asked._replace(engine='')}#")
        raise InputError(f"{asked.path} has outputs of {_listed(engines)}: name one of them, {choices}.")
    return engines[0]


def _engines(names: Iterable[str]) -> tuple[str, ...]:
    owners = (name.rpartition(".") for name in names)
    return tuple(dict.fromkeys(owner for owner, _, kind in owners if owner and kind in _TELLING))


def _listed(names: Iterable[str], last: str = "and", before: str = "") -> str:
    return join_words((before + display_key(name) for name in names), last, _LISTED)


def _check_array(archive: NpzFile, name: str, axes: str, shape: tuple[int, ...]) -> None:
    header = archive.headers[name]
    if header.shape != shape:
        raise InputError(
            f"{name} in {archive.path} has the shape {header.shape}, expected {axes} = {shape}: see File formats in "
            "the guide."
        )
    if header.dtype.newbyteorder("=").name not in _TYPES:
        raise InputError(
            f"{name} in {archive.path} holds values of the type {header.dtype}: a recording holds "
            f"{_listed(_TYPES, 'or')}. Convert other numbers, such as fixed-point ones."
        )


class RecordedEngine:
    """Engine that returns recorded outputs; runs raise an InputError as `check_recording` does. Arrays that the
    recording lacks are reported as missing, even if they follow from others."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._recording = open_recording(name)

    @property
    def version(self) -> str:
        return file_version(self._recording.archive.path)

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        # The file may have been saved again since.
        recording, network = open_recording(self._name), inputs.network
        check_recording(recording, inputs)
        arrays = {**trace, "out": trace.output_in(network.layout)}
        # In the shape in which they are recorded.
        targets = {kind: arrays[name] for name, kind in file_names(network.kind).items() if name in arrays}
        recorded = recording.of(network)
        whole, done = sum(targets[kind].size for kind in recorded), 0
        for kind, name in recorded.items():
            for count in _copied(recording.archive, name, targets[kind]):
                progress((done + count) / whole)
            done += targets[kind].size
        if trace.folder is not None:
            for symbol, name in recording.lines_of(network).items():
                shape = *trace.shape[:4], network.hidden_size
                line = add_array(trace.folder, f"{LINE}{symbol}", str(trace.hidden.dtype), shape)
                for _ in _copied(recording.archive, name, line):
                    pass
        found = precision(recording, network)
        return EngineReport(
            missing=_complete(inputs, trace, frozenset(recorded)),
            precision="" if found == network.dtype else found,
            computed_in=computed_in(recording),
        )

    def states(self, network: Network) -> tuple[str, ...]:
        recorded = self._recording.of(network)
        names = file_names(network.kind)
        return tuple(s for s in network.kind.state_symbols if s == "h" or names[s] in recorded)

    def gradients(self, network: Network) -> tuple[str, ...]:
        return tuple(self._recording.gradients_of(network))

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        recording = open_recording(self._name)
        check_recording(recording, inputs)
        wanted = [name for name in trace if name.startswith(GRADIENT)]
        recorded = {n: stored for n, stored in recording.gradients_of(inputs.network).items() if n in wanted}
        for done, (name, stored) in enumerate(recorded.items(), start=1):
            for _ in _copied(recording.archive, stored, trace[name]):
                pass
            progress(done / len(recorded))
        return EngineReport(missing=frozenset(wanted) - recorded.keys())


def _copied(archive: NpzFile, name: str, target: FloatArray) -> Iterator[int]:
    """Copy an array piece by piece, and yield the number of values so far."""
    # In the order of the file an array of Fortran's is its own transpose.
    ordered = target.T if archive.headers[name].fortran else target
    flat = ordered.reshape(-1) if ordered.flags.c_contiguous else ordered.flat
    for place, piece in archive.pieces(name):
        # A number that is too large for the network's type becomes infinite.
        with np.errstate(over="ignore"):
            flat[place : place + piece.size] = piece
        yield place + piece.size


def _complete(inputs: Inputs, trace: Trace, recorded: frozenset[str]) -> frozenset[str]:
    """Fill arrays that follow from the recorded ones, `output` before `state`, and return the names of the missing
    ones."""
    _, directions, _, _, size = trace.shape
    if "hidden" not in recorded:
        trace.hidden[...] = np.nan
        clear_padding(trace.places.lengths, trace.hidden)
        for direction in range(directions):
            if "state" in recorded:
                trace.hidden[:, direction, *trace.places.last_steps(direction)] = trace.state_h[direction::directions]
            if "output" in recorded:
                trace.hidden[-1, direction] = trace.output[..., direction * size : (direction + 1) * size]
    if "output" not in recorded:
        layer_output(trace.hidden[-1], trace.output)
    if "state" not in recorded:
        for direction in range(directions):
            trace.state_h[direction::directions] = trace.hidden[:, direction, *trace.places.last_steps(direction)]
    names = file_names(inputs.network.kind)
    returned = [name for name in names if name in ("h", "out") or name.startswith("state.")]
    return frozenset(name for name in returned if names[name] not in recorded)

"""Recorded outputs from a file as an engine; the guide's page File formats lists the arrays. Gates and candidates are
audited as the lines that a custom step returns. Values in padding are read as they are, so that a check finds those
that are not 0."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod
from pathlib import Path

import numpy as np

from rnnviz.cells.interpreters.running_error import BFLOAT16
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import RecordingName, recording_name
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import GRADIENT, gradient_names, gradient_shapes
from rnnviz.core.head import HEAD
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.naming import file_names
from rnnviz.core.schema import display_key
from rnnviz.core.sequence import FROM_ZEROS
from rnnviz.core.trace import Trace, add_array
from rnnviz.core.trace_index import clear_padding
from rnnviz.core.words import suggest
from rnnviz.engines.base import EngineReport, Progress, file_version, layer_output
from rnnviz.engines.recorded_arrays import OF_ONNX, TYPES, Form, fitted, forms_of, names_listed
from rnnviz.engines.recording_files import ArrayFile, open_arrays, recordings_in_session
from rnnviz.frozen import dataclass

_TELLING = ("hidden", "output", "state")
_WITHOUT_ENGINE = (*_TELLING, "h", "out", HEAD, *OF_ONNX)
"""Arrays of which one is needed; after an engine's name alone those before."""
_OF_LSTM = ("cell", "cell_state", "Y_c")
_SYMBOLS = {"h": "hidden", "c": "cell"}
_COMPUTED_IN, _LENGTHS = "computed_in", "lengths"
_COMPUTED_TYPES = (BFLOAT16, *TYPES)
_OF_RUN = ("input", "config", _COMPUTED_IN, _LENGTHS, FROM_ZEROS)
"""Other arrays without an engine's name in the archive of a run or in a capture."""


@dataclass(frozen=True)
class Recording:
    """One engine's arrays in a file, by the names of a recording; `computed_in` and `lengths` name those that say
    in which type they were computed, and the samples' lengths, "" if there are none."""

    file: ArrayFile
    arrays: Mapping[str, str]
    computed_in: str
    lengths: str

    def states_of(self, network: Network) -> tuple[str, ...]:
        """The symbols of the states over time that it holds, and h."""
        names = file_names(network.kind)
        return tuple(s for s in network.kind.state_symbols if s == "h" or names[s] in self.arrays)

    def gradients_of(self, network: Network) -> tuple[str, ...]:
        """The gradients that this kind of network has, by their names in a trace."""
        return tuple(n for n in gradient_shapes(network, 1, 1, gradient_names(network)) if n in self.arrays)


def open_recording(name: str, dtype: str = "float32") -> Recording:
    """The recording that an engine's name, recording:PATH or recording:PATH#ENGINE, represents; no number of an archive
    is read. Numbers without a type have the given one. Raises an InputError if the file is damaged, has nothing of that
    engine, or does not show whose arrays are meant."""
    file, engine = open_arrays(recording_name(name), dtype)
    owner = _owner(file, engine)
    prefix = f"{owner}." if owner else ""
    arrays = {name.removeprefix(prefix): name for name in file.headers if name.startswith(prefix)}
    arrays = {k: n for k, n in arrays.items() if k not in _OF_RUN and (k.startswith(GRADIENT) or "." not in k)}
    for symbol, known in _SYMBOLS.items():
        if known not in arrays and symbol in arrays:
            arrays[known] = arrays.pop(symbol)

    def said(what: str) -> str:
        """The metadata key for this engine, else the global one; "" without either."""
        return next((name for name in (f"{prefix}{what}", what) if name in file.headers), "")

    return Recording(file, arrays, said(_COMPUTED_IN), said(_LENGTHS))


def engines_in(path: Path) -> tuple[str, ...]:
    """The engines whose arrays a file holds by their names, or the recordings of a session; raises an InputError if
    the file is damaged."""
    found = recordings_in_session(path)
    return found or _engines(open_arrays(RecordingName(str(path)))[0].headers)


def check_recording(recording: Recording, inputs: Inputs) -> dict[str, Form]:
    """Check every array's name, shape and type against the run, before a number is read, and return the form of each
    array by its name; raises an InputError."""
    network, file = inputs.network, recording.file
    known = dict.fromkeys(_SYMBOLS.get(name, name) for name in forms_of(inputs))
    if not file.without_axes:
        del known["out"]
    allowed = [name for name in (*known, _COMPUTED_IN, _LENGTHS) if not name.startswith(GRADIENT)]
    for kind, name in recording.arrays.items():
        if kind not in allowed and kind not in (*_TELLING, *_OF_LSTM, HEAD) and not kind.startswith(GRADIENT):
            raise InputError(
                f"{name} in {file.path} is not a known array: a recording of {network.cell} may hold "
                f"{', '.join(allowed)}, and gradients.{suggest(kind, allowed)}"
            )
    if HEAD in recording.arrays and inputs.head is None:
        raise InputError(
            f"{recording.arrays[HEAD]} in {file.path} is the result of a dense layer, which the config lacks: set "
            "head.weight and head.bias to its arrays."
        )
    found = fitted(inputs, file, recording.arrays)
    computed_in(recording)
    if recording.lengths:
        _check_lengths(file, recording.lengths, inputs)
    return found


def _check_lengths(file: ArrayFile, name: str, inputs: Inputs) -> None:
    """Raises an InputError if the samples were recorded with other lengths than the run has."""
    shape = file.headers[name].shape
    if shape != (inputs.batch_size,):
        raise InputError(
            f"{name} in {file.path} has the shape {shape}, expected (N,) = {(inputs.batch_size,)}: save one length "
            "for each sample."
        )
    for sample, (found, length) in enumerate(zip(file.read(name), inputs.places.every_length, strict=True)):
        if found != length:
            raise InputError(
                f"{name} in {file.path} is {found:g} for sample {sample}, expected {length}, its length in this "
                "run: set sequence.lengths to the recording's."
            )


def computed_in(recording: Recording) -> str:
    """The type in which the arrays were computed, or ""; raises an InputError if the file names no type."""
    name, file = recording.computed_in, recording.file
    found = file.text(name) if name else ""
    if name and found not in _COMPUTED_TYPES:
        raise InputError(
            f"{name} in {file.path} is {display_key(found) if found else 'no short text'}: "
            f'it must be {names_listed(_COMPUTED_TYPES, "or")}, as np.array("float32") stores it.'
        )
    return found


def precision(recording: Recording, forms: Mapping[str, Form]) -> str:
    """The coarsest type in which the values of the forward pass are recorded."""
    names = [recording.arrays[name] for name in forms if not name.startswith(GRADIENT)]
    types = [recording.file.headers[name].dtype.newbyteorder("=") for name in names]
    return str(max(types, key=lambda kind: float(np.finfo(kind).eps)).name)


def _owner(file: ArrayFile, engine: str) -> str:
    """Whose arrays are meant, "" for those without an engine's name."""
    engines, path, names = _engines(file.headers), file.path, file.headers
    if engine:
        if engine not in engines:
            there = f"it holds {names_listed(engines)}" if engines else "no array in it has an engine's name"
            raise InputError(f'{path} has no arrays of the engine "{engine}": {there}.')
        return engine
    if any(kind in names for kind in _WITHOUT_ENGINE):
        return ""
    if not engines:
        raise InputError(
            f"{path} holds {names_listed(sorted(names)) or 'no array'}: a recording holds hidden, output or state, "
            f"alone or after an engine's name and a dot."
        )
    if len(engines) > 1:
        choices = names_listed(engines, "or", before=f"{RecordingName(str(path))}#")
        raise InputError(f"{path} has outputs of {names_listed(engines)}: name one of them, {choices}.")
    return engines[0]


def _engines(names: Iterable[str]) -> tuple[str, ...]:
    owners = (name.rpartition(".") for name in names)
    return tuple(dict.fromkeys(owner for owner, _, kind in owners if owner and kind in _TELLING))


class RecordedEngine:
    """Engine that returns recorded outputs; runs raise an InputError as `check_recording` does. Arrays that the
    recording lacks are reported as missing, even if they follow from others."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._recording = open_recording(name)

    @property
    def version(self) -> str:
        return file_version(self._recording.file.path)

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        network = inputs.network
        # The file may have been saved again since.
        recording = open_recording(self._name, network.dtype)
        forms = check_recording(recording, inputs)
        forward = {name: form for name, form in forms.items() if not name.startswith(GRADIENT)}
        whole, done = sum(prod(form.shape) for form in forward.values()), 0
        for name, form in forward.items():
            array = trace.get(form.array)
            if array is None and trace.folder is not None:
                shape = (*trace.output.shape[:2], form.shape[-1]) if form.array == HEAD else form.shape
                array = add_array(trace.folder, form.array, str(trace.hidden.dtype), shape)
            for count in () if array is None else _copied(recording.file, recording.arrays[name], form.view(array)):
                progress((done + count) / whole)
            done += prod(form.shape)
        found = precision(recording, forward)
        return EngineReport(
            missing=_complete(inputs, trace, frozenset(form.array for form in forward.values())),
            precision="" if found == network.dtype else found,
            computed_in=computed_in(recording),
        )

    def states(self, network: Network) -> tuple[str, ...]:
        return self._recording.states_of(network)

    def gradients(self, network: Network) -> tuple[str, ...]:
        return self._recording.gradients_of(network)

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        recording = open_recording(self._name, inputs.network.dtype)
        wanted = [name for name in trace if name.startswith(GRADIENT)]
        recorded = {name: form for name, form in check_recording(recording, inputs).items() if name in wanted}
        for done, (name, form) in enumerate(recorded.items(), start=1):
            for _ in _copied(recording.file, recording.arrays[name], form.view(trace[form.array])):
                pass
            progress(done / len(recorded))
        return EngineReport(missing=frozenset(wanted) - recorded.keys())


def _copied(file: ArrayFile, name: str, target: FloatArray) -> Iterator[int]:
    """Copy an array piece by piece, and yield the number of values so far."""
    # In the order of the file an array of Fortran's is its own transpose.
    ordered = target.T if file.headers[name].fortran else target
    flat = ordered.reshape(-1) if ordered.flags.c_contiguous else ordered.flat
    for place, piece in file.pieces(name):
        # A number that is too large for the network's type becomes infinite.
        with np.errstate(over="ignore"):
            flat[place : place + piece.size] = piece
        yield place + piece.size


def _complete(inputs: Inputs, trace: Trace, recorded: frozenset[str]) -> frozenset[str]:
    """Fill arrays that follow from the recorded ones, the output before the state, and return the names of the missing
    ones."""
    _, directions, _, _, size = trace.shape
    if "h" not in recorded:
        trace.hidden[...] = np.nan
        clear_padding(trace.places.lengths, trace.hidden)
        for direction in range(directions):
            if "state.h" in recorded:
                trace.hidden[:, direction, *trace.places.last_steps(direction)] = trace.state_h[direction::directions]
            if "out" in recorded:
                trace.hidden[-1, direction] = trace.output[..., direction * size : (direction + 1) * size]
    if "out" not in recorded:
        layer_output(trace.hidden[-1], trace.output)
    if "state.h" not in recorded:
        for direction in range(directions):
            trace.state_h[direction::directions] = trace.hidden[:, direction, *trace.places.last_steps(direction)]
    states = (f"state.{symbol}" for symbol in inputs.network.kind.state_symbols)
    head = () if inputs.head is None else (HEAD,)
    return frozenset(name for name in ("h", "out", *states, *head) if name not in recorded)

"""The engine's side: a recording becomes a trace, a piece at a time."""

from collections.abc import Callable

import numpy as np

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, Progress, file_version
from rnnviz.engines.layers import layer_output
from rnnviz.engines.replay.reader import Recording, check_recording, computed_in, open_recording, precision


class RecordedEngine:
    """Engine that returns recorded outputs, named by recording:PATH or recording:PATH#ENGINE."""

    def __init__(self, name: str) -> None:
        """Raises as `open_recording` does."""
        self._name = name
        self._recording = open_recording(name)

    @property
    def provides_cell_state(self) -> bool:
        """Whether cell states were recorded."""
        return "cell" in self._recording.arrays

    @property
    def version(self) -> str:
        """See `file_version`."""
        return file_version(self._recording.archive.path)

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`. Reports arrays that the recording lacks as missing, even if they follow from others.

        Raises
        ------
        InputError
            As `check_recording` does.
        """
        # The file may have been saved anew since.
        recording = open_recording(self._name)
        check_recording(recording, inputs)
        recorded = recording.of(inputs.network)
        targets = _targets(inputs, trace)
        whole, done = sum(targets[kind].size for kind in recorded), 0
        for kind in recorded:

            def copied(values: int, done: int = done) -> None:
                progress((done + values) / whole)

            _copy(recording, kind, targets[kind], copied)
            done += targets[kind].size
        found = precision(recording, inputs.network)
        return EngineReport(
            missing=_complete(inputs, trace, frozenset(recorded)),
            precision="" if found == inputs.network.dtype else found,
            computed_in=computed_in(recording),
        )


def _targets(inputs: Inputs, trace: Trace) -> dict[str, FloatArray]:
    """Where each array goes, in the shape in which it is recorded."""
    targets = {"hidden": trace.hidden, "output": trace.output_in(inputs.network.layout), "state": trace.state_h}
    optional = {"cell": trace.cell, "cell_state": trace.state_c}
    return targets | {kind: array for kind, array in optional.items() if array is not None}


def _copy(recording: Recording, kind: str, target: FloatArray, copied: Callable[[int], None]) -> None:
    name, archive = recording.arrays[kind], recording.archive
    fortran = archive.headers[name].fortran
    # In the order of the file an array of Fortran's is its own transpose.
    ordered = target.T if fortran else target
    flat = ordered.reshape(-1) if ordered.flags.c_contiguous else ordered.flat
    for place, piece in archive.pieces(name):
        # What is too large for the network's type becomes infinite, and is met as such.
        with np.errstate(over="ignore"):
            flat[place : place + piece.size] = piece
        copied(place + piece.size)


def _complete(inputs: Inputs, trace: Trace, recorded: frozenset[str]) -> frozenset[str]:
    """Fill arrays that follow from the recorded ones, and return the names of the missing ones.

    Where a top layer's vector is in `output` and in `state`, the one in `output` is taken.
    """
    _, directions, _, _, size = trace.shape
    if "hidden" not in recorded:
        trace.hidden[...] = np.nan
        for direction in range(directions):
            if "state" in recorded:
                trace.hidden[:, direction, 0 if trace.backward(direction) else -1] = trace.state_h[
                    direction::directions
                ]
            if "output" in recorded:
                trace.hidden[-1, direction] = trace.output[..., direction * size : (direction + 1) * size]
    if "output" not in recorded:
        layer_output(trace.hidden[-1], trace.output)
    if "state" not in recorded:
        for direction in range(directions):
            trace.state_h[direction::directions] = trace.hidden[:, direction, 0 if trace.backward(direction) else -1]
    returned = {"hidden": "hidden", "output": "output", "state": "state_h"}
    if inputs.network.kind.has_cell_state:
        returned["cell_state"] = "state_c"
    return frozenset(attribute for kind, attribute in returned.items() if kind not in recorded)

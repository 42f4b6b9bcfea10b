"""The proof that a file holds a network: what is read from it is the same, bit for bit, and computes as it should.

A file that reads back to the same numbers may still mean another network to those that it is written for: its gates in
another order, say, or its layers joined otherwise. So the framework that the file is for runs it, where it is
installed, on a random sequence from a random state, and every step is audited against the numbers that were to be
written. The textbook recurrence does the same with what was read back.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnviz.core.config import Config, InitialStateSource, Network, SequenceSource
from rnnviz.core.errors import EngineError
from rnnviz.core.initial_state import draw_initial_state
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.progress import stage
from rnnviz.core.sequence import draw_sequence
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.engines.base import Engine
from rnnviz.engines.external_weights import FileWeightsEngine, load_file_engine, unsupported_reason
from rnnviz.engines.manual import ManualEngine
from rnnviz.verify.audit import audit
from rnnviz.verify.cell_states import CellStates
from rnnviz.verify.invariants import notebook_checks
from rnnviz.verify.running_error import ALLOWED

_SEQUENCE = SequenceSource(source="normal", batch_size=2, timesteps=3)
"""As many samples as timesteps would hide that the two axes are exchanged."""


@dataclass(frozen=True)
class Proof:
    """What a file was held against.

    `numbers` is how many weights were compared; `library` the version of the framework that ran the file beside the
    textbook recurrence, empty if there was none; `reason` says why, if there could have been one. `assumptions` are
    those of the model file that the weights come from.
    """

    numbers: int
    library: str
    reason: str
    assumptions: tuple[str, ...] = ()

    @property
    def in_words(self) -> str:
        """What has been proved, beginning in lower case and without a full stop."""
        proved = f"{self.numbers:,} weights, read back bit for bit and run by the textbook recurrence"
        if self.library:
            return f"{proved} and {self.library}"
        return f"{proved} alone, because {self.reason}" if self.reason else proved

    @property
    def in_short(self) -> str:
        """The same in a line that has little room."""
        return f"{self.numbers:,} weights, read back and run by {self.library or 'the textbook recurrence'}"


def prove(network: Network, parameters: Parameters, path: Path, read_back: Parameters, library: str | None) -> Proof:
    """Hold a file against the parameters that were to be written to it.

    `read_back` is what the program's own reader found in it, and `library` the engine whose framework the file is for.

    Raises
    ------
    EngineError
        If a number differs, an engine refuses the file, or it computes something else from it; the sentence says what.
    """
    _check_numbers(parameters, read_back)
    config = Config(network, _SEQUENCE, initial_state=InitialStateSource(source="normal"))
    inputs = Inputs(
        config,
        draw_sequence(network, _SEQUENCE),
        parameters,
        draw_initial_state(network, config.initial_state, _SEQUENCE.batch_size),
    )
    with stage(0.0, 0.5):
        check_computes(FileWeightsEngine(ManualEngine(), lambda *_: read_back, path), inputs)
    reason = "" if library is None else unsupported_reason(library, network) or ""
    if library is None or reason:
        return Proof(network.parameter_count, "", reason)
    with stage(0.5, 1.0):
        engine = load_file_engine(library, path)
        check_computes(engine, inputs)
    return Proof(network.parameter_count, engine.version, "")


def _check_numbers(parameters: Parameters, read_back: Parameters) -> None:
    for name, array in parameters.items():
        found = read_back[name]
        differs = _bits(found) != _bits(array)
        if differs.any():
            place = tuple(int(i) for i in np.argwhere(differs)[0])
            raise EngineError(f"{name}{list(place)} is {found[place]} in it, and must be {array[place]}.")


def _bits(array: FloatArray) -> "np.ndarray[tuple[int, ...], np.dtype[np.unsignedinteger[Any]]]":
    return array.view(f"u{array.itemsize}")


def check_computes(engine: Engine, inputs: Inputs) -> None:
    """Hold what an engine computes against the parameters of `inputs`, step by step.

    Raises
    ------
    EngineError
        If it fails, or a step, a final state or an output is not what it must be; the sentence says where.
    """
    trace = _empty_trace(engine, inputs)
    with stage(0.0, 0.5) as tell:
        engine.run(inputs, trace, tell)
    with stage(0.5, 1.0) as tell:
        found = audit(inputs, trace, full=True, progress=tell)
    if found.first_wrong is not None:
        wrong = found.first_wrong
        raise EngineError(
            f"{engine.version} computes {wrong.value:.9g} from it at {wrong.where}, "
            f"where {wrong.expected:.9g} is right."
        )
    for check in notebook_checks(trace, *inputs.config.tolerances):
        if not check.holds:
            raise EngineError(
                f"{engine.version} computes from it what does not fit together: that {check.name} does not hold."
            )
    _check_cells(engine, inputs, trace)


def _check_cells(engine: Engine, inputs: Inputs, trace: Trace) -> None:
    """Hold the final cell states, which no step of the audit reads, against those of the recurrence."""
    if trace.state_c is None:
        return
    network = inputs.network
    cells = CellStates(inputs, trace)
    for lane, final in enumerate(trace.state_c):
        layer, direction = divmod(lane, network.directions)
        last = slice(0, 1) if network.backward(direction) else slice(inputs.timesteps - 1, inputs.timesteps)
        c = cells.after(layer, direction, last, slice(0, inputs.batch_size), slice(0, network.hidden_size))
        right = np.abs(final - c.value[0]) <= ALLOWED * c.bound[0]
        if not (right | ~np.isfinite(c.bound[0])).all():
            where = f"layer {layer}, {DIRECTIONS[network.backward(direction)]}"
            raise EngineError(f"{engine.version} computes a final cell state from it that is wrong in {where}.")


def _empty_trace(engine: Engine, inputs: Inputs) -> Trace:
    """A trace to be filled, of nothing that could pass for a result."""
    network = inputs.network

    def empty(*shape: int) -> FloatArray:
        return np.full(shape, np.nan, network.dtype)

    states = network.state_shape(inputs.batch_size)
    has_cell = network.kind.has_cell_state
    return Trace(
        engine.version,
        hidden=empty(*inputs.hidden_shape),
        output=empty(inputs.timesteps, inputs.batch_size, network.directions * network.hidden_size),
        state_h=empty(*states),
        state_c=empty(*states) if has_cell else None,
        cell=empty(*inputs.hidden_shape) if has_cell and engine.provides_cell_state else None,
        reverse=network.reverse,
    )

"""Weights written to a model file, which is read back and run before it is kept.

Its weights must be bit-identical when read back. They may still define another network for its framework, with another
gate order or with layers joined in another way. Therefore the framework, if it is installed, and the manual engine run
the file on random inputs, and the step audit compares each step with the original parameters.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from rnnviz.core.config import Config, InitialStateSource, Network, SequenceSource
from rnnviz.core.errors import EngineError, InputError, file_errors
from rnnviz.core.inputs import Inputs, draw_initial_state
from rnnviz.core.parameters import Parameters
from rnnviz.core.progress import stage
from rnnviz.core.sequence import draw_sequence
from rnnviz.core.trace import trace_in_memory
from rnnviz.engines.base import Engine, FileWeightsEngine
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.registry import ENGINES, load_file_engine
from rnnviz.frozen import dataclass
from rnnviz.verify.audit import audit
from rnnviz.verify.consistency_checks import cell_checks, consistency_checks

_SEQUENCE = SequenceSource(source="normal", batch_size=2, timesteps=3)
"""N differs from T, since equal sizes would hide exchanged axes."""


@dataclass(frozen=True)
class RoundtripCheck:
    """The result of a passed check: how many weights and biases were compared.

    `library` is the version of the framework that ran the file in addition to NumPy, else `reason` says why it did not,
    "" if the format has none. `assumptions` come with the model file of the weights.
    """

    numbers: int
    library: str
    reason: str
    assumptions: tuple[str, ...] = ()

    @property
    def sentences(self) -> str:
        """The verified properties, and the reason if the framework did not run the file."""
        if self.library:
            return f"Verified: bit-exact round trip, runs with NumPy and {self.library}."
        verified = "Verified: bit-exact round trip, runs with NumPy."
        return f"{verified} Not run by its framework: {self.reason}." if self.reason else verified

    @property
    def short(self) -> str:
        """The same for a line with little room."""
        return f"{self.numbers:,} weights, verified with {self.library or 'NumPy'}"


_LOADED, _WRITTEN, _READ_BACK = 0.2, 0.3, 0.5
"""The fraction that is done after each stage; the check takes the rest."""


class Form(Protocol):
    """A format of weight files, and the engine that can run them, if there is one."""

    @property
    def library(self) -> str | None: ...

    def write(self, network: Network, parameters: Parameters, path: Path) -> None: ...

    def read(self, network: Network, path: Path) -> Parameters: ...


def write_verified(load: Callable[[], Inputs], form: Form, temporary: Path, shown: Path) -> RoundtripCheck:
    """Write parameters to `temporary`, read them back and run them; to be called in a subprocess.

    `load` loads all inputs of a run: the sequence may decide the network's size. Messages name the path `shown`. Raises
    an EngineError if the file does not pass the check; it must not be kept then.
    """
    with stage(0.0, _LOADED):
        inputs = load()
    network, parameters = inputs.network, inputs.parameters
    with file_errors(shown, "written"), stage(_LOADED, _WRITTEN):
        form.write(network, parameters, temporary)
    try:
        with stage(_WRITTEN, _READ_BACK):
            found = form.read(network, temporary)
        with stage(_READ_BACK, 1.0):
            check = check_roundtrip(network, parameters, temporary, found, form.library)
            return replace(check, assumptions=inputs.assumptions)
    except (InputError, EngineError) as error:
        why = str(error).replace(str(temporary), shown.name)
        raise EngineError(f"{shown} was not written, because its check failed: {why}") from error


def check_roundtrip(
    network: Network, parameters: Parameters, path: Path, read_back: Parameters, library: str | None
) -> RoundtripCheck:
    """Compare a written file, and the parameters read back from it, with those that it must contain.

    `library` is the engine that can run files of this format. Raises an EngineError where something differs.
    """
    for name, array in parameters.items():
        found = read_back[name]
        differs = found.view(f"u{found.itemsize}") != array.view(f"u{array.itemsize}")
        if differs.any():
            place = tuple(int(i) for i in np.argwhere(differs)[0])
            raise EngineError(f"{name}{list(place)} is {found[place]}, expected {array[place]}.")
    config = Config(network, _SEQUENCE, initial_state=InitialStateSource(source="normal"))
    inputs = Inputs(
        config,
        draw_sequence(_SEQUENCE, network.input_size, network.dtype),
        parameters,
        draw_initial_state(network, config.initial_state, _SEQUENCE.batch_size),
    )
    with stage(0.0, 0.5):
        check_computes(FileWeightsEngine(ManualEngine(), lambda *_: read_back, path), inputs)
    reason = "" if library is None else ENGINES[library].unjudged_reason(network) or ""
    if library is None or reason:
        return RoundtripCheck(network.parameter_count, "", reason)
    with stage(0.5, 1.0):
        engine = load_file_engine(library, path)
        check_computes(engine, inputs)
    return RoundtripCheck(network.parameter_count, engine.version, "")


def check_computes(engine: Engine, inputs: Inputs) -> None:
    """Run an engine, and audit each step against `inputs`; an EngineError says what is wrong, and where."""
    trace = trace_in_memory(engine.version, inputs.network, inputs.places, engine.states(inputs.network))
    for array in trace.values():
        # It cannot pass for a result.
        array.fill(np.nan)
    with stage(0.0, 0.5) as notify:
        engine.run(inputs, trace, notify)
    with stage(0.5, 1.0) as notify:
        found = audit(inputs, trace, full=True, progress=notify)
    if found.first_wrong is not None:
        value, expected = found.first_wrong.value, found.first_wrong.expected
        raise EngineError(
            f"{engine.version} computes {value:.9g} from it at {found.first_location}, expected {expected:.9g}."
        )
    # The audit does not read the final cell states.
    for check in (*consistency_checks(trace, *inputs.config.tolerances), *cell_checks(inputs, trace)):
        if not check.holds:
            raise EngineError(f"{engine.version} computes inconsistent results from it: the check {check.name} fails.")

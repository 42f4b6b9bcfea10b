"""Interface of the engines."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

from rnnviz.core.config import Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.frozen import dataclass

Progress: TypeAlias = Callable[[float], None]
"""Called with the fraction of an engine's work that is done, 0 to 1."""


@dataclass(frozen=True)
class Equality:
    """Two arrays of one engine that must be equal, and the name of this check.

    `known_issue` says which bug of the library makes it fail, if one does.
    """

    name: str
    left: FloatArray
    right: FloatArray
    known_issue: str = ""


@dataclass(frozen=True)
class EngineReport:
    """Report of an engine's run, in addition to the trace.

    `seconds` names further things that it timed, such as `gluon.fused`; `equalities` are its own checks;
    `printed` is the output of a custom step; `missing` names arrays of the trace, such as "out", that a recording
    does not hold: see `Trace.missing`; `precision` is the type in which it holds the others, if that is not the
    network's, and `computed_in` the one in which they were computed, if it says so.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    equalities: tuple[Equality, ...] = ()
    printed: str = ""
    missing: frozenset[str] = frozenset()
    precision: str = ""
    computed_in: str = ""


class Engine(Protocol):
    """One way to compute the network."""

    @property
    def provides_cell_state(self) -> bool:
        """Whether `run` fills the trace's cell states of an LSTM."""

    @property
    def version(self) -> str:
        """The library and its version, for a bug report."""

    def gradients(self, network: Network) -> tuple[str, ...]:
        """Names of the gradients over time that `run_backward` gives, such as "grad.h"; () if the engine has none."""

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """Compute the network.

        `inputs` is (T, N, I). Raises EngineError if the engine cannot compute this network; the sentence says why;
        InputError if the file that the engine is named by is not valid.
        """

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """Compute the gradients of the loss `inputs.loss` after `run`.

        Raises EngineError if the engine cannot compute the gradients; the sentence says why.
        """


class NoGradients:
    """An engine without a backward pass."""

    def gradients(self, network: Network) -> tuple[str, ...]:
        return ()

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """Do nothing: the trace has no gradients to fill."""
        return EngineReport()


@dataclass(frozen=True)
class FileWeightsEngine(NoGradients):
    """The forward pass of `engine` on the weights that `read`, its framework's own reader, finds in the file.

    `read` raises an EngineError if it refuses the file.
    """

    engine: Engine
    read: Callable[[Path, Network], Parameters]
    path: Path

    @property
    def provides_cell_state(self) -> bool:
        return self.engine.provides_cell_state

    @property
    def version(self) -> str:
        return self.engine.version

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`; the parameters of `inputs` are not looked at."""
        return self.engine.run(replace(inputs, parameters=self.read(self.path, inputs.network)), trace, progress)


def file_version(path: Path) -> str:
    """The file's name and when it was saved, so that two runs of one file can be distinguished."""
    with suppress(OSError):
        saved = datetime.fromtimestamp(path.stat().st_mtime).isoformat(" ", "seconds")
        return f"{path.name}, saved {saved}"
    return path.name

"""Engines that read their weights from a file with the file's own framework, instead of the run's parameters.

They check the reading of the file against its framework.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from rnnviz.core.config import Network
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.base import Engine, EngineReport, Progress
from rnnviz.engines.registry import find_engine, load_engine

ReadParameters: TypeAlias = Callable[[Path, Network], Parameters]
"""The framework's own reader; raises an EngineError if it refuses the file."""


@dataclass(frozen=True)
class FileWeightsEngine:
    """`engine`, on what `read` finds in the file."""

    engine: Engine
    read: ReadParameters
    path: Path

    @property
    def provides_cell_state(self) -> bool:
        """See `Engine.provides_cell_state`."""
        return self.engine.provides_cell_state

    @property
    def version(self) -> str:
        """See `Engine.version`."""
        return self.engine.version

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`; the parameters of `inputs` are not looked at."""
        read = self.read(self.path, inputs.network)
        return self.engine.run(replace(inputs, parameters=read), trace, progress)


def unsupported_reason(name: str, network: Network) -> str | None:
    """Why the engine of that name cannot judge a file that holds this network, without a full stop; None if it can."""
    entry = find_engine(name)
    if entry.unavailable is not None:
        return f"{entry.title} is not installed"
    if network.dtype not in entry.dtypes:
        return f"{entry.title} computes in {', '.join(entry.dtypes)} only"
    if name == "gluon" and network.cell == "rnn_relu" and network.dtype == "float64":
        return "MXNet 1.9.1 rounds what an rnn_relu of float64 computes to float32"
    return None


def load_file_engine(name: str, path: Path) -> Engine:
    """The engine "gluon" on a `.params` file, "torch" on a `.safetensors` file, or "onnx" on a model.

    Raises an EngineError if it is not available here, or its import fails; the sentence says why.
    """
    engine = load_engine(name)
    match name:
        case "gluon":
            from rnnviz.engines import gluon

            return FileWeightsEngine(engine, gluon.read_parameters, path)
        case "torch":
            from rnnviz.engines import torch

            return FileWeightsEngine(engine, torch.read_parameters, path)
        case "onnx":
            from rnnviz.engines.onnx import OnnxModelEngine

            return OnnxModelEngine(path)
    raise AssertionError(f"{name} reads no files")

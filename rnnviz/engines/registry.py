"""Engines by name, and reasons for missing ones.

Nothing heavy is imported before an engine is loaded, so that a window can list engines at once.
"""

import os
import platform
import sys
from collections.abc import Callable
from ctypes import CDLL
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from typing import TypeAlias
from unicodedata import category

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.core import onnx_layer
from rnnviz.core.config import Config, Network
from rnnviz.core.engine_spec import (
    RECORDING,
    UNKNOWN_ENGINE,
    RecordingName,
    engine_file,
    is_own,
    is_recording,
    is_unknown,
)
from rnnviz.core.errors import ConfigError, EngineError, check_regular
from rnnviz.core.extras import EXTRAS, install_command, not_installed
from rnnviz.core.frameworks import framework_of
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.schema import display_value
from rnnviz.core.trace import Trace
from rnnviz.core.words import join_words, suggest
from rnnviz.engines.base import Engine, EngineReport, Progress
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PREFIX, bug_of
from rnnviz.engines.known_bugs.registry import KnownBug as KnownBug
from rnnviz.engines.known_bugs.registry import gradient_bugs_in as gradient_bugs_in
from rnnviz.engines.known_bugs.registry import known_bugs_in as known_bugs_in
from rnnviz.engines.known_bugs.registry import known_bugs_of as known_bugs_of
from rnnviz.engines.known_bugs.registry import unknown_engine as unknown_engine
from rnnviz.frozen import dataclass

_NOT_TEXT = ("Cc", "Cs")
"""Control characters, which would command a terminal, and lone surrogates, which no file of text can hold."""

_MXNET_WHEELS = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "x86_64")}

MXNET_LIBRARIES = {"libgomp.so.1": "libgomp1", "libquadmath.so.0": "libquadmath0"}
"""Libraries that MXNet's wheels for Linux link to and do not contain, with their packages on Debian."""

_DEFAULT_CANDIDATES = ("manual", "gluon", "onnx", "torch")
"""The default candidate is the first of these that can run and is not the reference."""

_WITHOUT_GRADIENTS = "onnx"


@dataclass(frozen=True)
class EngineEntry:
    """One engine that can be named in a config.

    `package` is the required distribution, or None; an engine with one has an extra of its name. `dtypes` are the types
    in which it computes. `bug` is the known bug that it simulates.
    """

    name: str
    title: str
    package: str | None
    dtypes: tuple[str, ...] = ("float32", "float64")
    bug: KnownBug | None = None

    @property
    def unavailable(self) -> str | None:
        """Why the engine cannot run here, in one sentence, or None if it can."""
        why = self.missing_package
        return None if why is None else f"The engine {self.name} {why}."

    @property
    def missing_package(self) -> str | None:
        """The end of a sentence about a package that the engine needs and that is not installed or useless, or None."""
        if self.package is None:
            return None
        lacking = next((package for package in EXTRAS[self.name] if find_spec(package) is None), None)
        if lacking is None:
            return _why_mxnet_cannot_be_loaded() if self.package == "mxnet" else None
        return (_why_no_mxnet() if lacking == "mxnet" else None) or not_installed(lacking)

    def unsupported_reason(self, network: Network) -> str | None:
        """Why the engine cannot compute this network, in one sentence, or None if it can."""
        if network.dtype not in self.dtypes:
            return (
                f"{self.title} computes recurrent layers in {', '.join(self.dtypes)} only, "
                f"but network.dtype is {network.dtype}: set it to {join_words(self.dtypes, 'or')}, "
                "or use another engine."
            )
        if not _has_cell(self.name, network):
            others = [entry.name for entry in ENGINES.values() if _has_cell(entry.name, network)]
            return f"{self.title} does not compute {network.cell_title}: use {join_words(others, 'or')} in its place."
        if is_recording(self.name) and network.is_known and network.kind.further_states:
            states = join_words(network.kind.further_states, "and")
            return f"{self.name} is a recording, which holds h and c only, but {network.cell} also has {states}."
        return None if self.bug is None else self.bug.unsupported_reason(network)

    @property
    def version(self) -> str | None:
        """The installed version of the engine's package, without importing it."""
        # It brings the whole of email with it, which a window does not need before it is seen.
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.package or "numpy")
        except PackageNotFoundError:
            return None


def _has_cell(engine: str, network: Network) -> bool:
    """Whether an engine of `ENGINES` has the network's cell with its projection, clip and activations; others do."""
    if network.cell not in CELLS:
        return engine != "onnx"
    if engine == "torch":
        usual = network.clip is None and network.activations is None
        projects = network.projection_size is None or network.projection_size < network.hidden_size
        return usual and projects and network.kind.torch != ""
    if engine == "onnx":
        return onnx_layer.has_cell(network)
    return True


ENGINES: dict[str, EngineEntry] = {
    entry.name: entry
    for entry in (
        EngineEntry("gluon", "Gluon", "mxnet"),
        EngineEntry("manual", "manual", None),
        EngineEntry("onnx", "ONNX Runtime", "onnxruntime", ("float32",)),
        EngineEntry("torch", "PyTorch", "torch"),
    )
}


def is_known_bug(name: str) -> bool:
    """Whether the engine of that name simulates a known bug."""
    return name.startswith(PREFIX)


def recordings_in(path: Path) -> tuple[str, ...]:
    """Engine names of the recorded outputs in an `.npz` file, one for each engine in it.

    Raises an InputError if the file cannot be read or is damaged.
    """
    from rnnviz.engines.recorded_outputs import engines_in

    return tuple(str(RecordingName(str(path), engine)) for engine in engines_in(path)) or (
        str(RecordingName(str(path))),
    )


def find_engine(name: str, key: str = "compare.candidates") -> EngineEntry:
    """The entry of an engine. Raises a ConfigError if no engine has that name."""
    file = engine_file(name)
    if any(category(character) in _NOT_TEXT for character in name):
        raise ConfigError(
            key,
            f"{key} names {display_value(name)}, which is not UTF-8 text or has control characters: rename the file or "
            "its folder.",
        )
    if file is not None and not os.path.isfile(file):
        check_regular(file)
        raise ConfigError(key, f'{key} names "{name}", but there is no such file.')
    if is_recording(name):
        return EngineEntry(name, name, None)
    if is_own(name):
        return EngineEntry(name, Path(name).name, None)
    if is_unknown(name):
        bug = bug_of(name)
        if bug is None:
            raise ConfigError(key, f"{key} names {display_value(name)}, but no known bug has this name.")
        return EngineEntry(name, UNKNOWN_ENGINE, None, bug=bug)
    if is_known_bug(name):
        bug = bug_of(name)
        if bug is None:
            raise ConfigError(
                key,
                f"{key} names {display_value(name)}, which is not a known bug."
                f"{suggest(name, (bug.engine for bug in KNOWN_BUGS.values()))} "
                "The guide lists them on the page Known bugs.",
            )
        return EngineEntry(name, name, None, bug=bug)
    if name not in ENGINES:
        raise ConfigError(
            key,
            f"{key} names {display_value(name)}, which is not a known engine: it must be one of {', '.join(ENGINES)}, "
            f"{PREFIX}NAME, the path of a .py file, or {RECORDING}PATH of recorded outputs." + suggest(name, ENGINES),
        )
    return ENGINES[name]


def with_candidates(config: Config) -> Config:
    """The config with its candidates, or the default one where it names none, or no candidate where none can run.

    The default depends on this machine, so a config that is kept or written holds None in its place. The engine of the
    framework that wrote the weights comes first after `manual`; with a backward pass, an engine without gradients last.
    """
    compare = config.compare
    if compare.candidates is not None:
        return config

    of_file = framework_of(config.parameters.path).engine

    def rank(name: str) -> tuple[bool, bool, bool]:
        last = config.backward.enabled and name == _WITHOUT_GRADIENTS
        return name != "manual", last, name != of_file

    able = [
        name
        for name in sorted(_DEFAULT_CANDIDATES, key=rank)
        if name != compare.reference
        and ENGINES[name].unavailable is None
        and ENGINES[name].unsupported_reason(config.network) is None
    ]
    return replace(config, compare=replace(compare, candidates=tuple(able[:1])))


def engines_of(config: Config) -> tuple[str, ...]:
    """The engines that a run of the config computes here: the reference first, then the candidates."""
    return with_candidates(config).compare.engines


@cache
def _why_mxnet_cannot_be_loaded() -> str | None:
    if not np.__version__.startswith("1."):
        return f"needs NumPy 1, but NumPy {np.__version__} is installed ({install_command('gluon')} installs NumPy 1)"
    if sys.platform != "linux" or getattr(sys, "frozen", False):
        return None
    missing = []
    for library in MXNET_LIBRARIES:
        try:
            CDLL(library)
        except OSError:
            missing.append(library)
    if not missing:
        return None
    packages = " ".join(MXNET_LIBRARIES[library] for library in missing)
    return f"needs {join_words(missing)}, which this system lacks (install {packages} on Debian and Ubuntu)"


def _why_no_mxnet() -> str | None:
    system, machine = platform.system(), platform.machine()
    if (system, machine) not in _MXNET_WHEELS:
        return f"needs mxnet 1.9.1, which has no wheel for {system} {machine}"
    if sys.version_info >= (3, 13):
        return f"needs mxnet 1.9.1, which runs on Python 3.11 and 3.12, not on {platform.python_version()}"
    return None


def load_engine(name: str) -> Engine:
    """Import and make an engine.

    Raises a ConfigError if no engine has that name, an InputError if it is a recording that cannot be read, and an
    EngineError if it is not available here, or its import fails; the sentence says why.
    """
    entry = find_engine(name)
    if entry.unavailable is not None:
        raise EngineError(entry.unavailable)
    try:
        return _load(name)
    except (ImportError, OSError, AttributeError) as error:
        if isinstance(error, AttributeError) and _is_ours(error):
            raise
        raise EngineError(
            f"The engine {name} could not be loaded: {error}. Run without it, or see rnnviz doctor."
        ) from error


def _is_ours(error: AttributeError) -> bool:
    """Whether the program itself lacks the attribute, and not a library that does not fit NumPy."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__", "")).partition(".")[0] == "rnnviz"


def _load(name: str) -> Engine:
    if is_recording(name):
        from rnnviz.engines.recorded_outputs import RecordedEngine

        return RecordedEngine(name)
    if is_own(name):
        from rnnviz.engines.custom_code.parent import CustomEngine

        return CustomEngine(name)
    if name == "gluon":
        from rnnviz.engines.gluon import GluonEngine

        return GluonEngine()
    if name == "onnx":
        from rnnviz.engines.onnx import OnnxEngine

        return OnnxEngine()
    if name == "torch":
        from rnnviz.engines.torch import TorchEngine

        return TorchEngine()
    if is_known_bug(name) or is_unknown(name):
        from rnnviz.engines.known_bugs.engine import KnownBugEngine

        return KnownBugEngine(name)
    from rnnviz.engines.manual import ManualEngine

    return ManualEngine()


ReadParameters: TypeAlias = Callable[[Path, Network], Parameters]
"""The framework's own reader; raises an EngineError if it refuses the file."""


@dataclass(frozen=True)
class FileWeightsEngine:
    """`engine`, on the weights that `read` finds in the file: a check of the file's reading against its framework."""

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

    def gradients(self, network: Network) -> tuple[str, ...]:
        """See `Engine.gradients`."""
        return self.engine.gradients(network)

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`; the parameters of `inputs` are not looked at."""
        return self.engine.run(self._with_weights(inputs), trace, progress)

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run_backward`; the parameters of `inputs` are not looked at."""
        return self.engine.run_backward(self._with_weights(inputs), trace, progress)

    def _with_weights(self, inputs: Inputs) -> Inputs:
        return replace(inputs, parameters=self.read(self.path, inputs.network))


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


def no_gradients_reason(name: str) -> str:
    """Why the engine of that name has no gradients in a run with a backward pass, as a clause."""
    if is_recording(name):
        return "the recording has no gradients"
    if is_own(name):
        return "the file defines no backward"
    return f"{find_engine(name).title} has no backward pass"


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

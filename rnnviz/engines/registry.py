"""Engines by name, and reasons for missing ones. Nothing heavy is imported before an engine is loaded."""

import os
import platform
import sys
from collections.abc import Callable
from ctypes import CDLL
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from unicodedata import category

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.core import engine_spec
from rnnviz.core.config import Config, Network
from rnnviz.core.errors import ConfigError, EngineError, check_regular
from rnnviz.core.extras import EXTRAS, install_command, not_installed
from rnnviz.core.memory_budget import Gradients
from rnnviz.core.model_formats import format_of_framework
from rnnviz.core.schema import display_value
from rnnviz.core.words import join_words, suggest
from rnnviz.engines import onnx_layer
from rnnviz.engines.base import Engine
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS as KNOWN_BUGS
from rnnviz.engines.known_bugs.registry import PREFIX, bug_of
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


def _usual(network: Network) -> bool:
    """Whether PyTorch has the network's cell, or the cell is a custom one, of which it computes the lines."""
    if network.cell not in CELLS:
        return True
    projects = network.projection_size is None or network.projection_size < network.hidden_size
    return network.clip is None and network.activations is None and projects and network.kind.torch != ""


def _rounded_by_gluon(network: Network) -> str | None:
    if (network.cell, network.dtype) == ("rnn_relu", "float64"):
        return "MXNet 1.9.1 rounds what an rnn_relu of float64 computes to float32"
    return None


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
    packages = " ".join(MXNET_LIBRARIES[library] for library in missing)
    which = f"needs {join_words(missing)}, which this system lacks (install {packages} on Debian and Ubuntu)"
    return which if missing else None


def _why_no_gluon(lacking: str | None) -> str | None:
    system, machine = platform.system(), platform.machine()
    if lacking is None:
        return _why_mxnet_cannot_be_loaded()
    if (system, machine) not in _MXNET_WHEELS:
        return f"needs mxnet 1.9.1, which has no wheel for {system} {machine}"
    if sys.version_info >= (3, 13):
        return f"needs mxnet 1.9.1, which runs on Python 3.11 and 3.12, not on {platform.python_version()}"
    return None


@dataclass(frozen=True)
class EngineEntry:
    """One engine that can be named in a config.

    `load` is its module in this package and the class in it, `about` a line of the manual page. `package` is the
    required distribution; an engine with one has an extra of its name. `has_cell` says whether it has a network's cell,
    projection, clip and activations, `refused` why it does not compute it for another reason. `gradients` are given at
    least; `no_gradients` is a clause for a run without any. `unusable` ends a sentence about its packages, given the
    one that is missing; `unjudged` says why it cannot judge a file with a network.
    """

    name: str
    title: str
    load: str
    about: str = ""
    package: str | None = None
    dtypes: tuple[str, ...] = ("float32", "float64")
    has_cell: Callable[[Network], bool] = lambda network: True
    refused: Callable[[Network], str | None] = lambda network: None
    gradients: Gradients = ""
    no_gradients: str = ""
    unusable: Callable[[str | None], str | None] = lambda lacking: None
    unjudged: Callable[[Network], str | None] = lambda network: None
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
        return self.unusable(lacking) or (None if lacking is None else not_installed(lacking))

    def unsupported_reason(self, network: Network) -> str | None:
        """Why the engine cannot compute this network, in one sentence, or None if it can."""
        if network.dtype not in self.dtypes:
            return (
                f"{self.title} computes recurrent layers in {', '.join(self.dtypes)} only, but network.dtype is "
                f"{network.dtype}: set it to {join_words(self.dtypes, 'or')}, or use another engine."
            )
        if not self.has_cell(network):
            others = [entry.name for entry in ENGINES.values() if entry.has_cell(network)]
            return f"{self.title} does not compute {network.cell_title}: use {join_words(others, 'or')} in its place."
        return self.refused(network)

    def unjudged_reason(self, network: Network) -> str | None:
        """Why it cannot judge a file that holds this network, without a full stop; None if it can."""
        if self.unavailable is not None:
            return f"{self.title} is not installed"
        if network.dtype not in self.dtypes:
            return f"{self.title} computes in {', '.join(self.dtypes)} only"
        return self.unjudged(network)

    @property
    def version(self) -> str | None:
        """The installed version of the engine's package, without importing it."""
        # It brings the whole of email with it, which a window does not need before it is seen.
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.package or "numpy")
        except PackageNotFoundError:
            return None


ENGINES: dict[str, EngineEntry] = {
    entry.name: entry
    for entry in (
        EngineEntry(
            "gluon",
            "Gluon",
            "gluon:GluonEngine",
            "MXNet Gluon: its fused kernels, layer by layer and as a whole stack.",
            package="mxnet",
            gradients="hidden",
            unusable=_why_no_gluon,
            unjudged=_rounded_by_gluon,
        ),
        EngineEntry(
            "manual", "manual", "manual:ManualEngine", "The cell's equations, evaluated with NumPy.", gradients="every"
        ),
        EngineEntry(
            "onnx",
            "ONNX Runtime",
            "onnx:OnnxEngine",
            "ONNX Runtime, in float32.",
            package="onnxruntime",
            dtypes=("float32",),
            has_cell=lambda network: network.cell in CELLS and onnx_layer.has_cell(network),
        ),
        EngineEntry(
            "torch",
            "PyTorch",
            "torch:TorchEngine",
            "PyTorch, if it is installed.",
            package="torch",
            has_cell=_usual,
            gradients="every",
        ),
    )
}


@dataclass(frozen=True)
class EngineFamily:
    """Engines whose names, of a `form`, say more than which of a list they are. `has` recognizes a name, and `entry`
    describes its engine, or raises a ValueError with the end of a sentence."""

    form: str
    about: str
    has: Callable[[str], bool]
    entry: Callable[[str], EngineEntry]


def _recording(name: str) -> EngineEntry:
    load = "recorded_outputs:RecordedEngine"
    return EngineEntry(name, name, load, no_gradients="the recording has no gradients")


def _custom_step(name: str) -> EngineEntry:
    load = "custom_code.parent:CustomEngine"
    return EngineEntry(name, Path(name).name, load, no_gradients="the file defines no backward")


def _program(name: str) -> EngineEntry:
    from rnnviz.engines.port.command import program_words

    if not engine_spec.is_library(name):
        program_words(engine_spec.command_of(name))
    title = engine_spec.display_name(name)
    return EngineEntry(name, title, "port.command:CommandEngine", no_gradients="the program computes no gradients")


def _other_weights(name: str) -> EngineEntry:
    return EngineEntry(name, name, "manual:OtherWeightsEngine", gradients="every")


def _simulated(name: str) -> EngineEntry:
    bug = bug_of(name)
    placed = None if bug is not None or engine_spec.is_unknown(name) else _placed(name)
    if placed is not None:
        return placed
    if bug is None and engine_spec.is_unknown(name):
        raise ValueError("but no known bug has this name.")
    if bug is None:
        near = suggest(name, (bug.engine for bug in KNOWN_BUGS.values()))
        raise ValueError(f"which is not a known bug.{near} The guide lists them on the page Known bugs.")
    title = engine_spec.UNKNOWN_ENGINE if engine_spec.is_unknown(name) else name
    return EngineEntry(name, title, "known_bugs.engine:KnownBugEngine", refused=bug.unsupported_reason, bug=bug)


def _placed(name: str) -> EngineEntry | None:
    """The engine of a known bug or another change at a place; None if there is no such change."""
    from rnnviz.engines.known_bugs.hypotheses import is_hypothesis
    from rnnviz.engines.known_bugs.placed import PlacedBug

    placed = PlacedBug.parse(name)
    bug = KNOWN_BUGS.get(placed.name)
    if bug is None:
        known = is_hypothesis(placed.name)
        return EngineEntry(name, name, "known_bugs.placed:PlacedBugEngine") if known else None
    if bug.kind not in ("forward", "seams"):
        raise ValueError(f"but {bug.engine} concerns the whole network: leave the place out.")
    return EngineEntry(name, name, "known_bugs.placed:PlacedBugEngine", refused=bug.unsupported_reason)


def is_known_bug(name: str) -> bool:
    return name.startswith(PREFIX)


def recordings_in(path: Path) -> tuple[str, ...]:
    """Engine names of the recorded outputs in an `.npz` file; raises an InputError if the file is damaged."""
    from rnnviz.engines.recorded_outputs import engines_in

    return tuple(str(engine_spec.RecordingName(str(path), engine)) for engine in engines_in(path) or ("",))


FAMILIES = (
    EngineFamily(
        "./mine.py",
        "A custom step: a file that defines step(x, state, p). It runs only if an option names it.",
        engine_spec.is_own,
        _custom_step,
    ),
    EngineFamily(
        f"{engine_spec.EXEC}COMMAND",
        "A program, run as COMMAND IN OUT: see Check a port in the guide. It runs only if an option names it.",
        lambda name: engine_spec.is_program(name) and not engine_spec.is_library(name),
        _program,
    ),
    EngineFamily(
        f"{engine_spec.LIBRARY}FILE.so",
        "A shared library with rnnport_step or rnnport_forward of rnnport.h, called in a separate process.",
        engine_spec.is_library,
        _program,
    ),
    EngineFamily(
        f"{PREFIX}NAME",
        f"A known bug, simulated, such as {PREFIX}no-h2h-bias.",
        lambda name: is_known_bug(name) or engine_spec.is_unknown(name),
        _simulated,
    ),
    EngineFamily(
        f"{engine_spec.RECORDING}FILE",
        "Outputs that other code saved: .npz, .npy, .csv, a folder, or a capture; #ENGINE after the path selects one "
        "of several recordings.",
        engine_spec.is_recording,
        _recording,
    ),
    EngineFamily(
        f"{engine_spec.MODEL}FILE",
        "manual with the weights of another model file, config or session; #ENTRY after the path selects a network.",
        engine_spec.has_weights,
        _other_weights,
    ),
)


def find_engine(name: str, key: str = "compare.candidates") -> EngineEntry:
    """The entry of an engine. Raises a ConfigError if no engine has that name."""
    file = engine_spec.engine_file(name)
    if any(category(character) in _NOT_TEXT for character in name):
        raise ConfigError(
            key,
            f"{key} names {display_value(name)}, which is not UTF-8 text or has control characters: rename the file or "
            "its folder.",
        )
    folder = file is not None and not engine_spec.is_own(name) and os.path.isdir(file)
    if file is not None and not os.path.isfile(file) and not folder:
        check_regular(file)
        raise ConfigError(key, f'{key} names "{name}", but there is no such file.')
    return _entry(name, key)


def _entry(name: str, key: str) -> EngineEntry:
    if name in ENGINES:
        return ENGINES[name]
    try:
        for family in FAMILIES:
            if family.has(name):
                return family.entry(name)
        raise ValueError(
            f"which is not a known engine: it must be one of {', '.join(ENGINES)}, {PREFIX}NAME, the path of a .py "
            f"file, {engine_spec.EXEC}COMMAND, {engine_spec.LIBRARY}FILE, {engine_spec.RECORDING}PATH of recorded "
            f"outputs, or {engine_spec.MODEL}PATH of other weights.{suggest(name, ENGINES)}"
        )
    except ValueError as error:
        raise ConfigError(key, f"{key} names {display_value(name)}, {error}") from None


def no_gradients_reason(name: str) -> str:
    """Why the engine of that name has no gradients in a run with a backward pass, as a clause; its file may be gone."""
    entry = _entry(name, "compare.candidates")
    return entry.no_gradients or f"{entry.title} has no backward pass"


def with_candidates(config: Config) -> Config:
    """The config with its candidates, or the default one where it names none, or no candidate where none can run. The
    default depends on this machine. The engine of the framework that wrote the weights comes first after `manual`; with
    a backward pass, an engine without gradients last."""
    compare, network = config.compare, config.network
    if compare.candidates is not None:
        return config
    of_file = format_of_framework(config.parameters.path).engine

    def rank(entry: EngineEntry) -> tuple[bool, bool, bool]:
        last = config.backward.enabled and not entry.gradients
        return entry.name != "manual", last, entry.name != of_file

    others = (entry for entry in sorted(ENGINES.values(), key=rank) if entry.name != compare.reference)
    able = (e.name for e in others if e.unavailable is None and e.unsupported_reason(network) is None)
    return replace(config, compare=replace(compare, candidates=tuple(islice(able, 1))))


def gradients_given(config: Config) -> dict[str, Gradients]:
    """The gradients that the engines of a config with candidates give at least, by name."""
    return {name: ENGINES[name].gradients for name in config.compare.engines if name in ENGINES}


def engines_of(config: Config) -> tuple[str, ...]:
    """The engines that a run of the config computes here: the reference first, then the candidates."""
    return with_candidates(config).compare.engines


def load_engine(name: str) -> Engine:
    """Import and make an engine. Raises a ConfigError if no engine has that name, an InputError if it is a recording
    that cannot be read, and an EngineError if it is not available here, or its import fails."""
    entry = find_engine(name)
    if entry.unavailable is not None:
        raise EngineError(entry.unavailable)
    try:
        engine: Engine = getattr(_module(entry), entry.load.partition(":")[2])(*(() if name in ENGINES else (name,)))
        return engine
    except (ImportError, OSError, AttributeError) as error:
        if isinstance(error, AttributeError) and _is_ours(error):
            raise
        sentence = f"The engine {name} could not be loaded: {error}. Run without it, or see rnnviz doctor."
        raise EngineError(sentence) from error


def load_file_engine(name: str, path: Path) -> Engine:
    """An engine of `ENGINES` on a file of weights, as `read_file(path)` of its module makes it; raises as `load_engine`
    does."""
    load_engine(name)
    engine: Engine = _module(ENGINES[name]).read_file(path)
    return engine


def _module(entry: EngineEntry) -> ModuleType:
    return import_module(f"rnnviz.engines.{entry.load.partition(':')[0]}")


def _is_ours(error: AttributeError) -> bool:
    """Whether the program itself lacks the attribute, and not a library that does not fit NumPy."""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    return str(frames[-1].f_globals.get("__name__", "")).partition(".")[0] == "rnnviz"

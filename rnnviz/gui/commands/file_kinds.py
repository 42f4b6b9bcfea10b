"""Kinds of files that can be opened or dropped."""

import re
from dataclasses import replace
from pathlib import Path

from rnnviz.core.config import Config, InitialStateSource, ParameterSource
from rnnviz.core.engine_spec import RecordingName
from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile
from rnnviz.core.words import join_words
from rnnviz.io.model_formats.formats import ENDINGS, is_model_file
from rnnviz.io.model_formats.named_arrays import is_weight
from rnnviz.io.readers import ENDINGS as SEQUENCES
from rnnviz.io.session import ENDING
from rnnviz.sweeps.grid import is_sweep, is_sweep_results

_WEIGHT = re.compile(r"[lr]\d+_\w+")
_CELL_STEP = re.compile(r"^def step\(\s*u\s*,\s*v\s*,", re.MULTILINE)
_MOST_CODE = 1 << 20
_STATE = {"h", "c"}
_RECORDED = {"hidden", "output", "state"}


def is_config(path: Path) -> bool:
    """Whether a file is a config."""
    return path.suffix.lower() == ".toml"


def is_session(path: Path) -> bool:
    """Whether a file is a session."""
    return path.suffix.lower() == ENDING


def is_of_sweep(path: Path) -> bool:
    """Whether a file is a sweep or its results, by its first lines."""
    ending = path.suffix.lower()
    if ending == ".toml":
        return is_sweep(path)
    return ending in (".csv", ".json") and is_sweep_results(path)


def is_model(path: Path) -> bool:
    """Whether a file or folder is a model, which defines its network."""
    if path.suffix.lower() != ".npz":
        return path.is_dir() or is_model_file(path)
    try:
        names = set(NpzFile(path).headers)
    except InputError:
        return False  # `config_with` raises the error
    return any(is_weight(name) for name in names) and not _is_for_the_network(names) and not _is_state(names)


def _is_state(names: set[str]) -> bool:
    return "h" in names and names <= _STATE


def _is_for_the_network(names: set[str]) -> bool:
    """Whether these are weights by Gluon's names, for the current network."""
    return any(name.startswith("parameters.") for name in names) or all(_WEIGHT.fullmatch(name) for name in names)


def config_with(config: Config, path: Path) -> Config:
    """The config with a file added: a sequence, weights, an initial state, recorded outputs, or a custom step or cell.

    Raises
    ------
    InputError
        If the file is not supported.
    """
    ending = path.suffix.lower()
    if ending == ".py":
        return of_cell(config, path) if _declares_cell(path) else comparing_own(config, path)
    if ending in SEQUENCES and ending != ".npz":
        return replace(config, sequence=config.sequence.of_file(str(path)))
    if ending == ".npz":
        names = set(NpzFile(path).headers)
        if _is_state(names):
            return replace(config, initial_state=replace(config.initial_state, source="file", path=str(path)))
        if names and _is_for_the_network(names):
            return replace(config, parameters=replace(config.parameters, initializer="file", path=str(path)))
        if names & _RECORDED:
            return _comparing(config, str(RecordingName(str(path))))
        if len(names) == 1:
            return replace(config, sequence=config.sequence.of_file(str(path)))
        held = join_words(sorted(names), most=4) or "no array"
        raise InputError(
            f"{path} has unexpected arrays (got {held}): an .npz file needs weights by Gluon's names, such as "
            "l0_i2h_weight; the initial state h, and c for an LSTM; recorded outputs hidden, output or state; or a "
            "sequence as its only array."
        )
    raise InputError(
        f'{path} is not supported (got ending "{path.suffix}"): drop a config or sweep (.toml), a session ({ENDING}), '
        f"a custom step or cell (.py), a sequence ({', '.join(SEQUENCES)}), weights, an initial state or recorded "
        f"outputs (.npz), or a model ({', '.join(ENDINGS)})."
    )


def comparing_own(config: Config, path: Path) -> Config:
    """The config with a custom step as a further candidate."""
    return _comparing(config, str(path))


def _declares_cell(path: Path) -> bool:
    """Whether the text of a Python file has the step of a custom cell; nothing of it runs."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _CELL_STEP.search(file.read(_MOST_CODE)) is not None
    except OSError:
        return False  # the run reports the unreadable file


def of_cell(config: Config, path: Path) -> Config:
    """The config with a custom cell in place of its cell."""
    return replace(config, network=replace(config.network, cell=str(path), custom=None))


def of_new_cell(config: Config, path: Path) -> Config:
    """The config with a new custom cell, by engines that compute it, and without files for another cell."""
    from rnnviz.engines.registry import ENGINES

    network = replace(config.network, cell=str(path), custom=None, projection_size=None, clip=None, activations=None)
    usable = [n for n, e in ENGINES.items() if e.unavailable is None and e.unsupported_reason(network) is None]
    chosen = [name for name in config.compare.engines if name in usable]
    # A run compares two engines at least.
    chosen += [name for name in usable if name not in chosen][: max(0, 2 - len(chosen))]
    parameters, state = config.parameters, config.initial_state
    config = replace(
        config,
        network=network,
        parameters=ParameterSource() if parameters.initializer == "file" else parameters,
        initial_state=InitialStateSource() if state.source == "file" else state,
    )
    return config.with_engines(tuple(chosen)) if len(chosen) > 1 else config.checked()


def _comparing(config: Config, name: str) -> Config:
    """The config with a further candidate."""
    compare = config.compare
    if name in compare.engines:
        return config
    return replace(config, compare=replace(compare, candidates=(*compare.candidates, name)))

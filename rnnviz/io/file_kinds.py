"""Kinds of files that are not configs, recognized by their content, and where each of them is used."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile
from rnnviz.io import ENDING
from rnnviz.io.model_formats.formats import format_of
from rnnviz.io.model_formats.named_arrays import is_weight
from rnnviz.io.readers import ENDINGS

RECORDED = frozenset(("hidden", "output", "state"))
"""Arrays of which recorded outputs have at least one."""
STATES = frozenset("hc")


def use_of(path: Path) -> str:
    """The kind of a file and its use, as a clause after its name; "" for text and unknown content."""
    ending = path.suffix.lower()
    if ending == ".py":
        return "is Python code: name it as network.cell, or as an engine"
    if ending in ENDINGS and ending != ".npz":
        return "is a sequence: name it as sequence.path"
    names = _names_in_zip(path)
    if {"manifest.json", "config.toml"} <= names:
        return "is a session: " + ("run it with rnnviz run" if ending == ENDING else f"its name must end in {ENDING}")
    if any(name.endswith(".npy") for name in names):
        return _use_of_arrays(path)
    try:
        return (
            f"is a model file ({format_of(path).name}): rnnviz config --from {path.name} prints a config that runs it"
        )
    except InputError:
        return ""


def _names_in_zip(path: Path) -> set[str]:
    try:
        with ZipFile(path) as archive:
            return set(archive.namelist())
    except (OSError, ValueError, NotImplementedError, BadZipFile):
        return set()


def _use_of_arrays(path: Path) -> str:
    try:
        names = set(NpzFile(path).headers)
    except InputError:
        return "is a damaged archive of arrays"
    if names & RECORDED:
        return f"holds recorded outputs: name recording:{path.name} as an engine"
    if any(is_weight(name.removeprefix("parameters.")) for name in names):
        return "holds weights: name it as parameters.path"
    if "h" in names and names <= STATES:
        return "holds an initial state: name it as initial_state.path"
    return "is an archive of arrays: name it as sequence.path if one of them is the sequence"

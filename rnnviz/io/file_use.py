"""The kind of a file by its content, for error sentences."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile
from rnnviz.io import ENDING
from rnnviz.io.model_formats.formats import format_of
from rnnviz.io.model_formats.named_arrays import is_weight
from rnnviz.io.readers import ENDINGS


def use_of(path: Path) -> str:
    """The kind of a file and its use, as a clause after its name; "" for text and unknown content."""
    ending = path.suffix.lower()
    if ending == ".py":
        return "is Python code: name it as network.cell, or as an engine"
    if ending in ENDINGS and ending != ".npz":
        return "is a sequence: name it as sequence.path"
    try:
        with ZipFile(path) as archive:
            members = set(archive.namelist())
    except (OSError, ValueError, NotImplementedError, BadZipFile):
        members = set()
    if {"manifest.json", "config.toml"} <= members:
        return "is a session: " + ("run it with rnnviz run" if ending == ENDING else f"its name must end in {ENDING}")
    arrays = any(name.endswith(".npy") for name in members)
    try:
        if not arrays:
            kind = format_of(path).name
            return f"is a model file ({kind}): rnnviz config --from {path.name} prints a config that runs it"
        names = NpzFile(path).headers.keys()
    except InputError:
        return "is a damaged archive of arrays" if arrays else ""
    if names & {"hidden", "output", "state", "Y", "Y_h"}:
        return f"holds recorded outputs: name recording:{path.name} as an engine"
    if any(is_weight(name.removeprefix("parameters.")) for name in names):
        return "holds weights: name it as parameters.path"
    if "h" in names and names <= {"h", "c"}:
        return "holds an initial state: name it as initial_state.path"
    return "is an archive of arrays: name it as sequence.path if one of them is the sequence"

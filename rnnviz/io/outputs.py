"""Output files are checked before a long run: that they can be written, and that no file which is read is lost."""

import mmap
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import engine_file
from rnnviz.core.errors import InputError
from rnnviz.io.config_toml import named_paths

_INDEXES = (".onnx", ".json")
"""Model files that name others, which hold their weights."""


def check_output(path: str | Path | None) -> None:
    """Refuse a file that cannot be written; None means that none is written."""
    if path is None:
        return
    path = Path(path)
    file = path.absolute()
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        folder = Path(os.path.realpath(file)).parent if file.is_symlink() else file.parent
        if not folder.is_dir():
            raise InputError(f"{path} cannot be written: the folder {folder} does not exist.") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"{path} cannot be written: the folder {folder} may not be written to.") from error
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} cannot be written: it is a folder.")


def check_outputs(outputs: Mapping[str, str | Path | None], inputs: Mapping[str, str | Path]) -> None:
    """Refuse outputs that cannot be written, that are one file, or that are an input.

    Parameters
    ----------
    outputs, inputs : mapping of str to path
        Paths by their names in sentences, such as "--csv" and "the file of sequence.path".

    Raises
    ------
    InputError
        As `check_output`, or if two paths are the same file.
    """
    earlier: dict[str, str | Path] = {}
    for option, path in outputs.items():
        check_output(path)
        if path is None:
            continue
        for name, read in inputs.items():
            if _is_same(path, read) or _belongs_to(path, read):
                raise InputError(f"{path} cannot be written as {option}: it is read as {name}. Give another name.")
        for other, written in earlier.items():
            if _is_same(path, written):
                raise InputError(f"{path} cannot be written as {option}: {other} has the same path. Give each its own.")
        earlier[option] = path


def files_read(config: Config) -> dict[str, str]:
    """The files that a run of a config reads, by the names that `check_outputs` gives them."""
    paths = {f"the file of {section}.{key}": path for (section, key), path in named_paths(config).items()}
    engines = {f"the engine {name}": engine_file(name) for name in config.compare.engines}
    return {name: path for name, path in (paths | engines).items() if path is not None}


def _is_same(path: str | Path, other: str | Path) -> bool:
    """Whether writing to `path` would replace `other`, under whatever name and through whatever links."""
    try:
        # Devices and pipes are written through.
        return stat.S_ISREG(os.stat(path).st_mode) and os.path.samefile(path, other)
    except (OSError, ValueError):
        return not os.path.exists(path) and os.path.realpath(path) == os.path.realpath(other)


def _belongs_to(path: str | Path, model: str | Path) -> bool:
    """Whether an existing file is one of those that a model which is a folder or an index consists of."""
    file, whole = Path(path).resolve(), Path(model).resolve()
    if not file.is_file():
        return False
    if whole.is_dir():
        return file.is_relative_to(whole)
    if whole.suffix.lower() not in _INDEXES or not whole.is_file() or not file.is_relative_to(whole.parent):
        return False
    try:
        with whole.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(os.fsencode(file.name)) >= 0
    except (OSError, ValueError):  # reading it will say what is the matter
        return False

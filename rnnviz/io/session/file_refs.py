"""Files that a config names, with the files that they need."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.io.config_toml import with_paths
from rnnviz.io.model_formats.formats import by_ending, model_in


@dataclass(frozen=True)
class NamedFile:
    """A file or folder by its absolute path; `parts` are the files to copy, relative to its parent, and their sizes."""

    path: Path
    parts: tuple[tuple[str, int], ...]


def paths_in(config: Config) -> list[str]:
    """Every path that the config names, once."""
    found: dict[str, None] = {}

    def note(path: str) -> str:
        found[path] = None
        return path

    with_paths(config, note)
    return list(found)


def files_to_copy(config: Config) -> list[NamedFile]:
    """The files that a copy of each named file needs; values are not read."""
    return [_named(Path(path)) for path in paths_in(config)]


def size_of(files: Iterable[NamedFile]) -> int:
    """Total size in bytes."""
    return sum(size for file in files for _, size in file.parts)


def _named(path: Path) -> NamedFile:
    try:
        model = model_in(path)
        if model.is_dir():
            files = [file for file in sorted(model.glob("*.npy")) if file.is_file()]
        else:
            known = by_ending(model)
            beside = known.files_beside(model) if known is not None else []
            files = [model, *(model.parent / name for name in beside)]
        parts = tuple((file.relative_to(path.parent).as_posix(), file.stat().st_size) for file in files)
    except OSError as error:
        raise InputError(f"{path} cannot be copied: {error.strerror or error}.") from error
    return NamedFile(path, parts)

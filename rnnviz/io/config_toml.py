"""Configs as TOML files."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

import tomli_w

from rnnviz.core.bounded_read import read_plain_text
from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.engine_spec import engine_file, with_file
from rnnviz.core.errors import InputError, in_short
from rnnviz.core.schema import declarations
from rnnviz.io.outputs import write_text

UNPACKED = "files-"
"""The beginning of the names of folders into which copies in sessions are unpacked."""

_UNPACKED_PATH = re.compile(rf'[^":#]*/{UNPACKED}[^/]+/(?=files/\d)')

_MOST_DOTS = 16
_DEEPEST = 64
_MOST_VALUES = 200_000
"""Values, lines, dots and escaped characters together."""

# Strings and comments as a whole, so that what is in them does not count; one without an end takes the rest.
_TOKEN = re.compile(
    r"""\#[^\n]*+
    | \"{3} (?:[^"\\]++ | \\. | "(?!""))*+ (?:"{3,5})?+
    | '{3} (?:[^']++ | '(?!''))*+ (?:'{3,5})?+
    | " (?:[^"\\\n]++ | \\.)*+ "?+
    | ' [^'\n]*+ '?+
    | [\w-]{1000}
    | \n++
    | [][{}=,.]""",
    re.DOTALL | re.VERBOSE,
)
_UNUSED: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [
    ("parameters", "initializer", ("file",), ("bias", "scale", "seed")),
    ("initial_state", "source", ("zeros", "file"), ("seed",)),
    ("sequence", "source", ("impulse", "sine", "file", "text"), ("seed",)),
]
"""Keys without effect: a section, the key that decides, its values, and the keys that are then not read."""


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text; sentences call it `name`."""
    _check_size(text, name)
    try:
        return tomllib.loads(text)
    except ValueError as error:  # a TOMLDecodeError, or a number of more digits than Python reads
        raise InputError(f"{name} is not a valid TOML file: {in_short(str(error))}.") from error


def read_toml(path: Path, kind: str) -> dict[str, Any]:
    """The tables of a TOML file; one that holds something else is said to be no `kind`, such as "sweep", but that."""
    try:
        return parse_toml(read_plain_text(path, "TOML"), str(path))
    except InputError as error:
        # Its readers are needed for no TOML file.
        from rnnviz.io.file_use import use_of

        use = use_of(path) if os.path.isfile(path) else ""
        if not use:
            raise
        raise InputError(f"{path} is not a {kind}; it {use}.") from error


def _check_size(text: str, name: str) -> None:
    def excess(match: re.Match[str], what: str) -> InputError:
        line = text.count("\n", 0, match.start()) + 1
        return InputError(f"{name} is not a valid TOML file: line {line} has {what}.")

    depth = dots = values = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        first = token[0]
        dots = dots + 1 if first == "." else 0 if first in "[]{}=,\n" else dots
        depth += (first in "[{") - (first in "]}")
        values += len(token) if first in "=,.\n" else token.count("\\") if first == '"' else 0
        if dots > _MOST_DOTS:
            raise excess(match, f"a key of more than {_MOST_DOTS} dots")
        if first.isalnum() or first in "_-":
            raise excess(match, "a key or a number of 1,000 characters or more")
        if values > _MOST_VALUES:
            raise excess(match, f"more than {_MOST_VALUES:,} values")
        if depth > _DEEPEST:
            raise InputError(f"{name} is not a valid TOML file: its brackets are nested too deep.")


def is_unpacked(path: str) -> bool:
    """Whether a path is that of a copy that was unpacked from a session."""
    *_, unpacked, files, _, _ = ("", "", "", "", *PurePath(path).parts)
    return files == "files" and unpacked.startswith(UNPACKED)


def name_of_source(path: str) -> str:
    """The name of the file at a path, or of the session from which it was unpacked."""
    if not is_unpacked(path):
        return PurePath(path).name
    *_, unpacked, _, _, name = PurePath(path).parts
    return unpacked.removeprefix(UNPACKED).rpartition("-")[0] or name


def load_config(path: str | os.PathLike[str]) -> Config:
    """Read and validate a config. Raises an InputError, and a ConfigError where it is about a key."""
    file = Path(path)
    return _of_tables(read_toml(file, "config"), file.parent.absolute())


def parse_config(text: str, folder: Path, name: str = "The config") -> Config:
    """Validate the text of a config; paths in it are relative to `folder`, and error sentences call it `name`."""
    return _of_tables(parse_toml(text, name), folder)


def _of_tables(values: Mapping[str, Any], folder: Path) -> Config:
    config = with_paths(Config.from_mapping(values), lambda path: str(folder / path))
    return config.with_program_folder(str(folder))


def dump_config(config: Config, folder: Path | None = None, unused: bool = True) -> str:
    """Write the config as TOML text, with paths of files in `folder` relative to it.

    An input size that files decide is omitted, because the files may change before the text is read. Without `unused`,
    keys without effect are omitted, such as the scale of weights that come from a file.
    """

    def relative(path: str) -> str:
        if folder is not None and Path(path).is_relative_to(folder.absolute()):
            return str(Path(path).relative_to(folder.absolute()))
        return path

    own = config.engines.folder
    if own is not None and folder is not None:
        inside = os.path.relpath(own, folder) if Path(own).is_relative_to(folder.absolute()) else own
        config = replace(config, engines=replace(config.engines, folder=None if inside == os.curdir else inside))
    tables = with_paths(config, relative).to_mapping()
    if config.sequence.brings_input_size:
        del tables["network"]["input_size"]
    if not unused:
        for section, decider, values, keys in _UNUSED:
            if tables[section][decider] in values and tables[section].get("lengths") != "uniform":
                for key in keys:
                    del tables[section][key]
    return tomli_w.dumps(tables)


def check_paths(config: Config) -> None:
    """Refuse a path that a TOML file cannot hold, which is UTF-8 text."""
    for path in files_read(config).values():
        if path != path.encode("utf-8", "ignore").decode("utf-8"):
            raise InputError(f"{path} cannot be named in a config: it is not UTF-8 text: rename it or its folder.")


def save_config(config: Config, path: Path) -> None:
    check_paths(config)
    write_text(path, dump_config(config, path.parent))


def files_read(config: Config) -> dict[str, str]:
    """The files that a run of a config reads, by the names that `check_outputs` gives them."""
    paths = {
        f"the file {f'{number} ' if number else ''}of {section}.{key}": path
        for section, kind in SECTIONS.items()
        for key, spec in declarations(kind).items()
        for number, path in enumerate(spec.paths_in(getattr(getattr(config, section), key)))
    }
    engines = {f"the engine {name}": engine_file(name) for name in config.compare.engines}
    return {name: path for name, path in (paths | engines).items() if path is not None}


def with_paths(config: Config, change: Callable[[str], str]) -> Config:
    """The config with `change` applied to each path, also to the paths of engines."""
    for section, kind in SECTIONS.items():
        values = getattr(config, section)
        changed = {key: spec.with_paths(getattr(values, key), change) for key, spec in declarations(kind).items()}
        config = replace(config, **{section: replace(values, **changed)})
    compare = config.compare
    candidates = compare.candidates
    if candidates is not None:
        candidates = tuple(with_file(name, change) for name in candidates)
    reference = with_file(compare.reference, change)
    return replace(config, compare=replace(compare, reference=reference, candidates=candidates))


def as_in_session(text: str) -> str:
    """The text with each path of a copy as the config of its session has it: "files/0/x.npz" means more in reports."""
    return _UNPACKED_PATH.sub("", text)

"""The config that a command runs, and the engines that its options name."""

from pathlib import Path

from rnnviz.cli.streams import print_note
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError


def load(path: Path, engines: str | None = None) -> Config:
    """Read a config.

    If neither it nor `engines` names a reference, take one that can run here, and report it on standard error.

    Raises
    ------
    InputError
        If the file cannot be read, or a key is not valid.
    """
    from rnnviz.io.config_toml import load_config, unchanged

    return load_config(path, complete if engines is None else unchanged)


def complete(config: Config) -> Config:
    """Give a config a reference that can run here, and report on standard error if it is not the default one."""
    from rnnviz.engines.registry import with_fallback_reference

    config, note = with_fallback_reference(config)
    if note:
        print_note(f"rnnviz: {note}")
    return config


def engine_names(engines: str | None, reference: str | None = None, at_least: int = 2) -> tuple[str, ...] | None:
    """The engines of --engines, checked, with those of --reference; None without --engines.

    Raises
    ------
    InputError
        If a name is unknown or given twice, or too few engines are named; the sentence names the option.
    """
    from rnnviz.engines.registry import find_engine

    if reference is not None:
        find_engine(reference, "--reference")
    if engines is None:
        return None
    names = tuple(name.strip() for name in engines.split(","))
    for name in names:
        find_engine(name, "--engines")
        if names.count(name) > 1:
            raise InputError(f"--engines names {name} twice: name each engine once.")
    if len({*names, *([] if reference is None else [reference])}) < at_least:
        raise InputError("--engines needs at least two engines, a reference and a candidate, such as gluon,manual.")
    return names

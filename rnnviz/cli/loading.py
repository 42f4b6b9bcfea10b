"""The config that a command runs, and the engines that its options name."""

from argparse import ArgumentParser, _ArgumentGroup
from dataclasses import replace
from pathlib import Path

from rnnviz.cli.streams import print_note
from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError
from rnnviz.core.schema import declarations


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


def add_cell_to(parser: ArgumentParser | _ArgumentGroup) -> None:
    """Add the option that names a cell, which is also the permission to run its file."""
    parser.add_argument(
        "--cell",
        metavar="CELL",
        help="cell to run instead, by its name or the .py file of a custom cell",
    )


def with_cell(config: Config, cell: str | None) -> Config:
    """The config with the cell of --cell.

    Raises
    ------
    ConfigError
        If it is neither a cell nor a file; the sentence names the option.
    """
    if cell is None:
        return config
    checked = declarations(Network)["cell"].check("--cell", cell)
    return replace(config, network=replace(config.network, cell=checked))


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

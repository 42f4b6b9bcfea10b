"""The config that a command runs: as it is written, or by the engines that there are."""

from pathlib import Path

from rnnviz.cli.streams import print_note
from rnnviz.core.config import Config


def load(path: Path, engines: str | None = None) -> Config:
    """Read a config; if neither it nor `engines` names a reference, one that can run here is taken, and told.

    Raises
    ------
    InputError
        If the file cannot be read, or a key of it is wrong.
    """
    from rnnviz.io.config_toml import load_config, unchanged

    return load_config(path, complete if engines is None else unchanged)


def complete(config: Config) -> Config:
    """The config by a reference that can run here; which it is, if not the usual one, is told on standard error."""
    from rnnviz.engines.registry import with_fallback_reference

    config, told = with_fallback_reference(config)
    if told:
        print_note(f"rnnviz: {told}")
    return config

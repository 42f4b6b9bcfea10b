"""The members of a `.keras` archive, which may have been unpacked into a folder."""

from pathlib import Path

WEIGHTS = "model.weights.h5"
CONFIG = "config.json"


def config_beside(path: Path) -> Path | None:
    """The config beside the weights of an archive that was unpacked."""
    config = path.with_name(CONFIG)
    return config if path.name == WEIGHTS and config.is_file() else None

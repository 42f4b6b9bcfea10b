"""Stamp of an engine's file, which changes with its content."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path


def file_version(path: Path) -> str:
    """The file's name and when it was saved, so that two runs of one file can be distinguished."""
    with suppress(OSError):
        saved = datetime.fromtimestamp(path.stat().st_mtime).isoformat(" ", "seconds")
        return f"{path.name}, saved {saved}"
    return path.name

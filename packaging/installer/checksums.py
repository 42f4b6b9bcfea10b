"""The checksums of what is in `dist`, in the form that `sha256sum --check` reads."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def sha256(path: Path) -> str:
    """The SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksums(files: Iterable[Path]) -> str:
    """A line for each file, by its name alone."""
    return "".join(f"{sha256(path)}  {path.name}\n" for path in sorted(files))

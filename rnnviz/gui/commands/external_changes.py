"""Detection of files that other programs changed since this window read or wrote them."""

import os
from pathlib import Path


class FileStamps:
    """Modification time, size and inode of known files. File contents are not read."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int, int]] = {}

    def remember(self, path: Path) -> None:
        """Record the state of a file that this window has just read or written."""
        stamp = _stamp(path)
        if stamp is not None:
            self._known[path.absolute()] = stamp

    def changed(self, path: Path) -> bool:
        """Whether another program wrote the file since. False for a missing or unknown file."""
        known, stamp = self._known.get(path.absolute()), _stamp(path)
        return None not in (known, stamp) and known != stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino

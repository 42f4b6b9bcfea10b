"""Whether a file is still the one that this window has read or written: another window may have saved it since."""

import os
from pathlib import Path


class KnownFiles:
    """Tells files apart as the system does, by when and how large they were written, and reads none."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int, int]] = {}

    def remember(self, path: Path) -> None:
        """This window has just read or written the file."""
        stamp = _stamp(path)
        if stamp is not None:
            self._known[path.absolute()] = stamp

    def changed(self, path: Path) -> bool:
        """Whether somebody else has written it since; not if it is gone, or was never read here."""
        known, stamp = self._known.get(path.absolute()), _stamp(path)
        return None not in (known, stamp) and known != stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino

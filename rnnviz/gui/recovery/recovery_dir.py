"""The unsaved session of an open window.

Each window has a private folder, which it deletes on exit. After a crash it remains, and the next window finds it: the
id and the start of its process show whether that still lives.
"""

import json
import os
import platform
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_OWNER_FILE = "owner.json"
AUTOSAVE, TRAINING, CRASH = "autosave.rnnviz", "training.npz", "crash.txt"
_UNOWNED_SECONDS = 60.0
"""A folder without an owner may be one that is being made."""
_KEPT_SECONDS, _ALWAYS_KEPT = 30 * 24 * 3600.0, 3


class RecoveryDir:
    """A folder (0700) for this process within `parent`."""

    def __init__(self, parent: Path) -> None:
        """Raises an OSError if it cannot be made."""
        self._parent = parent
        self.folder = Path(tempfile.mkdtemp(prefix="window-", dir=parent))
        self.autosave, self.training, self.crash = (self.folder / name for name in (AUTOSAVE, TRAINING, CRASH))
        owner = {"host": platform.node(), "process": os.getpid(), "started": _started(os.getpid())}
        try:
            (self.folder / _OWNER_FILE).write_text(json.dumps(owner), encoding="utf-8")
        except OSError:
            self.close()
            raise
        self._claimed = 0

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def abandoned(self) -> list[Path]:
        """Folders of windows that crashed, the newest first. Old ones are removed.

        A few stay however old they are: a clock that was wrong when they were written, or is now, makes them look so.
        """
        left = []
        for folder in self._parent.glob("window-*"):
            if folder == self.folder or not _is_abandoned(folder):
                continue
            if any(holds_something(folder / name) for name in (AUTOSAVE, TRAINING, CRASH)):
                left.append(folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
        left.sort(key=left_at, reverse=True)
        for folder in left[_ALWAYS_KEPT:]:
            if time.time() - left_at(folder) > _KEPT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
                left.remove(folder)
        return left

    def claim(self, folder: Path) -> Path | None:
        """Take over the data of a crashed window exclusively; None if another window was faster."""
        self._claimed += 1
        own = self.folder / f"left-{self._claimed}"
        try:
            return folder.rename(own)
        except OSError:
            return None


def holds_something(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def left_at(folder: Path) -> float:
    """The time of the last autosave, in seconds of the system clock; 0 if unknown."""
    for name in (AUTOSAVE, TRAINING, CRASH, _OWNER_FILE):
        try:
            return (folder / name).stat().st_mtime
        except OSError:
            continue
    return 0.0


def _is_abandoned(folder: Path) -> bool:
    try:
        owner = json.loads((folder / _OWNER_FILE).read_text(encoding="utf-8"))
        host, process, started = owner["host"], int(owner["process"]), owner["started"]
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        try:
            return time.time() - folder.stat().st_mtime > _UNOWNED_SECONDS
        except OSError:
            return False
    # The state of a process on another machine that shares the folder is unknown here.
    return bool(host == platform.node() and _started(process) != started)


def _started(process: int) -> str:
    """When a process started, as a text that no other process with its id has; "" if there is none that lives.

    On Linux in ticks since the machine started, which a change of the clock does not touch.
    """
    try:
        if platform.system() == "Linux":
            status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
            state, *fields = status.rpartition(")")[2].split()
            return "" if state in "ZX" else fields[18]
        import psutil

        with suppress(psutil.Error):
            return str(psutil.Process(process).create_time())
    except (OSError, IndexError):
        pass
    return ""

"""The folders of the program: runs, logs, and the unsaved session of an open window.

Each program run has one private folder for its runs in the system's temporary one, named by its process. If the
process is killed its children remove the folder; the next program removes any folder that still remains.

Each window has a private folder, too, which it deletes on exit. After a crash it remains, and the next window finds it:
the id and the start of its process show whether that still lives.
"""

import json
import os
import platform
import re
import shutil
import tempfile
import time
from contextlib import suppress
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Lock

_PREFIX = "rnnviz-"
_PROCESS = re.compile(rf"{_PREFIX}(\d{{1,9}})-", re.ASCII)
"""Process ids have at most nine digits, but a folder may have any name."""
_ATTEMPTS = 20

_OWNER_FILE = "owner.json"
AUTOSAVE, CRASH = "autosave.rnnviz", "crash.txt"
_UNOWNED_SECONDS = 60.0
"""A folder without an owner may be one that is being made."""
_KEPT_SECONDS, _ALWAYS_KEPT = 30 * 24 * 3600.0, 3


def state_folder() -> Path:
    """State folder of the platform; on Linux below XDG_STATE_HOME. It need not exist."""
    from platformdirs import user_state_path

    folder = user_state_path("rnnviz", appauthor=False)
    # XDG has a path that is not absolute ignored: it would be another one in each folder.
    return folder if folder.is_absolute() else Path.home() / ".local" / "state" / "rnnviz"


def make_state_folder(*parts: str) -> Path:
    """Make the folder, or one in it, readable only by the user; raises an OSError on failure."""
    folder = state_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for part in parts:
        folder = folder / part
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


class RunDirs:
    """A private folder (0700) for the runs of this process, which vanishes with it."""

    def __init__(self) -> None:
        """Raises an OSError if it cannot be made."""
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.folder = self._make()

    def run_folder(self, request_id: int) -> Path:
        """Path for a new run folder, which does not exist yet. Raises an OSError if there can be none.

        Systems empty their temporary folder now and then, under programs that run for weeks.
        """
        if not self.folder.is_dir():
            self.folder = self._make()
        return self.folder / f"run-{request_id}"

    def _make(self) -> Path:
        parent = Path(tempfile.gettempdir())
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        remove_with(self, folder)
        return folder


def temporary_place() -> str:
    """The name of the system's temporary folder in error messages; there may be none."""
    try:
        return tempfile.gettempdir()
    except OSError:
        return "any temporary folder"


_making = Lock()


def storage() -> RunDirs:
    """The one storage of this process, whichever thread asks first."""
    with _making:
        return _storage()


@cache
def _storage() -> RunDirs:
    return RunDirs()


def _forget_storage() -> None:
    """Let a forked process make a storage for its own runs."""
    global _making
    _making = Lock()
    _storage.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_storage)


def remove_with(owner: object, folder: Path) -> None:
    """Remove `folder` when `owner` is no longer referenced, and at the latest when this process ends.

    Arrays that are still mapped from it stay readable. A forked process has the owner, too, but removes nothing.
    """
    # Unlike weakref's, it is called in this process only, and also at the end of one that multiprocessing forked.
    Finalize(owner, shutil.rmtree, (folder,), {"ignore_errors": True}, exitpriority=0)


def remove_all_of(folder: Path) -> None:
    """Remove a folder, as far as possible, while another process may write to it."""
    for _ in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*-*"):
        import psutil

        owner = _PROCESS.match(folder.name)
        if owner is not None and not psutil.pid_exists(int(owner[1])):
            shutil.rmtree(folder, ignore_errors=True)


class RecoveryDir:
    """A folder (0700) for this process within `parent`."""

    def __init__(self, parent: Path) -> None:
        """Raises an OSError if it cannot be made."""
        self._parent = parent
        self.folder = Path(tempfile.mkdtemp(prefix="window-", dir=parent))
        self.autosave, self.crash = self.folder / AUTOSAVE, self.folder / CRASH
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
            if any(_holds_something(folder / name) for name in (AUTOSAVE, CRASH)):
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


def _holds_something(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def left_at(folder: Path) -> float:
    """The time of the last autosave, in seconds of the system clock; 0 if unknown."""
    for name in (AUTOSAVE, CRASH, _OWNER_FILE):
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

"""The folders of the program: its state, and its runs.

Each program run has one private folder for its runs in the system's temporary one, named by its process. If the
process is killed its children remove the folder; the next program removes any folder that still remains.
"""

import os
import re
import shutil
import tempfile
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path
from threading import Lock

_PREFIX = "rnnviz-"
_PROCESS = re.compile(rf"{_PREFIX}(\d{{1,9}})-", re.ASCII)
"""Process ids have at most nine digits, but a folder may have any name."""
_ATTEMPTS = 20


def state_folder() -> Path:
    """State folder of the platform; on Linux below XDG_STATE_HOME. It need not exist."""
    from platformdirs import user_state_path

    folder = user_state_path("rnnviz", appauthor=False)
    # XDG has a path that is not absolute ignored: it would be another one in each folder.
    return folder if folder.is_absolute() else Path.home() / ".local" / "state" / "rnnviz"


def make_state_folder(name: str = "") -> Path:
    """Make the folder, or one in it, readable only by the user; raises an OSError on failure."""
    folder = state_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / name).mkdir(mode=0o700, exist_ok=True)
    return folder / name


class RunDirs:
    """A private folder (0700) for the runs of this process, which vanishes with it."""

    def __init__(self) -> None:
        """Raises an OSError if it cannot be made."""
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.folder = self._make()

    def run_folder(self, request_id: int) -> Path:
        """Path for a new run folder, which does not exist yet. Raises an OSError if there can be none."""
        # Systems empty their temporary folder now and then, under programs that run for weeks.
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
    """Remove `folder` when `owner` is no longer referenced, or this process ends. Mapped arrays stay readable."""
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

"""The folders in which runs lie while they are used.

Each program run has one private folder in the system's temporary one, named by its process; what a crashed
program left behind is removed by the next one.
"""

import os
import shutil
import tempfile
import weakref
from functools import cache
from pathlib import Path
from threading import Lock

import psutil

_PREFIX = "rnnviz-"


class Storage:
    """A private folder (0700) for the runs of this process, which vanishes with it."""

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        remove_with(self, self.folder)

    def run_folder(self, request_id: int) -> Path:
        """Where the run of that id lies; it does not exist yet."""
        return self.folder / f"run-{request_id}"


_making = Lock()


def storage() -> Storage:
    """The one storage of this process, whichever thread asks first."""
    with _making:
        return _storage()


@cache
def _storage() -> Storage:
    return Storage()


def remove_with(owner: object, folder: Path) -> None:
    """Remove `folder` when nobody uses `owner` any more, and at the latest when this process ends.

    Arrays that are still mapped from it stay readable.
    """
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)

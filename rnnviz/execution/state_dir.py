"""The state folder of the program: logs and autosaved sessions."""

from pathlib import Path

from platformdirs import user_state_path


def state_folder() -> Path:
    """Where it is on this system; on Linux below XDG_STATE_HOME. It need not exist."""
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

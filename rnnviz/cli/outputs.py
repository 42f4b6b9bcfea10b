"""What is to be written is looked at before a long run, not after it."""

import stat
from pathlib import Path

from rnnviz.model.errors import InputError


def check_output(path: str | Path | None) -> None:
    """Refuse a file that could not be written; None is none.

    Raises
    ------
    InputError
        If its folder does not exist, it is a folder itself, or the system knows no file of that name.
    """
    if path is None:
        return
    file = Path(path).absolute()
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        if not file.parent.is_dir():
            raise InputError(f"{path} cannot be written: the folder {file.parent} does not exist.") from error
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} cannot be written: it is a folder.")

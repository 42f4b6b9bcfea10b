"""Files that are read must be regular ones: a pipe may be waited for without end, and a device may never end."""

import os
import stat

from rnnviz.core.errors import InputError

_OTHERS = {stat.S_IFIFO: "pipe", stat.S_IFCHR: "device", stat.S_IFBLK: "device", stat.S_IFSOCK: "socket"}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Refuse a pipe, a device or a socket. The reader refuses missing files and folders.

    Raises
    ------
    InputError
        With the kind of file that it is.
    """
    try:
        kind = _OTHERS.get(stat.S_IFMT(os.stat(path).st_mode))
    except (OSError, ValueError):
        return
    if kind is not None:
        raise InputError(
            f"{os.fspath(path)} cannot be read: it is a {kind}, and must be a regular file: save its content to a file."
        )

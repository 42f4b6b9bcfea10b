"""Output files that appear whole or not at all."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnnviz.core.errors import InputError

_LONGEST_PREFIX = 60
"""Characters of a temporary file's name that it has from the output's: with four bytes each, any system takes them."""

_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""A pipe without a reader would be waited for, where the system has such pipes."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, which replaces it when the block ends without an error.

    An existing file survives a failed write. A link stays, and the file that it leads to is replaced. A device, a pipe
    or an open file of this process, such as /dev/stdout, gets the bytes of the temporary file, which is elsewhere then.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written, the disk is full, or no program reads the pipe.
    """
    try:
        through = _is_written_through(path)
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name[:_LONGEST_PREFIX]}.", dir=None if through else target.parent
        )
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if through:
            _write_through(temporary, path)
        else:
            temporary.chmod(_mode(target))
            temporary.replace(target)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def _is_written_through(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or _descriptor(path) is not None


def _mode(path: Path) -> int:
    """The permissions of the file that is replaced, or, as mkstemp makes private files, those of any new file."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _descriptor(path: Path) -> int | None:
    """The number of the open file of this process that a path leads to, as /dev/stdout and /dev/fd/63 do."""
    folders = {os.path.realpath(folder) for folder in ("/dev/fd", "/proc/self/fd") if os.path.isdir(folder)}
    place = os.path.abspath(path)
    for _ in range(40):  # as many links as the system itself follows
        folder, name = os.path.split(place)
        if name.isdecimal() and os.path.realpath(folder) in folders:
            return int(name)
        if not os.path.islink(place):
            return None
        place = os.path.join(folder, os.readlink(place))
    return None


def _write_through(source: Path, path: Path) -> None:
    """Copy a file into a device or a pipe. A reader that ends early is not an error."""
    descriptor = _descriptor(path)
    if descriptor is not None:
        # If opened again, a regular file would be written from its beginning.
        opened = os.dup(descriptor)
    else:
        try:
            opened = os.open(path, os.O_WRONLY | _AT_ONCE)
        except OSError as error:
            if error.errno == errno.ENXIO and path.is_fifo():
                raise InputError(
                    f"{path} cannot be written: it is a pipe that no program reads: start its reader first."
                ) from error
            raise
        if _AT_ONCE:
            os.set_blocking(opened, True)
    try:
        with open(opened, "wb") as out, source.open("rb") as content:
            shutil.copyfileobj(content, out)
    except BrokenPipeError:
        return

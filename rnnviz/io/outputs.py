"""Output files: checked before a long run, and written whole or not at all."""

import errno
import mmap
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rnnviz.core.errors import InputError, file_errors

Progress = Callable[[float], None]
"""Gets the fraction that is done. It may raise to stop the writing; an existing file is then left as it was."""


def check_output(path: str | Path) -> None:
    path = Path(path)
    file = path.absolute()
    try:
        mode = file.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        folder = Path(os.path.realpath(file)).parent if file.is_symlink() else file.parent
        if not folder.is_dir():
            raise InputError(f"{path} cannot be written: the folder {folder} does not exist.") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"{path} cannot be written: the folder {folder} may not be written to.") from error
        return
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    if stat.S_ISDIR(mode):
        raise InputError(f"{path} cannot be written: it is a folder.")


def check_outputs(outputs: Mapping[str, str | Path | None], inputs: Mapping[str, str | Path]) -> None:
    """Refuse outputs that cannot be written, are one file, or are an input; "-" is standard output."""
    earlier: dict[str, str | Path] = {}
    for option, path in outputs.items():
        if path is None or path == "-":
            continue
        check_output(path)
        for name, read in inputs.items():
            if _is_same(path, read) or _belongs_to(path, read):
                raise InputError(f"{path} cannot be written as {option}: it is read as {name}. Give another name.")
        for other, written in earlier.items():
            if _is_same(path, written):
                raise InputError(f"{path} cannot be written as {option}: {other} has the same path. Give each its own.")
        earlier[option] = path


def _is_same(path: str | Path, other: str | Path) -> bool:
    """Whether writing to `path` would replace `other`, under whatever name and through whatever links."""
    try:
        # Devices and pipes are written through.
        return stat.S_ISREG(os.stat(path).st_mode) and os.path.samefile(path, other)
    except (OSError, ValueError):
        return not os.path.exists(path) and os.path.realpath(path) == os.path.realpath(other)


def _belongs_to(path: str | Path, model: str | Path) -> bool:
    """Whether an existing file is one of those that a model which is a folder or an index consists of."""
    file, whole = Path(path).resolve(), Path(model).resolve()
    if not file.is_file():
        return False
    if whole.is_dir():
        return file.is_relative_to(whole)
    # These name other files, which hold their weights.
    if whole.suffix.lower() not in (".onnx", ".json") or not whole.is_file() or not file.is_relative_to(whole.parent):
        return False
    try:
        with whole.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(os.fsencode(file.name)) >= 0
    except (OSError, ValueError):  # reading it will say what is the matter
        return False


_LONGEST_PREFIX = 60
"""Characters of a temporary file's name that it has from the output's: with four bytes each, any system takes them."""

_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""A pipe without a reader would be waited for, where the system has such pipes."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path next to `path`, which replaces it when the block ends without an error.

    A link stays, and the file that it leads to is replaced. A device, a pipe or an open file of this process, such as
    /dev/stdout, gets the bytes of a temporary file elsewhere. Raises an InputError if that is not possible.
    """
    with file_errors(path, "written"):
        through = _is_written_through(path)
        target = Path(os.path.realpath(path)) if path.is_symlink() else path
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name[:_LONGEST_PREFIX]}.", dir=None if through else target.parent
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            if through:
                _write_through(temporary, path)
            else:
                temporary.chmod(_mode(target))
                temporary.replace(target)
        except InputError as error:
            # A writer knows the temporary file alone, and users the other.
            if temporary.name not in str(error):
                raise
            named = str(error).replace(str(temporary.absolute()), str(path)).replace(str(temporary), str(path))
            raise InputError(named.replace(temporary.name, path.name)) from error
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> int:
    """Write a text as UTF-8, where half a surrogate pair is escaped, and return the number of bytes."""
    content = text.encode("utf-8", "backslashreplace")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


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

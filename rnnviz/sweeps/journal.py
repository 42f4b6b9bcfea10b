"""The journal of a sweep: one JSON line for each result, flushed before the next row; a resumed sweep reads it.

A line that is torn, because the machine stopped while it was written, counts as not written.
"""

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

from rnnviz.core.errors import InputError, check_regular
from rnnviz.sweeps.results import SweepResult

ENDING = ".results.jsonl"


def journal_of(sweep: Path) -> Path:
    """The journal's usual place: beside the sweep's file, and named after it."""
    return sweep.with_name(f"{sweep.stem}{ENDING}")


def read_journal(path: Path) -> dict[str, SweepResult]:
    """The latest finding of each key; none if the file does not exist.

    Raises an InputError if the file cannot be read.
    """
    check_regular(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    found = {}
    for line in lines[:-1]:  # what follows the last end of line is empty or torn
        try:
            entry = json.loads(line)
            found[str(entry["key"])] = SweepResult.from_mapping(entry)
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return found


class Journal(AbstractContextManager["Journal"]):
    """A journal that is open to be written, by one sweep at a time."""

    def __init__(self, path: Path) -> None:
        """Open a journal, or begin one; the end of a torn line is cut off.

        Raises an InputError if the file cannot be written, is not a journal, or another sweep is writing it.
        """
        self._path = path
        check_regular(path)
        try:
            self._file = path.open("ab+", buffering=0)
            try:
                _lock(self._file, path)
                _cut_torn_line(self._file, path)
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror or error}.") from error

    def append(self, key: str, values: Mapping[str, Any], finding: SweepResult) -> None:
        """Write a finding; `values` say for a reader which row it is of.

        Raises an InputError if the disk takes no more.
        """
        entry = {"key": key, "values": dict(values), **finding.to_mapping()}
        # A path that is not UTF-8 has lone surrogates, which JSON reads back from this form.
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"
        try:
            while line:
                line = line[self._file.write(line) or 0 :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {error.strerror or error}.") from error

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _lock(file: IO[bytes], path: Path) -> None:
    """Refuse a second writer, if the system supports locks; closing the file releases the lock."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{path} is being written by another sweep: wait for it, or stop it.") from error
    except OSError:
        # Some network drives know no locks; the sweep must not fail for it.
        return


def _cut_torn_line(file: IO[bytes], path: Path) -> None:
    size = end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        end = start
        if newline >= 0:
            end = start + newline + 1
            break
    if end < size:
        file.seek(end)
        if file.read(1) != b"{":
            raise InputError(f"{path} is not a journal of a sweep, and would lose its last line: name another file.")
        file.truncate(end)

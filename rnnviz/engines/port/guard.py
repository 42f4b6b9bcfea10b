"""The process that runs a port: it starts the program, watches its limits, and ends it with all that it started.

A process for this alone, since on Linux it adopts what its descendants leave behind, which the process of a window must
not. The limits are watched and not enforced: a program may exceed them between two looks. It is not a sandbox.
"""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from ctypes import CDLL
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any

import psutil

from rnnviz.frozen import dataclass

GUARD_ARGUMENT = "--port-guard"
"""In a bundle there is no Python to be called with -m: the program is called with this instead."""

PRINTED_LIMIT = 20_000
"""How many of the last bytes that a program prints are kept: the reason of a failure comes last."""

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_SHORTEST, _LONGEST = 0.002, 0.05
"""Seconds between two looks."""
_ROUNDS = 50
_LINKING = 2.0
"""Seconds for which a program that is being written cannot be started."""


@dataclass(frozen=True)
class Limits:
    """Limits of one run of a program: seconds, bytes of resident memory, and processes; bytes and files below `out`."""

    seconds: float = 60.0
    memory: int = 4 << 30
    processes: int = 64
    disk: int = 256 << 20
    files: int = 256


@dataclass(frozen=True)
class Ended:
    """How a program ended: the exit code, negative for a signal; `stopped` says which limit it exceeded, "" if none.
    `error` is the reason why it could not be started. `printed` is the end of its output and errors."""

    code: int = 0
    stopped: str = ""
    error: str = ""
    printed: str = ""


@dataclass(frozen=True)
class Asked:
    """A program with its arguments, the folder and the environment in which it runs, the folder that it writes, and its
    limits."""

    words: list[str]
    folder: str
    environment: dict[str, str]
    out: str
    limits: Limits


def run_guarded(asked: Asked, left: Event) -> Ended:
    """Run a program until it ends, exceeds a limit or is no longer wanted, as the event `left` says, and end all that
    it started."""
    _adopt_orphans()
    limits = asked.limits
    try:
        process = _started(asked)
    except (OSError, ValueError) as error:
        return Ended(error=getattr(error, "strerror", None) or str(error))
    kept = bytearray()
    reader = Thread(target=_keep_end, args=(process, kept), daemon=True)
    reader.start()
    stopped = ""
    try:
        stopped = _watch(process, Path(asked.out), limits, left)
    finally:
        _end_all(process)
        reader.join(1.0)
    return Ended(process.returncode, stopped, printed=kept.decode("utf-8", "replace"))


def _started(asked: Asked) -> subprocess.Popen[bytes]:
    """The process of the program; one that is being linked at the moment is tried again for a while."""
    end = monotonic() + _LINKING
    while True:
        try:
            return subprocess.Popen(  # noqa: S603 - the user named the program, and there is no shell
                asked.words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=asked.folder,
                env=asked.environment,
                start_new_session=True,
                preexec_fn=None if sys.platform == "win32" else lambda: _limit_files(asked.limits),
            )
        except OSError as error:
            if error.errno not in (errno.ETXTBSY, errno.EACCES) or monotonic() > end:
                raise
            sleep(_LONGEST)


def _watch(process: subprocess.Popen[bytes], out: Path, limits: Limits, left: Event) -> str:
    """Wait for the end of the program; the limit that it exceeded before, or ""."""
    end, pause = monotonic() + limits.seconds, _SHORTEST
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(pause)
            return ""
        pause = min(1.5 * pause, _LONGEST)
        started = list(_descendants())
        files, size = _used(out, limits.files)
        if left.is_set():
            return "is no longer wanted"
        if monotonic() > end:
            return f"did not end within {limits.seconds:g} s"
        if len(started) > limits.processes:
            return f"started more than {limits.processes} processes"
        if _memory(started) > limits.memory:
            return f"used more than {limits.memory >> 20:,} MB of memory"
        if size > limits.disk:
            return f"wrote more than {limits.disk >> 20:,} MB"
        if files > limits.files:
            return f"made more than {limits.files} files"


def _descendants() -> Iterator[psutil.Process]:
    """All processes that the program started; on Linux also those whose parents have ended."""
    with suppress(psutil.Error):
        yield from psutil.Process().children(recursive=True)


def _memory(processes: list[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def _used(folder: Path, most: int) -> tuple[int, int]:
    """The number of files and bytes below a folder, without following links; no more files than `most` + 1 are seen."""
    files = size = 0
    with suppress(OSError):
        folders = [str(folder)] if stat.S_ISDIR(os.lstat(folder).st_mode) else []
        while folders:
            for entry in os.scandir(folders.pop()):
                files += 1
                if files > most:
                    return files, size
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file(follow_symlinks=False):
                    size += _bytes_on_disk(entry.stat(follow_symlinks=False))
    return files, size


def _bytes_on_disk(state: Any) -> int:
    """A file with holes takes less than its size."""
    blocks = getattr(state, "st_blocks", None)
    return int(state.st_size) if blocks is None else int(blocks) * 512


def _end_all(process: subprocess.Popen[bytes]) -> None:
    """End the program, its group, and whatever left the group, until nothing is left."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    for _ in range(_ROUNDS):
        left = list(_descendants())
        if not left:
            return
        for other in left:
            with suppress(psutil.Error):
                other.kill()
        psutil.wait_procs(left, timeout=0.2)


def _keep_end(process: subprocess.Popen[bytes], kept: bytearray) -> None:
    assert process.stdout is not None
    with suppress(OSError, ValueError):
        while piece := os.read(process.stdout.fileno(), 1 << 16):
            kept += piece
            del kept[:-PRINTED_LIMIT]


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _limit_files(limits: Limits) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.disk, limits.disk))


def main() -> None:
    """Run the program that the first line of standard input asks for as JSON, and write how it ended. The end of
    standard input ends the run."""
    asked, left = json.loads(sys.stdin.readline()), Event()

    def wait_for_end() -> None:
        # The process that asked has ended, or has canceled the run.
        sys.stdin.read()
        left.set()

    Thread(target=wait_for_end, daemon=True).start()
    ended = run_guarded(Asked(**{**asked, "limits": Limits(**asked["limits"])}), left)
    sys.stdout.write(json.dumps(vars(ended)))
    sys.stdout.flush()
    # The end of the interpreter would wait for the thread.
    os._exit(0)


if __name__ == "__main__":
    main()

"""The private memory of a process, and its maximum during a piece of work."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import psutil

MEGABYTE = 1 << 20
_INTERVAL = 0.003


def private_memory(pid: int | None = None) -> int:
    """Bytes of a process, this one by default, that are not mapped from a file, in memory or swapped out.

    A trace that is mapped does not count, as the system drops its pages when memory is short. Where the system
    does not distinguish the two, these are the bytes that no other process shares.
    """
    pid = os.getpid() if pid is None else pid
    if not sys.platform.startswith("linux"):
        return int(psutil.Process(pid).memory_full_info().uss)
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(_FIELDS)
    )
    return sum(int(value.split()[0]) << 10 for value in fields.values())


_FIELDS = ("RssAnon", "VmSwap")


def malloc_trim() -> None:
    """Let glibc give what is freed back to the system, so that it does not hide what is taken next."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).malloc_trim(0)


_MALLINFO = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in _MALLINFO)


def allocated() -> int:
    """Bytes that are in use by C's allocator in this process; 0 where it is unknown.

    Unlike private memory it excludes freed memory that was not returned. Python's small objects are not in it.
    """
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None) if sys.platform.startswith("linux") else None
    if mallinfo is None:
        return 0
    mallinfo.restype = _Mallinfo
    found = mallinfo()
    return int(found.uordblks + found.hblkhd)


@dataclass
class Peak:
    """Bytes before a piece of work, and at most while it went on."""

    before: int
    most: int

    @property
    def above(self) -> int:
        return max(0, self.most - self.before)


@contextmanager
def watched(pid: int | None = None) -> Iterator[Peak]:
    """Sample a process's memory every few milliseconds, on another thread during the block."""
    before = private_memory(pid)
    peak, over = Peak(before, before), Event()

    def look() -> None:
        while not over.wait(_INTERVAL):
            with suppress(OSError, psutil.Error):
                peak.most = max(peak.most, private_memory(pid))

    thread = Thread(target=look, name="memory watch", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
        with suppress(OSError, psutil.Error):
            peak.most = max(peak.most, private_memory(pid))

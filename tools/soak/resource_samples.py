"""Resources of a running program: memory, threads, processes, files, folders, widgets."""

import gc
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from time import monotonic, time

import psutil
from PySide6.QtGui import QPixmapCache
from PySide6.QtWidgets import QApplication

from tests.leaks import children
from tools.benchmarks.private_memory import MEGABYTE, allocated, malloc_trim, private_memory


@dataclass(frozen=True)
class Quantity:
    """Something that must not grow: its name and unit, and what it may gain in a minute, or in 1,000 runs or an hour.

    Quantities that settle slowly (`slow`), as caches fill, are judged only in a soak of some minutes.
    """

    name: str
    unit: str
    a_minute: float
    at_length: float
    slow: bool = True


QUANTITIES = (
    Quantity("the window's private memory", "MB", 0.5, 2.0),
    Quantity("the window's allocations", "MB", 0.3, 1.0),
    Quantity("the engines' private memory", "MB", 0.5, 4.0),
    Quantity("the window's threads", "", 0.2, 0.2),
    Quantity("child processes", "", 0.2, 0.2, slow=False),
    Quantity("open files", "", 0.5, 0.5),
    Quantity("temporary files and folders", "", 0.5, 0.5),
    Quantity("Qt's widgets", "", 1.0, 1.0),
    Quantity("Python's objects", "", 200.0, 300.0),
)


@dataclass(frozen=True)
class Reading:
    """One look: minutes since the start, the child that computes and its age, and a value for each quantity."""

    minutes: float
    child: int | None
    child_minutes: float
    values: dict[str, float]


class Reader:
    """Takes readings of this process and of its child."""

    def __init__(self) -> None:
        self._began = monotonic()

    @property
    def minutes(self) -> float:
        return (monotonic() - self._began) / 60.0

    def read(self) -> Reading:
        """Look at everything now.

        Garbage is collected and freed memory handed back first, for when Python and C's allocator do that is chance,
        and Qt's cache of pixmaps is emptied, which has a limit and would look like growth until it is full.
        """
        gc.collect()
        QPixmapCache.clear()
        malloc_trim()
        own = psutil.Process()
        spawned = children()
        child, age, of_child = _child(spawned)
        values = (
            private_memory() / MEGABYTE,
            allocated() / MEGABYTE,
            of_child / MEGABYTE,
            own.num_threads(),
            len(spawned),
            own.num_fds() if hasattr(own, "num_fds") else 0,
            sum(len(folders) + len(files) for _, folders, files in os.walk(tempfile.gettempdir())),
            len(QApplication.allWidgets()),
            # A list of all objects would hold tuples that another thread still fills.
            sys.getallocatedblocks(),
        )
        named = {quantity.name: float(value) for quantity, value in zip(QUANTITIES, values, strict=True)}
        return Reading(self.minutes, child, age, named)


def kinds_of_objects() -> Counter[str]:
    """How many of Python's objects there are of each type, to find the growing ones."""
    return Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())


def kinds_of_widgets() -> Counter[str]:
    """How many of Qt's widgets there are of each class."""
    return Counter(widget.metaObject().className() for widget in QApplication.allWidgets())


def _child(spawned: set[psutil.Process]) -> tuple[int | None, float, int]:
    """The engines' process, for how many minutes it has lived, and its memory; it may die at any moment."""
    for process in spawned:
        try:
            age = (time() - process.create_time()) / 60.0
            return process.pid, age, private_memory(process.pid)
        except (psutil.Error, OSError):
            continue
    return None, 0.0, 0

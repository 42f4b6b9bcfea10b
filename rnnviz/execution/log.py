"""Information for bug reports: the log, without the user's values and texts, and the report of `rnnviz doctor`."""

import logging
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType

from rnnviz import __version__
from rnnviz.core.extras import EXTRAS
from rnnviz.core.memory_budget import available_memory, readable
from rnnviz.engines.registry import ENGINES
from rnnviz.execution.folders import state_folder, temporary_place

log = logging.getLogger("rnnviz")
# Without this handler, Python would print log records if there is no log file.
log.addHandler(logging.NullHandler())


def log_path() -> Path:
    return state_folder() / "rnnviz.log"


_PACKAGES = (
    "numpy",
    "PySide6-Essentials",
    "pyqtgraph",
    *(package for entry in ENGINES.values() if entry.package for package in EXTRAS[entry.name]),
)
_QT_VARIABLES = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP")


def bug_report(engines: Mapping[str, str] = MappingProxyType({})) -> str:
    """The report as lines of `name: value`; `engines` has the states of those that were tried."""
    memory = available_memory()
    lines = [
        f"rnnviz: {__version__}",
        f"python: {platform.python_version()} ({sys.executable})",
        f"system: {platform.platform()}, {platform.machine()}, {os.cpu_count()} processors",
        f"memory available: {'unknown' if memory is None else readable(memory)}",
        f"temporary folder: {temporary_place()}",
        f"log: {log_path()}",
        "",
        "Packages",
        *(f"  {name}: {_version(name)}" for name in _PACKAGES),
        "",
        "Engines",
        *(f"  {name}: {engines.get(name, entry.unavailable or 'installed')}" for name, entry in ENGINES.items()),
        "",
        "Qt",
        *(f"  {name}: {os.environ.get(name, 'not set')}" for name in _QT_VARIABLES),
    ]
    return "\n".join(lines) + "\n"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

"""Information for bug reports: versions, engines and why one is missing, the machine, and Qt's platform."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from rnnviz import __version__
from rnnviz.core.memory_budget import available_memory, readable
from rnnviz.engines.registry import ENGINES
from rnnviz.execution.folders import temporary_place
from rnnviz.execution.log import log_path

_PACKAGES = ("numpy", "mxnet", "PySide6-Essentials", "pyqtgraph", "polars", "onnx", "onnxruntime", "torch")
_QT_VARIABLES = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY", "XDG_SESSION_TYPE", "XDG_CURRENT_DESKTOP")


def report() -> str:
    """The report as lines of `name: value`; nothing heavy is imported for it."""
    lines = [
        f"rnnviz: {__version__}",
        f"python: {platform.python_version()} ({sys.executable})",
        f"system: {platform.platform()}, {platform.machine()}, {os.cpu_count()} processors",
        f"memory available: {_memory()}",
        f"temporary folder: {temporary_place()}",
        f"log: {log_path()}",
        "",
        "Packages",
        *(f"  {name}: {_version(name)}" for name in _PACKAGES),
        "",
        "Engines",
        *(f"  {entry.name}: {entry.unavailable or 'available'}" for entry in ENGINES.values()),
        "",
        "Qt",
        *(f"  {name}: {os.environ.get(name, 'not set')}" for name in _QT_VARIABLES),
    ]
    return "\n".join(lines) + "\n"


def _memory() -> str:
    memory = available_memory()
    return "unknown" if memory is None else readable(memory)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"

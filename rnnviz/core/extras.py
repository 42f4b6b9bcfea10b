"""Packages that the program can do without, the extras that install them, and the environment of child processes."""

import os
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

EXTRAS: dict[str, dict[str, str]] = {
    "gluon": {"mxnet": "mxnet 1.9.1"},
    "window": {"PySide6": "PySide6", "pyqtgraph": "pyqtgraph", "PIL": "Pillow"},
    "onnx": {"onnx": "onnx", "onnxruntime": "ONNX Runtime"},
    "torch": {"torch": "PyTorch"},
    "notebook": {"anywidget": "anywidget"},
    "cluster": {"distributed": "Dask"},
}
"""The names of the packages that each extra brings, by the names that they are imported by."""

_LOCKED = ("gluon", "window", "onnx")
_CHECKOUT = Path(__file__).parents[2]


def extra_of(package: str) -> str | None:
    """The extra that brings a package, by the name that it is imported by; None if it belongs to none."""
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)


def missing(*packages: str) -> str | None:
    """The end of a sentence about the first of the packages that is not installed; see `not_installed`."""
    return next((not_installed(package) for package in packages if find_spec(package) is None), None)


def not_installed(package: str) -> str:
    """The end of a sentence about a package of `EXTRAS`: that it is not installed, and the command that installs it."""
    extra = extra_of(package)
    assert extra is not None
    needed = f"needs {EXTRAS[extra][package]}, which"
    if getattr(sys, "frozen", False):
        return f"{needed} this package does not contain (rnnviz in an environment of pip can use it)"
    return f"{needed} is not installed ({install_command(extra)} installs it)"


def install_command(extra: str) -> str:
    """The command that installs an extra; in a checkout's own environment, the one that brings it up to date."""
    if extra in _LOCKED and Path(sys.prefix) == _CHECKOUT / ".venv" and (_CHECKOUT / "Makefile").is_file():
        return "make venv"
    return f'pip install "rnnviz[{extra}]"'


THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""Variables with a number of threads."""

_INTERPRETER = (
    *("PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONINSPECT", "PYTHONVERBOSE", "PYTHONDEBUG"),
    *("PYTHONPROFILEIMPORTTIME", "PYTHONSTARTUP", "PYTHONBREAKPOINT"),
)
_LIBRARIES = ("OMP_", "GOMP_", "KMP_", "MXNET_", "DMLC_", "DNNL_", "MKLDNN_")
_KEPT = ("MXNET_LIBRARY_PATH",)


def dropped_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables with which libraries end, print, compute differently or fail; a valid number of threads stays."""
    return [
        name
        for name, value in environ.items()
        if (name in THREADS and not _is_thread_count(value))
        or name in _INTERPRETER
        or (name.startswith(_LIBRARIES) and name not in (*THREADS, *_KEPT))
    ]


def without_dropped(environ: Mapping[str, str]) -> dict[str, str]:
    dropped = set(dropped_variables(environ))
    return {name: value for name, value in environ.items() if name not in dropped}


def _is_thread_count(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) < 10 and 1 <= int(value) <= (os.cpu_count() or 1)

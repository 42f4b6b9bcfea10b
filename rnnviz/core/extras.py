"""Packages that the program can do without, and the extras that install them: `pip install "rnnviz[window]"`."""

import sys
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
    """The end of a sentence about the first of the packages that is not installed, or None.

    Examples
    --------
    'needs PyTorch, which is not installed (pip install "rnnviz[torch]" installs it)'
    """
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

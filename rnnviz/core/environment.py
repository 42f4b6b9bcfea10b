"""The environment of child processes: without variables that would change what the libraries in them compute."""

import os
from collections.abc import Mapping

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables with a number of threads."""

_INTERPRETER = (
    *("PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONDEVMODE", "PYTHONINSPECT", "PYTHONVERBOSE", "PYTHONDEBUG"),
    *("PYTHONPROFILEIMPORTTIME", "PYTHONSTARTUP", "PYTHONBREAKPOINT"),
)
_LIBRARIES = ("OMP_", "GOMP_", "KMP_", "MXNET_", "DMLC_", "DNNL_", "MKLDNN_")
_KEPT = ("MXNET_LIBRARY_PATH",)


def dropped_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that a child process must not have.

    Libraries end the process, print, or compute differently where one of theirs is set, and MXNet cannot be imported
    where warnings are errors or docstrings are missing. A number of threads stays if it is one, and not beyond the
    processors.
    """
    return [
        name
        for name, value in environ.items()
        if (name in THREADS and not _is_thread_count(value))
        or name in _INTERPRETER
        or (name.startswith(_LIBRARIES) and name not in (*THREADS, *_KEPT))
    ]


def without_dropped(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment without `dropped_variables`."""
    dropped = set(dropped_variables(environ))
    return {name: value for name, value in environ.items() if name not in dropped}


def _is_thread_count(value: str) -> bool:
    return value.isascii() and value.isdecimal() and len(value) < 10 and 1 <= int(value) <= (os.cpu_count() or 1)

"""What a test needs of the machine: where that is missing, the test is skipped and the reason names it."""

import ctypes
import shutil
from functools import cache
from importlib.util import find_spec

import pytest


@cache
def present(name: str) -> bool:
    """Whether this machine has a program, a module or a shared library (`libxcb.so.1`)."""
    if ".so" in name:
        try:
            ctypes.CDLL(name)
        except OSError:
            return False
        return True
    return shutil.which(name) is not None or find_spec(name) is not None


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test where one of the programs, modules or shared libraries is missing."""
    missing = [name for name in names if not present(name)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {' '.join(missing)}")

"""What a test needs of the machine: where that is missing, the test is skipped and the reason names it."""

import ctypes
import re
import shutil
import sys
from collections.abc import Generator
from functools import cache
from importlib.util import find_spec

import pytest
from _pytest.config import ConftestImportFailure

from rnnviz.engines.registry import MXNET_LIBRARIES, find_engine
from rnnviz.gui.app import QT_LIBRARIES

# A wheel that is installed is of no use where the system lacks what it links to.
_LINKED = {"mxnet": tuple(MXNET_LIBRARIES), "PySide6": tuple(library.soname for library in QT_LIBRARIES)}
_NAMED = re.compile(r"needs (?P<needed>[\w. +-]+)$|No module named '(?P<module>\w+)")
# Tests that tried what they need, and did not get it; and pairs of parameters that are no case.
_TRIED = (
    *("no case: ", "a small disk cannot be mounted", "no package index can be reached", "Keras cannot be installed"),
    *("PyTorch cannot autocast an LSTM here", "a clean Debian is made", "namespaces cannot be made here"),
    "a root that can mount nothing",
)


@cache
def missing(name: str) -> tuple[str, ...]:
    """What this machine lacks of a program, a package or a shared library (`libxcb.so.1`) and of what it links to."""
    if ".so" in name:
        try:
            ctypes.CDLL(name)
        except OSError:
            return (name,)
        return ()
    if shutil.which(name) is None and find_spec(name) is None:
        return (name,)
    return tuple(library for library in _LINKED.get(name, ()) if missing(library))


def _reason(names: tuple[str, ...]) -> str:
    lacking = [part for name in names for part in missing(name)]
    return f"needs {' '.join(lacking)}" if lacking else ""


def needs(*names: str) -> pytest.MarkDecorator:
    """Skip a test where one of the programs, packages or shared libraries is missing."""
    reason = _reason(names)
    return pytest.mark.skipif(bool(reason), reason=reason or "nothing is missing")


def need(*names: str) -> None:
    """Skip the rest of a test, or of a module that is being imported, where one of them is missing."""
    if reason := _reason(names):
        pytest.skip(reason, allow_module_level=True)


def need_engine(name: str) -> None:
    package = find_engine(name).package
    if package is not None:
        need(package)


def need_autocast() -> None:
    """PyTorch computes an LSTM under autocast by a library that does so on some processors only."""
    torch = pytest.importorskip("torch")
    try:
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            torch.nn.LSTM(1, 1)(torch.zeros(1, 1, 1))
    except RuntimeError as error:
        pytest.skip(f"PyTorch cannot autocast an LSTM here: {error}")


def must_not_skip(reason: str) -> bool:
    """Whether a test was skipped though nothing is missing that its reason names."""
    found = _NAMED.search(reason)
    if found is None:
        return not reason.removeprefix("Skipped: ").startswith(_TRIED)
    return not any(map(missing, (found["needed"] or found["module"]).split()))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a module, or a folder with a conftest.py, that imports a library which the system lacks.

    Forget a module that skips itself while it is imported: others that import from it are then skipped as well.
    """
    report = yield
    if report.failed and report.call.excinfo is not None:
        failure = report.call.excinfo.value
        cause = failure.cause if isinstance(failure, ConftestImportFailure) else failure.__cause__
        lacking = re.match(r"(lib\S+\.so[.\d]*): cannot open shared object", str(cause))
        if lacking:
            report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"Skipped: needs {lacking[1]}")
    if report.skipped and isinstance(collector, pytest.Module):
        parts = collector.path.relative_to(collector.config.rootpath).with_suffix("").parts
        sys.modules.pop(".".join(parts), None)
    return report

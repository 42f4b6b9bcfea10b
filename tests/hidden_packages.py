"""An environment without some packages, in this process and in those that it starts."""

import sys
from pathlib import Path

import pytest

from tests.cases import cases

_SITECUSTOMIZE = cases(__file__)["sitecustomize"]


def hide(monkeypatch: pytest.MonkeyPatch, folder: Path, *packages: str) -> None:
    """Hide packages by the names that they are imported by, until the patch ends; `folder` is for a file of Python."""
    code = _SITECUSTOMIZE.format(hidden=packages)
    # Python reads it in every process that starts.
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    exec(code, {})
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        monkeypatch.delitem(sys.modules, name)

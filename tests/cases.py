"""Cases of tests that are data: TOML files next to the modules of tests."""

import tomllib
from pathlib import Path
from typing import Any


def cases(module: str) -> dict[str, Any]:
    """The tables of the file `cases.toml` next to a module of tests."""
    return tomllib.loads(Path(module).with_name("cases.toml").read_text(encoding="utf-8"))

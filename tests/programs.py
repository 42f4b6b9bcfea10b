"""Programs that tests run to their end."""

import subprocess
import sys
from pathlib import Path
from typing import Any


def ended(*words: str | Path, seconds: float = 110, **options: Any) -> subprocess.CompletedProcess[str]:
    """A program after its end, with what it printed as text; `options` are those of `subprocess.run`."""
    return subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=seconds, **options)


def python(*words: str | Path, seconds: float = 110, **options: Any) -> subprocess.CompletedProcess[str]:
    """A Python of this environment after its end."""
    return ended(sys.executable, *words, seconds=seconds, **options)

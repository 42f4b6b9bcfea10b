"""What the tools that use the window share: a process with its own temporary files, a window in it, and chance."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

INSIDE = "--inside"
"""The option with which a tool starts itself."""

Thing = TypeVar("Thing")


def run_apart(module: str, arguments: Sequence[str]) -> int:
    """Run a tool in a process with its own home and temporary files; 1 if it fails, or leaves some behind."""
    with tempfile.TemporaryDirectory(prefix="rnnviz-tool-") as folder:
        # Hidden, so that no dialog leads there: what is saved into it by chance would count as left behind.
        home, temporary = Path(folder) / "home", Path(folder) / ".tmp"
        home.mkdir()
        temporary.mkdir()
        environ = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
        environ |= {"HOME": str(home), "TMPDIR": str(temporary)}
        environ.setdefault("QT_QPA_PLATFORM", "offscreen")
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, (os.getcwd(), environ.get("PYTHONPATH"))))
        command = [sys.executable, "-X", "faulthandler", "-m", module, INSIDE, *arguments]
        # At home, as a path that is typed into a dialog may lead anywhere from here.
        code = subprocess.run(command, cwd=home, env=environ, check=False).returncode
        left = [path.name for path in temporary.iterdir()]
    if left:
        print(f"The program left behind in the temporary folder: {', '.join(left)}.")
    if code not in (0, 1):
        print(f"The program ended with the code {code}.")
    return 1 if left or code else 0


class Chance:
    """Random choices that a seed determines."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def among(self, least: int, most: int) -> int:
        return int(self.random.integers(least, most + 1))

    def one_of(self, things: Sequence[Thing], weights: Sequence[float] | None = None) -> Thing:
        chances = None if weights is None else np.array(weights) / sum(weights)
        return things[int(self.random.choice(len(things), p=chances))]

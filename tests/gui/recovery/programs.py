"""The program with separate home and temporary files: it prints the state of its window and runs no custom steps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import psutil

from tests.cases import cases

_PROGRAM = cases(__file__)["program"]


@dataclass(frozen=True)
class Program:
    """A window in a separate process, and the folders that it may write to."""

    process: subprocess.Popen[str]
    home: Path
    temporary: Path
    printed: list[str] = field(default_factory=list)

    @property
    def windows(self) -> Path:
        """The folder of its unsaved sessions."""
        return self.home / ".local" / "state" / "rnnviz" / "windows"

    def until(self, begins: str) -> str:
        """Wait for a line that begins so, unless it came before, and return what follows."""
        for line in chain(tuple(self.printed), self._lines()):
            if line.startswith(begins):
                return line.removeprefix(begins).strip()
        raise AssertionError(f"{begins} never came: {self.printed}")

    def _lines(self) -> Iterator[str]:
        for line in self.process.stdout:
            self.printed.append(line)
            yield line

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> tuple[int, str]:
        """Wait for its end; the exit code, and what it wrote on standard error."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def window_program(folder: Path, file: Path, **environ: str) -> Iterator[Program]:
    """The program on a config or a session; its home and its temporary files are in `folder`, and made if need be."""
    home, temporary = folder / "home", folder / "tmp"
    for made in (home, temporary):
        made.mkdir(exist_ok=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    own |= {"HOME": str(home), "TMPDIR": str(temporary), **environ}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, file],
        env=own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Program(process, home, temporary)
    finally:
        process.kill()
        process.communicate()

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

_PROGRAM = """
import os
import sys
from dataclasses import replace
from functools import partial
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from rnnviz.cli import main
from rnnviz.execution import supervisor
from rnnviz.gui import application

supervisor.Supervisor = partial(supervisor.Supervisor, warm=("manual",))

make_window = application.make_window

def watched(settings):
    window = make_window(settings)
    ask = window.code_trust.ask

    def refusing(*question):
        print("asked", question[0], flush=True)
        ask(*question).escapeButton().click()

    window.code_trust.ask = refusing
    window.control.error_changed.connect(lambda sentence: sentence and print("error", sentence, flush=True))
    window.completed.connect(lambda: QTimer.singleShot(0, lambda: print("completed", flush=True)))
    if os.environ.get("EDIT") == "1":
        window.completed.connect(lambda: QTimer.singleShot(0, edit))

    def edit():
        config = window.session.config
        window.document.edit(replace(config, network=replace(config.network, hidden_size=5)))
        print("edited", flush=True)

    window.runner.started.connect(lambda _config: print("started", flush=True))
    platform = QGuiApplication.platformName()
    window.runner.finished.connect(lambda *_: print("finished", window.verdict.state, platform, flush=True))
    window.runner.failed.connect(lambda event: print("failed", event.sentence, flush=True))
    window.statusBar().messageChanged.connect(lambda text: text and print("note", text, flush=True))
    return window

application.make_window = watched
sys.exit(main(sys.argv[1:]))
"""


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

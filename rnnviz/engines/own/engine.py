"""The engine's side: start the process that runs the user's file, listen to it, and outlive whatever it does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Timer

import rnnviz
from rnnviz.engines.base import EngineReport, Progress
from rnnviz.engines.own.messages import STEP_SECONDS, Advanced, Broken, Done, Message, Printed, decode
from rnnviz.model.errors import EngineError
from rnnviz.model.inputs import Inputs
from rnnviz.model.trace import Trace

HOST_ARGUMENT = "--recurrence-host"
"""In a bundle there is no Python to be called with -m: the program is called with this instead."""

_PRINTED_LIMIT = 20_000

# The host stops code that does not come back, unless that code lets no other thread run; then it is stopped from here.
_SILENCE_SECONDS = STEP_SECONDS + 5.0


class OwnEngine:
    """A user's file, named by its path."""

    knows_cell = True

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def version(self) -> str:
        """The file and when it was saved, so that two runs of one file can be told apart."""
        path = Path(self._path)
        with suppress(OSError):
            saved = datetime.fromtimestamp(path.stat().st_mtime).isoformat(" ", "seconds")
            return f"{path.name}, saved {saved}"
        return path.name

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`; both inputs and trace must lie in folders."""
        assert inputs.folder is not None
        assert trace.folder is not None
        printed: list[str] = []
        with _host(self._path, inputs.folder, trace.folder) as process:
            for message in _messages(process):
                match message:
                    case Printed(text):
                        if sum(map(len, printed)) < _PRINTED_LIMIT:
                            printed.append(text)
                    case Advanced(fraction):
                        progress(fraction)
                    case Broken(sentence):
                        raise EngineError(_with_printed(sentence, printed))
                    case Done():
                        return EngineReport(printed="".join(printed)[:_PRINTED_LIMIT])
            process.wait()
            raise EngineError(
                _with_printed(f"{self._path} ended its process ({_manner(process.returncode)}).", printed)
            )


@contextmanager
def _host(path: str, inputs: Path, trace: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process; it is gone when the block ends."""
    root = str(Path(rnnviz.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    process = subprocess.Popen(
        [*_command(), path, str(inputs), str(trace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _command() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable, HOST_ARGUMENT]
    # -P: a file of the user's folder must not stand in for a module that the host imports.
    return [sys.executable, "-P", "-m", "rnnviz.engines.own.host"]


def _messages(process: subprocess.Popen[bytes]) -> Iterator[Message]:
    """The host's messages until it ends; it is killed when it has been silent for too long."""
    assert process.stdout is not None
    while True:
        silence = Timer(_SILENCE_SECONDS, process.kill)
        silence.daemon = True
        silence.start()
        try:
            line = process.stdout.readline()
        finally:
            silence.cancel()
        if not line:
            return
        with suppress(ValueError, KeyError, TypeError):
            yield decode(line)


def _with_printed(sentence: str, printed: list[str]) -> str:
    """The sentence, and the last line that the code printed before it."""
    lines = "".join(printed).strip().splitlines()
    return f"{sentence} Last it printed: {lines[-1]}" if lines else sentence


def _manner(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return f"killed after {_SILENCE_SECONDS:.0f} s of silence"
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"

"""The engine's side: start the process that runs the user's file, read its messages, and survive its crash."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

import rnnviz
from rnnviz.cells import CellError, CellSpec
from rnnviz.core.cell_json import cell_from_json
from rnnviz.core.config import Network
from rnnviz.core.environment import without_dropped
from rnnviz.core.errors import EngineError
from rnnviz.core.gradients import OF_OUTPUT, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, Progress, file_version
from rnnviz.engines.custom_code.custom_backward import defines_backward
from rnnviz.engines.custom_code.protocol import (
    BACKWARD,
    PRINTED_LIMIT,
    STEP_SECONDS,
    Advanced,
    Declared,
    Done,
    Failed,
    Message,
    Printed,
    decode,
)

HOST_ARGUMENT = "--recurrence-host"
"""In a bundle there is no Python to be called with -m: the program is called with this instead."""

_LONGEST_LINE = 1 << 20
"""Bytes of a message; code that writes to the host's pipe could do so without end."""

# The host stops code that does not come back, unless that code lets no other thread run; then it is stopped from here.
_SILENCE_SECONDS = STEP_SECONDS + 5.0
_SILENCE_INTERVAL = 0.2


Answer = TypeVar("Answer", Done, Declared)


class CustomEngine:
    """A user's file, named by its path."""

    provides_cell_state = True

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def version(self) -> str:
        """See `file_version`."""
        return file_version(Path(self._path))

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`; both inputs and trace must lie in folders."""
        return self._run(inputs, trace, progress)

    def gradients(self, network: Network) -> tuple[str, ...]:
        """See `Engine.gradients`; the file may return further ones, which are added to the trace's folder."""
        return (gradient("h"), OF_OUTPUT) if defines_backward(Path(self._path)) else ()

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run_backward`; both inputs and trace must lie in folders."""
        return self._run(inputs, trace, progress, BACKWARD)

    def _run(self, inputs: Inputs, trace: Trace, progress: Progress, *passes: str) -> EngineReport:
        assert inputs.folder is not None
        assert trace.folder is not None
        printed = _Printed()
        _answer(Done, printed, self._path, str(inputs.folder), str(trace.folder), *passes, progress=progress)
        return EngineReport(printed=printed.text)


def custom_cell(path: str) -> CellSpec:
    """The cell that a user's file declares. A separate process runs the file.

    Raises EngineError if the file does not declare a cell, crashes or does not return; one sentence.
    """
    try:
        return cell_from_json(_declared(path).cell)
    except CellError as error:
        raise EngineError(f"{path}: {error}") from error


def custom_program(path: str) -> str:
    """The lines of a user's cell with the NumPy calls that compute them; raises as `custom_cell` does."""
    return _declared(path).program


def _declared(path: str) -> Declared:
    return _answer(Declared, _Printed(), path)


def _answer(
    kind: type[Answer], printed: "_Printed", path: str, *folders: str, progress: Progress = lambda _: None
) -> Answer:
    """The message of this kind, with which the process ends; `printed` gets its prints. Raises an EngineError."""
    with _host(path, *folders) as process, SilenceWatchdog(process) as silence:
        for message in _messages(process):
            silence.heard()
            match message:
                case Printed(text):
                    printed.add(text)
                case Advanced(fraction):
                    progress(fraction)
                case Failed(sentence):
                    raise EngineError(printed.after(sentence))
                case kind():
                    return message
        # It may have closed its standard output and live on; the silence ends that, too.
        process.wait()
        raise EngineError(printed.after(f"{path} ended its process ({_manner(process.returncode, silence.killed)})."))


class _Printed:
    """Text that the user's code printed, up to a limit."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = PRINTED_LIMIT

    def add(self, text: str) -> None:
        """Keep the text, as long as there is room."""
        if self._room > 0:
            # A lone surrogate could be written into no file.
            self._parts.append(text[: self._room].encode("utf-8", "backslashreplace").decode("utf-8"))
        self._room -= len(text)

    @property
    def text(self) -> str:
        """All of it; a last line says when there was more."""
        text = "".join(self._parts)
        return text if self._room >= 0 else f"{text}\n(There was more: {PRINTED_LIMIT:,} characters are kept.)\n"

    def after(self, sentence: str) -> str:
        """The sentence, and the last line that the code printed before it."""
        lines = "".join(self._parts).strip().splitlines()
        return f"{sentence} Last it printed: {lines[-1]}" if lines else sentence


class SilenceWatchdog:
    """Ends a process that has been silent for too long, while it is entered."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._heard = monotonic()
        self._over = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.killed = False

    def __enter__(self) -> "SilenceWatchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def heard(self) -> None:
        """There was a message."""
        self._heard = monotonic()

    def _watch(self) -> None:
        while not self._over.wait(_SILENCE_INTERVAL):
            if monotonic() - self._heard > _SILENCE_SECONDS:
                self.killed = True
                _kill(self._process)
                return


@contextmanager
def _host(path: str, *folders: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process; it and those that it started are gone when the block ends."""
    root = str(Path(rnnviz.__file__).parent.parent)
    path_of_modules = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    environment = {**without_dropped(os.environ), "PYTHONPATH": path_of_modules}
    process = subprocess.Popen(  # noqa: S603 - the user was asked about the file, and there is no shell
        [*_command(), path, *folders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _kill(process)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and its group."""
    if hasattr(os, "killpg"):
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _command() -> list[str]:
    if getattr(sys, "frozen", False):
        return [sys.executable, HOST_ARGUMENT]
    # -P: a file of the user's folder must not stand in for a module that the host imports.
    return [sys.executable, "-P", "-m", "rnnviz.engines.custom_code.worker"]


def _messages(process: subprocess.Popen[bytes]) -> Iterator[Message]:
    """The host's messages until its standard output ends."""
    assert process.stdout is not None
    while line := process.stdout.readline(_LONGEST_LINE):
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            yield decode(line)


def _manner(code: int, silent: bool) -> str:
    if silent:
        return f"killed after {_SILENCE_SECONDS:.0f} s of silence"
    if code < 0:
        with suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"

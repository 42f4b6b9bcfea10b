"""The engine's side: start the process that runs the user's file, read its messages, and survive its crash. A message
is one JSON array a line on its standard output, a kind and a value."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dis import get_instructions
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any, TypeAlias

import rnnviz
from rnnviz.cells import CellError, CellSpec
from rnnviz.core.cell_json import cell_from_json
from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError, InputError, describe_exit
from rnnviz.core.extras import without_dropped
from rnnviz.core.gradients import OF_OUTPUT, gradient
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, Progress, file_version

HOST_ARGUMENT = "--recurrence-host"
"""In a bundle there is no Python to be called with -m: the program is called with this instead."""

BACKWARD = "backward"
"""The argument of the process that asks for gradients, and the function that gives them."""

STEP_SECONDS = 10.0
"""How long loading the file, or a single step, may take before it counts as endless."""

PRINTED_LIMIT = 20_000
"""Limit of the characters that the user's code prints."""

Message: TypeAlias = tuple[str, Any]

_KINDS: dict[str, Callable[[Any], bool]] = {
    "printed": lambda value: isinstance(value, str),
    "advanced": lambda value: isinstance(value, float),
    "alive": lambda value: value is None,
    "failed": lambda value: isinstance(value, str),
    "declared": lambda value: [*map(type, value)] == [str, str],
    "done": lambda value: value is None,
}
"""The messages, with a check of their values: text of the user's code, the fraction of the work that is done, a
heartbeat outside of this code, a sentence with the line that cannot be run, a cell as JSON with the listing of its
program, and the end of a run that filled the trace."""

_LONGEST_LINE = 1 << 20
"""Bytes of a message; code that writes to the host's pipe could do so without end."""

# The host stops code that does not come back, unless that code lets no other thread run; then it is stopped from here.
_SILENCE_SECONDS = STEP_SECONDS + 5.0
_SILENCE_INTERVAL = 0.2


def encode(kind: str, value: Any = None) -> bytes:
    """The message as a line."""
    return (json.dumps([kind, value]) + "\n").encode()


def decode(line: bytes) -> Message | None:
    """The message of a line, None if it is none, as when code below Python writes to standard output."""
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        kind, value = json.loads(line)
        if _KINDS[kind](value):
            return kind, value
    return None


def defines_backward(path: Path) -> bool:
    """Whether a file defines `backward` at its top level; no code of it runs."""
    with suppress(OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        code = compile(path.read_bytes(), str(path), "exec")
        return any(i.opname == "STORE_NAME" and i.argval == BACKWARD for i in get_instructions(code))
    return False


class CustomEngine:
    """A user's file, named by its path. Inputs and trace of its runs must lie in folders."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def version(self) -> str:
        return file_version(Path(self._path))

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        return self._run(inputs, trace, progress)

    def states(self, network: Network) -> tuple[str, ...]:
        return network.kind.state_symbols

    def gradients(self, network: Network) -> tuple[str, ...]:
        # The file may return further ones, which are added to the trace's folder.
        return (gradient("h"), OF_OUTPUT) if defines_backward(Path(self._path)) else ()

    def run_backward(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        return self._run(inputs, trace, progress, BACKWARD)

    def _run(self, inputs: Inputs, trace: Trace, progress: Progress, *passes: str) -> EngineReport:
        assert inputs.folder is not None
        assert trace.folder is not None
        printed = _Printed()
        _answer("done", printed, self._path, str(inputs.folder), str(trace.folder), *passes, progress=progress)
        return EngineReport(printed=printed.text)


def custom_cell(path: str) -> CellSpec:
    """The cell that a user's file declares, which a process runs; raises an InputError if the file gives none."""
    try:
        return cell_from_json(_declared(path)[0])
    except CellError as error:
        raise InputError(f"{path}: {error}") from error


def custom_program(path: str) -> str:
    """The lines of a user's cell with the NumPy calls that compute them; raises as `custom_cell` does."""
    return _declared(path)[1]


def _declared(path: str) -> tuple[str, str]:
    try:
        cell, program = _answer("declared", _Printed(), path)
    except EngineError as error:
        raise InputError(str(error)) from error
    return cell, program


def _answer(last: str, printed: "_Printed", path: str, *folders: str, progress: Progress = lambda _: None) -> Any:
    """The value of the message of the kind `last`; `printed` gets the prints before it. Raises an EngineError."""
    with _host(path, *folders) as process, SilenceWatchdog(process) as silence:
        for kind, value in _messages(process):
            silence.heard()
            if kind == last:
                return value
            if kind == "printed":
                printed.add(value)
            elif kind == "advanced":
                progress(value)
            elif kind == "failed":
                raise EngineError(printed.after(value))
        # It may have closed its standard output and live on; the silence ends that, too.
        process.wait()
        raise EngineError(printed.after(f"{path} ended its process ({silence.exit})."))


class _Printed:
    """Text that the user's code printed, up to a limit."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = PRINTED_LIMIT

    def add(self, text: str) -> None:
        # A lone surrogate could be written into no file.
        self._parts.append(text[: max(0, self._room)].encode("utf-8", "backslashreplace").decode("utf-8"))
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

    @property
    def exit(self) -> str:
        silent = f"killed after {_SILENCE_SECONDS:.0f} s of silence"
        return silent if self.killed else describe_exit(self._process.returncode)

    def heard(self) -> None:
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
        message = decode(line)
        if message is not None:
            yield message

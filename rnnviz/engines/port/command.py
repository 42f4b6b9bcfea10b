"""The engine exec:COMMAND: a program of the user that computes the network, run as COMMAND IN OUT without a shell."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import rnnviz
from rnnviz.core.config import Network
from rnnviz.core.engine_spec import RECORDING, command_of, is_library
from rnnviz.core.errors import EngineError, InputError, describe_exit, printable
from rnnviz.core.extras import without_dropped
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.core.words import suggest
from rnnviz.engines.base import EngineReport, LibraryEngine, Progress, file_version
from rnnviz.engines.port.guard import GUARD_ARGUMENT
from rnnviz.engines.port.library_worker import WORKER_ARGUMENT
from rnnviz.engines.port.protocol import REFUSED, STEP_NOTE, first_unwritten, write_inputs
from rnnviz.engines.recorded_outputs import RecordedEngine

_LEAST_DISK, _DISK_FACTOR = 256 << 20, 4
_OF_SIGNAL = 128
"""A shell's exit code for a program that a signal ended is the signal's number and this."""

_KINDS = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}


class SizesRefusedError(EngineError):
    """The program does not compute a network of these sizes or with these features."""


def program_words(command: str) -> list[str]:
    """The words of a command as a shell would split it. Raises a ValueError with the end of a sentence."""
    try:
        words = shlex.split(command, posix=sys.platform != "win32")
    except ValueError as error:
        raise ValueError(f"which cannot be read as a command: {str(error).lower()}.") from error
    if not words:
        raise ValueError("which names no program: write it after the colon, such as exec:./port.")
    return words


class CommandEngine(LibraryEngine):
    """A program of the user, named by its command."""

    def __init__(self, name: str) -> None:
        self._library = command_of(name) if is_library(name) else ""
        self._words = _caller(self._library) if self._library else program_words(command_of(name))
        self._title = self._library or self._words[0]

    @property
    def version(self) -> str:
        found = self._library or which(self._words[0])
        return file_version(Path(found)) if found else self._words[0]

    def states(self, network: Network) -> tuple[str, ...]:
        return network.kind.state_symbols

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """Run the program and read what it wrote. States that it did not write are missing."""
        with TemporaryDirectory(prefix="rnnviz-port-", ignore_cleanup_errors=True) as name:
            out, printed = Path(name) / "out", ""
            try:
                printed = run_program(self._words, inputs, Path(name), self._title)
                check_written(self._title, out)
                written = RecordedEngine(f"{RECORDING}{out}")
                given = written.states(inputs.network)
                report = written.run(inputs, trace, progress)
                _check_complete(self._title, trace, [*given, *({"out"} - report.missing)])
            except InputError as error:
                sentence = str(error).replace(f"{out}{os.sep}", "OUT/").replace(str(out), "OUT")
                raise EngineError(with_last_line(sentence, printed)) from error
        lacking = {symbol for symbol in inputs.network.kind.state_symbols if symbol not in given}
        return replace(report, printed=printed, missing=report.missing | (lacking - {"h"}))


def _caller(library: str) -> list[str]:
    """The program that calls a library."""
    if getattr(sys, "frozen", False):
        return [sys.executable, WORKER_ARGUMENT, library]
    return [sys.executable, "-P", "-m", "rnnviz.engines.port.library_worker", library]


def run_program(words: list[str], inputs: Inputs, folder: Path, title: str) -> str:
    """Run a program on a run's inputs, in `folder` with the new folders "in" and "out"; returns the end of what it
    printed. `title` is its name in sentences. Raises an EngineError where it fails, and a SizesRefusedError where it
    says that it cannot."""
    out, limits = folder / "out", inputs.config.engines
    out.mkdir()
    write_inputs(inputs, folder / "in")
    network = inputs.network
    values = inputs.timesteps * inputs.batch_size * network.num_layers * network.directions * network.hidden_size
    arrays = 2 + len(network.graph.values)
    disk = max(_LEAST_DISK, _DISK_FACTOR * arrays * values * 8)
    folder_of_run = limits.folder or os.getcwd()
    asked = {
        "words": [*words, str(folder / "in"), str(out)],
        "out": str(out),
        "folder": folder_of_run,
        "environment": {**os.environ, "RNNVIZ_PORT": "1", "OMP_NUM_THREADS": "1", **_own_path(title != words[0])},
        "limits": {
            "seconds": limits.seconds,
            "memory": limits.memory << 20,
            "processes": limits.processes,
            "files": limits.files,
            "disk": disk,
        },
    }
    ended = _guarded(asked)
    printed: str = ended["printed"].encode("utf-8", "backslashreplace").decode()
    program = printable(title)
    if ended["error"]:
        near = suggest(words[0], _programs_near(words[0], folder_of_run))
        raise EngineError(f"{program} could not be started: {ended['error']}.{near}")
    code = ended["code"]
    # A shell script whose last program was ended by a signal.
    code = _OF_SIGNAL - code if _OF_SIGNAL < code < _OF_SIGNAL + 65 else code
    sentence = ""
    if ended["stopped"]:
        sentence = f"{program} {ended['stopped']}: it was stopped."
    elif code == REFUSED:
        raise SizesRefusedError(with_last_line(f"{program} does not compute these sizes.", printed))
    elif -code == getattr(signal, "SIGXFSZ", None):
        sentence = f"{program} wrote a file of more than {disk >> 20:,} MB: it was stopped."
    elif code < 0:
        sentence = f"{program} was {describe_exit(code)}{_noted_step(inputs, folder)}."
    elif code:
        sentence = f"{program} ended with {describe_exit(code)}."
    if sentence:
        raise EngineError(with_last_line(sentence, printed))
    return printed


def _noted_step(inputs: Inputs, folder: Path) -> str:
    """The step that a library was computing when its process ended."""
    with suppress(OSError):
        layer, direction, *rest = map(int, np.fromfile(folder / STEP_NOTE, np.int64))
        timestep, sample = rest
        name = DIRECTIONS[inputs.network.backward(direction)]
        return f" in layer {layer}, {name}, t = {timestep}, sample {sample}"
    return ""


def check_written(program: str, out: Path) -> None:
    """Raises an InputError if the folder OUT is gone, or holds another thing than files."""
    try:
        if not stat.S_ISDIR(os.lstat(out).st_mode):
            raise InputError(f"{program} replaced its folder OUT: write files into it and leave it where it is.")
        entries = list(os.scandir(out))
    except OSError as error:
        raise InputError(f"{program} removed its folder OUT: write files into it and leave it where it is.") from error
    for entry in entries:
        mode = entry.stat(follow_symlinks=False).st_mode
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "a device")
            raise InputError(f"OUT/{printable(entry.name)} is {kind}, and must be a file.")


def _check_complete(program: str, trace: Trace, names: Sequence[str]) -> None:
    """Raises an InputError for a value that the program left as rnnport.h fills what is to be written."""
    for name in names:
        found = first_unwritten(trace[name])
        if found is not None:
            where = trace.place(name, found)
            raise InputError(f"{printable(program)} did not write {where}.")


def with_last_line(sentence: str, printed: str) -> str:
    """The sentence, and the last line that the program printed before it."""
    lines = printed.strip().splitlines()
    return f"{sentence} Last it printed: {printable(lines[-1][:200])}" if lines else sentence


def _programs_near(word: str, folder: str) -> list[str]:
    """Files that can be run in the folder of a program that cannot."""
    head, separator, _ = word.rpartition(os.sep)
    with suppress(OSError):
        runnable = [entry.name for entry in os.scandir(Path(folder, head)) if os.access(entry.path, os.X_OK)]
        return [f"{head}{separator}{name}" for name in runnable]
    return []


def _own_path(library: bool) -> dict[str, str]:
    """Where the caller of a library finds this package; a program of the user has the environment of the user."""
    root = str(Path(rnnviz.__file__).parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {"PYTHONPATH": path} if library else {}


def _guarded(asked: dict[str, Any]) -> dict[str, Any]:
    """How the program ended. It ends with this process, too: its guard waits for the end of standard input."""
    frozen = getattr(sys, "frozen", False)
    command = [sys.executable, GUARD_ARGUMENT] if frozen else [sys.executable, "-P", "-m", "rnnviz.engines.port.guard"]
    process = subprocess.Popen(  # noqa: S603 - the program itself
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=without_dropped(os.environ) | _own_path(True),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        process.stdin.flush()
        answer = process.stdout.read()
        process.stdin.close()
    if not answer:
        raise EngineError(f"{asked['words'][0]} could not be watched: its guard {describe_exit(process.returncode)}.")
    ended: dict[str, Any] = json.loads(answer)
    return ended

"""The process that runs a user's file: python -m rnnviz.engines.custom_code.worker FILE [INPUTS TRACE [backward]]. Of a
custom step it fills the trace in the folder TRACE, or its gradients; with FILE alone it reads a custom cell. It ends
when its standard input does, which is when the process that asked for it is gone."""

import ctypes
import io
import os
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from traceback import walk_stack
from typing import Any, BinaryIO

from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.gradients import GRADIENT
from rnnviz.core.inputs import open_inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import LINE, Trace, add_array, open_trace
from rnnviz.engines.backward import run_stack_backward
from rnnviz.engines.base import run_stack
from rnnviz.engines.custom_code.custom_step import CustomBackward, CustomCodeError, CustomStep, read_cell
from rnnviz.engines.custom_code.parent import BACKWARD, PRINTED_LIMIT, STEP_SECONDS, encode

_PR_SET_PDEATHSIG = 1
_WATCH_INTERVAL = 0.1
_ALIVE_INTERVAL = 1.0
_PROGRESS_INTERVAL = 0.05
_OUTSIDE_SECONDS = 60.0
"""How long what lies between two calls may take: the user's code may run there, too, where an object is collected."""


class MessageWriter:
    """Writes messages, one at a time, whichever thread they come from."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._last = 0.0

    def send(self, kind: str, value: Any = None) -> None:
        with self._lock:
            self._out.write(encode(kind, value))
            self._out.flush()

    def advance(self, fraction: float) -> None:
        """Show progress, but not more often than a person can see."""
        now = monotonic()
        if now - self._last >= _PROGRESS_INTERVAL:
            self._last = now
            self.send("advanced", fraction)


class CapturedOutput(io.TextIOBase):
    """Standard output and error of the user's code."""

    def __init__(self, messages: MessageWriter) -> None:
        self._messages = messages
        # One character more than is kept, by which the engine knows that there was more.
        self._room = PRINTED_LIMIT + 1

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Send the text, as long as there is room."""
        if text and self._room > 0:
            self._messages.send("printed", text[: self._room])
            self._room -= len(text)
        return len(text)


class CallWatchdog:
    """Ends the process when a call into the user's code, a context of this, takes too long, and says where it was."""

    def __init__(self, path: Path, messages: MessageWriter, seconds: float, noun: str = "custom step") -> None:
        self._path, self._noun = path, noun
        self._messages = messages
        self._seconds = seconds
        self._began: float | None = None
        self._ended = monotonic()
        self._watched = threading.get_ident()
        threading.Thread(target=self._watch, daemon=True).start()

    def __enter__(self) -> None:
        self._began = monotonic()

    def __exit__(self, *_: object) -> None:
        self._ended = monotonic()
        self._began = None

    def _watch(self) -> None:
        pause, last = threading.Event(), monotonic()
        while not pause.wait(_WATCH_INTERVAL):
            began, now = self._began, monotonic()
            if began is not None and now - began > self._seconds:
                line = self._line()
                at = f"{self._path}, line {line}" if line else str(self._path)
                sentence = f"{at}: the {self._noun} was stopped: it did not return within {self._seconds:.0f} s."
                self._messages.send("failed", sentence)
                _end()
            if began is None and now - last > _ALIVE_INTERVAL and now - self._ended < _OUTSIDE_SECONDS:
                last = now
                self._messages.send("alive")

    def _line(self) -> int | None:
        """The innermost line of the user's file that is being run."""
        frames = walk_stack(sys._current_frames().get(self._watched))
        return next((line for frame, line in frames if frame.f_code.co_filename == str(self._path)), None)


def main(arguments: list[str]) -> int:
    """Run the user's file; the exit code is 0 if the trace is filled, or the cell read."""
    path, *folders = (Path(argument) for argument in arguments[:3])
    _die_with_parent()
    messages = MessageWriter(os.fdopen(os.dup(1), "wb"))
    # What code below Python prints must not be taken for messages, and what it reads is not there.
    os.dup2(2, 1)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - it stays open until the process ends
    os.dup2(sys.stdin.fileno(), 0)
    sys.stdout = sys.stderr = CapturedOutput(messages)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        check_regular(path)
        if not folders:
            messages.send("declared", read_cell(path, CallWatchdog(path, messages, STEP_SECONDS, "custom cell")))
            return 0
        inputs, trace = open_inputs(folders[0]), open_trace(folders[1], writable=True)
        watched = CallWatchdog(path, messages, STEP_SECONDS)
        if arguments[3:] == [BACKWARD]:
            gradients = CustomBackward(path, watched, partial(add_line, folders[1], trace, kind=GRADIENT))
            run_stack_backward(inputs, trace, gradients, messages.advance)
        else:
            step = CustomStep(path, watched, partial(add_line, folders[1], trace))
            run_stack(inputs, trace, step.run_layer, messages.advance)
    except (InputError, CustomCodeError) as error:
        messages.send("failed", str(error))
        return 1
    messages.send("done")
    return 0


def add_line(folder: Path, trace: Trace, name: str, units: int, kind: str = LINE) -> FloatArray:
    """A new array (L, D, T, N, U) in the folder of a trace, for a line that a custom step returns, or its gradient."""
    return add_array(folder, f"{kind}{name}", str(trace.hidden.dtype), (*trace.shape[:4], units))


def _die_with_parent() -> None:
    """End with the process that asked, whatever the user's code is doing then."""
    if sys.platform == "linux":
        # The thread below needs Python's lock, which code that hangs below Python may hold for ever.
        prctl = getattr(ctypes.CDLL(None), "prctl", None)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_end_with, args=(os.fdopen(os.dup(0), "rb"),), daemon=True).start()


def _end_with(stdin: BinaryIO) -> None:
    stdin.read()
    _end()


def _end() -> None:
    """End this process and those that the user's code may have started in its group."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        with suppress(OSError):
            os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    # The interpreter's own end would wait for threads that the user's code may have left running.
    os._exit(main(sys.argv[1:]))

"""The process that runs a user's file: python -m rnnviz.engines.own.host FILE INPUTS TRACE.

It fills the trace in the folder TRACE from the inputs in the folder INPUTS and tells how it goes on its standard
output. It ends when its standard input does, which is when the process that asked for it is gone.
"""

import io
import os
import sys
import threading
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import BinaryIO

from rnnviz.engines.own.messages import STEP_SECONDS, Advanced, Broken, Done, Message, Printed, encode
from rnnviz.engines.own.recurrence import OwnRecurrence, RecurrenceError
from rnnviz.engines.stack import run_stack
from rnnviz.model.stored_inputs import open_inputs
from rnnviz.model.trace import open_trace

_WATCH_INTERVAL = 0.1
_PROGRESS_INTERVAL = 0.05


class Teller:
    """Writes messages, one at a time, whichever thread they come from."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._last = 0.0

    def tell(self, message: Message) -> None:
        """Write a message."""
        with self._lock:
            self._out.write(encode(message))
            self._out.flush()

    def advance(self, fraction: float) -> None:
        """Tell progress, but not more often than a person can see."""
        now = monotonic()
        if now - self._last >= _PROGRESS_INTERVAL:
            self._last = now
            self.tell(Advanced(fraction))


class PrintedText(io.TextIOBase):
    """Standard output and error of the user's code."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, text: str) -> int:
        """Tell the text."""
        if text:
            self._teller.tell(Printed(text))
        return len(text)


class Watchman:
    """Ends the process when a call into the user's code takes too long, and says where it was."""

    def __init__(self, path: Path, teller: Teller) -> None:
        self._path = path
        self._teller = teller
        self._began = monotonic()
        self._watched = threading.get_ident()
        threading.Thread(target=self._watch, daemon=True).start()

    def called(self) -> None:
        """A new call begins."""
        self._began = monotonic()

    def _watch(self) -> None:
        pause = threading.Event()
        while not pause.wait(_WATCH_INTERVAL):
            if monotonic() - self._began > STEP_SECONDS:
                line = self._line()
                at = f"{self._path}, line {line}" if line else str(self._path)
                self._teller.tell(
                    Broken(f"{at}: the recurrence was stopped, since it did not come back within {STEP_SECONDS:.0f} s.")
                )
                os._exit(1)

    def _line(self) -> int | None:
        """The innermost line of the user's file that is being run."""
        frame: FrameType | None = sys._current_frames().get(self._watched)
        while frame is not None:
            if frame.f_code.co_filename == str(self._path):
                return frame.f_lineno
            frame = frame.f_back
        return None


def main(arguments: list[str]) -> int:
    """Run the user's file; the exit code is 0 if the trace is filled."""
    path, inputs_folder, trace_folder = (Path(argument) for argument in arguments)
    teller = Teller(os.fdopen(os.dup(1), "wb"))
    # What code below Python prints must not be taken for messages.
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, args=(sys.stdin.buffer,), daemon=True).start()
    sys.stdout = sys.stderr = PrintedText(teller)
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        inputs, trace = open_inputs(inputs_folder), open_trace(trace_folder, writable=True)
        own = OwnRecurrence(path, Watchman(path, teller).called)
        run_stack(inputs, trace, own.run_layer(), teller.advance)
    except RecurrenceError as error:
        teller.tell(Broken(str(error)))
        return 1
    teller.tell(Done())
    return 0


def _end_with_parent(stdin: BinaryIO) -> None:
    stdin.read()
    os._exit(1)


if __name__ == "__main__":
    # The interpreter's own end would wait for threads that the user's code may have left running.
    os._exit(main(sys.argv[1:]))

"""The file of the log, with its lines about runs and exceptions.

Messages of exceptions are omitted, because they may contain the user's values and texts; the frames show where an
exception arose.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from traceback import walk_tb
from types import TracebackType

import rnnviz
from rnnviz.core.config import Config
from rnnviz.core.engine_spec import has_weights, is_own, is_program, is_recording
from rnnviz.engines.registry import engines_of
from rnnviz.execution.events import Failed
from rnnviz.execution.folders import make_state_folder
from rnnviz.execution.log import log, log_path

_LARGEST_BYTES, _OLDER = 256 * 1024, 2
_TAIL_LINES = 60
_LINE = "%(asctime)s %(process)d %(levelname)s %(message)s"
_FRAME = re.compile(r'^  File "([^"\n]+)", line (\d+), in ([\w.<>]+)$', re.MULTILINE)
_PACKAGE = Path(rnnviz.__file__).parent


def keep_log() -> None:
    """Send log records to the log file; do nothing if it cannot be written."""
    if not any(isinstance(handler, _LogFile) for handler in log.handlers):
        handler = _LogFile(log_path(), maxBytes=_LARGEST_BYTES, backupCount=_OLDER, encoding="utf-8", delay=True)
        handler.setFormatter(logging.Formatter(_LINE, "%Y-%m-%d %H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False


class _LogFile(RotatingFileHandler):
    """Opens the file for each line, so that two windows write into the same one after either has begun a new one."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            make_state_folder()
        except OSError:
            return
        super().emit(record)
        if self.stream is not None:
            self.stream.close()
            self.stream = None

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore a full disk."""


def log_tail() -> str:
    """The last lines of the log; empty if there is none."""
    try:
        lines = log_path().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "".join(f"{line}\n" for line in lines[-_TAIL_LINES:])


def where(trace: TracebackType | None) -> Iterator[str]:
    """The frames of a traceback, one a line, by files' names within the program or without their folders."""
    for frame, line in walk_tb(trace):
        yield f"    {_short(frame.f_code.co_filename)}:{line} in {frame.f_code.co_qualname}"


def where_in(text: str) -> Iterator[str]:
    """The same of a traceback that another process wrote as text."""
    for name, line, function in _FRAME.findall(text):
        yield f"    {_short(name)}:{line} in {function}"


def _short(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(_PACKAGE.parent)) if path.is_relative_to(_PACKAGE) else path.name


def shapes(config: Config) -> str:
    """A summary of a run for the log: names and shapes only."""
    network, sequence = config.network, config.sequence
    engines = ", ".join(
        "a recording"
        if is_recording(name)
        else "other weights"
        if has_weights(name)
        else "a custom step"
        if is_own(name)
        else "a program"
        if is_program(name)
        else name
        for name in engines_of(config)
    )
    # A file decides these, and is read by the run.
    steps = "T, N of a file" if sequence.source == "file" else f"T={sequence.timesteps} N={sequence.batch_size}"
    cell = "a custom cell" if is_own(network.cell) else network.cell
    return (
        f"{cell} L={network.num_layers} D={network.directions} {steps} "
        f"I={network.input_size} H={network.hidden_size} {network.dtype}, {sequence.source} sequence, by {engines}"
    )


def log_run(config: Config) -> None:
    log.info("run: %s", shapes(config))


def log_failure(event: Failed) -> None:
    frames = "".join(f"\n{frame}" for frame in where_in(event.traceback))
    log.warning("the run failed: %s%s%s", event.kind, "" if event.key is None else f", {event.key}", frames)


def log_crash(folder: Path, report: str) -> None:
    """Log the crash report in the folder of an earlier window, once."""
    logged = folder / "logged"
    if not logged.exists():
        log.error("an earlier window crashed:\n%s", report.rstrip())
        with suppress(OSError):
            logged.touch()

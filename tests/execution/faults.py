"""Faults of the worker process at any moment of a run, drawn from a seed."""

import contextlib
import ctypes
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread, Timer
from time import sleep

import numpy as np
import psutil

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs, Load
from rnnviz.execution.folders import storage
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult

KINDS = (
    "killed by SIGKILL",
    "killed by SIGSEGV",
    "it exits",
    "it hangs until it is stopped",
    "SIGSTOP until it is stopped",
    "SIGSTOP, then SIGCONT",
    "no more memory",
    "no more room on the disk",
    "its folder is removed",
)
WITHOUT_AN_ANSWER = KINDS[3:5]
"""Only a user who has enough of it ends these."""
OF_ITS_OWN_MAKING = KINDS[2:4]
_PATIENCE_SECONDS = 0.2
_LEFT_BYTES = 4 << 20


@dataclass(frozen=True)
class Fault:
    """One fault: of which kind, when as a part of what a run takes, and whether the process begins with the run."""

    kind: str
    moment: float
    cold: bool
    room: int
    """Bytes that a limit leaves."""


def faults(count: int, seed: int, kinds: tuple[str, ...] = KINDS) -> list[Fault]:
    """Draw `count` faults, of each kind equally often."""
    draw = np.random.default_rng(seed)
    return [
        Fault(
            kinds[place % len(kinds)],
            float(draw.uniform(0.0, 0.9)),
            bool(draw.random() < 0.2),
            int(draw.integers(_LEFT_BYTES)),
        )
        for place in range(count)
    ]


def load_of(fault: Fault, seconds: float) -> Load:
    """How the process reads its inputs; some faults start in the process, half of the `seconds` later."""
    if fault.kind == "it exits":
        return partial(_load_and, _exit, seconds / 2.0)
    if fault.kind == "it hangs until it is stopped":
        return partial(_load_and, _hang, seconds / 2.0)
    return load_inputs


@contextmanager
def injected(fault: Fault, process: int, seconds: float, give_up: Callable[[], None]) -> Iterator[None]:
    """Inject the fault into the process after `seconds`; `give_up` stops the run, and is called from another thread.

    A process that still lives when the block ends is as it was, or ends there.
    """
    timers = [Timer(seconds, _inject, (fault, process))]
    if fault.kind in WITHOUT_AN_ANSWER:
        timers.append(Timer(seconds + _PATIENCE_SECONDS, give_up))
    for timer in timers:
        timer.start()
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
            timer.join()
        with contextlib.suppress(psutil.Error):
            alive = psutil.Process(process)
            if fault.kind in OF_ITS_OWN_MAKING:
                # It may still be about to happen.
                alive.kill()
                alive.wait(10)
            alive.resume()
            for limit in (psutil.RLIMIT_AS, psutil.RLIMIT_FSIZE):
                alive.rlimit(limit, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


def _inject(fault: Fault, process: int) -> None:
    with contextlib.suppress(psutil.Error, OSError):
        injected = psutil.Process(process)
        match fault.kind:
            case "killed by SIGKILL":
                injected.kill()
            case "killed by SIGSEGV":
                injected.send_signal(signal.SIGSEGV)
            case "SIGSTOP until it is stopped":
                injected.suspend()
            case "SIGSTOP, then SIGCONT":
                injected.suspend()
                sleep(_PATIENCE_SECONDS)
                injected.resume()
            case "no more memory":
                room = injected.memory_info().vms + fault.room
                injected.rlimit(psutil.RLIMIT_AS, (room, psutil.RLIM_INFINITY))
            case "no more room on the disk":
                injected.rlimit(psutil.RLIMIT_FSIZE, (fault.room >> 8, psutil.RLIM_INFINITY))
            case "its folder is removed":
                shutil.rmtree(storage().folder, ignore_errors=True)


def _load_and(then: Callable[[float], None], seconds: float, config: Config) -> Inputs:
    Thread(target=then, args=(seconds,), daemon=True).start()
    return load_inputs(config)


def _exit(seconds: float) -> None:
    sleep(seconds)
    os._exit(7)


def _hang(seconds: float) -> None:
    """Wait for ever in native code that keeps the interpreter's lock, so that nothing in the process goes on."""
    sleep(seconds)
    ctypes.PyDLL(None).pause()


@dataclass(frozen=True)
class Numbers:
    """The results of a run, copied."""

    hidden: dict[str, np.ndarray]
    verdict: str
    mismatched: tuple[int, ...]

    @classmethod
    def of(cls, result: RunResult) -> "Numbers":
        hidden = {name: np.array(trace.hidden) for name, trace in result.traces.items()}
        return cls(hidden, result.verdict, tuple(comparison.mismatched for comparison in result.comparisons))

    def assert_equal(self, other: "Numbers") -> None:
        """Fail unless they are the same, but for how products are rounded where arrays lie elsewhere."""
        assert (other.verdict, other.mismatched) == (self.verdict, self.mismatched)
        assert other.hidden.keys() == self.hidden.keys()
        for name, expected in self.hidden.items():
            limit = 1e-6 if expected.dtype == np.float32 else 1e-14
            np.testing.assert_allclose(other.hidden[name], expected, rtol=0.0, atol=limit)


def folders_left(results: tuple[RunResult | None, ...]) -> list[Path]:
    """Folders of runs that are of none of these results."""
    own = {result.folder for result in results if result is not None}
    return [folder for folder in storage().folder.parent.glob(f"rnnviz-{os.getpid()}-*/run-*") if folder not in own]

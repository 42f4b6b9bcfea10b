"""Child processes: how they start, answer and end, and a function call in one, which may crash or hang without harm."""

import multiprocessing
import multiprocessing.process
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import util
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Lock, Thread
from time import monotonic
from types import ModuleType
from typing import Any, Self, TypeVar, cast
from weakref import WeakSet

from rnnviz.core.errors import EngineError, InputError, describe_exit
from rnnviz.core.extras import THREADS, dropped_variables
from rnnviz.core.progress import Notify, throttled, watched

_starting = Lock()
_started: WeakSet[BaseProcess] = WeakSet()
"""Processes that this one has started."""


def _kill_started() -> None:
    for process in tuple(_started):
        with suppress(ValueError):  # closed
            process.kill()


_at_exit = util.Finalize(None, _kill_started, exitpriority=10)


def _forget_started() -> None:
    """Close what a forked process has inherited of its parent's children: they would outlive the parent."""
    global _starting
    _starting = Lock()
    for process in tuple(_started):
        popen = getattr(process, "_popen", None)
        if popen is not None and popen.finalizer.still_active():
            for number in popen.finalizer._args:
                os.close(number)
            popen.finalizer.cancel()
    _started.clear()
    _at_exit.cancel()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_started)

Outcome = TypeVar("Outcome")
_POLL_SECONDS = 0.1

OLDEST_KERNELS = {"Prescott", "Katmai"}
"""Their names in the OpenBLAS of numpy 1.26 and of numpy 2, which has fewer kernels."""

_LEVELS = {"X86_V3": {"AVX2", "FMA3"}, "X86_V4": {"AVX512_SKX"}}


@cache
def openblas_kernels() -> dict[str, str]:
    """Name the kernels for numpy's OpenBLAS in a new process, where it does not find them by itself.

    OpenBLAS knows processors by their model numbers. On one that is newer than itself it takes its oldest kernels,
    Prescott, and a matrix product takes up to three times as long. It reads the variable when numpy is imported.
    """
    import numpy as np  # noqa: F401 - loads the library that is asked
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(internal_api="openblas").info()
    if "OPENBLAS_CORETYPE" in os.environ or all(library["architecture"] not in OLDEST_KERNELS for library in libraries):
        return {}
    found = simd_extensions()
    kernels = "SkylakeX" if "X86_V4" in found else "Haswell" if "X86_V3" in found else None
    return {"OPENBLAS_CORETYPE": kernels} if kernels else {}


def simd_extensions() -> set[str]:
    """The vector instructions of numpy on this processor, with the levels of x86, which numpy 2.4 and later name."""
    # Late, as the first imports of a process are light.
    import numpy as np

    # The types of numpy 1.26 do not know its argument.
    extensions = cast("Any", np).show_config(mode="dicts")["SIMD Extensions"]
    found = {*extensions["baseline"], *extensions["found"]}
    return found | {level for level, instructions in _LEVELS.items() if instructions <= found}


@contextmanager
def environment_of_children(threads: int | None, kernels: Mapping[str, str]) -> Iterator[None]:
    """Start children with `threads` threads and the named kernels within the block; None leaves the number.

    The libraries read both once, when they are loaded, which for numpy is before a child's own code begins. Other
    variables that they read, and options of the interpreter, are dropped.
    """
    variables = {**kernels, **({} if threads is None else dict.fromkeys(THREADS, str(threads)))}
    dropped = dropped_variables(os.environ)
    before = {name: os.environ.get(name) for name in (*dropped, *variables)}
    for name in dropped:
        del os.environ[name]
    os.environ.update(variables)
    flags = util._args_from_interpreter_flags  # type: ignore[attr-defined]
    util._args_from_interpreter_flags = lambda: kept_flags(flags())  # type: ignore[attr-defined]
    try:
        yield
    finally:
        util._args_from_interpreter_flags = flags  # type: ignore[attr-defined]
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def kept_flags(flags: Sequence[str]) -> list[str]:
    """Options of this interpreter that a child gets: not those that the dropped variables set, such as -OO and -W."""
    kept, left = list[str](), iter(flags)
    for flag in left:
        if flag == "-X":
            option = next(left, "")
            kept += [flag, option] if option not in ("dev", "importtime") else []
        elif not flag.startswith(("-O", "-W", "-v", "-d", "-b")):
            kept.append(flag)
    return kept


@contextmanager
def children_allowed() -> Iterator[None]:
    """Let a daemonic process, as a worker of a cluster may be, start a child: ours end by themselves."""
    own = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    daemonic = own.get("daemon")
    if not daemonic:
        yield
        return
    own["daemon"] = False
    try:
        yield
    finally:
        own["daemon"] = daemonic


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let children that are started in the block hear no signal to a whole job: the parent decides what it means."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    # It is started with the first child, and lets the signals through again that it blocks for itself.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class ChildEndedError(Exception):
    """A child ended without an answer; the text describes its exit."""


class Child:
    """A process that was started, and our end of its pipe; it ends with the `with` block."""

    def __init__(
        self,
        main: Callable[..., object],
        *arguments: object,
        name: str,
        threads: int | None = 1,
        kernels: Mapping[str, str] | None = None,
    ) -> None:
        """Start a process that calls `main` with its end of the pipe and the arguments. Raises an OSError.

        It computes with `threads` threads, None leaves the number to it, and with the processor's kernels. A spawned
        child would run the parent's main script again, and with it this call: the script is hidden while it starts.
        multiprocessing does not list the child: a program that joins all its children would wait for ever, and so would
        multiprocessing at its exit, for it sends SIGTERM, which no child hears.
        """
        global _at_exit
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=main, args=(theirs, *arguments), name=name, daemon=True)
        kernels = openblas_kernels() if kernels is None else kernels
        with theirs, _starting, environment_of_children(threads, kernels), children_allowed(), _deaf_children():
            script = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                self.process.start()
                _started.add(self.process)
                multiprocessing.process._children.discard(self.process)  # type: ignore[attr-defined]
                if not _at_exit.still_active():  # a process that multiprocessing forked has lost it
                    _at_exit = util.Finalize(None, _kill_started, exitpriority=10)
            finally:
                sys.modules["__main__"] = script

    @property
    def alive(self) -> bool:
        """Like `is_alive`, but correct after another caller has waited for the process."""
        return not wait([self.process.sentinel], 0)

    def receive(self, seconds: float | None = None) -> tuple[str, Any]:
        """Its next message, ("", None) after some seconds without one. Raises its error, or a ChildEndedError."""
        if not wait([self.connection, self.process.sentinel], seconds):
            return "", None
        try:
            if not self.connection.poll():
                raise EOFError
            kind, content = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise ChildEndedError(describe_exit(self.process.exitcode)) from None
        if kind == "raised":
            raise content
        return kind, content

    def close(self) -> None:
        """Close the pipe of a child that ends, and wait for its end."""
        self.connection.close()
        self.process.join()
        with suppress(ValueError):  # other code has joined it, so it cannot know that it ended
            self.process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.close()


def exit_with_parent(clean_up: Callable[[], object] = lambda: None) -> Thread:
    """Start the thread that cleans up and ends this child when its parent is gone, even during a forward pass."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            wait([parent.sentinel])
            clean_up()
            os._exit(0)

    thread = Thread(target=watch, daemon=True)
    thread.start()
    return thread


@contextmanager
def errors_sent(connection: Connection, what: str, no_memory: str) -> Iterator[None]:
    """In a child: end with the parent, and send it an error of the block; `what` begins a sentence of other errors."""
    # The parent decides what a Ctrl-C in the terminal means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exit_with_parent()
    try:
        yield
    except (InputError, EngineError) as error:
        connection.send(("raised", error))
    except MemoryError:
        connection.send(("raised", InputError(no_memory)))
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the parent gets one sentence
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        connection.send(("raised", EngineError(f"{what}: {reason}.")))


def call_in_subprocess(
    function: Callable[..., Outcome],
    *arguments: Any,
    what: str,
    seconds: float = 120.0,
    notify: Notify = lambda fraction: None,
) -> Outcome:
    """The result of a module-level `function` in a subprocess, which has ended by then, also where an error is raised.

    `what` is the error message's beginning, such as "weights.pt could not be read". `notify` gets the fraction that is
    done, is called often, and may raise to cancel. Raises the InputError or EngineError of the function, an InputError
    if the process dies or takes more than `seconds`, and an EngineError for other errors.
    """
    try:
        child = Child(_call, what, function, arguments, name="rnnviz reader")
    except OSError as error:
        raise EngineError(f"{what}: no process could be started for it ({error.strerror or error}).") from error
    end, done = monotonic() + seconds, 0.0
    with child:
        try:
            while True:
                kind, content = child.receive(_POLL_SECONDS)
                notify(done)
                if monotonic() > end:
                    raise InputError(f"{what}: it took more than {seconds:g} seconds.")
                if kind == "returned":
                    outcome: Outcome = content
                    return outcome
                done = content if kind else done
        except ChildEndedError as ended:
            # The module of the log would make the window's start longer, which imports this module.
            from rnnviz.execution.log import log

            log.warning("a process that read a file ended (%s)", ended)
            raise InputError(f"{what}: the process that did it ended ({ended}).") from None


def _call(connection: Connection, what: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    with errors_sent(connection, what, "There is not enough memory for this."):
        with watched(throttled(lambda fraction: connection.send(("progress", fraction)))):
            outcome = function(*arguments)
        connection.send(("returned", outcome))

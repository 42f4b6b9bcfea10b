"""A child process that trains, with the threads and kernels that suit its size."""

import os
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from time import monotonic
from types import TracebackType
from typing import Any, Self

from rnnviz.core.errors import EngineError
from rnnviz.execution.child_process import describe_exit, errors_sent, spawn
from rnnviz.training.loop import Checkpoint, TrainingEvent
from rnnviz.training.task import TrainingTask

_SHARED = 1 << 22
"""Multiplications in the recurrent product of a step from which on a second thread saves time."""

_POLL_SECONDS = 0.1

_NICENESS = 10

_SEND_SECONDS = 0.05
"""The shortest time between two messages with events."""

_EVENTS, _CHECKPOINT, _ENDED, _RAISED = "events", "checkpoint", "ended", "raised"


class TrainingProcess:
    """Trains in a child process, which ends with the block, or with this process.

    Call its methods in one thread.
    """

    def __init__(self, task: TrainingTask, resume: Checkpoint | None = None) -> None:
        """Start to train, or go on from a checkpoint. Raises EngineError if no process can be started."""
        self.ended = False
        """Whether the last training step is done, and its events were received."""
        network, gates = task.network, task.network.kind.gate_count
        multiplications = task.problem.batch_size * gates * network.hidden_size * network.output_size
        threads = None if multiplications >= _SHARED else 1
        try:
            self._process, self._connection = spawn(_main, task, resume, name="rnnviz training", threads=threads)
        except OSError as error:
            raise EngineError(f"No process could be started to train ({error.strerror or error}).") from error

    def events(self, seconds: float) -> tuple[TrainingEvent, ...]:
        """The events since the last call, in order.

        Raises the InputError or EngineError that ended the training.
        """
        kind, content = self._received(seconds)
        return content if kind == _EVENTS else ()

    def checkpoint(
        self, check: Callable[[], None] = lambda: None, seconds: float = float("inf")
    ) -> tuple[Checkpoint, tuple[TrainingEvent, ...]]:
        """The present parameters, and the events until then that were not received yet; may raise as `events`.

        `check` is called often, and may raise. If there is no answer in `seconds`, an EngineError is raised.
        """
        # A process that has ended may have sent events before: they are received first, then the error.
        with suppress(BrokenPipeError):
            self._connection.send(_CHECKPOINT)
        events: list[TrainingEvent] = []
        end = monotonic() + seconds
        while monotonic() < end:
            kind, content = self._received(_POLL_SECONDS)
            check()
            if kind == _CHECKPOINT:
                return content, tuple(events)
            events += content if kind == _EVENTS else ()
        raise EngineError(f"The training step did not end within {seconds:g} seconds: its process was ended.")

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.kill()
        self._process.join()
        self._process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _received(self, seconds: float) -> tuple[str, Any]:
        if not wait([self._connection, self._process.sentinel], seconds):
            return "", None
        try:
            kind, content = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            reason = describe_exit(self._process.exitcode)
            raise EngineError(f"The process that trains ended ({reason}).") from None
        if kind == _RAISED:
            raise content
        self.ended = self.ended or kind == _ENDED
        return kind, content


def _main(connection: Connection, task: TrainingTask, resume: Checkpoint | None) -> None:
    if hasattr(os, "nice"):
        # The window that shows the training has precedence.
        os.nice(_NICENESS)
    no_memory = "There is not enough memory to train: reduce a size."
    # The parent may be gone.
    with errors_sent(connection, "Training failed", no_memory), suppress(EOFError, BrokenPipeError):
        _train(connection, task, resume)


def _train(connection: Connection, task: TrainingTask, resume: Checkpoint | None) -> None:
    from rnnviz.execution.worker import disable_malloc_trim
    from rnnviz.training.loop import TrainingLoop

    disable_malloc_trim()
    loop = TrainingLoop(task, resume=resume)
    events: list[TrainingEvent] = []
    sent = 0.0

    def send() -> None:
        nonlocal sent
        if events:
            connection.send((_EVENTS, tuple(events)))
            events.clear()
        sent = monotonic()

    def answer() -> None:
        if connection.recv() == _CHECKPOINT:
            connection.send((_CHECKPOINT, loop.checkpoint()))

    for event in loop:
        events.append(event)
        if monotonic() - sent >= _SEND_SECONDS:
            send()
        while connection.poll():
            send()
            answer()
    send()
    connection.send((_ENDED, None))
    while True:
        answer()

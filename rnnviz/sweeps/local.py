"""Rows on the cores of this machine: a warm child process for each, and a thread that waits for it."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from rnnviz.execution.supervisor import Supervisor
from rnnviz.sweeps.results import SweepResult
from rnnviz.sweeps.task import Task, find


class LocalScheduler:
    """Computes as many rows at a time as there are workers, by default one on each core.

    Each worker imports its engines once. Together the workers use as many threads as there are cores, so that they
    do not take turns on them.
    """

    def __init__(self, warm: tuple[str, ...] = (), workers: int | None = None) -> None:
        """`warm` names the engines that a worker imports while it starts."""
        cores = usable_cores()
        self._warm = warm
        self._workers = workers if workers is not None else cores
        self._threads = max(1, cores // self._workers)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="sweep")
        self._own = threading.local()
        self._lock = threading.Lock()
        self._supervisors: list[Supervisor] = []
        self._running: dict[int, Supervisor] = {}
        self._stopped = False
        self._submitted = 0
        self._done: SimpleQueue[Future[SweepResult]] = SimpleQueue()

    @property
    def ahead(self) -> int:
        """See `Scheduler.ahead`."""
        return 2 * self._workers

    def submit(self, task: Task) -> Future[SweepResult]:
        """See `Scheduler.submit`."""
        future = self._pool.submit(self._compute, task)
        self._submitted += 1
        future.add_done_callback(self._done.put)
        return future

    def completed(self) -> Iterator[Future[SweepResult]]:
        """See `Scheduler.completed`."""
        while self._submitted:
            future = self._done.get()
            self._submitted -= 1
            yield future

    def stop(self) -> None:
        """See `Scheduler.stop`: engines in the middle of a forward are killed, and no further row is begun."""
        with self._lock:
            self._stopped = True
            running = list(self._running.items())
        for request_id, supervisor in running:
            supervisor.cancel(request_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()
        self._pool.shutdown(wait=True)
        for supervisor in self._supervisors:
            supervisor.close()

    def _compute(self, task: Task) -> SweepResult:
        if self._stopped:
            raise CancelledError
        supervisor, request = self._supervisor(), task.request()
        with self._lock:
            if self._stopped:
                raise CancelledError
            self._running[request.id] = supervisor
        try:
            return find(request, supervisor)
        finally:
            with self._lock:
                del self._running[request.id]

    def _supervisor(self) -> Supervisor:
        """That of the thread that asks."""
        supervisor: Supervisor | None = getattr(self._own, "supervisor", None)
        if supervisor is None:
            supervisor = self._own.supervisor = Supervisor(self._warm, self._threads)
            with self._lock:
                self._supervisors.append(supervisor)
        return supervisor


def usable_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

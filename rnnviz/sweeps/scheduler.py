"""Rows of a sweep, computed by supervised child processes: the same on any scheduler.

The local scheduler has a warm child process for each core of this machine, and a thread that waits for it.
"""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from math import inf, nan
from queue import SimpleQueue
from typing import Protocol

from rnnviz.execution.events import Cancelled, Failed, Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.sweeps.results import FirstWrong, SweepResult
from rnnviz.text.verdict_text import plain, verdict_sentence
from rnnviz.verify.audit import Audit
from rnnviz.verify.result import RunResult


def find(request: RunRequest, supervisor: Supervisor) -> SweepResult:
    """Run a request and return its result; any failure, including an engine's crash, is a result.

    Raises a CancelledError if the supervisor has stopped it.
    """
    for event in supervisor.events(request):
        match event:
            case Finished(_, result):
                return finding(result)
            case Failed(_, kind, sentence):
                return SweepResult("refused" if kind == "input" else "failed", sentence)
            case Cancelled():
                break
    raise CancelledError


def finding(result: RunResult) -> SweepResult:
    """The figures of a run with one candidate."""
    (comparison,) = result.comparisons
    audits = [] if result.judgment is None else [result.judgment.audits[name] for name in result.traces]
    return SweepResult(
        result.comparison_verdict(comparison),
        f"{plain(verdict_sentence(result, comparison.candidate).sentence).removesuffix('.')}.",
        comparison.max_error_ratio,
        comparison.max_abs_error,
        _largest([audit.worst_ratio for audit in audits]),
        _first_wrong(audits),
        dict(result.seconds),
        result.assumptions,
    )


def _largest(ratios: list[float]) -> float | None:
    if any(ratio != ratio for ratio in ratios):
        return nan
    return max((min(ratio, inf) for ratio in ratios), default=None)


def _first_wrong(audits: list[Audit]) -> FirstWrong | None:
    """That of the engine that goes wrong first in the order of the layers; of the reference, if both do at once."""
    wrong = [FirstWrong(audit.engine, audit.first_wrong.where) for audit in audits if audit.first_wrong is not None]
    return min(wrong, key=lambda first: first.where.layer, default=None)


class Scheduler(AbstractContextManager["Scheduler"], Protocol):
    """Computes rows and yields them in the order of completion. A `with` block waits for running rows at its end."""

    @property
    def ahead(self) -> int:
        """Number of rows to submit at a time, so that no worker is idle."""

    def submit(self, request: RunRequest) -> Future[SweepResult]:
        """Have a row computed; Dask's future has the same methods."""

    def completed(self) -> Iterator[Future[SweepResult]]:
        """Each submitted row once, as soon as it is done or given up; ends when there is none left.

        Rows may be submitted meanwhile.
        """

    def stop(self) -> None:
        """Give up every row that is not done; any thread may call it."""


class LocalScheduler(AbstractContextManager["LocalScheduler"]):
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

    def submit(self, request: RunRequest) -> Future[SweepResult]:
        """See `Scheduler.submit`."""
        future = self._pool.submit(self._compute, request)
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

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._pool.shutdown(wait=True)
        for supervisor in self._supervisors:
            supervisor.close()

    def _compute(self, request: RunRequest) -> SweepResult:
        if self._stopped:
            raise CancelledError
        supervisor = self._supervisor()
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

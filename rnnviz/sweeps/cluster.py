"""Rows on a cluster, by Dask: rows of a worker that dies are computed again elsewhere. It needs the extra "cluster"."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

from distributed import Client, as_completed
from distributed.comm import connect

from rnnviz import __version__
from rnnviz.core.errors import EngineError, InputError
from rnnviz.execution.events import RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.sweeps.driver import find
from rnnviz.sweeps.results import SweepResult

_CONNECT_SECONDS = 10
_THREADS = 1
"""Of one row: a worker of Dask takes as many rows at a time as it has threads."""

_own = threading.local()


def _compute(sent: RunRequest, version: str) -> SweepResult:
    """Compute one row in the worker's thread, whose engines stay warm for the next one.

    `version` is that of the process that sent it, which must compute the same.
    """
    if version != __version__:
        raise EngineError(f"The worker has rnnviz {__version__}, but the sweep was started with {version}.")
    supervisor: Supervisor | None = getattr(_own, "supervisor", None)
    if supervisor is None:
        supervisor = _own.supervisor = Supervisor((), _THREADS)
    # Its id is new here: several sweeps may send rows to one worker.
    return find(RunRequest(sent.config, sent.load, sent.audit, sent.trusted), supervisor)


class ClusterScheduler(AbstractContextManager["ClusterScheduler"]):
    """Hands rows to the scheduler of Dask at an address such as tcp://10.0.0.1:8786."""

    ahead = 4096
    """Workers may join at any time."""

    def __init__(self, address: str) -> None:
        """Connect. Raises an InputError if no scheduler answers there."""
        try:
            # A client without a scheduler leaves a thread behind.
            asyncio.run(_meet(address))
            self._client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False, name="rnnviz-sweep")
        except (OSError, ValueError, TypeError) as error:
            # Dask says on its own what the sentence below says in one line.
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f'--scheduler "{address}" is not allowed: it must be the address of a running Dask scheduler, '
                f"such as tcp://10.0.0.1:8786 ({reason})."
            ) from error
        # Of a scheduler that is gone Dask prints where it noticed; the sweep says that its rows were given up.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        self._futures: set[Any] = set()
        self._finished = as_completed(loop=self._client.loop)
        self._prefix = f"rnnviz-row-{uuid4().hex}"
        self._count = 0
        self._stopped = threading.Event()

    def submit(self, request: RunRequest) -> Any:
        future = self._client.submit(_compute, request, __version__, key=f"{self._prefix}-{self._count}", pure=False)
        self._count += 1
        self._futures.add(future)
        self._finished.add(future)
        if self._stopped.is_set():
            self._client.cancel([future])
        return future

    def completed(self) -> Iterator[Any]:
        for future in self._finished:
            yield future
            # The workers need not keep what has been read.
            self._futures.discard(future)
            future.release()

    def stop(self) -> None:
        """Give up rows that no worker is computing."""
        if not self._stopped.is_set():
            self._stopped.set()
            if self._futures:
                self._client.cancel(list(self._futures))

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._client.close()


async def _meet(address: str) -> None:
    """Raise an OSError or a ValueError unless a scheduler listens at an address."""
    comm = await connect(address, timeout=_CONNECT_SECONDS)
    await comm.close()

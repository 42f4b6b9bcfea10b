"""Rows on a cluster, by Dask: rows of a worker that dies are computed again elsewhere. It needs the extra "cluster"."""

import asyncio
import logging
import threading
from functools import partial

from distributed import Client
from distributed.comm import connect

from rnnviz import __version__
from rnnviz.core.errors import EngineError, InputError
from rnnviz.execution.events import RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.sweeps.driver import Scheduler, find
from rnnviz.sweeps.results import SweepResult

_CONNECT_SECONDS = 10
_own = threading.local()


def _compute(sent: RunRequest, version: str) -> SweepResult:
    """Compute one row in the worker's thread, whose engines stay warm for the next one.

    `version` is that of the process that sent it, which must compute the same.
    """
    if version != __version__:
        raise EngineError(f"The worker has rnnviz {__version__}, but the sweep was started with {version}.")
    supervisor: Supervisor | None = getattr(_own, "supervisor", None)
    if supervisor is None:
        # One thread for a row: a worker of Dask takes as many rows at a time as it has threads.
        supervisor = _own.supervisor = Supervisor((), 1)
    # Its id is new here: several sweeps may send rows to one worker.
    return find(RunRequest(sent.config, sent.load, sent.audit, sent.trusted), supervisor)


class ClusterScheduler(Scheduler):
    """Hands rows to the scheduler of Dask at an address such as tcp://10.0.0.1:8786."""

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
        # Many rows ahead: workers may join at any time.
        super().__init__(self._client.get_executor(pure=False), partial(_compute, version=__version__), 4096)

    def stop(self) -> None:
        """Give up rows that no worker is computing."""
        self._stopped.set()
        # In one message; its futures, one by one, send none then.
        self.executor.shutdown(wait=False)
        super().stop()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._client.close()


async def _meet(address: str) -> None:
    """Raise an OSError or a ValueError unless a scheduler listens at an address."""
    comm = await connect(address, timeout=_CONNECT_SECONDS)
    await comm.close()

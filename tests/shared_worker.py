"""Runs that share one worker process, because starting one takes longer than most tests."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from threading import Lock

import pytest

from rnnviz.execution import supervisor as runs
from rnnviz.execution.events import Event, Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps import driver
from rnnviz.verify.result import RunResult

Run = Callable[..., RunResult]


class WarmWorker(Supervisor):
    """Outlives the runs, windows and modules that use it, so that engines are imported once. Its runs take turns."""

    def __init__(self, warm: tuple[str, ...] = ("manual",)) -> None:
        super().__init__(warm)
        self._turn = Lock()

    def events(self, request: RunRequest) -> Generator[Event, None, None]:
        with self._turn:
            yield from super().events(request)

    def close(self) -> None:
        """The session closes it."""

    def really_close(self) -> None:
        super().close()


WARM = WarmWorker()


@pytest.fixture(scope="module")
def run_shared():
    """`run_shared(config, trusted=...)`: a run in the warm worker."""

    def run(config, trusted=frozenset()):
        *_, last = WARM.events(RunRequest(config, load_inputs, "auto", trusted))
        assert isinstance(last, Finished), last
        return last.result

    return run


@contextmanager
def commands_use(worker: WarmWorker) -> Iterator[None]:
    with runs_use(worker), pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "Supervisor", lambda *_args, **_named: worker)
        yield


@contextmanager
def runs_use(worker: Supervisor | None) -> Iterator[None]:
    """`rnnviz.run` and the commands use the worker; None lets the first run start one, which is closed at the end."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_shared", worker)
        yield
        runs.close()


@pytest.fixture(autouse=True, scope="module")
def runs_are_warm():
    with runs_use(WARM):
        yield


@pytest.fixture
def pid_of_runs():
    """The first run of the test starts a process of its own; the function returns the id of the one that lives."""

    def pid():
        shared = runs._shared
        return None if shared is None else shared.pid

    with runs_use(None):
        yield pid


@pytest.fixture(scope="module")
def shared_worker():
    """Runs and sweeps of a module's commands use the warm worker."""
    with commands_use(WARM):
        yield

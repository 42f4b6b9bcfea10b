"""Runs that share one worker process, because starting one takes longer than most tests."""

from collections.abc import Callable, Iterator
from threading import Lock

import pytest

from rnnviz.core.config import Config
from rnnviz.execution import supervisor as runs
from rnnviz.execution.events import Event, Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps import driver
from rnnviz.verify.result import RunResult

Run = Callable[..., RunResult]


@pytest.fixture(scope="module")
def run_shared() -> Iterator[Run]:
    """`run_shared(config, trusted=...)`: a run in a child that is warm since the module's first."""
    supervisor = Supervisor(warm=("manual",))

    def run(config: Config, trusted: frozenset[str] = frozenset()) -> RunResult:
        *_, last = supervisor.events(RunRequest(config, load_inputs, "auto", trusted))
        assert isinstance(last, Finished), last
        return last.result

    yield run
    supervisor.close()


class _Shared(Supervisor):
    """A supervisor that runs do not close; the rows of a sweep use it in turn."""

    def __init__(self) -> None:
        super().__init__(warm=("manual",))
        self._turn = Lock()

    def events(self, request: RunRequest) -> Iterator[Event]:
        with self._turn:
            yield from super().events(request)

    def close(self) -> None:
        """The module closes it."""

    def really_close(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def shared_worker() -> Iterator[None]:
    """Runs and sweeps of commands share one worker in a module."""
    shared = _Shared()
    with pytest.MonkeyPatch.context() as patch:
        for module in (runs, driver):
            patch.setattr(module, "Supervisor", lambda *_args, **_named: shared)
        yield
    shared.really_close()

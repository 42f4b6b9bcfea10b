"""Runs that share one worker process, because starting one takes longer than most tests."""

from collections.abc import Callable, Iterator

import pytest

import rnnviz.sweeps.local  # noqa: F401 (sweeps have workers of their own: imported later, they would share this one)
from rnnviz.core.config import Config
from rnnviz.execution import supervisor as runs
from rnnviz.execution.events import Finished
from rnnviz.execution.supervisor import Supervisor, new_request
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult

Run = Callable[..., RunResult]


@pytest.fixture(scope="module")
def run_shared() -> Iterator[Run]:
    """`run_shared(config, trusted=...)`: a run in a child that is warm since the module's first."""
    supervisor = Supervisor()

    def run(config: Config, trusted: frozenset[str] = frozenset()) -> RunResult:
        *_, last = supervisor.events(new_request(config, load_inputs, "auto", trusted))
        assert isinstance(last, Finished), last
        return last.result

    yield run
    supervisor.close()


class _Shared(Supervisor):
    """A supervisor that runs do not close."""

    def close(self) -> None:
        """The module closes it."""

    def really_close(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def shared_worker() -> Iterator[None]:
    """Calls of `rnnviz.execution.supervisor.run`, as commands make them, share one worker in a module."""
    shared = _Shared()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "Supervisor", lambda *_args, **_named: shared)
        yield
    shared.really_close()
